"""OpenID Connect: who somebody is, by the word of a provider that the settings name (code flow, PKCE, nonce, state).

The provider's metadata and keys are fetched when they are first needed and kept for an hour. What it answers is not
trusted further than its signature: issuer, audience, time, nonce and the claim are checked here, and how strongly and
how recently the person has signed in there, where the settings ask for that (OpenID Connect Core 1.0, 3.1.2.1).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import httpx2
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from postavka.kernel.process.logs import logger
from postavka.web.settings import WebSettings

log = logger(__name__)
ALGORITHMS = ["RS256", "PS256", "ES256", "EdDSA"]
"""Public-key signatures only: never `none`, never one with a shared secret."""
KEEP_SECONDS = 3_600
TIMEOUT_SECONDS = 5.0
LEEWAY_SECONDS = 60
LARGEST_ANSWER = 256 * 1024
SEALED = b"postavka: a sign-in under way"
"""What cookies are sealed for: nothing that is sealed for something else is taken for one."""


class NotVouched(Exception):
    """The provider did not say who it is, or what it said doesn't hold; the message is for the log."""


@dataclass(frozen=True, slots=True)
class Started:
    """A sign-in under way: kept in the visitor's browser, sealed, until the provider sends it back. What is in it only
    we can read and write."""

    state: str
    nonce: str
    verifier: str
    next: str

    def pack(self, key: bytes) -> str:
        """The value of a cookie: encrypted and signed (AES-SIV) with a key of `cookie_key`."""
        fields = json.dumps([self.state, self.nonce, self.verifier, self.next]).encode()
        return base64.urlsafe_b64encode(AESSIV(key).encrypt(fields, [SEALED])).decode()

    @classmethod
    def unpack(cls, value: str, key: bytes) -> Started | None:
        """What a cookie of ours has sealed; None for any other value."""
        try:
            fields = AESSIV(key).decrypt(base64.urlsafe_b64decode(value.encode()), [SEALED])
        except (ValueError, InvalidTag):
            return None
        return cls(*json.loads(fields))


