"""The host names under which the application answers. A name that a stranger has pointed at us is not one of them: a
page of that name would read our answers in a visitor's browser (DNS rebinding)."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

from postavka.web.settings import WebSettings, is_loopback


class Hosts:
    """The names of one installation."""

    def __init__(self, config: WebSettings) -> None:
        named = {each.strip().lower() for each in config.hosts.split(",")}
        typed = urlsplit(config.url).hostname if config.url else None
        self._known = (named | ({typed} if typed else set())) - {""}

    def knows(self, host: str) -> bool:
        """Is this `Host` ours? Addresses and names without a dot always are: no stranger can have them in the DNS."""
        try:
            name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
        except ValueError:
            return False
        return name in self._known or "." not in name.strip("[]") or is_loopback(name) or _is_address(name)


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
