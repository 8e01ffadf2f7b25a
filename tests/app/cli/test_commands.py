"""The commands that are imported only when they are asked for."""

from __future__ import annotations

import subprocess
import sys
import tomllib

import psycopg
import pytest
from aiokafka.errors import KafkaConnectionError
from confluent_kafka import KafkaError, KafkaException
from cyclopts import App

from postavka.app.cli.app import add_commands
from postavka.app.registry import AUDIT_COMMANDS, COMMANDS, EXPLAIN
from postavka.kernel.address import load
from postavka.kernel.log.offsets import OffsetsUnknown
from tests.paths import PROJECT

ALL = {
    name: entry for names in (COMMANDS, AUDIT_COMMANDS) for name, entry in names.items() if isinstance(entry[0], str)
}


@pytest.mark.parametrize(("name", "entry"), ALL.items())
def test_a_command_is_where_the_table_says_and_says_the_same_of_itself(name: str, entry: tuple[str, str]):
    place, line = entry
    found = load(place)
    assert name in (found.name if isinstance(found, App) else (found.__name__.replace("_", "-"),))
    said = found.help if isinstance(found, App) else found.__doc__
    assert " ".join((said or "").split()).startswith(line.removesuffix("."))


def said_by(*arguments: str) -> list[str]:
    """What `postavka` prints, and in the last line what large libraries it has imported for that."""
    told = "import sys; from postavka.app.cli.app import add_commands; "
    told += "add_commands(sys.argv[1])(sys.argv[1:], result_action='return_value'); "
    told += "print([each for each in ('pyarrow', 'psycopg', 'aiokafka', 'pypdf', 'faust') if each in sys.modules])"
    return subprocess.run(
        [sys.executable, "-c", told, *arguments], capture_output=True, text=True, check=True
    ).stdout.splitlines()


def test_asking_for_help_imports_none_of_them():
    *lines, imported = said_by("--help")
    assert imported == "[]"
    assert all(name in "\n".join(lines) for name in COMMANDS)


def test_help_of_a_command_is_whole():
    assert "they mend the seam" in " ".join(said_by("restore", "--help"))


def test_help_of_a_group_imports_none_of_its_commands():
    *lines, imported = said_by("audit", "--help")
    assert imported == "[]"
    assert all(name in "\n".join(lines) for name in AUDIT_COMMANDS)
    assert "Go on with a verification" in " ".join(said_by("audit", "verify", "--help"))


@pytest.mark.parametrize(
    ("raised", "said"),
    [
        (
            psycopg.OperationalError('connection to server at "10.0.0.7", port 5432 failed: Connection refused\n\tIs'),
            "PostgreSQL refused the connection: is it up, are host and port right?",
        ),
        (
            psycopg.OperationalError('FATAL:  password authentication failed for user "postavka"'),
            "PostgreSQL refuses the password: correct it in DATABASE_URL.",
        ),
        (
            psycopg.OperationalError("failed to resolve host 'db': [Errno -2] Name or service not known"),
            "PostgreSQL has a host that is not known: correct DATABASE_URL.",
        ),
        (
            psycopg.errors.QueryCanceled("canceling statement due to statement timeout"),
            "PostgreSQL took too long: try again when there is less to do.",
        ),
        (
            psycopg.errors.DiskFull("could not extend file"),
            "PostgreSQL has no room on its disk: make room there.",
        ),
        (
            psycopg.OperationalError("something new"),
            "PostgreSQL could not be used (OperationalError): see its log; POSTAVKA_LOG_LEVEL=DEBUG shows more.",
        ),
        (
            KafkaException(KafkaError(KafkaError._TRANSPORT, "Local: Broker transport failure")),
            "Kafka does not answer: is it up, is the address right, do TLS and SASL fit?",
        ),
        (
            KafkaException(KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED, "Broker: Topic authorization failed")),
            "Kafka does not let this user do that: see `postavka acls list`.",
        ),
        (
            KafkaConnectionError("Unable to bootstrap from [('127.0.0.1', 1, <AddressFamily.AF_INET: 2>)]"),
            "Kafka does not answer: is it up, is the address right, do TLS and SASL fit?",
        ),
    ],
)
def test_what_libraries_raise_is_said_in_a_sentence_of_ours(raised: Exception, said: str):
    assert load(EXPLAIN)(raised) == f"{said} `postavka doctor` looks at everything."
    wrapped = OffsetsUnknown("Kafka: KafkaConnection (Unable to bootstrap)")
    wrapped.__cause__ = raised
    assert load(EXPLAIN)(wrapped) == load(EXPLAIN)(raised)


def test_a_defect_of_ours_is_not_explained_away():
    assert load(EXPLAIN)(ZeroDivisionError()) is None


def test_commands_can_be_added_again():
    assert add_commands() is add_commands()


WITHOUT = """
import sys
left_out = set(sys.argv[1:])

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in left_out:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Blocked())
from postavka.app.registry import AUDIT_COMMANDS, COMMANDS
from postavka.kernel.address import NothingThere, load
for name, (address, _) in (COMMANDS | AUDIT_COMMANDS).items():
    try:
        load(address) if isinstance(address, str) else None
    except NothingThere:
        print(name)
"""
LEFT_OUT = tomllib.loads((PROJECT / "deploy" / "image" / "targets.toml").read_text("utf-8"))["left-out"]


@pytest.mark.parametrize("target", LEFT_OUT)
def test_an_image_has_the_packages_of_the_commands_that_are_for_it(target: str):
    """Nobody starts servers within an image; what is printed for the post takes the image of pages. That of copies
    alone has pyarrow: the commands say what installs it (`tests/app/test_dependencies.py`)."""
    packages = [each.replace("-", "_") for each in LEFT_OUT[target] if each != "pyarrow"]
    done = subprocess.run([sys.executable, "-c", WITHOUT, *packages], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert set(done.stdout.split()) == {"up", "demo", "sandbox"} | ({"post"} if target == "stages" else set())
