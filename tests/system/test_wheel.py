"""What is installed from the wheel alone, far from this folder, runs the demo."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from tests.paths import JARS, PROJECT

CODE = ("events", "postavka", "services")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from the files that git knows."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in tracked():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(PROJECT / name, source / name)
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(out)]
    done = subprocess.run(build, cwd=source, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = out.glob("*.whl")
    return built


def tracked() -> list[str]:
    found = subprocess.run(["git", "ls-files"], cwd=PROJECT, capture_output=True, text=True, check=True)
    return [name for name in found.stdout.splitlines() if (PROJECT / name).is_file()]


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of programs of an environment with the wheel. Its dependencies are those of this environment, read
    from where they are: the wheel's own code is not."""
    place = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(place)], check=True)
    (packages,) = place.glob("lib/python*/site-packages")
    install = [str(PROJECT / ".tools" / "bin" / "uv"), "pip", "install", "--quiet", "--offline", "--no-deps"]
    done = subprocess.run(
        [*install, "--python", str(place / "bin" / "python"), str(wheel)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return place / "bin"


def test_the_wheel_has_all_that_git_knows_of_the_code(wheel: Path) -> None:
    packed = set(zipfile.ZipFile(wheel).namelist())
    assert [name for name in tracked() if name.split("/")[0] in CODE and name not in packed] == []
    assert {name.split("/")[0] for name in packed} == {*CODE, "postavka-0.1.0.dist-info"}


def test_the_demo_runs_from_the_wheel(installed: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "jars").symlink_to(JARS)
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("POSTAVKA_", "PYTHON"))}
    asked = "import postavka, events, services; print(postavka.__file__, events.__file__, services.__file__)"
    code = subprocess.run(
        [installed / "python", "-c", asked], cwd=tmp_path, env=ours, capture_output=True, text=True, check=True
    ).stdout
    assert str(PROJECT) not in code
    done = subprocess.run(
        [installed / "postavka", "demo", "--no-stay"],
        cwd=tmp_path,
        env=ours | {"POSTAVKA_HOME": str(home), "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert done.stdout.count("Activated.v1") == 3
