"""Brings the whole up: servers (unless others are named), topics, reference data, services; waits for all."""

from __future__ import annotations

import hashlib
import os
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson

from events.topics import topic_names
from postavka.app.broker_access.distributors import Distributors
from postavka.app.installation_keys import make_missing
from postavka.app.migrations import migrate_all
from postavka.app.one_box.cgroup import ProcessorShare
from postavka.app.one_box.priorities import SessionPriorities, launched_by
from postavka.app.one_box.writeback import EarlyWriter
from postavka.app.registry import SERVICES, secrets_of_others
from postavka.domain.reference.file import read_file
from postavka.domain.reference.store import distributor_ids, load
from postavka.kernel.errors import UserError
from postavka.kernel.log.topics import ensure_topics, repair_topics
from postavka.kernel.runtime.connection import require_both_or_neither
from postavka.kernel.runtime.embedded import EmbeddedServers, Endpoints, outside_door
from postavka.kernel.runtime.file_access import close_home
from postavka.kernel.runtime.ports import SERVER_PORTS, SERVICE_PORTS, choose_ports
from postavka.kernel.runtime.processes import Processes, Program
from postavka.kernel.runtime.progress import StepReporter
from postavka.kernel.settings import Settings, environment
from postavka.web.settings import WebSettings, is_public
from services.documents.counterparty import trial_authority
from services.payments.settings import payments_settings
from services.shipping.settings import shipping_settings

PACKED = Path(__file__).with_name("sample.toml")
SAMPLE = PACKED if PACKED.exists() else Path(__file__).parents[3] / "deploy" / "reference" / "sample.toml"
"""In an installed wheel it lies beside this file."""
WELL_SECONDS = 240
LOCK_SECONDS = 30.0


class Unwell(UserError):
    """A service did not come up; the message ends with its log."""


