"""Every template of every site compiles: an unknown filter is found here and not by who opens the page."""

from __future__ import annotations

from jinja2 import Environment

from postavka.app.registry import sites
from postavka.web.assets import Assets
from postavka.web.rendering import Rendering


def test_every_template_compiles() -> None:
    packages = [site.package for site in sites()]
    environment: Environment = Rendering(packages, Assets(packages), ()).environment
    names = [name for name in environment.list_templates() if name.endswith(".html")]
    assert len(names) > 40
    for name in names:
        environment.get_template(name)
