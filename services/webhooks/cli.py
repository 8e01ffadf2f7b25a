"""`postavka webhooks`: webhooks at a developer's desk."""

from __future__ import annotations

import os
import time
from typing import Any

import httpx2
import orjson
from cyclopts import App

from postavka.kernel.console import console, print_line
from postavka.kernel.errors import UserError
from services.webhooks.signing import headers, new_secret
from services.webhooks.webhooks import message_id

webhooks = App(name="webhooks", help="Webhooks: events of the feed, posted to a program of yours.")

TOKEN = "POSTAVKA_TOKEN"  # noqa: S105  (the name of a variable)
WAIT_SECONDS = 30.0


class NoFeed(UserError):
    """The feed can't be read, or nobody says who reads."""


@webhooks.command
def listen(
    portal: str, *, to: str | None = None, after: str = "end", seconds: float = 1.0, rounds: int | None = None
) -> None:
    """Read the feed of a portal and print each event, or post it to a program on this machine, signed like a webhook.

    The token is read from POSTAVKA_TOKEN; it needs the right `read`. Ctrl-C ends it.

    Parameters
    ----------
    portal
        Address of the portal: https://cabinet.example.ru
    to
        Address that events are posted to: http://127.0.0.1:3000/hook. Left out: they are printed as JSON, one a line.
    after
        A cursor of the feed: what stands behind it. `0`: from the first event on. `end`: what comes from now on.
    seconds
        Between two looks at the feed.
    rounds
        Look so often and end. Left out: until Ctrl-C.
    """
    token = os.environ.get(TOKEN)
    if not token:
        raise NoFeed(f"set {TOKEN} to a token of the portal that has the right `read`")
    secret = new_secret()
    if to is not None:
        console.print(f"signed with {secret}", highlight=False)
    done = 0
    with httpx2.Client(base_url=portal, headers={"Authorization": f"Bearer {token}"}, timeout=WAIT_SECONDS) as client:
        while rounds is None or done < rounds:
            page = _page(client, after)
            for event in page["items"]:
                _tell(event, to, secret)
            after, done = page["next"], done + 1
            if not page["more"] and (rounds is None or done < rounds):
                time.sleep(seconds)


def _page(client: httpx2.Client, after: str) -> Any:
    """A page of the feed. Raises `NoFeed`."""
    try:
        answer = client.get("/api/v1/events", params={"after": after})
    except httpx2.HTTPError as away:
        raise NoFeed(f"{client.base_url} does not answer: {away}") from away
    if answer.status_code != 200:
        raise NoFeed(f"the portal has answered {answer.status_code}: {answer.text[:300]}")
    return answer.json()


def _tell(event: dict[str, Any], to: str | None, secret: str) -> None:
    """Print an event, or post it and print what was answered."""
    if to is None:
        print_line(event)
        return
    body = orjson.dumps(event)
    signed = headers([secret], message_id(event), int(time.time()), body)
    try:
        answer = httpx2.post(
            to, content=body, headers={**signed, "content-type": "application/cloudevents+json"}, timeout=WAIT_SECONDS
        )
        told = str(answer.status_code)
    except httpx2.HTTPError as away:
        told = f"no answer: {away}"
    console.print(f"{event['type']} {event['subject']} → {told}", highlight=False)
