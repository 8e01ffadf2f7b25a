"""Where the project's files are, from wherever a test lies."""

from __future__ import annotations

from pathlib import Path

PROJECT = Path(__file__).parent.parent
JARS = PROJECT / ".postavka" / "jars"
"""Shared with the product itself, so that they are fetched once."""
RELEASE_6C4DEB1 = Path(__file__).parent / "fixtures" / "release_6c4deb1"
"""What an installation of that release has left behind."""
