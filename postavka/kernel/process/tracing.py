"""Traces of OpenTelemetry, off unless `POSTAVKA_TRACING_OTLP` names a collector (OTLP over HTTP).

One trace goes from the click to the cabinet's row. It travels as the header `traceparent` (W3C Trace Context) on every
record; switched off, that header is handed on as it came and nothing else happens. A step is made of a message that was
handled: it starts when the message is decided and ends with the commit, so that a span is a promise kept.

All names of attributes are here. OpenTelemetry's conventions for messaging are still in development: they are followed
as they stand and may change in one place.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import structlog

from postavka.kernel.settings import Settings

if TYPE_CHECKING:
    from opentelemetry.trace import Span, Tracer

_tracer: Tracer | None = None
"""None: switched off. Set once, at the start of the process."""
_current: ContextVar[str | None] = ContextVar("traceparent", default=None)


def start(settings: Settings, service: str) -> None:
    """Switch tracing on for this process, if the settings say so. `service` becomes `service.name`."""
    global _tracer
    if settings.tracing_otlp is None:
        return
    # Only imported when wanted: it costs memory and start-up time.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

    resource = Resource.create(
        {"service.name": f"postavka-{service}", "service.namespace": "postavka", "service.instance.id": settings.worker}
    )
    provider = TracerProvider(resource=resource, sampler=ParentBased(TraceIdRatioBased(settings.tracing_ratio)))
    exporter = OTLPSpanExporter(endpoint=settings.tracing_otlp.rstrip("/") + "/v1/traces", timeout=5)
    provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=1_000))
    _tracer = provider.get_tracer("postavka")


def is_on() -> bool:
    """Is this process traced?"""
    return _tracer is not None


def current() -> str | None:
    """The `traceparent` of what is being done here, for what is sent and written in consequence; None outside."""
    return _current.get()


@dataclass(slots=True)
class Steps:
    """The spans of one batch: opened as its messages are decided, ended when it is committed."""

    _open: list[Span] = field(default_factory=list)

    def take(
        self, service: str, topic: str, partition: int, offset: int, type_name: str, parent: str | None
    ) -> str | None:
        """Open a span for a message and return the `traceparent` of what follows from it. Switched off: the parent."""
        if _tracer is None:
            return parent
        span = _start(f"{service} {type_name}", "CONSUMER", parent, record_attributes(topic, partition, offset))
        self._open.append(span)
        return traceparent(span)

    def end(self) -> None:
        """The batch is committed."""
        for span in self._open:
            span.end()
        self._open.clear()


@contextmanager
def span(name: str, kind: str = "INTERNAL", parent: str | None = None, **attributes: Any) -> Iterator[str | None]:
    """A span around what is done in it; gives its `traceparent`, which is `current` within. Log lines carry its ids.

    Without a parent it hangs on the span around it, if there is one. Switched off: the parent.
    """
    parent = parent or current()
    if _tracer is None:
        with _entered(parent):
            yield parent
        return
    with _around(_start(name, kind, parent, attributes)) as header:
        yield header


@contextmanager
def answering(method: str, parent: str | None) -> Iterator[Callable[[str | None, int], None]]:
    """A span around answering a web request: a person's click. Call the function it gives with the route (its pattern,
    so that the span's name has no ids in it) and the status before the end. Switched off: the parent is handed on."""
    if _tracer is None:
        with _entered(parent):
            yield lambda route, status: None
        return
    opened = _start(method, "SERVER", parent, {"http.request.method": method})

    def tell(route: str | None, status: int) -> None:
        opened.set_attribute("http.response.status_code", status)
        if route is not None:
            opened.update_name(f"{method} {route}")
            opened.set_attribute("http.route", route)

    with _around(opened):
        yield tell


@contextmanager
def _around(opened: Span) -> Iterator[str]:
    ids, header = opened.get_span_context(), traceparent(opened)
    with (
        _entered(header),
        structlog.contextvars.bound_contextvars(trace_id=f"{ids.trace_id:032x}", span_id=f"{ids.span_id:016x}"),
    ):
        try:
            yield header
        except BaseException as error:
            opened.record_exception(error)
            raise
        finally:
            opened.end()


@contextmanager
def _entered(header: str | None) -> Iterator[None]:
    before = _current.set(header)
    try:
        yield
    finally:
        _current.reset(before)


def record_attributes(topic: str, partition: int, offset: int) -> dict[str, Any]:
    """Where a record lies, as attributes."""
    return {
        "messaging.system": "kafka",
        "messaging.destination.name": topic,
        "messaging.destination.partition.id": str(partition),
        "messaging.kafka.offset": offset,
    }


def traceparent(span: Span) -> str:
    """The header that makes what follows a child of this span."""
    ids = span.get_span_context()
    return f"00-{ids.trace_id:032x}-{ids.span_id:016x}-{int(ids.trace_flags):02x}"


def trace_id(header: str | None) -> str | None:
    """The trace's id in a `traceparent`, for log lines and links."""
    return header.split("-")[1] if header else None


def _start(name: str, kind: str, parent: str | None, attributes: Mapping[str, Any]) -> Span:
    from opentelemetry.trace import SpanKind
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    assert _tracer is not None  # noqa: S101
    context = TraceContextTextMapPropagator().extract({"traceparent": parent}) if parent else None
    return _tracer.start_span(name, context, SpanKind[kind], dict(attributes), start_time=time.time_ns())
