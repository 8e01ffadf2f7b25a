"""The settings of the auditor's service: where its key and its evidence are, how often it signs."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from postavka.kernel.settings import Settings


class AuditSettings(BaseSettings):
    """Read from the environment: `POSTAVKA_AUDIT_KEY`, `POSTAVKA_AUDIT_EVIDENCE` …"""

    model_config = SettingsConfigDict(env_prefix="POSTAVKA_AUDIT_", env_file=".env", extra="ignore", frozen=True)

    key: Path | None = None
    """File with the private key that signs checkpoints (`postavka audit new-key FILE`). Left out:
    `audit/checkpoint.key` in the home folder, which `postavka up` makes, or which is copied there from the credential
    `POSTAVKA_AUDIT_KEY`."""
    evidence: Path | None = None
    """Folder of checkpoints and leaf hashes. Left out: `audit/evidence` in the home folder. Put it on another machine's
    disk, or copy it there: who can change log and evidence alike can change history."""
    origin: str = Field("postavka", pattern=r"^[^\s+]+$", description="names this installation in its checkpoints")
    checkpoint_seconds: float = Field(60.0, gt=0, description="how often a log that has grown is signed")

    def key_file(self, config: Settings) -> Path:
        """Where the private key is."""
        return self.key or config.home / "audit" / "checkpoint.key"

    def evidence_folder(self, config: Settings) -> Path:
        """Where checkpoints and leaf hashes go."""
        return self.evidence or config.home / "audit" / "evidence"

    def origin_of(self, log: str) -> str:
        """How a log is named in its checkpoints."""
        return f"{self.origin}/{log}"
