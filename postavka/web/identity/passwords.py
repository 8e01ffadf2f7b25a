"""Passwords: argon2id, and what may be chosen as one (OWASP ASVS 5.0, 6.2)."""

from __future__ import annotations

import asyncio
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib.resources import files

from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

SAMPLE = "postavka-demo"
"""Of the sample users, printed by the demo: known to everybody, so that nobody else may choose it."""
SHORTEST = 8
LONGEST = 256
"""Characters. Long ones are welcome; the bound keeps hashing from being given a novel."""

HASH = PasswordHash((Argon2Hasher(time_cost=2, memory_cost=19_456, parallelism=1),))
"""OWASP's parameters for argon2id: 19 MiB, two passes."""
HASHING = ThreadPoolExecutor(4, thread_name_prefix="argon2")
"""So many at a time in this process: 19 MiB each, and the machine has other work."""


class WeakPassword(ValueError):
    """The message says in Russian what is wrong with it."""


def normal(password: str) -> str:
    """The same characters, however the keyboard composed them."""
    return unicodedata.normalize("NFC", password)


def check(password: str, login: str, name: str = "") -> None:
    """Check a new password; raises `WeakPassword`. No rules about kinds of characters: length and not being known is
    what counts."""
    typed = normal(password)
    if len(typed) < SHORTEST:
        raise WeakPassword(f"Пароль слишком короткий: нужно не меньше {SHORTEST} символов.")
    if len(typed) > LONGEST:
        raise WeakPassword(f"Пароль слишком длинный: можно не больше {LONGEST} символов.")
    folded = typed.casefold()
    if folded in _common() or folded == SAMPLE or len(set(folded)) < 3:
        raise WeakPassword("Этот пароль слишком известен: его проверяют первым. Придумайте другой.")
    own = {login.casefold(), login.partition("@")[0].casefold(), *name.casefold().split()} - {""}
    if folded in own or folded == "postavka" or folded == folded[0] * len(folded):
        raise WeakPassword("Пароль не должен совпадать с вашим логином или именем.")


async def make_hash(password: str) -> str:
    """argon2id with its parameters, to be stored."""
    return await asyncio.get_running_loop().run_in_executor(HASHING, HASH.hash, normal(password))


async def verify(password: str, stored: str | None) -> tuple[bool, str | None]:
    """Whether a password fits its stored hash; and a hash with today's parameters to store instead, if the old one has
    others. Without a stored hash the same work is done in vain, so that
    the time tells nothing about who exists."""
    loop = asyncio.get_running_loop()
    typed = normal(password)[:LONGEST]
    if stored is None:
        await loop.run_in_executor(HASHING, lambda: HASH.verify(typed, _nobodys()))
        return False, None
    return await loop.run_in_executor(HASHING, HASH.verify_and_update, typed, stored)


@cache
def _nobodys() -> str:
    return HASH.hash("a password that nobody has")


@cache
def _common() -> frozenset[str]:
    text = (files("postavka.web.identity") / "common-passwords.txt").read_text("utf-8")
    return frozenset(line.casefold() for line in text.splitlines() if line and not line.startswith("#"))
