"""Pictures of documents, made when somebody first looks and kept for as long as documents are fresh."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

from postavka.domain.typesetting.picture import picture_of
from postavka.kernel.store.queries import load_queries
from postavka.web.database import Connection
from postavka.web.state import Web

QUERIES = load_queries("services.cabinet")
KEEP = timedelta(days=90)
_ONE_AT_A_TIME = ThreadPoolExecutor(1, "preview")
"""A picture takes a part of a second of a processor: pages that everybody waits for come first."""


async def preview_of(parts: Web, document: dict[str, Any]) -> bytes | None:
    """The picture of a document's PDF; None where there is none. Raises `BlobMissing`, `BlobsAway`, `Untypeset`."""
    sha256 = document.get("rendered_sha256")
    if not sha256:
        return None
    if (kept := await _kept(parts, sha256)) is not None:
        return kept
    making = asyncio.get_running_loop().run_in_executor(_ONE_AT_A_TIME, lambda: picture_of(parts.blobs.get(sha256)))
    picture = await making
    async with parts.database.accounts() as rows:
        await rows.execute(QUERIES.keep_preview, (sha256, picture))
    return picture


async def sweep(rows: Connection) -> None:
    """Remove pictures that were made long ago."""
    await rows.execute(QUERIES.expire_previews, (KEEP,))


async def _kept(parts: Web, sha256: str) -> bytes | None:
    async with parts.database.accounts() as rows:
        found = await (await rows.execute(QUERIES.preview, (sha256,))).fetchone()
    return bytes(found[0]) if found else None
