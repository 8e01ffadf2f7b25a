"""Folders are copied while others write into them."""

from __future__ import annotations

import shutil
from pathlib import Path

from postavka.kernel.backup.whole import _copy_tree


def test_a_document_that_is_being_written_is_left_out(tmp_path: Path) -> None:
    """It has another name by the time that it is copied; it is no document yet."""
    source, target = tmp_path / "blobs", tmp_path / "copy"
    (source / "fb").mkdir(parents=True)
    beside = source / "fb" / ".fbb556ea63c0aef9.a7b892922eb995bc"
    beside.write_text("half")
    for name in ("fba1", "fbb5"):
        (source / "fb" / name).write_text(name)

    def copy(file: Path, to: Path) -> None:
        beside.unlink(missing_ok=True)
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, to)

    _copy_tree(source, target, copy)
    assert sorted(path.name for path in (target / "fb").iterdir()) == ["fba1", "fbb5"]
