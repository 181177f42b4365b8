"""Counts and lists of a session, made from its ledger rows in one pass.

Rules of this file. Counts are exact; lists keep the newest rows only, so that a session of weeks
still makes a page that opens.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from interlock.model.order import OrderStatus
from interlock.model.rows import (
    AdjustmentRow,
    AnswerRow,
    CommandRow,
    FillRow,
    InstrumentRow,
    IntentRow,
    PaymentRow,
    ReconcileRow,
    StateRow,
    TransitionRow,
)
from interlock.model.venue import Verdict

FILLS_SHOWN = 200
LINES_SHOWN = 100
# Round trips of requests that percentiles are made of.
TRIPS_KEPT = 20_000


class Doubt(msgspec.Struct):
    """An order that was UNKNOWN: since when, how long, and what settled it."""

    client_order_id: str
    instrument: str
    ts: int
    reason: str
    took_ns: int = -1
    became: str = ""
    evidence: str = ""


class Turnover(msgspec.Struct):
    """What was executed in one instrument, in its units; money in money units."""

    fills: int = 0
    makers: int = 0
    late: int = 0
    notional: int = 0
    funding: int = 0
    # Cost of slippage against the reference price, in money units, and the notional it is of.
    slippage: int = 0
    referenced: int = 0


class Tally:
    """What a session did. ``take`` its rows in order."""

    def __init__(self) -> None:
        self.instruments: dict[str, Any] = {}
        self.turnover: dict[str, Turnover] = {}
        self.fees: Counter[str] = Counter()
        self.kinds: Counter[str] = Counter()
        self.payments: Counter[tuple[str, str]] = Counter()
        self.verdicts: Counter[tuple[str, str]] = Counter()
        self.ended: Counter[str] = Counter()
        self.doubts: list[Doubt] = []
        self.fills: deque[FillRow] = deque(maxlen=FILLS_SHOWN)
        self.reconciles: deque[ReconcileRow] = deque(maxlen=LINES_SHOWN)
        self.comparisons: Counter[str] = Counter()
        self.differences = 0
        self.states: deque[StateRow] = deque(maxlen=LINES_SHOWN)
        self.commands: deque[CommandRow] = deque(maxlen=LINES_SHOWN)
        self.adjustments: deque[AdjustmentRow] = deque(maxlen=LINES_SHOWN)
        self.trips: deque[int] = deque(maxlen=TRIPS_KEPT)
        self.ids: set[str] = set()
        self.repeated_ids: list[str] = []
        self.intents = 0
        self.rows = 0
        self._waiting: dict[str, int] = {}
        self._open: dict[str, Doubt] = {}
        # Of orders that are not over: instrument, and the quantity still to be filled.
        self._symbols: dict[str, str] = {}
        self._left: dict[str, int] = {}
        self._takes: dict[type, Callable[[Any], None]] = {
            InstrumentRow: self._instrument,
            IntentRow: self._intent,
            AnswerRow: self._answer,
            TransitionRow: self._transition,
            FillRow: self._fill,
            PaymentRow: self._payment,
            ReconcileRow: self._reconcile,
            StateRow: self.states.append,
            CommandRow: self.commands.append,
            AdjustmentRow: self.adjustments.append,
        }

    def take(self, row: Any) -> None:
        """Count one row."""
        self.rows += 1
        self.kinds[str(row.__struct_config__.tag)] += 1
        known = self._takes.get(type(row))
        if known is not None:
            known(row)

    @property
    def total_fills(self) -> int:
        """Executions of all instruments."""
        return sum(item.fills for item in self.turnover.values())

    def _instrument(self, row: InstrumentRow) -> None:
        self.instruments[row.instrument.id] = row.instrument

    def _intent(self, row: IntentRow) -> None:
        self.intents += 1
        name = row.client_order_id
        if name in self.ids:
            self.repeated_ids.append(name)
        self.ids.add(name)
        self._waiting[name] = row.ts_event
        self._symbols[name] = row.spec.instrument
        self._left[name] = row.spec.quantity

    def _answer(self, row: AnswerRow) -> None:
        self.verdicts[row.attempt, str(row.verdict)] += 1
        ts = self._waiting.pop(row.client_order_id, 0) if row.attempt == "place" else 0
        if ts and row.verdict in (Verdict.ACCEPTED, Verdict.REJECTED):
            self.trips.append(row.ts_event - ts)

    def _transition(self, row: TransitionRow) -> None:
        name = row.client_order_id
        self._settle(name, row.ts_event, str(row.after), row.evidence)
        if name in self._left:
            self._left[name] = row.quantity - row.filled
        if row.after is OrderStatus.UNKNOWN:
            found = Doubt(name, self._symbols.get(name, ""), row.ts_event, row.reason)
            self._open[name] = found
            self.doubts.append(found)
        if row.after in _ENDS:
            self._end(name, str(row.after))

    def _settle(self, name: str, ts: int, became: str, evidence: str) -> None:
        doubt = self._open.pop(name, None)
        if doubt is not None:
            doubt.took_ns, doubt.became, doubt.evidence = ts - doubt.ts, became, evidence

    def _end(self, name: str, how: str) -> None:
        if self._left.pop(name, None) is not None:
            self.ended[how] += 1
            self._symbols.pop(name, None)

    def _fill(self, row: FillRow) -> None:
        fill = row.fill
        instrument = self.instruments.get(fill.instrument)
        made = self.turnover.setdefault(fill.instrument, Turnover())
        made.fills += 1
        made.makers += fill.is_maker
        made.late += row.is_late
        self.fees[fill.fee_asset] += fill.fee
        self.fills.append(row)
        name = row.client_order_id
        self._settle(name, row.ts_event, str(OrderStatus.FILLED), row.source)
        if name in self._left:
            self._left[name] -= fill.quantity
            if self._left[name] <= 0:
                self._end(name, str(OrderStatus.FILLED))
        if instrument is None:
            return
        notional = instrument.notional(fill.price, fill.quantity)
        made.notional += notional
        if row.reference:
            wanted = instrument.notional(row.reference, fill.quantity)
            made.slippage += (notional - wanted) * fill.side
            made.referenced += wanted

    def _payment(self, row: PaymentRow) -> None:
        payment = row.payment
        self.payments[payment.kind, payment.asset] += payment.amount
        if payment.kind == "funding":
            self.turnover.setdefault(payment.instrument, Turnover()).funding += payment.amount

    def _reconcile(self, row: ReconcileRow) -> None:
        self.comparisons[row.scope] += 1
        self.differences += len(row.differences)
        self.reconciles.append(row)


_ENDS = frozenset(
    {OrderStatus.FILLED, OrderStatus.CANCELED, OrderStatus.EXPIRED, OrderStatus.REJECTED}
)


def tally_of(rows: Iterable[tuple[int, Any]], instruments: Iterable[Any] = ()) -> Tally:
    """The tally of rows with their sequences; ``instruments`` are known from before."""
    made = Tally()
    made.instruments.update({item.id: item for item in instruments})
    for _, row in rows:
        made.take(row)
    return made