def cookie_key(master: bytes) -> bytes:
    """The key that cookies are sealed with, the same in every process: made from the master key of personal data."""
    return HKDF(SHA256(), 64, salt=None, info=SEALED).derive(master)


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom the provider vouches for."""

    issuer: str
    subject: str
    login: str
    """The verified claim."""


class Provider:
    """One OpenID provider. `close` at the end."""

    def __init__(self, config: WebSettings, key: bytes) -> None:
        """`key`: what the cookie of a sign-in under way is sealed with (`cookie_key`)."""
        self.key = key
        assert config.oidc_issuer is not None  # noqa: S101
        assert config.url is not None  # noqa: S101
        self._config, self._issuer = config, config.oidc_issuer
        self._strengths, self._max_age = config.oidc_acr_values.split(), config.oidc_max_age
        self.redirect = config.url.rstrip("/") + "/sign-in/oidc/back"
        self._client = httpx2.AsyncClient(timeout=TIMEOUT_SECONDS, follow_redirects=False)
        self._metadata: dict[str, Any] = {}
        self._keys: KeySet | None = None
        self._fetched = 0.0

    async def close(self) -> None:
        """Give up connections."""
        await self._client.aclose()

    def start(self, next: str) -> Started:
        """Fresh secrets for one sign-in."""
        return Started(secrets.token_urlsafe(24), secrets.token_urlsafe(24), secrets.token_urlsafe(48), next)

    async def address(self, started: Started) -> str:
        """Where to send the browser. Raises `NotVouched` when the provider can't be reached."""
        await self._know()
        challenge = base64.urlsafe_b64encode(hashlib.sha256(started.verifier.encode()).digest()).decode().rstrip("=")
        query = {
            "response_type": "code",
            "client_id": self._config.oidc_client_id,
            "redirect_uri": self.redirect,
            "scope": "openid profile email",
            "state": started.state,
            "nonce": started.nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
            **({"acr_values": " ".join(self._strengths)} if self._strengths else {}),
            **({"max_age": str(self._max_age)} if self._max_age is not None else {}),
        }
        endpoint = str(self._metadata["authorization_endpoint"])
        return endpoint + ("&" if "?" in endpoint else "?") + urlencode(query)

    async def identity(self, started: Started, state: str, code: str, issuer: str | None) -> Identity:
        """Who it is, for the code that the browser has brought back. Raises `NotVouched`."""
        if not hmac.compare_digest(state.encode(), started.state.encode()):
            raise NotVouched("another sign-in's state")
        if issuer is not None and issuer != self._issuer:
            raise NotVouched("an answer of another issuer (RFC 9207)")
        await self._know()
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.redirect,
            "client_id": self._config.oidc_client_id,
            "code_verifier": started.verifier,
        }
        if self._config.oidc_client_secret is not None:
            form["client_secret"] = self._config.oidc_client_secret.get_secret_value()
        answer = await self._ask("POST", self._metadata["token_endpoint"], data=form)
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise NotVouched("no ID token")
        return self._identity(await self._claims(token), started)

    def _identity(self, claims: dict[str, Any], started: Started) -> Identity:
        now = time.time()
        audience = claims.get("aud")
        audiences = audience if isinstance(audience, list) else [audience]
        checks = {
            "issuer": claims.get("iss") == self._issuer,
            "audience": self._config.oidc_client_id in audiences,
            "authorized party": len(audiences) == 1 or claims.get("azp") == self._config.oidc_client_id,
            "expiry": isinstance(claims.get("exp"), int | float) and now < claims["exp"] + LEEWAY_SECONDS,
            "time of issue": isinstance(claims.get("iat"), int | float) and claims["iat"] < now + LEEWAY_SECONDS,
            "nonce": isinstance(claims.get("nonce"), str)
            and hmac.compare_digest(claims["nonce"].encode(), started.nonce.encode()),
            "subject": isinstance(claims.get("sub"), str) and bool(claims["sub"]),
            "strength (acr)": not self._strengths or claims.get("acr") in self._strengths,
            "time of sign-in (auth_time)": _is_recent(claims.get("auth_time"), self._max_age, now),
        }
        wrong = [name for name, holds in checks.items() if not holds]
        if wrong:
            raise NotVouched("the ID token doesn't hold: " + ", ".join(wrong))
        name = self._config.oidc_claim
        login = claims.get(name)
        if not isinstance(login, str) or not login:
            raise NotVouched(f"the ID token has no claim {name}")
        if name == "email" and claims.get("email_verified") is not True:
            raise NotVouched("the provider has not verified the e-mail address")
        return Identity(self._issuer, claims["sub"], login)

    async def _claims(self, token: str) -> dict[str, Any]:
        for fresh in (False, True):  # a key that isn't known yet: the provider may have changed its keys
            await self._know(fresh=fresh)
            assert self._keys is not None  # noqa: S101
            try:
                return dict(jwt.decode(token, self._keys, algorithms=ALGORITHMS).claims)
            except (JoseError, ValueError) as wrong:
                failed = wrong
        raise NotVouched(f"the ID token's signature: {type(failed).__name__}")

    async def _know(self, *, fresh: bool = False) -> None:
        if self._keys is not None and not fresh and time.monotonic() - self._fetched < KEEP_SECONDS:
            return
        metadata = await self._ask("GET", self._issuer.rstrip("/") + "/.well-known/openid-configuration")
        if metadata.get("issuer") != self._issuer:
            raise NotVouched("the provider's metadata names another issuer")
        for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
            if not isinstance(metadata.get(name), str):
                raise NotVouched(f"the provider's metadata has no {name}")
        keys = await self._ask("GET", metadata["jwks_uri"])
        self._keys = _readable(keys)
        self._metadata, self._fetched = metadata, time.monotonic()

    async def _ask(self, method: str, url: str, data: dict[str, str] | None = None) -> dict[str, Any]:
        try:
            answer = await self._client.request(method, url, data=data, headers={"Accept": "application/json"})
            answer.raise_for_status()
            if len(answer.content) > LARGEST_ANSWER:
                raise NotVouched("the provider's answer is too large")
            value = answer.json()
        except (httpx2.HTTPError, ValueError) as away:
            raise NotVouched(f"the provider: {type(away).__name__}") from away
        if not isinstance(value, dict):
            raise NotVouched("the provider's answer is no object")
        return value


def _is_recent(signed_in_at: object, max_age: int | None, now: float) -> bool:
    """Is it a time, in seconds since 1970, neither longer ago than `max_age` seconds nor in the future? Without a limit
    it is always recent."""
    return max_age is None or (
        isinstance(signed_in_at, int | float)
        and not isinstance(signed_in_at, bool)
        and now - max_age - LEEWAY_SECONDS <= signed_in_at <= now + LEEWAY_SECONDS
    )


def _readable(found: dict[str, Any]) -> KeySet:
    """The keys that we can use: one of a kind or a curve that is not known here is passed over (RFC 7517, 5). Raises
    `NotVouched` when none is left."""
    listed = found.get("keys")
    keys = []
    for each in listed if isinstance(listed, list) else ():
        try:
            keys += KeySet.import_key_set({"keys": [each]}).keys
        except (JoseError, ValueError, KeyError, TypeError, AttributeError) as strange:
            log.warning("a key of the OpenID provider is passed over", error=type(strange).__name__)
    if not keys:
        raise NotVouched("none of the provider's keys can be read")
    return KeySet(keys)
