"""The release to come, of which the drill `upgrade` is made, follows this one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.cluster.rig import path_of
from tests.cluster.upgrade import NEW_VERSION, OLD_VERSION, make_next_release

WRITTEN = f"""
from events.approval import Approved
from events.upcasting import newest_version
from events.versions import CONTRACT, HELD_BACK
print(Approved.TYPE, newest_version("{OLD_VERSION}"), HELD_BACK["{NEW_VERSION}"][:2] == (CONTRACT, "{OLD_VERSION}"))
"""


def test_it_has_a_new_version_of_an_event_that_is_held_back(tmp_path: Path):
    release = make_next_release(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", WRITTEN], env=path_of(release), capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [NEW_VERSION, NEW_VERSION, "True"]
