"""The numbered SQL files that an installation of an earlier release has applied are here yet, to the byte. With another
comment in one of them its service would not start on that installation."""

from __future__ import annotations

import json
from hashlib import sha256

from tests.paths import PROJECT

APPLIED = json.loads((PROJECT / "tests" / "fixtures" / "release_6c4deb1" / "expected.json").read_text("utf-8"))[
    "migrations"
]


def test_no_applied_file_has_changed():
    files = [each for top in ("postavka", "services") for each in (PROJECT / top).glob("**/sql/[0-9]*.sql")]
    now = {each.name: sha256(each.read_bytes()).hexdigest() for each in files if each.name in APPLIED}
    assert len(APPLIED) > 20
    assert now == APPLIED
