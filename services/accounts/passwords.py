"""Passwords: argon2id, and what may be chosen as one (OWASP ASVS 5.0, 6.2)."""

from __future__ import annotations

import asyncio
import unicodedata
from functools import cache
from importlib.resources import files

from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

SHORTEST = 8
LONGEST = 256
"""Characters. Long ones are welcome; the bound keeps hashing from being given a novel."""

HASH = PasswordHash((Argon2Hasher(time_cost=2, memory_cost=19_456, parallelism=1),))
"""OWASP's parameters for argon2id: 19 MiB, two passes."""
AT_ONCE = asyncio.Semaphore(4)
"""Hashings at a time in this process: 19 MiB each, and the machine has other work."""


class WeakPassword(ValueError):
    """The message says in Russian what is wrong with it."""


def normal(password: str) -> str:
    """The same characters, however the keyboard composed them."""
    return unicodedata.normalize("NFC", password)


def check(password: str, login: str, name: str = "") -> None:
    """Raises `WeakPassword`. No rules about kinds of characters: length and not being known is what counts."""
    typed = normal(password)
    if len(typed) < SHORTEST:
        raise WeakPassword(f"Пароль слишком короткий: нужно не меньше {SHORTEST} символов.")
    if len(typed) > LONGEST:
        raise WeakPassword(f"Пароль слишком длинный: можно не больше {LONGEST} символов.")
    folded = typed.casefold()
    if folded in _common() or len(set(folded)) < 3:
        raise WeakPassword("Этот пароль слишком известен: его проверяют первым. Придумайте другой.")
    own = {login.casefold(), login.partition("@")[0].casefold(), *name.casefold().split()} - {""}
    if folded in own or folded == "postavka" or folded == folded[0] * len(folded):
        raise WeakPassword("Пароль не должен совпадать с вашим логином или именем.")


async def make_hash(password: str) -> str:
    """argon2id with its parameters, to be stored."""
    async with AT_ONCE:
        return await asyncio.to_thread(HASH.hash, normal(password))


async def verify(password: str, stored: str | None) -> tuple[bool, str | None]:
    """Does it fit? And a hash with today's parameters to store instead, if the old one has others. Without a stored
    hash the same work is done in vain, so that the time tells nothing about who exists."""
    async with AT_ONCE:
        if stored is None:
            await asyncio.to_thread(HASH.verify, normal(password)[:LONGEST], _nobodys())
            return False, None
        return await asyncio.to_thread(HASH.verify_and_update, normal(password)[:LONGEST], stored)


@cache
def _nobodys() -> str:
    return HASH.hash("a password that nobody has")


@cache
def _common() -> frozenset[str]:
    text = (files("services.accounts") / "common-passwords.txt").read_text("utf-8")
    return frozenset(line.casefold() for line in text.splitlines() if line and not line.startswith("#"))
