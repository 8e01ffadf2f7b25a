"""The manifest of a copy: what it names lies in the copy."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from postavka.kernel.backup.manifest import FILE, BadCopy, Manifest, sha256


@pytest.mark.parametrize("name", ["../outside", "topics/../../outside", "{elsewhere}/outside"])
def test_a_file_outside_of_the_copy_is_refused(tmp_path: Path, name: str):
    copy, name = tmp_path / "copy", name.format(elsewhere=tmp_path)
    (copy / "topics").mkdir(parents=True)
    (tmp_path / "outside").write_text("outside")
    Manifest().write(copy)
    said = orjson.loads((copy / FILE).read_bytes())
    said["files"][name] = sha256(tmp_path / "outside")
    (copy / FILE).write_bytes(orjson.dumps(said))
    with pytest.raises(BadCopy, match="outside of the copy"):
        Manifest.read(copy)
