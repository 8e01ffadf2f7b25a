"""Answers that are files to be saved."""

from __future__ import annotations

from starlette.responses import Response


def attachment(data: bytes | str, kind: str, name: str) -> Response:
    """A file of this media type, to be saved under this name, which is ASCII."""
    return Response(data, media_type=kind, headers=named(name))


def named(name: str) -> dict[str, str]:
    """The headers of such an answer."""
    return {"Content-Disposition": f'attachment; filename="{name}"'}
