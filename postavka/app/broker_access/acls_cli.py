"""`postavka acls`: what each of our services may do on a cluster of one's own."""

from __future__ import annotations

from pathlib import Path

from cyclopts import App

from postavka.app.broker_access.services import apply as apply_grants
from postavka.app.broker_access.services import command_lines, grants
from postavka.app.broker_access.strimzi import refuse_where_strimzi_manages
from postavka.app.registry import SERVICES
from postavka.domain.reference.store import distributor_ids
from postavka.kernel.cli_options import JsonArray
from postavka.kernel.console import console, print_json, table
from postavka.kernel.log.connection import bootstrap
from postavka.kernel.runtime.connection import connected
from postavka.kernel.runtime.file_access import write_secret
from postavka.kernel.settings import Settings, database_url, settings

acls = App(name="acls", help="Permissions of our own services on Kafka: each stage's topic has one writer.")


@acls.command(name="list")
def list_(*, prefix: str = "postavka-", kafka_acls: bool = False, json: JsonArray = False) -> None:
    """What each service needs, and no more.

    Parameters
    ----------
    prefix
        The users are called so, with the service's name behind it.
    kafka_acls
        As commands for Kafka's own `kafka-acls.sh`.
    """
    config = connected()
    wanted = grants(SERVICES, _distributors(config), prefix)
    if kafka_acls:
        print("\n".join(command_lines(wanted, bootstrap(config))))
        return
    if json:
        rows = [
            {"user": grant.user, "resource": p.resource, "name": p.name, "operation": p.operation, "prefix": p.prefix}
            for grant in wanted
            for p in grant.permissions
        ]
        print_json(rows)
        return
    shown = table(None, "user", "may", "resource", "name")
    for grant in wanted:
        for permission in grant.permissions:
            name = permission.name + ("…" if permission.prefix else "")
            shown.add_row(grant.user, permission.operation, permission.resource, name)
    console.print(shown)


@acls.command
def apply(*, prefix: str = "postavka-", to: Path = Path("service-users")) -> None:
    """Make users that are missing, and give each exactly these permissions. Needs a user that may alter the cluster.

    Run it again after a new distributor or a new release.

    Parameters
    ----------
    prefix
        The users are called so, with the service's name behind it.
    to
        Folder for the passwords of users that were made: `<service>.env`, to be read by the service alone.
    """
    refuse_where_strimzi_manages(settings())
    config = connected()
    wanted = grants(SERVICES, _distributors(config), prefix)
    to.mkdir(parents=True, exist_ok=True, mode=0o700)
    made = apply_grants(config, wanted)
    for user, password in made.items():
        file = to / f"{user.removeprefix(prefix)}.env"
        write_secret(file, f"KAFKA_SASL_USERNAME={user}\nKAFKA_SASL_PASSWORD={password}\n")
    count = sum(len(grant.permissions) for grant in wanted)
    console.print(f"{count} permissions of {len(wanted)} users", highlight=False)
    if made:
        console.print(f"users made, with their passwords in {to}: {', '.join(made)}", highlight=False)


def _distributors(config: Settings) -> list[str]:
    return distributor_ids(database_url(config))
