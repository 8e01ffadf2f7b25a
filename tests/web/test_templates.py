"""Every template of every site compiles: an unknown filter is found here and not by who opens the page."""

from __future__ import annotations

from jinja2 import Environment

from postavka.app.registry import sites
from postavka.web.assets import Assets
from postavka.web.rendering import Rendering


def environment_of_all() -> Environment:
    packages = [site.package for site in sites()]
    return Rendering(packages, Assets(packages), ()).environment


def test_every_template_compiles() -> None:
    environment = environment_of_all()
    names = [name for name in environment.list_templates() if name.endswith(".html")]
    assert len(names) > 40
    for name in names:
        environment.get_template(name)


def test_pages_that_a_search_finds_describe_themselves() -> None:
    environment = environment_of_all()
    names = ("base.html", "help.html", "activate.html", "problems.html")
    pages = [environment.get_template(name) for name in names]
    assert len({"".join(page.blocks["description"](page.new_context())) for page in pages}) == len(names)
