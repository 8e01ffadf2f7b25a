"""A body's mistakes in the words of the rules of a request (`postavka.domain.request_rules`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ModelWrapValidatorHandler, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from events.model import Reason
from events.request import REQUEST_TYPE
from postavka.domain.request_rules import Asked, shortcomings
from postavka.web.problem import RUSSIAN

M = TypeVar("M", bound=BaseModel)


def rules_speak(cls: type[M], given: Any, handler: ModelWrapValidatorHandler[M]) -> M:
    """The body, validated; a field that a rule finds wrong has the rule's code and sentence instead of the format's.
    Rules that need the reference data are left to approval. For bodies whose other fields raise pydantic's own errors.
    """
    broken = _broken(cls, given) if isinstance(given, Mapping) else {}
    try:
        taken = handler(given)
    except ValidationError as wrong:
        found = wrong.errors(include_url=False)
    else:
        if not broken:
            return taken
        found = []
    others = [
        InitErrorDetails(type=each["type"], loc=each["loc"], input=each["input"], ctx=each.get("ctx", {}))
        for each in found
        if each["loc"][:1] not in {(name,) for name in broken}
    ]
    sentences = [
        InitErrorDetails(
            type=PydanticCustomError(each.code, "a rule of requests is broken", {RUSSIAN: each.message}),
            loc=(name,),
            input=given.get(name),
        )
        for name, each in broken.items()
    ]
    raise ValidationError.from_exception_data(cls.__name__, others + sentences)


def _broken(cls: type[BaseModel], given: Mapping[str, Any]) -> dict[str, Reason]:
    asked = Asked.of({"request_type": REQUEST_TYPE, **given})
    return {
        each.field: each
        for each in shortcomings(asked, None, quoting=False)
        if each.field in cls.model_fields and isinstance(given.get(each.field), str | None)
    }
