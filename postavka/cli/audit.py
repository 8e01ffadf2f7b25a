"""`postavka audit`: replay, prove, compare."""

from __future__ import annotations

from cyclopts import App

from postavka.cli import proofs

audit = App(name="audit", help="For auditors: history, as-of, replay, verify, export. Changes nothing.")
proofs.add_to(audit)
