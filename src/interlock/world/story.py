"""What happened, in lines that a trader can read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from interlock.model.instrument import Instrument
from interlock.model.order import OrderSpec
from interlock.model.rows import FillRow, LedgerRow, PaymentRow, TransitionRow, decode_row
from interlock.model.units import MONEY_EXPONENT, format_units
from interlock.model.venue import (
    AmendRequest,
    BalancesQuery,
    CancelRequest,
    FillsQuery,
    OpenOrdersQuery,
    OrderQuery,
    PaymentsQuery,
    PlaceRequest,
    PositionsQuery,
)
from interlock.runtime.settings import SECOND
from interlock.sim.venue.values import AccountEvent, ConditionalEvent, Order, OrderEvent
from interlock.world.exchange import ACCOUNT

# Rows that say in other words what a line of the venue or of the engine says already.
_QUIET_ROWS = frozenset({"checkpoint", "instrument", "answer", "lease"})
# What is told at every question and would hide the story, or what a row says with its numbers.
_QUIET_TOLD = frozenset(
    {
        "CACHE_MISS",
        "CACHE_HIT",
        "REQUEST_COALESCED",
        "RATE_LIMIT_THROTTLE",
        "RECONCILED",
        "ORDER_FILLED",
        "ORDER_PARTIAL",
        "ENTRY_SLIPPAGE",
    }
)
_QUESTIONS: dict[type[Any], str] = {
    OpenOrdersQuery: "open orders",
    PositionsQuery: "positions",
    BalancesQuery: "balances",
    PaymentsQuery: "payments",
}


class Story:
    """Gives lines to ``write``; knows the instruments, so that numbers read as prices and sizes.

    Questions of one moment are one line; ``end`` gives the last of them.
    """

    def __init__(self, instruments: dict[str, Instrument], write: Callable[[str], None]) -> None:
        self._instruments = instruments
        self._write = write
        # The instrument of every order, because what is told later names the order alone.
        self._traded: dict[str, str] = {}
        self._told: set[str] = set()
        self._asked: tuple[int, str] = (0, "")
        self._questions: list[str] = []

    def hear(self, ts: int, what: str, value: Any) -> None:
        """One thing that happened ``ts`` ns after the start."""
        who, _, kind = what.partition(" ")
        question = self._question(value) if kind == "asks" else ""
        if question:
            if (ts, who) != self._asked:
                self.end()
                self._asked = (ts, who)
            self._questions.append(question)
            return
        text = self._text(who, kind, value)
        if text:
            self.end()
            self._line(ts, text)

    def end(self) -> None:
        """Write the questions that wait for others of their moment."""
        if self._questions:
            ts, who = self._asked
            self._line(ts, f"{who} asks the venue: {', '.join(self._questions)}")
            self._questions.clear()
            self._asked = (0, "")

    def _line(self, ts: int, text: str) -> None:
        minutes, rest = divmod(ts, 60 * SECOND)
        self._write(f"{minutes:3d}:{rest / SECOND:06.3f}  {text}")

    def _text(self, who: str, kind: str, value: Any) -> str:
        if who == "fault":
            return f"** fault: {kind.replace('_', ' ')}"
        if who == "violation":
            return f"!! {kind} is violated: {value}"
        if kind == "row":
            return self._row(who, value)
        if kind == "asks":
            return self._request(who, value)
        if kind == "tells":
            return self._heard(who, value)
        if who == "venue":
            return self._venue(value)
        return f"{who} {kind} {value}".rstrip()

    def _row(self, who: str, row: LedgerRow) -> str:
        if row.kind in _QUIET_ROWS:
            return ""
        body: Any = decode_row(row)
        if row.kind == "intent":
            self._traded[body.client_order_id] = body.spec.instrument
            return f"{who} writes the intent {body.client_order_id}: {self._spec(body.spec)}"
        if row.kind == "transition":
            return self._transition(who, body)
        if row.kind == "fill":
            return self._fill(who, body)
        if row.kind == "reconcile":
            found = "; ".join(f"{d.subject} {d.cause}: {d.ours} here, {d.venue} there"
                              for d in body.differences)  # fmt: skip
            return f"{who} compared ({body.scope}): {found or 'nothing differs'}"
        if row.kind == "state":
            return f"{who} is {body.state} {body.scope} {body.reason}".rstrip()
        if row.kind == "payment":
            return self._payment(who, body)
        if row.kind == "event":
            if body.name in self._told:
                return ""
            return " ".join(filter(None, (who, "notes", body.name, body.subject, body.text)))
        return f"{who} writes {row.kind} {row.key}".rstrip()

    def _transition(self, who: str, row: TransitionRow) -> str:
        filled = self._size(self._traded.get(row.client_order_id, ""), row.filled)
        why = row.reason or row.evidence
        end = f" ({why})" if why else ""
        return f"{who} holds {row.client_order_id} as {row.after}, filled {filled}{end}"

    def _fill(self, who: str, row: FillRow) -> str:
        fill = row.fill
        side = "bought" if fill.side > 0 else "sold"
        whose = "" if row.client_order_id else ", of no order of ours"
        return (
            f"{who} books trade {fill.trade_id}{whose}: {side} "
            f"{self._size(fill.instrument, fill.quantity)} {fill.instrument} "
            f"at {self._price(fill.instrument, fill.price)}, "
            f"position {self._size(fill.instrument, row.position_after)}"
        )

    def _payment(self, who: str, row: PaymentRow) -> str:
        payment = row.payment
        amount = format_units(payment.amount, MONEY_EXPONENT)
        where = f" on {payment.instrument}" if payment.instrument else ""
        return f"{who} books {payment.kind.lower()}: {amount} {payment.asset}{where}"

    def _question(self, request: Any) -> str:
        """What a request asks without changing anything, or an empty text."""
        if isinstance(request, FillsQuery):
            return f"executions of {request.instrument}"
        if isinstance(request, OrderQuery):
            return f"order {request.client_order_id or request.venue_order_id}"
        return _QUESTIONS.get(type(request), "")

    def _request(self, who: str, request: Any) -> str:
        if isinstance(request, PlaceRequest):
            return f"{who} -> venue: place {request.client_order_id} {self._spec(request.spec)}"
        if isinstance(request, CancelRequest):
            return f"{who} -> venue: cancel {request.client_order_id}"
        if isinstance(request, AmendRequest):
            return f"{who} -> venue: amend {request.client_order_id} to {self._spec(request.spec)}"
        return f"{who} -> venue: {type(request).__name__}"

    def _heard(self, who: str, fact: Any) -> str:
        name = getattr(fact, "name", "")
        if not name:
            return ""
        self._told.add(name)
        if name in _QUIET_TOLD:
            return ""
        return " ".join(filter(None, (who, "tells", name, fact.subject, fact.text)))

    def _venue(self, event: Any) -> str:
        if isinstance(event, OrderEvent) and event.order.account == ACCOUNT:
            return f"venue: {event.execution} {self._order(event)}"
        if isinstance(event, ConditionalEvent):
            return f"venue: conditional {event.status} {self._asked_for(event.order)}"
        if isinstance(event, AccountEvent) and event.cause != "order":
            return f"venue: account changed by {event.cause}"
        return ""

    def _order(self, event: OrderEvent) -> str:
        order, traded = event.order, ""
        if event.fill is not None:
            size = self._size(order.symbol, event.fill.quantity)
            traded = f" trades {size} at {self._price(order.symbol, event.fill.price)},"
        filled = self._size(order.symbol, order.filled)
        return f"{self._asked_for(order)}:{traded} {order.status}, filled {filled}"

    def _asked_for(self, order: Order) -> str:
        side = "buy" if order.side > 0 else "sell"
        size = self._size(order.symbol, order.quantity)
        return f"{order.client_id or order.order_id} {side} {size} {order.symbol}"

    def _spec(self, spec: OrderSpec) -> str:
        side = "buy" if spec.side > 0 else "sell"
        level = spec.price or spec.trigger
        price = f" at {self._price(spec.instrument, level)}" if level else ""
        only = ", reduce-only" if spec.reduce_only else ""
        size = self._size(spec.instrument, spec.quantity)
        return f"{side} {size} {spec.instrument} {spec.type}{price}{only}"

    def _price(self, name: str, price: int) -> str:
        instrument = self._instruments.get(name)
        return str(price) if instrument is None else instrument.price_text(price)

    def _size(self, name: str, quantity: int) -> str:
        instrument = self._instruments.get(name)
        return str(quantity) if instrument is None else instrument.quantity_text(quantity)
