"""What happened, in lines that a trader can read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from interlock.model.instrument import Instrument
from interlock.model.order import OrderSpec
from interlock.model.rows import LedgerRow, decode_row
from interlock.model.venue import AmendRequest, CancelRequest, PlaceRequest
from interlock.sim.venue.values import AccountEvent, ConditionalEvent, Order, OrderEvent
from interlock.world.exchange import ACCOUNT

_SECOND = 1_000_000_000
# Rows that say in other words what a line of the venue or of the engine says already.
_QUIET_ROWS = frozenset({"checkpoint", "instrument", "answer", "lease"})
# What is told at every question and would hide the story.
_QUIET_TOLD = frozenset({"CACHE_MISS", "CACHE_HIT", "REQUEST_COALESCED", "RATE_LIMIT_THROTTLE"})


class Story:
    """Gives lines to ``write``; knows the instruments, so that numbers read as prices."""

    def __init__(self, instruments: dict[str, Instrument], write: Callable[[str], None]) -> None:
        self._instruments = instruments
        self._write = write

    def hear(self, ts: int, what: str, value: Any) -> None:
        """One thing that happened ``ts`` ns after the start."""
        text = self._text(what, value)
        if text:
            minutes, rest = divmod(ts, 60 * _SECOND)
            self._write(f"{minutes:3d}:{rest / _SECOND:06.3f}  {text}")

    def _text(self, what: str, value: Any) -> str:
        who, _, kind = what.partition(" ")
        if who == "fault":
            return f"** fault: {kind.replace('_', ' ')}"
        if kind == "row":
            return self._row(who, value)
        if kind == "asks":
            return self._request(who, value)
        if kind == "tells":
            return self._told(who, value)
        if who == "venue":
            return self._venue(value)
        return f"{what} {value}".rstrip()

    def _row(self, who: str, row: LedgerRow) -> str:
        if row.kind in _QUIET_ROWS:
            return ""
        body: Any = decode_row(row)
        if row.kind == "intent":
            return f"{who} writes the intent {body.client_order_id}: {self._spec(body.spec)}"
        if row.kind == "transition":
            reason = f" ({body.reason or body.evidence})"
            return (
                f"{who} holds {body.client_order_id} as {body.after}, filled {body.filled}{reason}"
            )
        if row.kind == "fill":
            return f"{who} books trade {body.fill.trade_id}: position {body.position_after}"
        if row.kind == "reconcile":
            found = "; ".join(f"{d.subject} {d.cause}: {d.ours} here, {d.venue} there"
                              for d in body.differences)  # fmt: skip
            return f"{who} compared {body.scope}: {body.severity} {found}".rstrip()
        if row.kind == "state":
            return f"{who} is {body.state} {body.scope} {body.reason}".rstrip()
        return f"{who} writes {row.kind} {row.key}".rstrip()

    def _request(self, who: str, request: Any) -> str:
        if isinstance(request, PlaceRequest):
            return f"{who} -> venue: place {request.client_order_id} {self._spec(request.spec)}"
        if isinstance(request, CancelRequest):
            return f"{who} -> venue: cancel {request.client_order_id}"
        if isinstance(request, AmendRequest):
            return f"{who} -> venue: amend {request.client_order_id} to {self._spec(request.spec)}"
        return f"{who} -> venue: {type(request).__name__}"

    def _told(self, who: str, fact: Any) -> str:
        name = getattr(fact, "name", "")
        if not name or name in _QUIET_TOLD:
            return ""
        return f"{who} tells {name} {fact.subject} {fact.text}".rstrip()

    def _venue(self, event: Any) -> str:
        if isinstance(event, OrderEvent) and event.order.account == ACCOUNT:
            return f"venue: {event.execution} {self._order(event.order)}"
        if isinstance(event, ConditionalEvent):
            return f"venue: conditional {event.status} {self._order(event.order)}"
        if isinstance(event, AccountEvent) and event.cause != "order":
            return f"venue: account changed by {event.cause}"
        return ""

    def _order(self, order: Order) -> str:
        side = "buy" if order.side > 0 else "sell"
        return (
            f"{order.client_id or order.order_id} {side} {order.quantity} {order.symbol} "
            f"{order.status}, filled {order.filled}"
        )

    def _spec(self, spec: OrderSpec) -> str:
        side = "buy" if spec.side > 0 else "sell"
        instrument = self._instruments.get(spec.instrument)
        level = spec.price or spec.trigger
        price = ""
        if level and instrument is not None:
            price = f" at {level / 10**instrument.price_exponent:g}"
        only = ", reduce-only" if spec.reduce_only else ""
        return f"{side} {spec.quantity} {spec.instrument} {spec.type}{price}{only}"
