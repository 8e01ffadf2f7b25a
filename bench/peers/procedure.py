"""The skeleton of the procedure that the peers walk: the same five stages and about as many events as ours, without
checks, documents, money or personal data. What is left out makes a peer faster, not slower.
"""

from __future__ import annotations

STAGES = ("request", "approval", "billing", "shipping", "activation")
EVENTS_OF = {
    "SubmitRequest": ("request", ("RequestSubmitted",)),
    "RequestSubmitted": ("approval", ("Approved",)),
    "Approved": ("billing", ("BillingOpened",)),
    "Confirmation": ("billing", ("DistributorConfirmed",)),
    "DistributorConfirmed": (
        "shipping",
        ("ShippingOpened", "PermissionIssued", "DocumentIssued", "ManufacturingOrdered"),
    ),
    "KitManufactured": ("shipping", ("ShipmentIssued",)),
    "ShipmentIssued": ("activation", ("DeliveryRegistered",)),
    "ActivateDelivery": ("activation", ("Activated",)),
}
"""What is read → the stage that takes it, and the events that follow."""
ANSWERS = {
    "Approved": ("confirmations", "Confirmation"),
    "ManufacturingOrdered": ("kits", "KitManufactured"),
    "ShipmentIssued": ("activations", "ActivateDelivery"),
}
"""Event → the input topic on which somebody outside answers it, and what."""
INPUTS_OF = {
    "request": ("commands",),
    "approval": ("request",),
    "billing": ("approval", "confirmations"),
    "shipping": ("billing", "kits"),
    "activation": ("shipping", "activations"),
}
"""Stage → topics it reads. A stage's own topic has its name."""
LAST = "Activated"
EVENTS = sum(len(events) for _, events in EVENTS_OF.values())
"""Of one request."""
FACTS = {
    "partner": "lukomor",
    "product": "upp-extension-12",
    "buyer": "АО «Завод точных весов»",
    "inn": "7707083893",
    "kpp": "773601001",
    "registration": "1000001",
    "distributor": "dist-north",
    "remark": "x" * 150,
}
"""Makes a body about as long as ours: 400 bytes."""
