"""The oracle of webhooks is awake: each way to post wrongly is found."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.system.oracle import Oracle, Post, Told

NAMES = ("RequestSubmitted", "Approved", "PermissionIssued")
POSTS = [
    Post(f"msg-{number}", {"source": f"/{name}", "id": "r/1", "subject": "r", "cursor": f"{number}.0"}, taken)
    for number, name, taken in (
        (1, NAMES[0], True), (1, NAMES[0], True), (2, NAMES[1], False), (2, NAMES[1], True), (3, NAMES[2], True),
    )
]  # fmt: skip
"""As they should come: one comes again since nobody knew that it was taken, one is refused first."""


def oracle() -> Oracle:
    headers = {"ce_position": "1", "ce_subject": "r", "ce_id": "r/1"}
    return Oracle(
        [
            Told("t", 0, at, "r", {**headers, "ce_type": f"{name}.v1", "ce_source": f"/{name}"}, {"partner_id": "p"})
            for at, name in enumerate(NAMES)
        ],
        [],
    )


def test_as_it_should_be():
    oracle().check_posts(POSTS, "p")


@pytest.mark.parametrize(
    ("posts", "wrong"),
    [
        (POSTS[:4], "were not posted"),
        ([*POSTS[:3], POSTS[4], POSTS[3]], "was awaited"),
        ([POSTS[0], POSTS[4], *POSTS[1:4]], "was awaited"),
        ([*POSTS, POSTS[0]], "was awaited"),
        ([replace(POSTS[0], webhook_id="another"), *POSTS[1:]], "an id"),
        ([*POSTS[:4], replace(POSTS[4], webhook_id="msg-1")], "an id"),
        ([*POSTS, replace(POSTS[0], event={**POSTS[0].event, "subject": "q"})], "another partner"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_found(posts: list[Post], wrong: str):
    with pytest.raises(AssertionError, match=wrong):
        oracle().check_posts(posts, "p")
