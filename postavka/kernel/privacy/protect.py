"""What every sender of messages calls: personal data never leaves in the clear."""

from __future__ import annotations

from typing import TypeVar

from pydantic import BaseModel

from events.personal import is_encrypted, personal_fields
from postavka.kernel.privacy.vault import open_vault
from postavka.kernel.settings import Settings

Model = TypeVar("Model", bound=BaseModel)


def protected(config: Settings, message: Model, *known_as: str) -> Model:
    """The message with its personal fields encrypted; `known_as` are further names of the person. A message without
    any needs no database and no keys. Blocks while PostgreSQL is asked: call it in a thread where that matters."""
    values = [getattr(message, name) for name, _ in personal_fields(type(message))]
    if all(not value or is_encrypted(value) for value in values):
        return message
    return open_vault(config).protect(message, *known_as)
