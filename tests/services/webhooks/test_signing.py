"""Signatures are those of Standard Webhooks; secrets are kept sealed."""

from __future__ import annotations

import base64
from uuid import uuid4

import pytest
from cryptography.exceptions import InvalidTag

from services.webhooks.signing import PREFIX, SECRET_BYTES, SecretBox, headers, new_secret, signature

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
"""With message, moment and signature from the documentation of Svix, which wrote the standard."""


def test_the_signature_is_that_of_the_standard():
    made = signature(SECRET, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert made == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_all_secrets_in_force_sign():
    other = new_secret()
    given = headers([SECRET, other], "m-1", 1, b"{}")
    assert given["webhook-signature"] == f"{signature(SECRET, 'm-1', 1, b'{}')} {signature(other, 'm-1', 1, b'{}')}"
    assert (given["webhook-id"], given["webhook-timestamp"]) == ("m-1", "1")


def test_a_secret_is_random_and_long_enough():
    first, second = new_secret(), new_secret()
    assert first != second
    assert first.startswith(PREFIX)
    assert len(base64.b64decode(first.removeprefix(PREFIX))) == SECRET_BYTES


def test_a_sealed_secret_opens_for_its_webhook_and_its_installation_alone():
    webhook_id, box = uuid4(), SecretBox(b"a" * 32)
    sealed = box.seal(webhook_id, SECRET)
    assert SECRET.encode() not in sealed
    assert box.open(webhook_id, sealed) == SECRET
    assert box.seal(webhook_id, SECRET) != sealed
    for other, key in ((uuid4(), box), (webhook_id, SecretBox(b"b" * 32))):
        with pytest.raises(InvalidTag):
            key.open(other, sealed)
