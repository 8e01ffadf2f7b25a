"""A whole of one's own, for what is run by hand: everything started in a folder that is gone afterwards."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from postavka.app.one_box.launcher import Launch
from postavka.kernel.runtime.progress import Spoken
from postavka.kernel.settings import Settings
from tests.paths import JARS


@contextmanager
def own_whole(name: str, *, keep: bool = False) -> Iterator[Launch]:
    """Started; stopped in the end. `keep`: as for `own_folder`."""
    with own_folder(name, keep=keep) as home:
        (home / "jars").symlink_to(JARS)
        with Launch(Settings(home=home), Spoken()) as launch:
            yield launch
            launch.close()
            if not keep:
                launch.remove_data()


@contextmanager
def own_folder(name: str, *, keep: bool = False) -> Iterator[Path]:
    """Gone in the end. `keep`: leave it with its logs and data, and say where it is; also after a failure."""
    home = Path(tempfile.mkdtemp(prefix=f"postavka-{name}-"))
    try:
        yield home
    except BaseException:
        keep = True
        raise
    finally:
        if keep:
            print(f"logs and data: {home}")
        else:
            shutil.rmtree(home, ignore_errors=True)
