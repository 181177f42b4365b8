"""Judges a run: the exchange's books against the engine's ledger, to the unit.

Rules of this file. The exchange is the truth; the ledger is read row by row with its chain checked.
What the engine believes is not asked here. Cash is counted anew from executions and payments.
"""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec

from interlock.adapters.storage.ledger import read_stored
from interlock.adapters.storage.queries import Reader
from interlock.kernel.positions import Position
from interlock.kernel.restore import BASIS
from interlock.model.instrument import Instrument
from interlock.model.order import TERMINAL, OrderStatus
from interlock.model.rows import (
    AdjustmentRow,
    FillRow,
    InstrumentRow,
    IntentRow,
    PaymentRow,
    RequestRow,
    StateRow,
    TransitionRow,
    decode_row,
)
from interlock.model.units import MONEY_EXPONENT, format_units
from interlock.model.venue import AmendRequest
from interlock.runtime.ids import parse
from interlock.scenarios.exchange import Books
from interlock.sim.venue.values import Order
from interlock.wire.hyperliquid.cloids import cloid_of, is_cloid

FillKey = tuple[str, int, int, int, int, int]
# Cash that the engine could not explain and took over: never part of equal books.
UNEXPLAINED = frozenset({"cash_unexplained", "cash_rounding"})


class Intent(msgspec.Struct, kw_only=True):
    """An order as the ledger knows it; ``held`` is the position when it was decided on."""

    ts: int
    instrument: str
    side: int
    quantity: int
    reduce_only: bool
    epoch: int
    status: str = ""
    left: int = 0
    held: int = 0

    @property
    def adds_risk(self) -> bool:
        """Whether it does more than shrink that position."""
        if self.reduce_only:
            return False
        return self.held * self.side >= 0 or self.quantity > abs(self.held)


class Kept(msgspec.Struct):
    """What a ledger says."""

    intents: dict[str, Intent] = {}
    # When an order was asked to be amended.
    amends: dict[str, list[int]] = {}
    fills: Counter[FillKey] = msgspec.field(default_factory=Counter)
    positions: dict[str, int] = {}
    wallet: int = 0
    payments: Counter[str] = msgspec.field(default_factory=Counter)
    states: list[tuple[int, str, str]] = []
    # (client order id, from, to) of every time in UNKNOWN; to = 0 while it lasts.
    unknown: list[tuple[str, int, int]] = []
    adjusted: dict[str, int] = {}
    rows: int = 0


def read_ledger(path: Path) -> Kept:
    """Read a whole ledger. Raises LedgerFault when its chain is broken."""
    with closing(Reader(path)) as reader:
        fold = _Fold()
        for stored in read_stored(reader.database):
            fold.take(decode_row(stored.row))
            fold.kept.rows = stored.seq
        kept = fold.done()
        _add_orders(kept, reader)
    return kept


class _Fold:
    """Counts positions and cash from rows, in the order in which they were written."""

    def __init__(self) -> None:
        self.kept = Kept()
        self._doubted: dict[str, int] = {}
        self._net: dict[str, Position] = {}
        self._instruments: dict[str, Instrument] = {}

    def take(self, row: Any) -> None:
        kept = self.kept
        match row:
            case InstrumentRow():
                self._instruments[row.instrument.id] = row.instrument
            case IntentRow():
                kept.intents[row.client_order_id] = Intent(
                    ts=row.ts_event,
                    instrument=row.spec.instrument,
                    side=row.spec.side,
                    quantity=row.spec.quantity,
                    reduce_only=row.spec.reduce_only,
                    epoch=row.epoch,
                    held=self._position(row.spec.instrument).quantity,
                )
            case RequestRow(request=AmendRequest(client_order_id=name)):
                kept.amends.setdefault(name, []).append(row.ts_event)
            case TransitionRow():
                self._moved(row.client_order_id, row.ts_event, row.after is OrderStatus.UNKNOWN)
            case FillRow():
                self._moved(row.client_order_id, row.ts_event, False)
                self._fill(row)
            case AdjustmentRow():
                kept.adjusted[row.instrument] = kept.adjusted.get(row.instrument, 0) + row.quantity
                kept.wallet += self._position(row.instrument).fill(row.quantity, row.price)
            case PaymentRow():
                self._pay(row)
            case StateRow():
                kept.states.append((row.ts_event, row.scope, row.state))

    def done(self) -> Kept:
        self.kept.unknown += [(name, ts, 0) for name, ts in self._doubted.items()]
        self.kept.positions = {
            name: held.quantity for name, held in self._net.items() if held.quantity
        }
        return self.kept

    def _moved(self, name: str, ts: int, is_unknown: bool) -> None:
        if is_unknown:
            self._doubted.setdefault(name, ts)
        elif name in self._doubted:
            self.kept.unknown.append((name, self._doubted.pop(name), ts))

    def _fill(self, row: FillRow) -> None:
        fill = row.fill
        key = (
            fill.instrument,
            fill.trade_id,
            fill.side,
            fill.quantity,
            fill.price,
            fill.fee,
        )
        self.kept.fills[key] += 1
        self.kept.wallet += self._position(fill.instrument).fill(
            fill.side * fill.quantity, fill.price
        )
        self.kept.wallet -= fill.fee

    def _pay(self, row: PaymentRow) -> None:
        payment = row.payment
        self.kept.wallet += payment.amount
        self.kept.payments[payment.kind] += 1
        if payment.kind == BASIS:
            self._position(payment.instrument).cost += payment.amount

    def _position(self, name: str) -> Position:
        if name not in self._net:
            self._net[name] = Position(self._instruments[name])
        return self._net[name]


