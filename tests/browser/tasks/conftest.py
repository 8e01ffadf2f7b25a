"""What tasks have in common: people whose presses of the mouse are counted, and requests to begin with."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Locator

from tests.browser.conftest import SignedIn
from tests.browser.person import Person
from tests.browser.sending import Case, bring
from tests.system.conftest import System, wait_until

COUNTED = """() => {
    addEventListener("pointerdown", (event) => event.isTrusted && pressed(), true)
    addEventListener("change", (event) => event.target.matches("select") && pressed(), true)
}"""
"""A press of the mouse counts one, a choice from a list as well; what is typed does not count."""


@pytest.fixture
def worker(
    person: SignedIn, request: pytest.FixtureRequest, measured: Callable[[str], None]
) -> Iterator[Callable[[str], Person]]:
    """Somebody at its start page; how many clicks the task took is told at the end of the run."""
    clicks: list[str] = []

    def begun(login: str) -> Person:
        somebody = person(login)
        somebody.page.expose_binding("pressed", lambda _: clicks.append(login))
        somebody.page.add_init_script(f"({COUNTED})()")
        somebody.page.evaluate(COUNTED)
        return somebody

    yield begun
    role = request.module.__name__.rpartition("test_")[2]
    measured(f"task of {role}: {request.function.__doc__.rstrip('.')}: {len(clicks)} clicks")


@pytest.fixture(scope="module")
def cases(system: System, request: pytest.FixtureRequest) -> dict[str, Case]:
    """By the names in `BEGIN` of the module, which says the status that each is to have."""
    return bring(system, request.module.BEGIN)


def there(somebody: Person, what: Locator) -> None:
    """Look at the page again until it shows what other services write a moment later."""

    def shown() -> bool:
        somebody.page.reload()
        return what.count() > 0

    if not what.count():
        wait_until(shown, str(what))
