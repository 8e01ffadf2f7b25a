"""Structured logs on standard output: readable lines at a terminal, JSON in production (`POSTAVKA_LOG_FORMAT=json`).

Faust, aiokafka and psycopg write through the standard `logging`; they come out in the same form.
"""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any, cast

from postavka.kernel.settings import Settings

if TYPE_CHECKING:
    import structlog

WAITING = "waiting for a server"
"""What every process of ours says while a server is away."""
CLIENTS = ("aiokafka", "kafka", "faust", "mode")
"""Loggers of libraries that say it ten times a second."""
MINUTE = 60.0
SECRET_NAMES = ("password", "secret", "token", "signature", "code", "authorization")
"""A log field whose name contains one of these is never written out."""


def configure_logs(settings: Settings, service: str) -> None:
    """Set up logging for this process; every line carries the service's name."""
    import structlog

    shared = _shared_processors()
    renderer: structlog.types.Processor = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if settings.log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stdout.isatty())
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.addFilter(OncePerMinute())
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                _escape,
                renderer,
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.getLogger("postavka").setLevel(settings.log_level)
    logging.getLogger("services").setLevel(settings.log_level)
    structlog.contextvars.bind_contextvars(service=service)


def _shared_processors() -> list[structlog.types.Processor]:
    import structlog

    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _hide_secrets,
        _escape,
    ]


def _configure_for_commands() -> None:
    """What a command logs goes to the error output: its own output is for whoever reads what it prints."""
    import structlog

    structlog.configure(
        processors=[*_shared_processors(), structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())],
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
    )


class OncePerMinute(logging.Filter):
    """A filter that lets one line a minute through of what is logged over and over while a server is away, with how
    often it came in the minute before. Told apart by the line of code that says it; ours by server."""

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[tuple[Any, ...], tuple[float, int]] = {}
        """When it was let through last, and how often it was said since."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is logged: a repeated warning once a minute, with the count of those held back."""
        key = _repeated(record)
        if key is None:
            return True
        at, more = self._said.get(key, (float("-inf"), 0))
        if record.created - at < MINUTE:
            self._said[key] = (at, more + 1)
            return False
        self._said[key] = (record.created, 0)
        if more and isinstance(record.msg, dict):
            record.msg = record.msg | {"times_more": more}
        elif more:
            record.msg, record.args = f"{record.getMessage()} ({more} times more since it was said last)", None
        return True


def _repeated(record: logging.LogRecord) -> tuple[Any, ...] | None:
    if isinstance(record.msg, dict):
        return (record.name, record.msg.get("server")) if record.msg.get("event") == WAITING else None
    if record.levelno >= logging.WARNING and record.name.partition(".")[0] in CLIENTS:
        return (record.name, record.lineno)
    return None


class Logger:
    """Makes structlog's logger when something is written: importing that takes a tenth of a second, and a command, or a
    process of a rebuild, seldom has anything to say."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._bound: structlog.stdlib.BoundLogger | None = None

    def __getattr__(self, method: str) -> Any:
        if method.startswith("_"):  # whoever copies, or looks what it is
            raise AttributeError(method)
        if self._bound is None:
            import structlog

            if not structlog.is_configured():
                _configure_for_commands()
            self._bound = structlog.stdlib.get_logger(self._name)
        return getattr(self._bound, method)


def logger(name: str) -> structlog.stdlib.BoundLogger:
    """A logger for a module: `log = logger(__name__)`."""
    return cast("structlog.stdlib.BoundLogger", Logger(name))


def _hide_secrets(_: Any, __: str, fields: structlog.types.EventDict) -> structlog.types.EventDict:
    for name in fields:
        if any(secret in name.lower() for secret in SECRET_NAMES):
            fields[name] = "***"
    return fields


def _escape(_: Any, __: str, fields: structlog.types.EventDict) -> structlog.types.EventDict:
    """What can't be printed is written as Python writes it: `\\x1b`. Otherwise what strangers send could steer the
    terminal that shows it. A trace keeps its lines."""
    for name, value in fields.items():
        if isinstance(value, str) and not value.isprintable():
            fields[name] = "".join(
                each if each.isprintable() or (each == "\n" and name == "exception") else repr(each)[1:-1]
                for each in value
            )
    return fields
