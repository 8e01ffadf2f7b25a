"""`postavka kafka`: what tools of others need to look at the broker, as the user that the commands are there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

from postavka.kernel.console import errors
from postavka.kernel.errors import UserError
from postavka.kernel.log.connection import bootstrap, for_librdkafka, jaas
from postavka.kernel.runtime.connection import connected
from postavka.kernel.runtime.file_access import write_secret
from postavka.kernel.settings import Settings

OURS = {"log_level"}
"""Settings that only our own clients get."""


def kafka(program: Literal["kcat", "java", "kafbat"], /, *, to: Path | None = None, force: bool = False) -> None:
    """Print the properties with which kcat, Kafka's own tools or Kafbat read the topics. A password is among them.

    ```
    postavka kafka kcat --to kcat.conf && kcat -F kcat.conf -C -t request.events -o beginning -e
    postavka kafka java --to client.properties          # kafka-console-consumer.sh --command-config …
    postavka kafka kafbat --to kafbat.env               # docker run --network host --env-file …
    ```

    Parameters
    ----------
    program
        kcat for all that is made with librdkafka; java for Kafka's own tools; kafbat for variables of Kafbat's image.
    to
        A file to write instead, which nobody else may read.
    force
        Overwrite the file if it is there.
    """
    text = "".join(f"{name}={value}\n" for name, value in PROPERTIES[program](connected()).items())
    if to is None:
        print(text, end="")
        return
    if to.exists() and not force:
        raise UserError(f"{to} is there already; another file, or --force")
    write_secret(to, text)
    errors.print(f"{to}: for {program}, with the password of the broker", highlight=False)


def kcat(config: Settings) -> dict[str, str]:
    """The names that librdkafka has."""
    return {name: str(value) for name, value in for_librdkafka(config).items() if name not in OURS}


def java(config: Settings) -> dict[str, str]:
    """The names that Kafka's own clients have."""
    found = {"bootstrap.servers": bootstrap(config), "security.protocol": config.kafka_security_protocol}
    theirs = kcat(config)
    if "sasl.username" in theirs:
        mechanism = config.kafka_sasl_mechanism
        found["sasl.mechanism"] = mechanism
        found["sasl.jaas.config"] = jaas(mechanism, theirs["sasl.username"], theirs["sasl.password"])
    if config.kafka_ssl_cafile is not None:
        found |= {"ssl.truststore.type": "PEM", "ssl.truststore.location": str(config.kafka_ssl_cafile)}
    return found


def kafbat(config: Settings) -> dict[str, str]:
    """The environment of Kafbat's image; it may only read."""
    told = java(config)
    properties = {f"PROPERTIES_{name.upper().replace('.', '_')}": value for name, value in told.items()}
    servers = properties.pop("PROPERTIES_BOOTSTRAP_SERVERS")
    named = {"NAME": "postavka", "BOOTSTRAPSERVERS": servers, "READONLY": "true"} | properties
    return {f"KAFKA_CLUSTERS_0_{name}": value for name, value in named.items()}


PROPERTIES: Mapping[str, Callable[[Settings], dict[str, str]]] = {"kcat": kcat, "java": java, "kafbat": kafbat}