def _add_orders(kept: Kept, reader: Reader) -> None:
    sql = "SELECT client_order_id, status, quantity_units - filled_units FROM orders"
    for name, status, left in reader.ask(sql).records:
        if name in kept.intents:
            kept.intents[name].status, kept.intents[name].left = status, left


class Verdict(msgspec.Struct, kw_only=True):
    """One comparison. Texts of ``problems`` are empty when the books are equal."""

    intents: int
    at_venue: int
    duplicates: int
    foreign: int
    lost_fills: int
    fills: int
    unknown_s: float
    wallet_difference: int
    problems: list[str]


def judge(books: Books, kept: Kept) -> Verdict:
    """Compare everything. The venue's names of orders in ``books`` become ours."""
    books.call({cloid_of(name): name for name in kept.intents})
    placed = Counter(order.client_id for order in _without_replaced(books.placed, kept))
    ours = {name: count for name, count in placed.items() if _is_ours(name)}
    duplicates = sum(count - 1 for count in ours.values())
    problems = [f"{count} orders with the id {name}" for name, count in ours.items() if count > 1]
    problems += [f"order {name} has no intent" for name in ours if name not in kept.intents]
    problems += _payloads(books, kept)
    lost, found = _fills(books, kept)
    problems += found
    problems += _positions(books, kept)
    problems += _open(books, kept)
    difference = books.wallet - kept.wallet
    if difference:
        text = format_units(difference, MONEY_EXPONENT)
        problems.append(f"the venue's wallet is {text} above the ledger's")
    problems += [
        f"{count} payments booked as {kind}"
        for kind, count in kept.payments.items()
        if kind in UNEXPLAINED
    ]
    problems += _risk_in_doubt(kept)
    problems += [f"order {name} is still unknown" for name, _, end in kept.unknown if not end]
    return Verdict(
        intents=len(kept.intents),
        at_venue=sum(ours.values()),
        duplicates=duplicates,
        foreign=sum(placed.values()) - sum(ours.values()),
        lost_fills=lost,
        fills=len(books.fills),
        unknown_s=max(((end or start) - start for _, start, end in kept.unknown), default=0) / 1e9,
        wallet_difference=difference,
        problems=problems,
    )


def _is_ours(name: str) -> bool:
    """Whether an engine of this kind gave the id; what is left of a cloid has no intent."""
    return parse(name) is not None or is_cloid(name)


def _without_replaced(placed: list[Order], kept: Kept) -> list[Order]:
    """The orders without those whose place another one took.

    Where an amendment is a new order under the same id, an order counts as replaced when it was
    over before the next one of its id came, and no more often than amendments were asked for.
    """
    found: list[Order] = []
    newest: dict[str, int] = {}
    replaced: Counter[str] = Counter()
    for order in sorted(placed, key=lambda order: (order.ts_created, order.order_id)):
        name = order.client_id
        at = newest.setdefault(name, len(found))
        if at < len(found) and replaced[name] < len(kept.amends.get(name, ())):
            before = found[at]
            if before.status is OrderStatus.CANCELED and before.ts_updated <= order.ts_created:
                replaced[name] += 1
                found[at] = order
                continue
        newest[name] = len(found)
        found.append(order)
    return found


def _payloads(books: Books, kept: Kept) -> list[str]:
    problems = []
    for order in books.placed:
        intent = kept.intents.get(order.client_id)
        if intent is None:
            continue
        if (order.symbol, order.side) != (intent.instrument, intent.side):
            problems.append(f"order {order.client_id} is not what its intent says")
        if order.ts_created and intent.ts > order.ts_created + 10**12:
            problems.append(f"order {order.client_id} was at the venue before its intent")
    return problems


def _fills(books: Books, kept: Kept) -> tuple[int, list[str]]:
    venue: Counter[FillKey] = Counter(
        (item.symbol, item.fill_id, item.side, item.quantity, item.price, item.fee)
        for item in books.fills
    )
    lost, invented = venue - kept.fills, kept.fills - venue
    problems = [f"{sum(lost.values())} fills lost, first {next(iter(lost))}"] if lost else []
    if invented:
        problems.append(f"{sum(invented.values())} fills invented, first {next(iter(invented))}")
    return sum(lost.values()), problems


def _positions(books: Books, kept: Kept) -> list[str]:
    venue = books.positions
    return [
        f"{name}: {venue.get(name, 0)} at the venue, {kept.positions.get(name, 0)} in the ledger"
        for name in sorted({*venue, *kept.positions})
        if venue.get(name, 0) != kept.positions.get(name, 0)
    ]


def _open(books: Books, kept: Kept) -> list[str]:
    parents = {order.order_id: order.client_id for order in books.conditional}
    venue = {}
    for order in (*books.open, *books.open_conditional):
        name = parents.get(order.conditional_id, order.client_id)
        if _is_ours(name):
            venue[name] = order.left
    ours = {
        name: intent.left
        for name, intent in kept.intents.items()
        if intent.status and intent.status not in TERMINAL
    }
    return [
        f"open order {name}: {venue.get(name, 'none')} at the venue, {ours.get(name, 'none')} in "
        "the ledger"
        for name in sorted({*venue, *ours})
        if venue.get(name) != ours.get(name)
    ]


def _risk_in_doubt(kept: Kept) -> list[str]:
    """New risk on an instrument while an order there was unknown."""
    problems = []
    for name, start, end in kept.unknown:
        instrument = kept.intents[name].instrument
        for other, intent in kept.intents.items():
            inside = start < intent.ts < (end or 1 << 62)
            if inside and intent.instrument == instrument and not intent.reduce_only:
                problems.append(f"{other} was sent while {name} was unknown")
    return problems
