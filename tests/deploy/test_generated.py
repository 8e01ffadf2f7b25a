"""What of `deploy/` follows from the code is as the code says."""

from __future__ import annotations

import runpy

import yaml

from postavka.app.registry import SERVICES
from tests.paths import PROJECT

DEPLOY = PROJECT / "deploy"


def test_generated_files_are_as_the_generator_writes_them() -> None:
    written = runpy.run_path(str(DEPLOY / "generate.py"))["files"]()
    differing = [name for name, text in written.items() if (DEPLOY / name).read_text() != text]
    assert not differing, "run .venv/bin/python deploy/generate.py, and deploy/render.sh"


def test_every_service_has_its_part_in_compose() -> None:
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    served = {each["command"][1] for each in compose["services"].values() if each.get("command", [""])[0] == "serve"}
    assert served == set(SERVICES)
    addresses = yaml.safe_load(compose["services"]["ops"]["environment"]["POSTAVKA_SERVICE_URLS"])
    assert addresses == {name: f"http://{name}:9100" for name in SERVICES}
    scraped = yaml.safe_load(compose["configs"]["prometheus"]["content"])["scrape_configs"][0]["static_configs"]
    assert scraped[0]["targets"] == [f"{name}:9100" for name in SERVICES]
