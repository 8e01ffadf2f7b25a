"""Static files: read once, served from memory under names that carry their hash, so that browsers keep them."""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
import posixpath
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from importlib.resources.abc import Traversable

from starlette.requests import Request
from starlette.responses import Response

FOREVER = "public, max-age=31536000, immutable"
BRIEFLY = "public, max-age=300"
COMPRESSED = ("text/", "image/svg", "application/javascript", "application/json", "application/manifest")
_URL = re.compile(r"""url\(\s*(["']?)([^"')#?:]+)([#?][^"')]*)?\1\s*\)""")

mimetypes.add_type("font/woff2", ".woff2")
mimetypes.add_type("text/javascript", ".js")
mimetypes.add_type("application/manifest+json", ".webmanifest")


@dataclass(frozen=True, slots=True)
class Asset:
    """One file with its name as it is served."""

    name: str
    body: bytes
    zipped: bytes | None
    media_type: str
    etag: str


class Assets:
    """All static files of some packages, by plain name and by name with hash."""

    def __init__(self, packages: Iterable[str]) -> None:
        self._names: dict[str, str] = {}
        self._served: dict[str, Asset] = {}
        found: dict[str, bytes] = {}
        for package in packages:
            folder = files(package) / "static"
            if folder.is_dir():
                found |= dict(_walk(folder, ""))
        for name in sorted(found, key=lambda name: name.endswith(".css")):  # styles last: they name others
            body = found[name]
            if name.endswith(".css"):
                body = _URL.sub(partial(self._hashed_url, name), body.decode()).encode()
            self._add(name, body)

    def url(self, name: str) -> str:
        """Address of a file, for templates. Raises `KeyError` for one that isn't there: a slip in a template."""
        return f"/static/{self._names[name]}"

    async def serve(self, request: Request) -> Response:
        """Answer `/static/{name}`"""
        name = request.path_params["name"]
        hashed = name in self._served
        asset = self._served.get(name) or self._served.get(self._names.get(name, ""))
        if asset is None:
            return Response(status_code=404)
        headers = {"Cache-Control": FOREVER if hashed else BRIEFLY, "ETag": asset.etag, "Vary": "Accept-Encoding"}
        body = asset.body
        if asset.zipped is not None and "gzip" in request.headers.get("accept-encoding", ""):
            body, headers["Content-Encoding"] = asset.zipped, "gzip"
        return Response(body, headers=headers, media_type=asset.media_type)

    def _hashed_url(self, name: str, match: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(name), match[2]))
        known = self._names.get(target)
        return match[0] if known is None else f'url("/static/{known}{match[3] or ""}")'

    def _add(self, name: str, body: bytes) -> None:
        digest = hashlib.sha256(body).hexdigest()[:12]
        stem, extension = posixpath.splitext(name)
        hashed = f"{stem}.{digest}{extension}"
        media_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
        zipped = gzip.compress(body, 9, mtime=0) if media_type.startswith(COMPRESSED) and len(body) > 500 else None
        self._names[name] = hashed
        self._served[hashed] = Asset(hashed, body, zipped, media_type, f'"{digest}"')


def _walk(folder: Traversable, prefix: str) -> Iterable[tuple[str, bytes]]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _walk(entry, f"{prefix}{entry.name}/")
        else:
            yield prefix + entry.name, entry.read_bytes()
