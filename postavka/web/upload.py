"""A file that a form brings."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import Request
from starlette.datastructures import UploadFile


@dataclass(frozen=True, slots=True)
class Upload:
    """The file's name, as its sender says, and its bytes."""

    name: str
    data: bytes


async def uploaded(request: Request, field: str, most: int) -> Upload | None:
    """The file in this field; None where none was chosen. Of one that is longer than `most` bytes comes one byte more:
    its reader sees that it is."""
    given = (await request.form()).get(field)
    if not isinstance(given, UploadFile) or not given.filename:
        return None
    return Upload(given.filename, await given.read(most + 1))
