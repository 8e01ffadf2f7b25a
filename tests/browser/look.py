"""What every page keeps to, whoever it is for: axe finds nothing, and it fits the smallest phone."""

from __future__ import annotations

from typing import Any, Literal

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

FOREIGN_FONTS = """() => [...document.querySelectorAll("body *")]
    .filter((each) => each.checkVisibility() && !each.closest("svg, option"))
    .filter((each) => each.matches("input, select, textarea, button")
        || [...each.childNodes].some((part) => part.nodeType === 3 && part.data.trim()))
    .flatMap((each) => [[each, null], ...(each.type === "file" ? [[each, "::file-selector-button"]] : [])])
    .filter(([each, part]) => !/Golos Text|monospace/.test(getComputedStyle(each, part).fontFamily))
    .map(([each, part]) => `${each.outerHTML.slice(0, 90)} ${part ?? ""} ${getComputedStyle(each, part).fontFamily}`)"""
"""Texts and controls that are not set in the font that pages bring along: their size would be the machine's."""


UNDER_THE_ACCOUNT = """() => {
    const tools = document.querySelector(".bar-tools")?.getBoundingClientRect()
    const places = tools ? Array.from({length: Math.floor(tools.width / 8)}, (_, each) => tools.left + 8 * each) : []
    const there = places.flatMap((x) => document.elementsFromPoint(x, tools.top + tools.height / 2))
    return there.some((each) => each.closest(".nav"))
}"""
"""Whether sections of the menu lie under what stands beside them."""


def look(page: Page, what: str) -> None:
    """axe finds nothing on the desktop in light and on the smallest phone in dark; nothing in the bar lies
    under anything else; nothing is wider than that phone, set in another font, or too small to hit."""
    assert not page.evaluate(UNDER_THE_ACCOUNT), f"{what}: sections of the menu lie under the account"
    size = page.viewport_size
    _ask_axe(page, f"{what}, light")
    page.set_viewport_size({"width": 320, "height": 640})
    _ask_axe(page, f"{what}, dark, on a phone", "dark")
    page.emulate_media(color_scheme="light")
    wider = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wider <= 0, f"{what} is {wider} px too wide at 320 px"
    foreign = page.evaluate(FOREIGN_FONTS)
    assert foreign == [], f"{what}: set in a font of the machine: {foreign}"
    small = page.evaluate(
        """() => [...document.querySelectorAll("a, button, input:not([type=hidden]), select, summary, textarea")]
            .filter((each) => each.checkVisibility() && !each.closest("p, li, dd, .hint, .foot, .note, .row-link"))
            .map((each) => [each, (each.closest("label") ?? each).getBoundingClientRect()])
            .filter(([, box]) => box.width > 1 && (box.width < 24 || box.height < 24))
            .map(([each, box]) => `${each.outerHTML.slice(0, 90)} ${box.width}x${box.height}`)"""
    )
    assert small == [], f"{what}: targets smaller than 24 px (WCAG 2.5.8): {small}"
    if size is not None:
        page.set_viewport_size(size)


def _ask_axe(page: Page, what: str, scheme: Literal["light", "dark"] = "light") -> None:
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    # Chromium sometimes leaves a text in the colour of the other scheme until it is laid out anew.
    page.evaluate("document.body.hidden = true; document.body.offsetHeight; document.body.hidden = false")
    found = Axe().run(page).response
    assert [f"{rule['id']}: {node['html'][:120]} {node['any'][:1]}" for rule, node in _against(found)] == [], what


def _against(found: dict[str, Any]) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Violations; and text in the colour of its own background, which axe only doubts: it may be hidden on purpose."""
    clear = [(rule, node) for rule in found["violations"] for node in rule["nodes"][:3]]
    doubted = [(rule, node) for rule in found["incomplete"] for node in rule["nodes"]]
    return clear + [
        (rule, node)
        for rule, node in doubted
        if any((each.get("data") or {}).get("messageKey") == "equalRatio" for each in node["any"])
    ]
