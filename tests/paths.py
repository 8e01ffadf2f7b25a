"""Where the project's files are, from wherever a test lies."""

from __future__ import annotations

from pathlib import Path

TESTS = Path(__file__).parent
PROJECT = TESTS.parent
JARS = PROJECT / ".postavka" / "jars"
"""Shared with the product itself, so that they are fetched once."""
RELEASE_6C4DEB1 = TESTS / "fixtures" / "release_6c4deb1"
"""What an installation of that release has left behind."""
