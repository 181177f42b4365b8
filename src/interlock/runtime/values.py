"""What enters the live core besides market and venue events, and what comes out of it."""

from __future__ import annotations

from typing import Any

import msgspec

from interlock.model.rows import LedgerRow
from interlock.model.venue import Request
from interlock.ports import Lease


class Tick(msgspec.Struct, frozen=True, gc=False):
    """Nothing happened but time: what is due is done."""

    ts_event: int


class Command(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What an operator asks for: a verb, who, why, and for which scope ("" = the engine)."""

    ts_event: int
    name: str
    actor: str
    reason: str
    scope: str = ""


class LeaseChanged(msgspec.Struct, frozen=True, gc=False):
    """The lease was renewed, or lost (None): a later epoch exists or it cannot be renewed."""

    ts_event: int
    lease: Lease | None


class Notice(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A named event for logs, screens and alerts; ``level`` is INFO, WARNING or CRITICAL."""

    ts_event: int
    name: str
    level: str = "INFO"
    subject: str = ""
    text: str = ""
    fields: dict[str, int | str] = {}


class Outputs(msgspec.Struct, gc=False):
    """What one input asks for, in this order.

    ``tape`` are market inputs with the ledger sequence they came after. ``rows`` must be durable
    before any of ``requests`` leaves. ``facts`` are for reading. ``wake_ts`` is when time alone
    changes something next, ns; 0 when nothing is due.
    """

    tape: list[tuple[int, Any]] = []
    rows: list[LedgerRow] = []
    requests: list[Request] = []
    facts: list[Any] = []
    wake_ts: int = 0

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to carry out."""
        return not (self.rows or self.requests or self.facts)
