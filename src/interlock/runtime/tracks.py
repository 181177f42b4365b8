"""What is known of one order's attempts: its placement, its last cancel, its last amendment."""

from __future__ import annotations

import msgspec

from interlock.model.order import OrderSpec
from interlock.model.venue import Verdict


class Attempt(msgspec.Struct):
    """One cancel or amendment that left: ``verdict`` is empty while there is no answer."""

    request_id: int
    ts: int
    ts_deadline: int
    verdict: str = ""
    wanted: OrderSpec | None = None


class Track(msgspec.Struct, omit_defaults=True):
    """One order's attempts. ``submit`` is empty until answered; ``is_seen`` once the venue had it.

    ``payload`` begins the hash of what was sent. ``is_adopted`` marks an order that nobody here
    sent.
    """

    client_order_id: str
    strategy: str
    spec: OrderSpec
    ts: int
    ts_deadline: int
    request_id: int
    epoch: int
    reference: int = 0
    payload: bytes = b""
    submit: str = ""
    venue_order_id: str = ""
    is_seen: bool = False
    is_adopted: bool = False
    cancel: Attempt | None = None
    amend: Attempt | None = None
    filled: int = 0
    ts_first_fill: int = 0
    ts_closed: int = 0
    # Of an adopted order: what it executed before and was not heard of yet, and until when.
    before: int = 0
    ts_before: int = 0
    # What the venue calls the order that its trigger made: executions are told under that.
    child_id: str = ""

    @property
    def in_flight(self) -> bool:
        """Whether an attempt about the order has no answer yet."""
        return (
            not self.submit
            or (self.cancel is not None and not self.cancel.verdict)
            or (self.amend is not None and not self.amend.verdict)
        )

    @property
    def is_amending(self) -> bool:
        """Whether an amendment left of which nobody knows yet what came of it."""
        return self.amend is not None and self.amend.verdict in ("", Verdict.UNKNOWN)

    @property
    def doubt(self) -> str:
        """What about a position's size is in doubt: submit, amend, or nothing."""
        if self.ts_closed:
            return ""
        if self.submit == Verdict.UNKNOWN and not self.is_seen:
            return "submit"
        if self.amend is not None and self.amend.verdict == Verdict.UNKNOWN:
            return "amend"
        return ""
