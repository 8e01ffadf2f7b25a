"""The services, by their own word."""

from __future__ import annotations

import json as jsonlib
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from postavka.app.one_box.doctor.check import Check
from postavka.app.registry import SERVICES


def ask_service(port: int) -> dict[str, Any] | None:
    """What `/healthz` of a service says, well or not; None when nothing answers there."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=2) as answer:
            said: dict[str, Any] = jsonlib.loads(answer.read())
    except urllib.error.HTTPError as unwell:
        try:
            said = jsonlib.loads(unwell.read())
        except ValueError:
            return None
    except (OSError, ValueError):
        return None
    return said


def check_services(ports: Mapping[str, int], ask: Callable[[int], dict[str, Any] | None]) -> list[Check]:
    """Each service that `postavka up` runs here. Without ports none was ever started in this folder."""
    known = [name for name in SERVICES if f"{name}.http" in ports]
    if not known:
        return [Check("services", "unknown", "none was started in this folder; ask those elsewhere for /healthz")]
    with ThreadPoolExecutor(len(known)) as pool:
        answers = list(pool.map(ask, (ports[f"{name}.http"] for name in known)))
    return [check_service(name, said) for name, said in zip(known, answers, strict=True)]


def check_service(name: str, said: Mapping[str, Any] | None) -> Check:
    """The check of one service by what it says of itself."""
    if said is None or name not in (said.get("stage"), said.get("projection"), said.get("service")):
        return Check(name, "wrong", "does not answer", f"postavka up; if it runs: .postavka/log/{name}.log")
    if said.get("status") != "ok":
        return Check(name, "wrong", str(said.get("trouble") or "unwell"), f"see .postavka/log/{name}.log")
    facts = [f"{said['assigned_partitions']} partitions"] if "assigned_partitions" in said else []
    facts += [f"lag {said['lag_records']}"] if "lag_records" in said else []
    facts += [f"relay {said['relay']}"] if "relay" in said else []
    return Check(name, "ok", ", ".join(facts) or "well")
