"""Every topic, who writes it, and what may lie on it.

One topic a stage, written by that stage alone. Input topics beside them. All have the same number of partitions and
the request id as key; all are kept for ever.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from events import activation, approval, audit, billing, commands, notices, ops, renewal, request, shipping
from events.model import Message


class Party(StrEnum):
    """Who writes or reads topics: a service of ours by its name, or somebody outside, whom one of our services may
    stand for (`postavka/app/broker_access/services.py`). The words are those of the published contract."""

    REQUEST = "request"
    APPROVAL = "approval"
    BILLING = "billing"
    SHIPPING = "shipping"
    ACTIVATION = "activation"
    RENEWAL = "renewal"
    TIMER = "timer"
    CABINET = "cabinet"
    PAPERS = "papers"
    PAYMENTS = "payments"
    NOTICES = "notices"
    FEED = "feed"
    OPS = "ops"
    AUDIT = "audit"
    PRIVACY = "privacy"
    PARTNERS = "partners"
    USERS = "users and partners"
    COUNTERPARTIES = "counterparties"
    EXCHANGE_OPERATOR = "exchange operator"
    POSTAL_CLERK = "postal clerk"
    DISTRIBUTOR = "that distributor alone"
    ADDRESSEE = "that distributor"
    STATEMENT_READER = "the statement reader"
    OPERATIONS = "operations"
    OPERATORS = "operators"
    MANUFACTURING = "the manufacturing department"
    AUDITORS = "auditors"
    EVERY_STAGE = "every stage"


@dataclass(frozen=True, slots=True)
class Topic:
    """`name` as on the broker; `{distributor}` in it stands for a distributor's id."""

    name: str
    title: str
    writers: tuple[Party, ...]
    readers: tuple[Party, ...]
    """Who reads it to act on it, or to keep what it says."""
    carries: tuple[type[Message], ...]
    default_type: str | None = None
    """The type of a record without that header, where an outside sender may write plain JSON."""

    @property
    def writer(self) -> str:
        """The names of its writers; of a stage's topic the one that writes it, by its name."""
        return ", ".join(self.writers)


REQUEST_EVENTS = Topic(
    "request.events",
    "What partners asked for",
    (Party.REQUEST,),
    (
        Party.APPROVAL,
        Party.BILLING,
        Party.SHIPPING,
        Party.RENEWAL,
        Party.CABINET,
        Party.NOTICES,
        Party.FEED,
        Party.AUDIT,
    ),
    (request.RequestSubmitted, request.RequestWithdrawn),
)
APPROVAL_EVENTS = Topic(
    "approval.events",
    "Complete or not",
    (Party.APPROVAL,),
    (Party.BILLING, Party.SHIPPING, Party.PAYMENTS, Party.CABINET, Party.NOTICES, Party.FEED, Party.AUDIT),
    (approval.Approved, approval.Rejected),
)
BILLING_EVENTS = Topic(
    "billing.events",
    "Confirmed or paid",
    (Party.BILLING,),
    (Party.SHIPPING, Party.PAYMENTS, Party.CABINET, Party.NOTICES, Party.FEED, Party.AUDIT),
    (
        billing.BillingOpened,
        billing.BillingClosed,
        billing.InvoiceIssued,
        billing.ConfirmationHeld,
        billing.DistributorConfirmed,
        billing.DistributorDeclined,
        billing.ConfirmationRefused,
        billing.PaymentReceived,
        billing.PaymentUnmatched,
        billing.PaymentMatched,
        billing.PaymentReturned,
        billing.RefundOwed,
        billing.RefundPaid,
        billing.OverpaymentCredited,
        billing.ReturnOrdered,
        billing.ReturnPaid,
        billing.ReturnUnmatched,
        billing.ReturnMatched,
        billing.SettlementRefused,
    ),
)
SHIPPING_EVENTS = Topic(
    "shipping.events",
    "Permission, documents, manufacturing, delivery",
    (Party.SHIPPING,),
    (
        Party.BILLING,
        Party.ACTIVATION,
        Party.PAYMENTS,
        Party.PAPERS,
        Party.CABINET,
        Party.NOTICES,
        Party.FEED,
        Party.AUDIT,
    ),
    (
        shipping.ShippingOpened,
        shipping.ShippingClosed,
        shipping.BasisHeld,
        shipping.InvoiceNoted,
        shipping.PermissionIssued,
        shipping.DocumentIssued,
        shipping.DocumentRendered,
        shipping.DocumentDispatched,
        shipping.DocumentSigned,
        shipping.SignatureRefused,
        shipping.DocumentDeclined,
        shipping.ManufacturingOrdered,
        shipping.ShipmentIssued,
        shipping.WithdrawalRefused,
    ),
)
ACTIVATION_EVENTS = Topic(
    "activation.events",
    "Activated or refused",
    (Party.ACTIVATION,),
    (Party.RENEWAL, Party.CABINET, Party.NOTICES, Party.FEED, Party.AUDIT),
    (activation.DeliveryRegistered, activation.ActivationHeld, activation.Activated, activation.ActivationRefused),
)
RENEWAL_EVENTS = Topic(
    "renewal.events",
    "How long services run, what reminds of their end, and which have ended",
    (Party.RENEWAL,),
    (Party.TIMER, Party.CABINET, Party.NOTICES, Party.FEED, Party.AUDIT),
    (
        renewal.ServiceStarted,
        renewal.ReminderDue,
        renewal.ServiceLapsed,
        renewal.RenewalRequested,
        renewal.RenewalActivated,
        renewal.RenewalRefused,
        renewal.ServiceRenewed,
        renewal.RenewalScheduled,
        renewal.RenewalCancelled,
    ),
)

