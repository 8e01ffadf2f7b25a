"""The registry of this installation: the one list of its services, read models, sites and commands.

Entries are data with import addresses, `package.module:NAME`: a process imports what it runs and no more. What an entry
names must be there: a test imports every one, and a start that misses one ends with its name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from postavka.kernel.address import load

if TYPE_CHECKING:
    from postavka.web.site import Site  # commands that print a line must not load a web framework


@dataclass(frozen=True, slots=True)
class ServiceEntry:
    """A process of the installation, `python -m module`. Its name is that of its health, metrics, ports and group."""

    name: str
    module: str
    site: str | None = None
    """Address of its `postavka.web.site.Site`."""
    read_model: tuple[str, str] | None = None
    """Address of the definition of its read model, and in words what that holds; it can be built anew from the log."""
    secrets: tuple[str, ...] = ()
    """Variables of secrets that it reads beside those of the servers, which every service needs."""


OBJECTS = "POSTAVKA_BLOBS_S3_SECRET_ACCESS_KEY"
SERVICES = {
    each.name: each
    for each in (
        ServiceEntry("request", "services.request"),
        ServiceEntry("approval", "services.approval"),
        ServiceEntry("billing", "services.billing"),
        ServiceEntry("shipping", "services.shipping", secrets=(OBJECTS,)),
        ServiceEntry("activation", "services.activation"),
        ServiceEntry("renewal", "services.renewal"),
        ServiceEntry(
            "timer",
            "services.renewal.timer",
            read_model=("services.renewal.timer.projection:MODEL", "services and their ends, for the timer"),
        ),
        ServiceEntry(
            "cabinet",
            "services.cabinet",
            "services.cabinet.site:SITE",
            ("services.cabinet.rebuild:MODEL", "what partners and distributors see of requests"),
        ),
        ServiceEntry(
            "papers",
            "services.documents",
            "services.documents.site:SITE",
            ("services.documents.projection:MODEL", "documents, and what has become of them"),
            secrets=(OBJECTS, "POSTAVKA_EDO_TOKEN"),
        ),
        ServiceEntry(
            "payments",
            "services.payments",
            "services.payments.site:SITE",
            ("services.payments.projection:MODEL", "the books: payments, invoices, sales, what is owed"),
            secrets=(OBJECTS,),
        ),
        ServiceEntry(
            "notices",
            "services.notices",
            "services.notices.site:SITE",
            ("services.notices.rebuild:MODEL", "what letters and notices are made from; none is sent again"),
            secrets=("POSTAVKA_SMTP_PASSWORD",),
        ),
        ServiceEntry("desk", "services.desk"),
        ServiceEntry("ops", "services.ops", "services.ops.site:SITE"),
        ServiceEntry(
            "web",
            "postavka.app.web",
            "postavka.web.own_site:SITE",
            secrets=(OBJECTS, "POSTAVKA_WEB_OIDC_CLIENT_SECRET", "POSTAVKA_WEB_LIMITS_STORAGE", "POSTAVKA_TAX_TOKEN"),
        ),
        ServiceEntry("audit", "services.audit", "services.audit.site:SITE", secrets=(OBJECTS,)),
        ServiceEntry("feed", "services.feed", "services.feed.site:SITE"),
        ServiceEntry("webhooks", "services.webhooks", "services.webhooks.site:SITE"),
    )
}
"""By name, in the order in which they are started. A name stays as brokers and dashboards first knew it: `papers`
is the service of documents."""


def secrets_of_others(name: str) -> list[str]:
    """Variables of secrets that other services read and this one does not."""
    return sorted({secret for each in SERVICES.values() for secret in each.secrets} - {*SERVICES[name].secrets})


EVENT_STORE = "postavka.kernel.store.migration:EVENT_STORE"
SCHEMAS = {
    "keys": ("postavka.kernel.privacy.installation_keys:MIGRATIONS",),
    "reference": ("postavka.domain.reference.store:MIGRATIONS",),
    "accounts": ("postavka.web.identity:MIGRATIONS",),
    "request": (EVENT_STORE,),
    "approval": (EVENT_STORE,),
    "billing": (EVENT_STORE,),
    "shipping": (EVENT_STORE,),
    "activation": (EVENT_STORE,),
    "renewal": (EVENT_STORE,),
    "timer": ("services.renewal.timer.projection:MIGRATIONS",),
    "ops": (EVENT_STORE, "services.ops.store:MIGRATIONS"),
    "planned": ("postavka.web.planned:MIGRATIONS",),
    "cabinet": ("services.cabinet.table:MIGRATIONS",),
    "papers": ("services.documents.projection:MIGRATIONS",),
    "payments": ("services.payments.projection:MIGRATIONS",),
    "notices": (EVENT_STORE, "services.notices.projection:MIGRATIONS"),
    "audit": ("services.audit.integrity.store:MIGRATIONS",),
    "feed": ("services.feed.projection:MIGRATIONS",),
    "webhooks": ("services.webhooks.webhooks:MIGRATIONS",),
}
"""Schemas of PostgreSQL → addresses of what makes each, in the order in which they are made: that of the accounts has
what row-level security needs."""

AUDIT_COMMANDS = {
    "history": (
        "services.audit.history.cli:history",
        "Everything that happened to a request, in causal order, each with who, why and where it lies.",
    ),
    "as-of": ("services.audit.history.cli:as_of", "The cabinet as it stood at a moment, folded from the log."),
    "diff": (
        "services.audit.history.cli:diff",
        "What changed in the cabinet between two moments, request by request.",
    ),
    "replay": (
        "services.audit.replay.cli:replay",
        "Decide everything again on recorded inputs and facts, and say which requests would go otherwise now.",
    ),
    "verify": ("services.audit.verification.cli:verify", "Is it all as it was written?"),
    "acknowledge": (
        "services.audit.verification.cli:acknowledge",
        "Acknowledge a problem that the last `postavka audit verify` on this machine has found.",
    ),
    "export": (
        "services.audit.history.cli:export",
        "The log as files, with hashes, schemas, signed checkpoints, a verifier and a guide for the reader.",
    ),
    "checkpoint": ("services.audit.integrity.cli:checkpoint", "The newest signed checkpoint of each log."),
    "prove-inclusion": (
        "services.audit.integrity.cli:prove_inclusion",
        "Prove that an event is on the log as it was signed.",
    ),
    "prove-consistency": (
        "services.audit.integrity.cli:prove_consistency",
        "Prove that the log as signed last begins with what an older checkpoint covers, unchanged.",
    ),
    "check-proof": ("services.audit.integrity.cli:check_proof", "Check proofs, without Kafka and PostgreSQL."),
    "check-evidence": (
        "services.audit.integrity.cli:check_evidence",
        "Check a folder of checkpoints and leaf hashes, without Kafka and PostgreSQL.",
    ),
    "keys": (
        "services.audit.integrity.cli:keys",
        "The verifier keys of this installation, the newest last: for auditors.",
    ),
    "new-key": ("services.audit.integrity.cli:new_key", "Make a key that signs checkpoints."),
    "verifier": ("services.audit.integrity.cli:verifier", "Print the verifier: one Python file that stands alone."),
}

COMMANDS: dict[str, tuple[str | Mapping[str, tuple[str, str]], str]] = {
    "up": ("postavka.app.cli.start:up", "Start servers and services, and stay up until Ctrl-C."),
    "demo": (
        "postavka.app.cli.start:demo",
        "Start everything and walk real requests on sample data through the log, event by event.",
    ),
    "sandbox": (
        "postavka.app.sandbox.cli:sandbox",
        "Let so many services run until a day, day by day: reminders, letters, renewals, ends.",
    ),
    "topics": (
        "postavka.app.cli.contract:topics",
        "Create what topics are missing, with one for each distributor of the reference data.",
    ),
    "contract": (
        "postavka.app.cli.contract:contract",
        "Write the contract's JSON Schemas and the AsyncAPI document to a folder.",
    ),
    "request": ("postavka.app.cli.send:request", "Submit or withdraw a purchase request (L4-L11)."),
    "confirm": (
        "postavka.app.cli.send:confirm",
        "Answer as a distributor: ready to pay the invoice for the partner's request, or not (L17).",
    ),
    "pay": ("postavka.app.cli.send:pay", "Report a payment, as the bank's statement would (L17, direct sale)."),
    "activate": (
        "postavka.app.cli.send:activate",
        "Activate a delivery: as the partner that bought it, or as the user with the code from the kit (L19).",
    ),
    "sign": (
        "postavka.app.cli.send:sign",
        "Return a signed document (L16): the signature is checked against the exact bytes issued.",
    ),
    "cabinet": ("services.cabinet.cli:cabinet", "The partners' cabinet."),
    "documents": (
        "services.documents.cli:documents",
        "Documents that were issued: acts, invoices, shipping documents (L14-L16).",
    ),
    "post": (
        "services.documents.post_cli:postal",
        "The postal queue: what to print and post, and the tracking numbers (L15).",
    ),
    "counterparty": (
        "services.documents.counterparty_cli:counterparty",
        "Play a counterparty on the local exchange operator: what it has received, sign it, refuse it. For trying.",
    ),
    "log": ("postavka.app.cli.events:log", "Look at the event log."),
    "kafka": (
        "postavka.app.cli.kafka:kafka",
        "Print the properties with which kcat, Kafka's own tools or Kafbat read the topics.",
    ),
    "dead-letters": (
        "services.ops.dead_letters_cli:letters",
        "Records that could not be taken: kept as they came, with the reason.",
    ),
    "ops": ("services.ops.cli:ops", "What waits and for whom, how the streams do, and what to put right."),
    "top": (
        "services.ops.cli:top",
        "A live view of everything: what waits, streams, services. Ctrl-C ends it, and so does q; arrows scroll.",
    ),
    "payments": (
        "services.payments.cli:payments",
        "Money that the bank has reported: what is unmatched, owed, or in debt.",
    ),
    "statement": (
        "services.payments.statement_cli:statement",
        "Bank statements in the form 1CClientBankExchange (L17, direct sales).",
    ),
    "reconcile": (
        "services.payments.reconcile_cli:reconcile",
        "Compare invoices, payments, confirmations and signed documents of a month; print what is open.",
    ),
    "reference": (
        "postavka.domain.reference.cli:reference",
        "Reference data: partners, distributors, products, contracts.",
    ),
    "distributor": (
        "postavka.app.broker_access.distributor_cli:distributor",
        "Distributors as clients of Kafka: each writes its answers and reads its notices, and nothing else.",
    ),
    "acls": (
        "postavka.app.broker_access.acls_cli:acls",
        "Permissions of our own services on Kafka: each stage's topic has one writer.",
    ),
    "notices": (
        "services.notices.cli:notices",
        "E-mail to partners and distributors: what was sent, what waits, what failed.",
    ),
    "webhooks": (
        "services.webhooks.cli:webhooks",
        "Webhooks: events of the feed, posted to a program of yours.",
    ),
    "audit": (AUDIT_COMMANDS, "For auditors: history, as-of, replay, verify, export. Changes nothing it looks at."),
    "privacy": (
        "services.privacy.cli:privacy",
        "Personal data: who can be found, forgetting a person, what lies in the clear.",
    ),
    "migrate": (
        "postavka.app.cli.migrate:migrate",
        "Bring all schemas up to date. Services only check, and end with a sentence where this was not run.",
    ),
    "keys": ("postavka.app.cli.keys:keys", "The keys that all machines of an installation must have alike."),
    "backup": (
        "postavka.app.cli.backup:backup",
        "Take a copy of everything while it works: PostgreSQL, topics, documents, evidence.",
    ),
    "restore": ("postavka.app.cli.backup:restore", "Put a copy back, into an empty database and an empty broker."),
    "rebuild": (
        "postavka.app.cli.rebuild:rebuild",
        "Build a read model anew from the log, while everything works: cabinet, payments, papers, notices.",
    ),
    "user": ("postavka.web.identity.cli:user", "Who may sign in to the cabinet, and as what."),
    "token": ("postavka.web.identity.cli:token", "Tokens of programs for the REST API."),
    "serve": (
        "postavka.app.cli.serve:serve",
        "Run one service as this process: what systemd, Compose and Kubernetes start.",
    ),
    "doctor": (
        "postavka.app.one_box.doctor.command:doctor",
        "Look at everything that is needed, and say what to do about what is not well.",
    ),
}
"""Commands of `postavka` by name: the address of each (of a group in several modules, its commands), and its line in
`postavka --help`."""

EXPLAIN = "postavka.app.cli.explained:explain"
"""What says in a sentence what a library has raised; imported when something was."""
AWAY = "postavka.app.cli.explained:AWAY"
"""What libraries raise when a server can't be used."""


def sites() -> list[Site]:
    """All sites, the web shell's own before the services'."""
    names = sorted(SERVICES, key=lambda name: name != "web")
    return [load(address) for name in names if (address := SERVICES[name].site) is not None]


def read_models() -> dict[str, tuple[str, str]]:
    """Read models that can be built anew: name → address of the definition, what it holds."""
    return {name: each.read_model for name, each in SERVICES.items() if each.read_model is not None}
