"""The type of a command's parameter that names a request: every command looks one up in this way."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from cyclopts import Parameter

from postavka.domain.request_ids.lookup import request_named
from postavka.domain.request_numbers import canonical
from postavka.kernel.id_parameter import converter
from postavka.kernel.runtime.connection import connected
from postavka.kernel.settings import database_url


def find_request(typed: str) -> UUID:
    """The one request that is meant, asked of the servers that commands find. Raises as `request_named`."""
    return request_named(database_url(connected()), typed)


def is_number(typed: str) -> bool:
    """Is it the number of a request, rather than an id?"""
    return canonical(typed) is not None


RequestId = Annotated[UUID, Parameter(converter=converter("request", find_request, is_number))]
"""Its number, its id, or the beginning of one."""