REQUEST_COMMANDS = Topic(
    "commands.requests",
    "Requests sent and withdrawn by partners",
    (Party.PARTNERS,),
    (Party.REQUEST,),
    (commands.SubmitRequest, commands.WithdrawRequest),
)
DOCUMENT_COMMANDS = Topic(
    "commands.documents",
    "Signed and declined documents; reports of what was rendered and dispatched",
    (Party.COUNTERPARTIES, Party.EXCHANGE_OPERATOR, Party.POSTAL_CLERK),
    (Party.SHIPPING,),
    (commands.SignDocument, commands.DeclineDocument, commands.ReportRendering, commands.ReportDispatch),
)
ACTIVATION_COMMANDS = Topic(
    "commands.activations", "Activations asked for", (Party.USERS,), (Party.ACTIVATION,), (commands.ActivateDelivery,)
)
SERVICE_COMMANDS = Topic(
    "commands.services",
    "Services whose day has come, told by the timer",
    (Party.TIMER,),
    (Party.RENEWAL,),
    (
        commands.ConsiderService,
        commands.ProlongService,
        commands.RefuseRenewal,
        commands.ScheduleRenewal,
        commands.CancelRenewal,
    ),
)
CONFIRMATIONS = Topic(
    "distributors.{distributor}.confirmations",
    "One distributor's answers",
    (Party.DISTRIBUTOR,),
    (Party.BILLING, Party.NOTICES),
    (commands.DistributorConfirmation,),
    commands.DistributorConfirmation.TYPE,
)
NOTICES = Topic(
    "distributors.{distributor}.notices",
    "What one distributor is told, with a receipt for each of its answers",
    (Party.NOTICES,),
    (Party.ADDRESSEE,),
    (notices.Notice,),
)
BANK_PAYMENTS = Topic(
    "bank.payments",
    "Money that came and went, from the bank's statements",
    (Party.STATEMENT_READER,),
    (Party.BILLING, Party.PAYMENTS),
    (commands.BankPayment, commands.BankReturn),
    "BankPayment.v1",  # the shape that was the first, and is a part of the newest
)
PAYMENT_COMMANDS = Topic(
    "commands.payments",
    "What operations decide about money that the bank reported",
    (Party.OPERATIONS,),
    (Party.BILLING,),
    (commands.MatchPayment, commands.ReturnMoney, commands.MatchReturn, commands.CreditOverpayment),
)
MANUFACTURING_ORDERS = Topic(
    "manufacturing.orders",
    "Copies of ManufacturingOrdered, for the department",
    (Party.SHIPPING,),
    (Party.MANUFACTURING,),
    (shipping.ManufacturingOrdered,),
)
MANUFACTURING_KITS = Topic(
    "manufacturing.kits", "Kits made", (Party.MANUFACTURING,), (Party.SHIPPING,), (commands.KitManufactured,)
)
OPS_EVENTS = Topic(
    "ops.events",
    "What operations did by hand, and why",
    (Party.OPS,),
    (Party.NOTICES, Party.AUDIT),
    (
        ops.DeadLetterRetried,
        ops.DeadLetterCorrected,
        ops.CorrectionProposed,
        ops.CorrectionAgreed,
        ops.DeadLetterDiscarded,
        ops.ReminderRequested,
    ),
)
CHECKPOINTS = Topic(
    "audit.checkpoints",
    "Signed checkpoints of the stages' logs, and findings that an auditor has acknowledged",
    (Party.AUDIT,),
    (Party.AUDITORS,),
    (audit.CheckpointSigned, audit.FindingAcknowledged),
)
ERASURES = Topic(
    "privacy.erasures",
    "Persons whose data was made unreadable",
    (Party.PRIVACY,),
    (Party.AUDITORS,),
    (audit.PersonErased,),
)
DEAD_LETTERS = Topic(
    "dead-letters",
    "Records that could not be taken, as they came",
    (Party.EVERY_STAGE,),
    (Party.NOTICES, Party.OPERATORS),
    (),
)

