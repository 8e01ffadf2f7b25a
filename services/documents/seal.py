"""Our own signature under what we send: detached CMS by the command openssl, with a GOST, RSA or ECDSA key."""

from __future__ import annotations

import os
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from postavka.domain.openssl import SECONDS, find_openssl, gost_environment


class NotSealed(RuntimeError):
    """The command did not sign: the key, the certificate or the engine is not right."""


@dataclass(frozen=True, slots=True)
class Seal:
    """A certificate and its key, PEM files. `engine`: `gost` for a GOST key."""

    certificate: Path
    key: Path
    engine: str | None = None
    digest: str = "sha256"

    def sign(self, content: bytes) -> bytes:
        """The signature in DER. Raises `NotSealed`."""
        engine = ["-engine", self.engine] if self.engine else []
        openssl = (find_openssl() if self.engine else None) or "openssl"
        environment = {**os.environ, **((gost_environment(openssl) if self.engine else None) or {})}
        with tempfile.TemporaryDirectory(prefix="seal-") as directory:
            there = Path(directory)
            (there / "content").write_bytes(content)
            command = [
                *(openssl, "cms", *engine, "-sign", "-binary", "-md", self.digest, "-outform", "DER"),
                *("-signer", str(self.certificate.resolve()), "-inkey", str(self.key.resolve())),
                *("-in", "content", "-out", "signature"),
            ]
            try:
                ran = subprocess.run(  # noqa: S603
                    command, cwd=there, env=environment, capture_output=True, timeout=SECONDS, check=False
                )
            except (OSError, subprocess.TimeoutExpired) as failed:
                raise NotSealed(f"the command openssl failed: {failed}") from None
            if ran.returncode:
                raise NotSealed(ran.stderr.decode("utf-8", "replace").strip()[-500:])
            return (there / "signature").read_bytes()
