"""`postavka distributor`: distributors as clients of the broker: users, passwords, permissions."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import orjson
from cyclopts import App

from postavka.app.broker_access.distributors import QUOTA, Distributors, permissions
from postavka.app.broker_access.strimzi import kafka_user, refuse_where_strimzi_manages
from postavka.kernel.cli_options import Json, JsonArray
from postavka.kernel.console import console, print_json, table
from postavka.kernel.errors import UserError
from postavka.kernel.runtime.connection import connected, outside
from postavka.kernel.runtime.file_access import write_secret
from postavka.kernel.settings import settings

if TYPE_CHECKING:
    from postavka.app.broker_access.distributors import Credentials, Distributors

distributor = App(
    name="distributor",
    help="Distributors as clients of Kafka: each writes its answers and reads its notices, and nothing else.",
)


class FileThere(UserError):
    """A file that would be overwritten."""


@distributor.command
def add(
    id: str, *, to: Path | None = None, password_stdin: bool = False, force: bool = False, json: Json = False
) -> None:
    """Make a distributor's topics, user and permissions, and show its password: this once.

    For one that has a user already its newest user gets a new password at once; `rotate` lets the old one work on.
    With POSTAVKA_KAFKA_STRIMZI_CLUSTER set this writes the distributor's KafkaUser resource instead, for kubectl.

    Parameters
    ----------
    id
        As in the reference data.
    to
        Folder for `client.properties` (Java) and `kcat.conf` (kcat, Python): the password is written there instead of
        being shown.
    password_stdin
        Read the password from standard input instead of making one.
    force
        Overwrite files that are there.
    """
    config = settings()
    if config.kafka_strimzi_cluster is not None:
        _write_resource(id, config.kafka_strimzi_cluster, to)
        return
    folder = _folder(to, force)
    with _distributors() as known:
        _say(known.add(id, _password(password_stdin)), folder, json)


@distributor.command
def rotate(
    id: str, *, to: Path | None = None, password_stdin: bool = False, force: bool = False, json: Json = False
) -> None:
    """Make a further user beside the old one, for a change without a standstill; then `revoke` the old one.

    Parameters
    ----------
    id
        The distributor.
    to
        Folder for `client.properties` and `kcat.conf`.
    password_stdin
        Read the password from standard input instead of making one.
    force
        Overwrite files that are there.
    """
    folder = _folder(to, force)
    with _distributors() as known:
        _say(known.rotate(id, _password(password_stdin)), folder, json)


@distributor.command
def revoke(id: str, *, user: str | None = None, json: Json = False) -> None:
    """Take users and their permissions away, at once. Topics stay, with all that lies on them.

    Parameters
    ----------
    id
        The distributor.
    user
        Only this one: `dist-north.1`.
    """
    with _distributors() as known:
        gone = known.revoke(id, user)
    if json:
        print_json({"distributor": id, "revoked": gone})
    else:
        console.print(f"revoked: {', '.join(gone)}", highlight=False)


@distributor.command
def limits(*, json: Json = False) -> None:
    """Give every distributor's user the limits of this release: bytes a second and the broker's time.

    Those of an earlier release keep theirs until then; `postavka doctor` says who has others.
    """
    with _distributors() as known:
        changed = known.limit()
    if json:
        print_json({"changed": changed})
    else:
        console.print(f"changed: {', '.join(changed) or 'none'}", highlight=False)


@distributor.command(name="list")
def list_(*, json: JsonArray = False) -> None:
    """Distributors and their users."""
    with _distributors() as known:
        standings = known.standings()
    if json:
        print_json([asdict(each) for each in standings])
        return
    shown = table(None, "distributor", "name", "users", "")
    for each in standings:
        trouble = f"[red]permissions missing: {', '.join(each.missing)}; add again[/]" if each.missing else ""
        gone = "" if each.name else "[red]not in the reference data: revoke[/]"
        shown.add_row(each.distributor_id, each.name or "—", ", ".join(each.users) or "—", trouble or gone)
    console.print(shown)


def _write_resource(id: str, cluster: str, to: Path | None) -> None:
    user = f"{id}.1"
    resource = kafka_user(user, permissions(id), cluster, QUOTA)
    if to is None:
        print_json(resource)
        return
    to.mkdir(parents=True, exist_ok=True)
    (to / f"{user}.json").write_bytes(orjson.dumps(resource, option=orjson.OPT_INDENT_2))
    console.print(
        f"kubectl apply -f {to / user}.json; Strimzi puts the password into the Secret {user}", highlight=False
    )


def _distributors() -> Distributors:
    refuse_where_strimzi_manages(settings())
    config = connected()
    return Distributors(config, *outside(config))


def _password(from_stdin: bool) -> str | None:
    return sys.stdin.readline().rstrip("\n") if from_stdin else None


def _folder(to: Path | None, force: bool) -> Path | None:
    """Looked at before anything is changed: a password that can't be written down would be lost."""
    if to is not None:
        to.mkdir(parents=True, exist_ok=True)
        there = [to / name for name in ("client.properties", "kcat.conf") if (to / name).exists()]
        if there and not force:
            raise FileThere(f"{there[0]} is there already; another folder, or --force")
    return to


def _say(made: Credentials, folder: Path | None, json: bool) -> None:
    if folder is not None:
        for name, text in (("client.properties", made.properties()), ("kcat.conf", made.kcat())):
            write_secret(folder / name, text)
    if json:
        password = {} if folder is not None else {"password": made.password}
        print_json(
            {
                "distributor": made.distributor_id,
                "user": made.user,
                "bootstrap": made.bootstrap,
                "security_protocol": made.security_protocol,
                **password,
            }
        )
        return
    console.print(f"user [bold]{made.user}[/] at {made.bootstrap} ({made.security_protocol})", highlight=False)
    if folder is not None:
        console.print(f"password in {folder}/client.properties and {folder}/kcat.conf", highlight=False)
    else:
        console.print(f"password [bold]{made.password}[/]", highlight=False, soft_wrap=True)
        console.print("Shown this once: the broker keeps no copy of it.")
