"""The image: two builds are equal, it is small; in it a service runs as nobody, without a shell, writing nowhere."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from postavka.app.registry import SERVICES
from tests.paths import PROJECT

MOST_MEGABYTES = 350
NEEDED = ("buildah", "mmdebstrap", "umoci", "unshare")
RENDERING = ("papers", "web")
"""Services that run from the image of pages and documents."""
ENTER = """
import os, sys
root, *command = sys.argv[1:]
os.chroot(root)
os.chdir("/var/lib/postavka")
os.setgroups([]), os.setgid(10001), os.setuid(10001)
environment = {"PYTHONPATH": "/app/lib", "POSTAVKA_HOME": "/var/lib/postavka", "PATH": "/usr/bin"}
os.execve(command[0], command, environment)
"""
MOUNT = """
set -e
mount --make-rprivate /
mount --bind "$1" "$1"
mount -o remount,bind,ro "$1"
for folder in tmp var/lib/postavka; do mount -t tmpfs -o uid=10001,gid=10001 tmpfs "$1/$folder"; done
shift
exec "$@"
"""
"""A container without an engine: a view of the file system of its own, read-only but for two folders."""

pytestmark = [
    pytest.mark.servers,  # no quick one
    pytest.mark.skipif(os.geteuid() != 0, reason="images are built as root here"),
    pytest.mark.skipif(
        any(shutil.which(each) is None for each in NEEDED), reason=f"one of {', '.join(NEEDED)} isn't on this machine"
    ),
]


def build(folder: Path) -> str:
    """Build the image of stages; returns its digest."""
    command = [PROJECT / "deploy" / "image" / "build.sh", folder, "stages"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
    if "Could not resolve" in done.stderr or "Failed to fetch" in done.stderr:
        pytest.skip("Debian's archive can't be reached here")
    assert done.returncode == 0, done.stderr[-3_000:]
    index = json.loads((folder / "oci-stages" / "index.json").read_text())
    digest: str = index["manifests"][0]["digest"]
    return digest


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """Where the first of two builds lies, and the digests of both."""
    folders = [tmp_path_factory.mktemp("image") for _ in range(2)]
    digests = [build(folder) for folder in folders]
    shutil.rmtree(folders[1])
    return folders[0], digests


@pytest.fixture(scope="module")
def root(images: tuple[Path, list[str]]) -> Path:
    """The image's files."""
    folder, _ = images
    version = next(iter(json.loads((folder / "oci-stages" / "index.json").read_text())["manifests"]))
    name = version["annotations"]["org.opencontainers.image.ref.name"]
    bundle = folder / "bundle"
    subprocess.run(
        ["umoci", "unpack", "--image", f"{folder / 'oci-stages'}:{name}", bundle], check=True, capture_output=True
    )
    return bundle / "rootfs"


def run(root: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """A command of the image, as an unprivileged user."""
    inside = [sys.executable, "-c", ENTER, str(root), *command]
    isolated = ["unshare", "--mount", "--ipc", "--uts", "sh", "-c", MOUNT, "container", str(root), *inside]
    return subprocess.run(isolated, capture_output=True, text=True, timeout=300, check=False)


PYTHON = "/usr/bin/python3.11"
POSTAVKA = (PYTHON, "-m", "postavka.app.cli")


def plain(name: str) -> str:
    """A package's name as indexes compare it."""
    return name.lower().replace("_", "-").replace(".", "-")


def test_two_builds_are_equal(images: tuple[Path, list[str]]) -> None:
    _, (first, second) = images
    assert first == second


def test_it_is_small(root: Path) -> None:
    size = sum(path.lstat().st_size for path in root.rglob("*") if path.is_file() and not path.is_symlink())
    assert size / 1e6 < MOST_MEGABYTES


def test_its_bill_names_what_is_in_it(images: tuple[Path, list[str]], root: Path) -> None:
    bill = json.loads((images[0] / "stages.cdx.json").read_text())
    named = {plain(each["name"]) for each in bill["components"] if each["purl"].startswith("pkg:pypi/")}
    installed = {plain(folder.name.split("-")[0]) for folder in (root / "app" / "lib").glob("*.dist-info")}
    assert installed - {"postavka"} <= named
    debian = [each["name"] for each in bill["components"] if each["purl"].startswith("pkg:deb/")]
    assert "libc6" in debian
    assert "python3.11-minimal" in debian


def test_the_command_runs_without_a_shell(root: Path) -> None:
    assert not [path for path in ("bin/sh", "bin/bash", "usr/bin/dpkg", "usr/bin/apt") if (root / path).exists()]
    done = run(root, *POSTAVKA, "serve", "--help")
    assert done.returncode == 0, done.stderr
    assert "Run one service as this process" in done.stdout


def test_every_service_of_it_can_be_loaded(root: Path) -> None:
    modules = [f"{each.module}.__main__" for name, each in SERVICES.items() if name not in RENDERING]
    done = run(root, PYTHON, "-c", f"import importlib\nfor each in {modules}: importlib.import_module(each)")
    assert done.returncode == 0, done.stderr


def test_a_service_that_has_no_servers_says_so(root: Path) -> None:
    done = run(root, *POSTAVKA, "serve", "approval")
    assert done.returncode == 1
    assert "DATABASE_URL is not set" in done.stdout + done.stderr


def test_it_writes_nowhere_but_at_home(root: Path) -> None:
    script = (
        "import os, pathlib\n"
        "print(os.getuid())\n"
        "for folder in ('/', '/app', '/usr', '/etc', '/var/lib/postavka'):\n"
        "    try: pathlib.Path(folder, 'x').write_text('x'); print(folder)\n"
        "    except OSError: pass"
    )
    assert run(root, PYTHON, "-c", script).stdout.split() == ["10001", "/var/lib/postavka"]
