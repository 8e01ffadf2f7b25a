"""Deliveries to a real receiver: in order for one request, again until it is taken, bounded, each webhook by itself."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Any
from uuid import UUID, uuid4

import orjson
import psycopg
import pytest
from aiohttp import web

from events.request import RequestSubmitted
from postavka.app.one_box.launcher import SAMPLE
from postavka.domain.reference.file import read_file
from postavka.domain.reference.store import load
from postavka.kernel.log.record import partition_name
from postavka.kernel.privacy.vault import open_vault
from postavka.kernel.settings import Settings
from services.feed.projection import TOPICS, FeedProjection
from services.webhooks.addresses import Target
from services.webhooks.delivery import WebhookDelivery
from services.webhooks.posting import post
from services.webhooks.settings import WebhookSettings
from services.webhooks.signing import new_secret, signature
from services.webhooks.webhooks import secret_box
from tests.kernel.polling import PATIENCE_SECONDS
from tests.services.feed.history import SOLD, History
from tests.services.histories import PARTNER
from tests.services.webhooks.adding import add_webhook

MINE = PARTNER.model_copy(update={"id": "lukomor"})
HERE = (ip_network("127.0.0.0/8"),)
TABLES = "feed.events, feed.tenants, feed.requests, feed.waiting, feed.marks, feed.unread, webhooks.webhooks CASCADE"


@dataclass
class Posted:
    """What came to the receiver."""

    id: str
    headers: dict[str, str]
    body: bytes

    @property
    def event(self) -> dict[str, Any]:
        read: dict[str, Any] = orjson.loads(self.body)
        return read

    @property
    def type(self) -> str:
        return str(self.event["type"])


@dataclass
class Receiver:
    """A program of a partner's. `answers`: what it says to the next posts; then 204."""

    posted: list[Posted] = field(default_factory=list)
    answers: list[int | Callable[[web.Request], Awaitable[web.StreamResponse]]] = field(default_factory=list)
    always: int | Callable[[web.Request], Awaitable[web.StreamResponse]] = 204
    url: str = ""
    came: asyncio.Event = field(default_factory=asyncio.Event)

    async def take(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.came.set()
        self.posted.append(Posted(headers.get("webhook-id", ""), headers, body))
        answer = self.answers.pop(0) if self.answers else self.always
        if isinstance(answer, int):
            return web.Response(status=answer, text="so" if answer >= 300 else None)
        return await answer(request)

    def types(self) -> list[str]:
        return [each.type for each in self.posted]

    async def has(self, count: int) -> None:
        """So many have come."""
        while len(self.posted) < count:
            self.came.clear()
            await self.came.wait()


class World:
    """A feed, receivers, and the worker between them."""

    def __init__(self, config: Settings, **own: Any) -> None:
        self.config = config
        self.history = History()
        self.own = WebhookSettings(**{"networks": HERE, "ladder": (0, 0), "seconds": PATIENCE_SECONDS, **own})
        self.delivery = WebhookDelivery(config, self.own)
        self._runners: list[web.AppRunner] = []

    async def receiver(self, path: str = "/hook") -> Receiver:
        """One that listens here."""
        made, app = Receiver(), web.Application()
        app.router.add_post("/{any:.*}", made.take)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self._runners.append(runner)
        made.url = f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}{path}"  # type: ignore[union-attr]
        return made

    def webhook(self, url: str, partner: str = "lukomor", types: tuple[str, ...] = ()) -> UUID:
        """One that is told from the beginning."""
        webhook_id, self.secret = add_webhook(self.config, partner, url, types)
        return webhook_id

    def happens(self) -> None:
        """What has happened is in the feed."""
        projection = FeedProjection(self.config)
        projection.marks([partition_name(topic, 0) for topic in TOPICS])
        projection.project([record for records in self.history.topics.values() for record in records])

    async def rounds(self, webhook_id: UUID, most: int = 30) -> None:
        """Deliver until there is nothing to do at once."""
        for _ in range(most):
            if not await self.delivery.round(webhook_id) and not self.due(webhook_id):
                return

    def due(self, webhook_id: UUID) -> int:
        return int(self.sql(
            "SELECT count(*) FROM webhooks.deliveries d JOIN webhooks.webhooks w USING (webhook_id) "
            "WHERE webhook_id = %s AND status = 'due' AND next_at <= now() AND is_on", webhook_id
        )[0][0])  # fmt: skip

    def sql(self, query: str, *values: Any) -> list[Any]:
        with psycopg.connect(self.config.database_url.get_secret_value(), autocommit=True) as connection:  # type: ignore[union-attr]
            done = connection.execute(query.encode(), values)
            return done.fetchall() if done.description else []

    async def close(self) -> None:
        for runner in self._runners:
            await runner.cleanup()
        await self.delivery.close()


