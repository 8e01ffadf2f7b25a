"""Prepares the folder that an image is built from: `prepare.py FOLDER TARGET`. Two runs give equal files."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

IMAGE = Path(__file__).parent
ROOT = IMAGE.parents[1]
UV = ROOT / ".tools" / "bin" / "uv"
PYTHON = "3.11"
NOT_RUN = ("tests", "test", "__pycache__", "include")
"""Folders within packages that nothing imports at run time."""
PACKAGE = re.compile(r"^([A-Za-z0-9._-]+)==", re.MULTILINE)


def chosen(lock: str, left_out: set[str]) -> str:
    """The lock without these packages. An entry is a line `name==…` and the indented lines of its hashes."""
    entries = re.split(r"\n(?=\S)", lock)
    return "\n".join(each for each in entries if (name := PACKAGE.match(each)) is None or name[1] not in left_out)


def main(folder: Path, target: str) -> None:
    """Install the chosen packages and the product's own wheel into `folder`/app-`target`/lib."""
    left_out = set(tomllib.loads((IMAGE / "targets.toml").read_text())["left-out"][target])
    lock = folder / f"{target}.lock"
    locks = (ROOT / "requirements.lock", ROOT / "requirements-copies.lock")
    lock.write_text(chosen("".join(each.read_text() for each in locks), left_out))
    app = folder / f"app-{target}"
    shutil.rmtree(app, ignore_errors=True)
    wheels = folder / "wheels"
    shutil.rmtree(wheels, ignore_errors=True)
    uv = [str(UV), "--quiet"]
    subprocess.run([*uv, "build", "--wheel", "--out-dir", str(wheels), str(ROOT)], check=True)  # noqa: S603
    install = [*uv, "pip", "install", "--python-version", PYTHON, "--target", str(app / "lib"), "--no-deps"]
    subprocess.run([*install, "--require-hashes", "--requirements", str(lock)], check=True)  # noqa: S603
    subprocess.run([*install, *map(str, wheels.glob("*.whl"))], check=True)  # noqa: S603
    tidy(app / "lib")


def tidy(lib: Path) -> None:
    """Take away what is not run, and what would differ from one run to the next."""
    for path in sorted(lib.rglob("*"), reverse=True):
        if path.is_dir() and path.name in NOT_RUN and path.parent != lib:
            shutil.rmtree(path)
        elif path.name in ("direct_url.json", "uv_cache.json", "RECORD", ".lock") or path.suffix == ".pyi":
            path.unlink()
    shutil.rmtree(lib / "bin", ignore_errors=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
