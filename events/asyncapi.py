"""The contract as an AsyncAPI 3 document with Kafka bindings: which topics there are, what lies on them, who writes
and who reads. Made from `events/topics.py` and the models, never by hand; `python -m events.export` writes it.

Payloads are the JSON Schema files beside it. The document describes the whole system, so an operation names its
party: `approval.sends.approval.events`, `audit.receives.request.events`.
"""

from __future__ import annotations

import re
from typing import Any

import orjson

from events.envelope import CONTENT_TYPE, PARTITIONS
from events.model import Command, Message, Statement
from events.registry import MESSAGES, encode
from events.samples import sample_envelope, samples
from events.topics import ALL_TOPICS, Topic
from events.upcasting import UPCASTERS

Json = dict[str, Any]

ASYNCAPI = "3.0.0"
"""Not 3.1.0, of which we use nothing: AsyncAPI's generator of models (Modelina 5.10.1) takes such a document without a
word and makes nothing of it."""
KAFKA_BINDING = "0.5.0"
KINDS = {
    "command": "What somebody asks for; events say what comes of it.",
    "event": "What has happened; one stage alone writes it, and it is never taken back.",
    "statement": "What is said about the log itself: it belongs to no request.",
}
"""Of messages."""


def document() -> Json:
    """The AsyncAPI document of this release."""
    messages = {
        name: _message(name, newest) for newest in sorted(MESSAGES) for name in sorted(versions_of(MESSAGES[newest]))
    }
    return {
        "asyncapi": ASYNCAPI,
        "info": {
            "title": "Postavka",
            # Versions are only ever added, so this number only grows.
            "version": f"1.{len(messages)}.0",
            "description": (
                "Electronic deliveries of support services, from a partner's request to activation, as events on "
                "Kafka. Messages are CloudEvents 1.0 in binary mode: attributes are headers, the value is the JSON "
                "body. Every topic is kept for ever and is never compacted."
            ),
            "contact": {"name": "Whoever runs the broker that you are connected to"},
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
            "tags": [{"name": kind, "description": text} for kind, text in KINDS.items()],
        },
        "servers": {
            "broker": {
                "host": "{address}",
                "protocol": "kafka-secure",
                "description": "Each installation has a broker of its own: who runs it gives its address and a user.",
                "variables": {"address": {"description": "Host and port.", "examples": ["broker.example.com:9094"]}},
                "security": [{"$ref": "#/components/securitySchemes/scram"}],
            }
        },
        "defaultContentType": CONTENT_TYPE.decode(),
        "channels": {channel_of(topic): _channel(topic) for topic in ALL_TOPICS},
        "operations": {key: operation for topic in ALL_TOPICS for key, operation in _operations(topic)},
        "components": {
            "messages": messages,
            "schemas": {"eventHeaders": _headers(required_of_events=True), "commandHeaders": _headers()},
            "securitySchemes": {"scram": {"type": "scramSha512", "description": "A name and a password."}},
        },
    }


def versions_of(newest: type[Message]) -> tuple[str, ...]:
    """Type names of all versions of a message that can lie on its topic, the newest first."""
    found = [newest.TYPE]
    for name in found:
        found += [old for old, (following, _) in UPCASTERS.items() if following == name]
    return tuple(found)


def channel_of(topic: Topic) -> str:
    """The topic's key among the channels: its name without parameters."""
    return re.sub(r"\.\{\w+\}", "", topic.name)


def _channel(topic: Topic) -> Json:
    parameters = {name: {"description": f"Id of the {name}."} for name in re.findall(r"\{(\w+)\}", topic.name)}
    names = sorted(name for message in topic.carries for name in versions_of(message))
    return {
        "address": topic.name,
        "title": topic.title,
        "description": f"Written by: {topic.writer}.",
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in names},
        **({"parameters": parameters} if parameters else {}),
        "bindings": {
            "kafka": {
                **({} if parameters else {"topic": topic.name}),
                "partitions": PARTITIONS,
                "topicConfiguration": {"cleanup.policy": ["delete"], "retention.ms": -1},
                "bindingVersion": KAFKA_BINDING,
            }
        },
    }