STAGE_TOPICS = (REQUEST_EVENTS, APPROVAL_EVENTS, BILLING_EVENTS, SHIPPING_EVENTS, ACTIVATION_EVENTS, RENEWAL_EVENTS)
INPUT_TOPICS = (
    REQUEST_COMMANDS,
    DOCUMENT_COMMANDS,
    ACTIVATION_COMMANDS,
    SERVICE_COMMANDS,
    BANK_PAYMENTS,
    PAYMENT_COMMANDS,
    MANUFACTURING_KITS,
    CONFIRMATIONS,
)
ALL_TOPICS = (
    *STAGE_TOPICS,
    *INPUT_TOPICS,
    NOTICES,
    MANUFACTURING_ORDERS,
    OPS_EVENTS,
    CHECKPOINTS,
    ERASURES,
    DEAD_LETTERS,
)
PER_DISTRIBUTOR = (CONFIRMATIONS, NOTICES)


def confirmations_of(distributor_id: str) -> str:
    """Name of the topic on which this distributor answers."""
    return CONFIRMATIONS.name.replace("{distributor}", distributor_id)


def notices_of(distributor_id: str) -> str:
    """Name of the topic on which this distributor is told."""
    return NOTICES.name.replace("{distributor}", distributor_id)


def distributor_of(topic: str) -> str | None:
    """The distributor whose confirmations topic this is; None for any other topic."""
    prefix, suffix = CONFIRMATIONS.name.split("{distributor}")
    if topic.startswith(prefix) and topic.endswith(suffix) and len(topic) > len(prefix) + len(suffix):
        return topic[len(prefix) : -len(suffix)]
    return None


def default_type_of(topic: str) -> str | None:
    """The type of a record without that header on this topic; None where every record must have it."""
    return CONFIRMATIONS.default_type if distributor_of(topic) is not None else _DEFAULT_TYPES.get(topic)


_DEFAULT_TYPES = {topic.name: topic.default_type for topic in INPUT_TOPICS}


def topic_names(distributor_ids: Iterable[str]) -> list[str]:
    """Names of all topics that must exist, with those of each distributor."""
    fixed = [topic.name for topic in ALL_TOPICS if topic not in PER_DISTRIBUTOR]
    return fixed + [
        topic.name.replace("{distributor}", distributor) for distributor in distributor_ids for topic in PER_DISTRIBUTOR
    ]
