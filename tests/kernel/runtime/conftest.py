"""What tests of the servers look at: the folder that they live in."""

from __future__ import annotations

from pathlib import Path

import pytest

from postavka.kernel.runtime.embedded import Endpoints


@pytest.fixture
def home(servers: Endpoints, request: pytest.FixtureRequest) -> Path:
    """The folder of the run's own servers."""
    folder = getattr(request.config, "postavka_home", None)
    if folder is None:
        pytest.skip("the test looks at servers that this run has started, not at yours")
    assert isinstance(folder, Path)
    return folder