@pytest.fixture(scope="module")
def config(own_database: str, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    load(own_database, read_file(SAMPLE), "test")
    return Settings(database_url=own_database, home=tmp_path_factory.mktemp("home"), make_keys=True)


def run(config: Settings, test: Callable[[World], Awaitable[None]], **own: Any) -> None:
    """The test in a world of its own."""

    async def body() -> None:
        world = World(config, **own)
        world.sql(f"TRUNCATE {TABLES}")
        await world.delivery.start()
        try:
            await asyncio.wait_for(test(world), 3 * PATIENCE_SECONDS)
        finally:
            await world.close()

    asyncio.run(body())


def test_events_are_posted_in_order_and_signed(config: Settings):
    async def body(world: World) -> None:
        request_id = world.history.sold(MINE)
        world.happens()
        receiver = await world.receiver()
        webhook_id = world.webhook(receiver.url)
        await world.rounds(webhook_id)
        assert receiver.types() == SOLD
        for each in receiver.posted:
            moment = int(each.headers["webhook-timestamp"])
            assert each.headers["webhook-signature"] == signature(world.secret, each.id, moment, each.body)
            assert each.headers["content-type"].startswith("application/cloudevents+json")
            assert each.event["subject"] == str(request_id)
        assert len({each.id for each in receiver.posted}) == len(SOLD)
        rows = world.sql("SELECT status, tries, answered FROM webhooks.deliveries ORDER BY number")
        assert rows == [("sent", 1, 204)] * len(SOLD)

    run(config, body)


def test_only_the_wanted_types(config: Settings):
    async def body(world: World) -> None:
        world.history.sold(MINE)
        world.happens()
        receiver = await world.receiver()
        await world.rounds(world.webhook(receiver.url, types=("Approved", "ShipmentIssued")))
        assert receiver.types() == ["Approved.v3", "ShipmentIssued.v1"]

    run(config, body)


def test_what_is_not_taken_comes_again_under_its_id_and_holds_up_its_request_alone(config: Settings):
    async def body(world: World) -> None:
        first, second = world.history.sold(MINE), world.history.sold(MINE)
        world.happens()
        receiver = await world.receiver()
        webhook_id = world.webhook(receiver.url)

        async def refuse_first(request: web.Request) -> web.Response:
            event = orjson.loads(await request.read())
            refused = event["subject"] == str(first) and len(receiver.posted) <= 3
            return web.Response(status=503 if refused else 200)

        receiver.always = refuse_first
        await world.rounds(webhook_id)
        for subject in (first, second):
            events = [each for each in receiver.posted if each.event["subject"] == str(subject)]
            taken = list({each.id: each.type for each in events}.values())
            assert taken == SOLD
        again = [each.id for each in receiver.posted if each.event["subject"] == str(first)]
        assert len(again) > len(SOLD)
        assert again.count(again[0]) > 1, "the same id on a repeat"
        assert again == sorted(again, key=again.index), "and nothing of the request in between"

    run(config, body, ladder=(0,) * 5)


def test_after_the_whole_ladder_it_has_failed_and_the_next_one_goes(config: Settings):
    async def body(world: World) -> None:
        world.history.sold(MINE)
        world.happens()
        receiver = await world.receiver()
        receiver.answers = [500, 500, 500]
        webhook_id = world.webhook(receiver.url)
        await world.rounds(webhook_id)
        assert receiver.types() == [SOLD[0]] * 3 + SOLD[1:]
        rows = world.sql("SELECT status, tries, said FROM webhooks.deliveries ORDER BY number")
        assert rows[0] == ("failed", 3, "so")
        assert [each[0] for each in rows[1:]] == ["sent"] * (len(SOLD) - 1)
        assert world.sql("SELECT failing_since FROM webhooks.webhooks") == [(None,)]

    run(config, body)


def test_between_tries_it_waits(config: Settings):
    async def body(world: World) -> None:
        world.history.sold(MINE)
        world.happens()
        receiver = await world.receiver()
        receiver.always = 500
        webhook_id = world.webhook(receiver.url)
        await world.delivery.round(webhook_id)
        assert not await world.delivery.round(webhook_id)
        assert len(receiver.posted) == 1
        (pause,) = world.sql("SELECT extract(epoch FROM next_at - tried_at) FROM webhooks.deliveries WHERE tries = 1")
        assert float(pause[0]) == 3600

    run(config, body, ladder=(3600,))


def test_the_ladder_is_three_days():
    assert 3 * 86_400 <= sum(WebhookSettings().ladder) <= 4 * 86_400


def test_no_redirect_is_followed(config: Settings):
    async def body(world: World) -> None:
        world.history.submitted(MINE)
        world.happens()
        other, receiver = await world.receiver(), await world.receiver()

        async def elsewhere(_: web.Request) -> web.Response:
            return web.Response(status=307, headers={"Location": other.url})

        receiver.always = elsewhere
        await world.rounds(world.webhook(receiver.url))
        assert other.posted == []
        assert world.sql("SELECT status, answered FROM webhooks.deliveries") == [("failed", 307)]

    run(config, body)


def test_an_address_that_is_not_allowed_is_not_even_connected_to(config: Settings):
    async def body(world: World) -> None:
        world.history.submitted(MINE)
        world.happens()
        receiver = await world.receiver()
        await world.rounds(world.webhook(receiver.url.replace("http:", "https:").replace("127.0.0.1", "localhost")))
        assert receiver.posted == []
        status, answered, said = world.sql("SELECT status, answered, said FROM webhooks.deliveries")[0]
        assert (status, answered) == ("failed", None)
        assert "не адрес в интернете" in said

    run(config, body, networks=())


def test_a_name_is_looked_up_once_and_connected_to_at_that_address(config: Settings):
    """What the name says a moment later leads nowhere."""

    async def body(world: World) -> None:
        world.history.sold(MINE)
        world.happens()
        receiver = await world.receiver()
        port = int(receiver.url.split(":")[2].split("/")[0])
        asked: list[str] = []

        async def getaddrinfo(host: str, port: int, **_: Any) -> list[Any]:
            asked.append(host)
            return [(None, None, None, "", ("127.0.0.1" if len(asked) == 1 else "10.1.2.3", port))]

        asyncio.get_running_loop().getaddrinfo = getaddrinfo  # type: ignore[method-assign,assignment]
        webhook_id = world.webhook(f"http://moving.example:{port}/hook")
        await world.delivery.round(webhook_id)
        assert receiver.types() == SOLD[:1]
        assert asked == ["moving.example"]
        assert receiver.posted[0].headers["host"] == f"moving.example:{port}"
        await world.delivery.round(webhook_id)
        assert len(receiver.posted) == 1, "now the name leads to a network that nobody has named"

    run(config, body)


def test_one_that_hangs_holds_up_no_other(config: Settings):
    async def body(world: World) -> None:
        other = PARTNER.model_copy(update={"id": "romashka-it"})
        world.history.sold(MINE)
        world.history.sold(other)
        world.happens()
        hangs, works = await world.receiver(), await world.receiver()
        release = asyncio.Event()

        async def hang(_: web.Request) -> web.Response:
            await release.wait()
            return web.Response()

        hangs.always = hang
        world.webhook(hangs.url)
        world.webhook(works.url, "romashka-it")
        at_work = asyncio.create_task(world.delivery._deliver())
        await works.has(len(SOLD))
        assert works.types() == SOLD
        assert len(hangs.posted) <= 1
        release.set()
        await hangs.has(len(SOLD))
        at_work.cancel()

    run(config, body)


LIES = {
    "endless body": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    "a body byte by byte": b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n",
    "a body that never comes": b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n",
    "more than its length": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nmore",
    "compressed nonsense": b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnone",
    "endless headers": b"HTTP/1.1 200 OK\r\n",
    "headers byte by byte": b"HTTP/1.1 200 OK\r\nX-A: ",
    "half an answer": b"HTTP/1.1 200 OK\r\nX-Echo: what was sent",
    "endless promises": b"HTTP/1.1 100 Continue\r\n\r\n",
    "silence": b"",
    "no http": b"SSH-2.0-what was sent\r\n\r\n",
}
"""What a receiver does → how its answer begins."""
REPEATED = {
    "endless body": b"400\r\n" + b"x" * 1024 + b"\r\n",
    "endless headers": b"X-A: b\r\n" * 100,
    "endless promises": LIES["endless promises"] * 100,
}
SLOW = ("a body byte by byte", "headers byte by byte")
TAKEN = ("endless body", "a body byte by byte", "a body that never comes", "compressed nonsense")
"""A status is an answer, whatever follows it."""
NEVER = {"headers byte by byte": 0.2, "endless promises": 0.2, "silence": 0.2, "a body that never comes": 2.0}
"""These end with the seconds of a post."""


@pytest.mark.parametrize("lie", LIES)
def test_a_receiver_that_lies_is_given_up(lie: str):
    """In time and in memory: what is read of an answer is bounded."""

    async def body() -> None:
        closed = asyncio.Event()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await reader.readuntil(b"\r\n\r\n")
                writer.write(LIES[lie])
                await writer.drain()
                while lie in REPEATED or lie in SLOW:
                    writer.write(REPEATED.get(lie, b"x"))
                    await writer.drain()
                    await asyncio.sleep(0.02 if lie in SLOW else 0)
                if lie != "half an answer":
                    await reader.read()
            except (ConnectionError, asyncio.IncompleteReadError):
                pass
            finally:
                closed.set()
                writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        answer = await post(
            f"http://liar.example:{port}/", Target("liar.example", port, False), ["127.0.0.1"], {}, b"{}",
            NEVER.get(lie, PATIENCE_SECONDS),
        )  # fmt: skip
        assert answer.is_taken == (lie in TAKEN)
        assert len(answer.said) <= 300
        assert "what was sent" not in answer.said
        await asyncio.wait_for(closed.wait(), PATIENCE_SECONDS)
        server.close()

    asyncio.run(body())


def test_a_webhook_that_fails_for_long_is_switched_off_with_one_letter(config: Settings):
    async def body(world: World) -> None:
        world.sql("DELETE FROM notices.mail")
        world.history.sold(MINE)
        world.happens()
        receiver = await world.receiver()
        receiver.always = 500
        webhook_id = world.webhook(f"{receiver.url}?key=of-the-receiver")
        await world.rounds(webhook_id, 3)
        assert world.sql("SELECT is_on, off_reason FROM webhooks.webhooks") == [(True, None)]
        world.sql("UPDATE webhooks.webhooks SET failing_since = now() - interval '73 hours'")
        await world.rounds(webhook_id, 3)
        assert world.sql("SELECT is_on, off_reason FROM webhooks.webhooks") == [(False, "failures")]
        (letter,) = world.sql("SELECT kind, party_id, status, request_id, text, recipient FROM notices.mail")
        assert letter[:4] == ("webhook", "lukomor", "due", None)
        readable = open_vault(config).reveal(list(letter))
        assert receiver.url in readable[4]
        assert "of-the-receiver" not in readable[4]
        assert "@" in readable[5]
        before = len(receiver.posted)
        assert not await world.delivery.round(webhook_id)
        assert len(receiver.posted) == before, "nothing is posted any more"

    run(config, body, ladder=(0,) * 9)


def test_a_receiver_that_says_gone_is_believed(config: Settings):
    async def body(world: World) -> None:
        world.history.sold(MINE)
        world.happens()
        receiver = await world.receiver()
        receiver.always = 410
        webhook_id = world.webhook(receiver.url)
        await world.rounds(webhook_id)
        assert len(receiver.posted) == 1
        assert world.sql("SELECT is_on, off_reason FROM webhooks.webhooks") == [(False, "gone")]

    run(config, body)


def test_a_worker_that_died_after_it_had_posted_posts_again_under_the_same_id(config: Settings):
    async def body(world: World) -> None:
        world.history.submitted(MINE)
        world.happens()
        receiver = await world.receiver()
        webhook_id = world.webhook(receiver.url)

        async def died(*_: Any, **__: Any) -> bool:
            raise asyncio.CancelledError

        noting, world.delivery._note = world.delivery._note, died  # type: ignore[method-assign]
        with pytest.raises(asyncio.CancelledError):
            await world.delivery.round(webhook_id)
        world.delivery._note = noting  # type: ignore[method-assign]
        await world.rounds(webhook_id)
        assert len(receiver.posted) == 2
        assert receiver.posted[0].id == receiver.posted[1].id
        assert receiver.posted[0].body == receiver.posted[1].body

    run(config, body)


def test_of_a_person_who_was_forgotten_the_log_keeps_nothing(config: Settings):
    async def body(world: World) -> None:
        vault, person = open_vault(config), "pers@zavod.example"
        _, record = world.history.submitted(MINE)
        fields = orjson.loads(record.value or b"") | {"client_email": person}
        kept = vault.protect(RequestSubmitted.model_validate(fields))
        world.history.topics["request.events"][-1] = record._replace(value=orjson.dumps(kept.model_dump()))
        world.happens()
        receiver = await world.receiver()

        async def echo(request: web.Request) -> web.Response:
            return web.Response(status=500, body=await request.read())

        receiver.answers = [echo]
        webhook_id = world.webhook(receiver.url)
        await world.rounds(webhook_id)
        assert receiver.posted[0].event["data"]["client_email"] == person
        dump = str(world.sql("SELECT d::text, w::text FROM webhooks.deliveries d, webhooks.webhooks w"))
        assert person not in dump
        assert hashlib.sha256(person.encode()).hexdigest() not in dump
        vault.erase(person, "dpo-1", "по заявлению")
        world.sql("UPDATE webhooks.deliveries SET status = 'due', next_at = now()")
        await world.rounds(webhook_id)
        assert receiver.posted[-1].event["data"]["client_email"] == "стёрто"
        assert receiver.posted[-1].id == receiver.posted[0].id

    run(config, body)


def test_both_secrets_sign_until_the_former_one_ends(config: Settings):
    async def body(world: World) -> None:
        world.history.submitted(MINE)
        world.happens()
        receiver = await world.receiver()
        webhook_id = world.webhook(receiver.url)
        former, fresh = world.secret, new_secret()
        sealed = [secret_box(config).seal(webhook_id, each) for each in (fresh, former)]
        for until, expected in (("1 hour", [fresh, former]), ("-1 second", [fresh])):
            world.sql(
                f"UPDATE webhooks.webhooks SET secrets = %s, former_until = now() + interval '{until}'",  # noqa: S608
                sealed,
            )
            world.sql("UPDATE webhooks.deliveries SET status = 'due', next_at = now()")
            await world.rounds(webhook_id)
            last = receiver.posted[-1]
            moment = int(last.headers["webhook-timestamp"])
            signed = [signature(each, last.id, moment, last.body) for each in expected]
            assert last.headers["webhook-signature"] == " ".join(signed)

    run(config, body)


def test_replay_from_a_place_posts_everything_behind_it_again(config: Settings):
    async def body(world: World) -> None:
        world.history.sold(MINE)
        world.happens()
        receiver = await world.receiver()
        webhook_id = world.webhook(receiver.url)
        await world.rounds(webhook_id)
        world.sql("UPDATE webhooks.webhooks SET number = 3")
        await world.rounds(webhook_id)
        ids = [each.id for each in receiver.posted]
        assert ids[len(SOLD) :] == ids[3 : len(SOLD)]

    run(config, body)


def test_an_event_that_is_gone_from_the_feed_is_nobodys_failure(config: Settings):
    async def body(world: World) -> None:
        world.history.submitted(MINE)
        world.happens()
        receiver = await world.receiver()
        webhook_id = world.webhook(receiver.url)
        world.sql(
            "INSERT INTO webhooks.deliveries (webhook_id, number, partner_id, request_id, type) "
            "VALUES (%s, 99, 'lukomor', %s, 'Approved.v3')",
            webhook_id, uuid4(),
        )  # fmt: skip
        await world.rounds(webhook_id)
        assert receiver.types() == SOLD[:1]
        assert world.sql("SELECT status FROM webhooks.deliveries ORDER BY number") == [("sent",), ("failed",)]
        assert world.sql("SELECT failing_since FROM webhooks.webhooks") == [(None,)]

    run(config, body)


def test_one_worker_at_a_time_and_one_that_leaves_gives_its_webhooks_back(config: Settings):
    async def body(world: World) -> None:
        world.history.submitted(MINE)
        world.happens()
        receiver = await world.receiver()

        release = asyncio.Event()

        async def hang(_: web.Request) -> web.Response:
            await release.wait()
            return web.Response()

        receiver.answers = [hang]
        webhook_id = world.webhook(receiver.url)
        await world.delivery.look()
        await receiver.has(1)
        other = WebhookDelivery(config, world.own)
        await other.start()
        assert not await other.round(webhook_id)
        assert len(receiver.posted) == 1
        await world.delivery.close()
        await other.round(webhook_id)
        assert [each.id for each in receiver.posted] == [receiver.posted[0].id] * 2
        release.set()
        await other.close()

    run(config, body)