@dataclass
class Launch:
    """Everything that runs on this machine. A context manager: leaving it stops what was started here."""

    config: Settings
    progress: StepReporter
    services: Sequence[str] = tuple(SERVICES)
    well_seconds: float = WELL_SECONDS
    """After so long without an answer a service is said not to have come up."""
    gives_way: bool = True
    """Whether what nobody waits for at a screen gives way (`priorities.py`)."""

    def __enter__(self) -> Launch:
        self._embedded: EmbeddedServers | None = None
        self._share: ProcessorShare | None = None
        self._beside: list[EarlyWriter | SessionPriorities] = []
        self._closed = False
        self.home = self.config.home
        self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        close_home(self.home)
        names = [f"{name}.http" for name in self.services]
        self.ports = choose_ports(self.home / SERVICE_PORTS, names, self.home / SERVER_PORTS)
        require_both_or_neither(self.config)
        if WebSettings().probes_port is not None:
            raise UserError(
                "POSTAVKA_WEB_PROBES_PORT is for a supervisor of your own: `postavka up` asks at the port of the pages"
            )
        if not self.config.kafka_bootstrap_servers:
            self._share = ProcessorShare(
                f"postavka-{hashlib.sha256(str(self.home.resolve()).encode()).hexdigest()[:12]}"
            )
            self._embedded = EmbeddedServers(
                self.home, outside=outside_door(self.config), launched_by={"kafka": self._launched_by("kafka")}
            )
            endpoints = self._embedded.start(self.progress, lambda _: self._programs())
            self.config = self._pointed_at(endpoints)
            self.processes = self._embedded.processes
            self._beside = [EarlyWriter(self._embedded.database.tables)]
            if self.gives_way:
                self._beside.append(SessionPriorities(endpoints.database_url))
            for each in self._beside:
                each.start()
        else:
            self.processes = Processes(self.home, self._programs(), environment(self.config))
        try:
            self._prepare()
            self._start_services()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop what was started; again does nothing."""
        if self._closed:
            return
        self._closed = True
        with self.progress.step("stopping"):
            for each in self._beside:
                each.stop()
            if self._embedded is not None:
                self._embedded.close()
            else:
                self.processes.close()
            if self._share is not None:
                self._share.close()

    def remove_data(self) -> None:
        """Delete what lies outside the home folder (tests delete the rest). After `close`."""
        if self._embedded is not None:
            self._embedded.remove_data()

    def health(self, service: str) -> dict[str, object] | None:
        """What a service says of itself; None when it does not answer or is unwell."""
        try:
            with urllib.request.urlopen(
                f"http://127.0.0.1:{self.ports[service + '.http']}/healthz", timeout=2
            ) as answer:
                said: dict[str, object] = orjson.loads(answer.read())
                return said
        except (urllib.error.URLError, OSError, ValueError):
            return None

    def _programs(self) -> list[Program]:
        home = self.home.resolve()
        shared = {"POSTAVKA_HOME": str(home), "POSTAVKA_MAKE_KEYS": "true"}
        if payments_settings().statements_folder is None:
            shared["POSTAVKA_STATEMENTS_FOLDER"] = str(home / "statements")
        return [
            Program(
                name,
                [sys.executable, "-m", SERVICES[name].module],
                env={
                    "POSTAVKA_HTTP_PORT": str(self.ports[f"{name}.http"]),
                    **shared,
                    **self._env_of(name),
                },
                without=secrets_of_others(name),
                launched_by=self._launched_by(name),
            )
            for name in self.services
        ]

    def _launched_by(self, name: str) -> Sequence[str]:
        return launched_by(name) if self.gives_way else ()

    def _env_of(self, name: str) -> dict[str, str]:
        """Sample users and a trial authority only where everything is a sample: on servers that are started here."""
        if self.config.kafka_bootstrap_servers:
            return {}
        if name == "web":
            chosen = "POSTAVKA_WEB_SAMPLE_ACCOUNTS"
            by_default = "false" if is_public(WebSettings(), self.config.http_host) else "true"
            return {chosen: os.environ.get(chosen, by_default)}
        if name == "shipping" and shipping_settings().signature_roots is None:
            return {"POSTAVKA_SIGNATURE_ROOTS": str(trial_authority(self.home).make().resolve())}
        return {}

    def _pointed_at(self, endpoints: Endpoints) -> Settings:
        return Settings(**self.config.model_dump(exclude_unset=True) | endpoints.settings())

    def _prepare(self) -> None:
        assert self.config.database_url is not None  # noqa: S101
        url = self.config.database_url.get_secret_value()
        with self.progress.step("schemas: bringing up to date"):
            migrate_all(url, lock_seconds=LOCK_SECONDS)
        if not distributor_ids(url):
            with self.progress.step("sample reference data: loading"):
                load(url, read_file(SAMPLE), "sample")
        make_missing(self.config.model_copy(update={"make_keys": True}))
        with self.progress.step("topics: checking"):
            names = topic_names(distributor_ids(url))
            ensure_topics(self.config, names)
            if self._embedded is not None:  # topics and limits of an earlier release
                repair_topics(self.config, names)
                with Distributors(self.config, "", "") as known:
                    known.limit()

    def _start_services(self) -> None:
        with self.progress.step(f"{len(self.services)} services: starting") as step:
            for name in self.services:
                self.processes.start(name)
            self.wait_until_well(step.note)

    def wait_until_well(self, note: Callable[[str], None] = lambda text: None) -> None:
        """Wait until every service answers and has partitions to read; `note` is called with those awaited. Raises
        `Unwell`."""
        waiting = list(self.services)
        deadline = time.monotonic() + self.well_seconds
        while waiting:
            waiting = [name for name in waiting if not self._is_at_work(name)]
            note(f"waiting for {', '.join(waiting)}")
            if waiting and time.monotonic() > deadline:
                log = self.processes.log(waiting[0])
                tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:]) if log.exists() else ""
                raise Unwell(f"{waiting[0]} did not come up within {self.well_seconds:.0f} s\n{tail}")
            time.sleep(0.1)

    def _is_at_work(self, name: str) -> bool:
        said = self.health(name)
        return said is not None and said.get("assigned_partitions", 1) != 0
