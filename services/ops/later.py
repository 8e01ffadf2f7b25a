"""Acts of operations that can't be undone: discarding dead letters, reminding many. The question before, and the act
after the seconds to undo it, judged by the state of that moment.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence

from events.ops import Awaited
from postavka.kernel.settings import database_url
from postavka.kernel.store.session import open_session
from postavka.web.formats import plural
from postavka.web.identity.principal import Principal
from postavka.web.planned.ask import CommandQuestion, ReasonField
from postavka.web.planned.kinds import CommandKind, CommandOutcome, Fields
from postavka.web.problem import problem
from postavka.web.state import Web
from services.ops import dead_letters, queues, reminders
from services.ops.queues import WaitingRequest
from services.ops.settings import ops_settings
from services.ops.store import SEES_ALL, prepare

WHY_NOTHING_IS_LOST = ReasonField("reason", "Почему ничего не потеряно", longest=2_000)
REMINDED = {
    Awaited.PARTNER: ("партнёру", "партнёрам", "партнёрам"),
    Awaited.DISTRIBUTOR: ("дистрибьютору", "дистрибьюторам", "дистрибьюторам"),
    Awaited.DEPARTMENT: ("цеху", "цехам", "цехам"),
}


def question_of_discard(stage: str, what: str, count: int) -> CommandQuestion:
    """Dead letters are given up; `what` names the one, or the reason code of many."""
    title = (
        f"Списать {plural(count, 'запись', 'записи', 'записей')} стадии {stage} ({what})"
        if count != 1
        else f"Списать запись {what}"
    )
    points = ("Записи останутся на своих местах в топиках, но их больше не будут пробовать. Вернуть их отсюда нельзя.",)
    return CommandQuestion(title, "Списать", points, WHY_NOTHING_IS_LOST, is_refusal=True)


def question_of_reminders(items: Sequence[WaitingRequest]) -> CommandQuestion:
    """Those who must act are asked to, each about its request."""
    addressees: dict[Awaited, set[str]] = {}
    for item in items:
        who, whom = reminders.awaited(item)
        addressees.setdefault(who, set()).add(whom)
    parts = [plural(len(whom), *REMINDED[who]) for who, whom in addressees.items()]
    what = plural(len(items), "заявке", "заявках", "заявках")
    waits = Counter(queues.KINDS[each.waits_for][0] for each in items)
    points = (
        f"Письма уйдут {', '.join(parts)}.",
        f"Ждём: {', '.join(f'{name} — {count}' for name, count in waits.most_common())}.",
        f"Кому о том же напоминали за последние {reminders.AGAIN_HOURS} ч, второй раз не напомним.",
    )
    note = ReasonField("note", "Приписка", required=False)
    return CommandQuestion(f"Напомнить о {what}", "Напомнить", points, note)


async def _discard(parts: Web, principal: Principal, fields: Fields) -> CommandOutcome:
    url = database_url(parts.kernel)

    def act() -> int:
        prepare(url)
        return dead_letters.discard(url, fields["stage"], fields["numbers"], principal.actor, fields["reason"])

    count = await asyncio.to_thread(act)
    if not count:
        raise problem(409, "conflict", "Эти записи уже улажены: ничего не изменилось.")
    left = len(fields["numbers"]) - count
    return CommandOutcome(True, f"Списано: {count}." + (f" Уже были улажены: {left}." if left else ""))


async def _remind(parts: Web, principal: Principal, fields: Fields) -> CommandOutcome:
    url, limits = database_url(parts.kernel), ops_settings()

    def act() -> Counter[str]:
        prepare(url)
        told: Counter[str] = Counter()
        with open_session(url, SEES_ALL, application_name="postavka-web-ops") as reading:
            waiting = {(str(each.request_id), each.waits_for): each for each in queues.all_waiting(reading, limits)}
            for request_id, what in fields["items"]:
                item = waiting.get((request_id, what))
                if item is None:
                    told["over"] += 1
                    continue
                try:
                    reminders.remind(url, item, principal.actor, fields.get("note"))
                    told["sent"] += 1
                except (reminders.JustReminded, reminders.NobodyToRemind):
                    told["just"] += 1
        return told

    told = await asyncio.to_thread(act)
    said = [f"Напоминаний отправлено: {told['sent']}."]
    if told["just"]:
        said.append(f"Недавно уже напоминали: {told['just']}.")
    if told["over"]:
        said.append(f"Уже не ждут: {told['over']}.")
    return CommandOutcome(bool(told["sent"]), " ".join(said))


DISCARD = CommandKind("discard", _discard)
REMIND = CommandKind("remind", _remind)
COMMANDS = (DISCARD, REMIND)
