"""Do the bytes of documents match the hashes on record? They lie in the store of blobs under those very hashes."""

from __future__ import annotations

from collections.abc import Iterable

from postavka.kernel.blobs import BlobDamaged, BlobMissing, BlobsAway, open_blobs
from postavka.kernel.settings import Settings
from services.audit.findings import Findings

KeptDocument = tuple[str, str, str, bool]
"""Document, sha256, `stage/position`, and whether its bytes must be there: those of what was issued are put there with
the rendering, some time after the event."""


def check_documents(config: Settings, documents: Iterable[KeptDocument], findings: Findings) -> int:
    """Read and hash them all; returns how many were right."""
    blobs = open_blobs(config)
    right = 0
    for document, sha256, place, must in documents:
        try:
            blobs.get(sha256)
        except BlobDamaged as damaged:
            findings.problem("document-damaged", place, f"{document}: {damaged}")
        except BlobMissing:
            if must:
                findings.problem("document-missing", place, f"the bytes of {document} are not in the store of blobs")
            else:
                findings.note("document-not-kept", place, f"the bytes of {document} are not in the store of blobs yet")
        except (BlobsAway, ValueError) as away:
            findings.note("document-unread", place, f"{document}: {away}")
        else:
            right += 1
    return right
