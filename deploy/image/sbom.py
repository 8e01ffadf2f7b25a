"""Writes what an image contains, as CycloneDX 1.6: `sbom.py LOCK ARCHIVES VERSION`.

Python's packages are those of the lock, Debian's those of the list of archives that the build has kept.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

PYTHON = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", re.MULTILINE)
DEBIAN = re.compile(r"^([^_\s]+)_([^_\s]+)_[a-z0-9]+\.deb$", re.MULTILINE)


def bill(lock: str, status: str, version: str) -> dict[str, object]:
    """The document, from a lock as uv writes it and a status file as dpkg does."""
    packages = [("pypi", *each) for each in PYTHON.findall(lock)] + [
        ("deb/debian", *each) for each in DEBIAN.findall(status)
    ]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {"type": "container", "name": "postavka", "version": version}},
        "components": [
            {"type": "library", "name": name, "version": release, "purl": f"pkg:{kind}/{name}@{release}"}
            for kind, name, release in sorted(packages)
        ],
    }


if __name__ == "__main__":
    lock, archives, version = sys.argv[1:]
    print(json.dumps(bill(Path(lock).read_text(), Path(archives).read_text(), version), indent=1))