def _operations(topic: Topic) -> list[tuple[str, Json]]:
    channel = channel_of(topic)
    parties = [(writer.value, "send") for writer in topic.writers]
    parties += [(reader.value, "receive") for reader in topic.readers]
    return [
        (
            f"{re.sub(r'[^a-z]+', '-', party)}.{action}s.{channel}",
            {
                "action": action,
                "channel": {"$ref": f"#/channels/{channel}"},
                "title": f"{party[0].upper()}{party[1:]}: {action} `{topic.name}`",
                "description": f"{'Writes' if action == 'send' else 'Reads'}: {topic.title}.",
                "tags": [{"name": party}],
            },
        )
        for party, action in parties
    ]


def _message(name: str, newest: str) -> Json:
    """The description of one version of a message. Only the newest has its model here, hence its description and an
    example."""
    model = MESSAGES[newest]
    kind = "command" if issubclass(model, Command) else "statement" if issubclass(model, Statement) else "event"
    of_request = kind == "event" or "request_id" in model.model_fields
    key = "The subject: the request's id, a UUID in lower case." if of_request else "The subject: the payment's id."
    if kind == "statement":
        key = "The subject: what it is about."
    described: Json = {"title": f"{name}, read as {newest}"}
    if name == newest:
        example = samples(model)[0]
        headers = {key: value.decode() for key, value in sample_envelope(example).headers()}
        described = {
            "title": name,
            "summary": summary(model),
            "examples": [{"headers": headers, "payload": orjson.loads(encode(example))}],
        }
    return {
        "name": name,
        **described,
        "contentType": CONTENT_TYPE.decode(),
        "tags": [{"name": kind}],
        "headers": {
            "type": "object",
            "allOf": [
                {"$ref": f"#/components/schemas/{'event' if kind == 'event' else 'command'}Headers"},
                {"properties": {"ce_type": {"const": name}}},
            ],
        },
        "payload": {"$ref": f"./{name}.json"},
        "bindings": {
            "kafka": {
                "key": {"type": "string", "description": key},
                "bindingVersion": KAFKA_BINDING,
            }
        },
    }


def summary(message: type[Message]) -> str:
    """The docstring of a message in one line."""
    return re.sub(r"\s+", " ", message.__doc__ or "").strip()


def _headers(*, required_of_events: bool = False) -> Json:
    """Kafka headers of a message; all values are UTF-8."""
    place = {"type": "string", "pattern": "^[^/]+/[0-9]+/[0-9]+$"}
    return {
        "type": "object",
        "required": [
            *("content-type", "ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time", "ce_subject"),
            *(("ce_clock", "ce_position") if required_of_events else ()),
        ],
        "properties": {
            "content-type": {"const": CONTENT_TYPE.decode()},
            "ce_specversion": {"const": "1.0"},
            "ce_id": {"type": "string", "minLength": 1, "description": "Unique within the source, for ever."},
            "ce_source": {"type": "string", "format": "uri-reference", "minLength": 1, "description": "Who wrote it."},
            "ce_type": {"type": "string", "description": "Type with version; tells which schema the body has."},
            "ce_time": {"type": "string", "format": "date-time", "description": "When it happened, UTC."},
            "ce_subject": {"type": "string", "minLength": 1, "description": "The same as the key."},
            "ce_clock": {
                "type": "string",
                "pattern": "^[0-7][0-9a-f]{15}$",
                "description": "Hybrid logical clock in hexadecimal, later than its cause's: sorting by it gives a "
                "causal order. The upper 48 bits are milliseconds since 1970.",
            },
            "ce_position": {
                "type": "string",
                "pattern": "^[1-9][0-9]{0,17}$",
                "description": "Place in the writing stage's event store: 1, 2, 3 ... without gaps. A record whose "
                "position has been seen is a late duplicate: skip it.",
            },
            "ce_causationid": {
                "type": "string",
                "description": "The cause: `source#id`, or `kafka:topic/partition/offset` if it had no envelope.",
            },
            "ce_correlationid": {
                "type": "string",
                "description": "The same for everything that one act of a person led to.",
            },
            "ce_input": {**place, "description": "`topic/partition/offset` of the record that was being handled."},
            "traceparent": {"type": "string", "description": "W3C Trace Context."},
        },
    }
