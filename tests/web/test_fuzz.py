"""schemathesis against the running API: whatever is sent, it answers as the description says and never fails."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.web.conftest import Site
from tests.web.stories import Story

EXAMPLES = 5
"""Of each operation: enough to find what is wrong with its shape, in a few seconds."""


@pytest.mark.parametrize(
    ("tenant", "tags"),
    [
        ("lukomor", ("--phases", "coverage,fuzzing", "--exclude-tag", "confirmations")),
        ("dist-north", ("--phases", "coverage", "--include-tag", "confirmations", "--include-tag", "documents")),
    ],
)
def test_the_api_is_as_described(site: Site, tenant: str, tags: tuple[str, ...], tmp_path: Path):
    blobs = site.app.state.web.blobs
    story = Story().submitted().approved().documented("doc-1", blobs.put(b"{}"), blobs.put(b"%PDF"))
    site.write(story)
    config = tmp_path / "schemathesis.toml"
    config.write_text(CONFIG.format(token=site.token(tenant), request_id=story.request_id))
    done = subprocess.run(
        [
            str(Path(sys.executable).parent / "schemathesis"), "--config-file", str(config), "run",
            f"{site.url}/api/v1/openapi.json", "--max-examples", str(EXAMPLES),
            "--exclude-operation-id", "streamRequest", "--exclude-operation-id", "streamEvents",
            "--seed", "1", "--request-timeout", "20", "--workers", "1",
            "--generation-database", "none", "--no-color", *tags,
        ],
        capture_output=True, text=True, timeout=280, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]


CONFIG = """
headers = {{ Authorization = "Bearer {token}" }}

[parameters]
"path.request_id" = "{request_id}"
"path.document_id" = "doc-1"

[checks]
# Well-formed by the schema, refused by its check digits: that is told with 422.
positive_data_acceptance = {{ expected-statuses = ["2xx", 400, 401, 403, 404, 409, 410, 422, 503] }}
# A role that has no business there gets 404 whatever it sends.
negative_data_rejection = {{ expected-statuses = [400, 401, 403, 404, 405, 406, 409, 410, 413, 415, 422, 428] }}
missing_required_header = {{ expected-statuses = [400, 401, 403, 404, 406, 415, 422] }}
"""
