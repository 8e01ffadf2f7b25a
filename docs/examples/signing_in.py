"""What a client needs to sign in, from kcat.conf."""

from pathlib import Path

from aiokafka.helpers import create_ssl_context


def signing_in(file: str) -> tuple[dict, str]:
    """Arguments for aiokafka's clients, and your id as a distributor (the user is `<id>.<number>`)."""
    conf = dict(line.split("=", 1) for line in Path(file).read_text().splitlines() if "=" in line)
    user, protocol = conf["sasl.username"], conf["security.protocol"]
    client = {
        "bootstrap_servers": conf["bootstrap.servers"],
        "security_protocol": protocol,
        "ssl_context": create_ssl_context(cafile=conf.get("ssl.ca.location")) if protocol == "SASL_SSL" else None,
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": user,
        "sasl_plain_password": conf["sasl.password"],
    }
    return client, user.rsplit(".", 1)[0]
