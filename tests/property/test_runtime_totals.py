"""Running totals are what a scan of every instrument gives, whatever happened in between."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from interlock.kernel.engine import step
from interlock.kernel.external import bucket
from interlock.kernel.state import InstrumentSlot, State
from interlock.model.events import (
    CashMoved,
    ExternalTraded,
    FundingPaid,
    MarkChanged,
    OrderAccepted,
    OrderCanceled,
    OrderFilled,
    OrderRejected,
    OrderUpdated,
    Started,
)
from interlock.model.instrument import InstrumentKind
from interlock.model.limits import Limits
from interlock.model.market import Quote
from interlock.model.order import OrderSpec, OrderType
from interlock.runtime.reconcile import Reconciler
from interlock.strategy.api import Strategy
from tests.toy_players import BTC, LOT, T0, Bracketed
from tests.toy_venue import Splitmix
from tests.toy_world import Faults, World

COUNT = 6
INSTRUMENTS = [
    msgspec.structs.replace(
        BTC,
        id=f"C{number}USDT.TOY",
        base=f"C{number}",
        kind=InstrumentKind.SPOT if number % 3 == 2 else InstrumentKind.PERPETUAL,
    )
    for number in range(COUNT)
]


class Everywhere(Strategy):
    """Trades instruments other than the one it hears of, amends, cancels."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.random = Splitmix(seed)

    def on_quote(self, quote: Quote) -> None:
        draw, name = self.random.below(8), INSTRUMENTS[self.random.below(COUNT)].id
        side, size = 1 - 2 * self.random.below(2), (1 + self.random.below(3)) * LOT
        if draw < 2:
            self.place(OrderSpec(name, side, size))
        elif draw < 5:
            kind = OrderType.LIMIT
            self.place(OrderSpec(name, side, size, kind, 90_00 + self.random.below(20_00)))
        elif draw == 5:
            self.cancel_all(instrument=name)
        else:
            for ref in self.view.open_orders(name)[:1]:
                self.amend(ref, quantity=(size + LOT) / 1000)

    def on_fill(self, fill: Any) -> None:
        if self.random.below(4) == 0:
            self.place(OrderSpec(INSTRUMENTS[self.random.below(COUNT)].id, 1, LOT))


def _scan(state: State, slot: InstrumentSlot) -> tuple[Any, ...]:
    """By looking at everything."""
    totals, state.totals = state.totals, None
    found = (*state.equity_and_gross(slot), state.free_cash())
    state.totals = totals
    return found


def _event(state: State, draw: Splitmix, ts: int) -> Any:
    item = INSTRUMENTS[draw.below(COUNT)]
    names = list(state.open)
    name = names[draw.below(len(names))] if names else "none"
    order = state.open.get(name)
    quantity = order.spec.quantity if order is not None else LOT
    kind, price = draw.below(12), 95_00 + draw.below(10_00)
    if kind < 5:
        return Quote.of(item, ts, price, LOT, price + 1, LOT)
    if kind < 8:
        part = quantity if draw.below(2) else LOT
        return OrderFilled(ts, name, ts, price, part, draw.below(10**6), "USDT", False, price)
    if kind == 8:
        return (OrderAccepted(ts, name), OrderCanceled(ts, name, ""))[draw.below(2)]
    if kind == 9:
        return (OrderRejected(ts, name, ""), OrderUpdated(ts, name, 2 * LOT, 0, 0))[draw.below(2)]
    if kind == 10:
        signed = (1 - 2 * draw.below(2)) * LOT
        cause = ("manual", "liquidation")[draw.below(2)]
        return ExternalTraded(ts, item.id, signed, price, 10, "USDT", "external", cause)
    others = (
        MarkChanged(ts, item.id, price),
        FundingPaid(ts, item.id, 0, 0, draw.below(2001) - 1000),
        CashMoved(ts, "USDT", draw.below(10**9), "transfer"),
    )
    return others[draw.below(len(others))]


@pytest.mark.parametrize("seed", range(1, 13))
def test_totals_are_the_scan_after_every_event(seed: int) -> None:
    state = State(
        currency="USDT",
        cash=10**13,
        instruments=INSTRUMENTS,
        limits=Limits(leverage_max_ratio=20_000_000),
    )
    state.add("everywhere", Everywhere(seed), 10**13)
    bucket(state)
    state.keep_totals()
    step(state, Started(T0))
    draw, known, filled = Splitmix(seed), 0, 0
    for number in range(700):
        event = _event(state, draw, T0 + number + 1)
        if isinstance(event, Quote):
            state.instruments[event.instrument.id].changed()
        step(state, event)
        state.facts.clear()
        assert state.totals is not None
        for slot in state.instruments.values():
            totals = (*state.equity_and_gross(slot), state.free_cash())
            assert totals == _scan(state, slot), (number, event)
        known += totals[0] is not None
        filled += isinstance(event, OrderFilled)
    assert known > 300 and filled > 100


def test_what_live_decisions_read_is_what_a_scan_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    read, checked = State.equity_and_gross, [0]

    def compare(state: State, without: InstrumentSlot) -> tuple[int | None, int]:
        found = read(state, without)
        if state.totals is not None:
            checked[0] += 1
            assert found == _plain(read, state, without)
        return found

    monkeypatch.setattr(State, "equity_and_gross", compare)
    for seed in range(1, 21):
        World(seed, faults=Faults()).run()
        World(seed, faults=Faults(), strategy=Bracketed).run()
    assert checked[0] > 300


def _plain(read: Any, state: State, without: InstrumentSlot) -> tuple[int | None, int]:
    totals, state.totals = state.totals, None
    found: tuple[int | None, int] = read(state, without)
    state.totals = totals
    return found


def test_what_was_held_when_is_remembered_for_every_change(monkeypatch: pytest.MonkeyPatch) -> None:
    moved, checked = Reconciler.moved, [0]

    def compare(self: Reconciler) -> None:
        moved(self)
        checked[0] += 1
        for name, slot in self.desk.state.instruments.items():
            assert self._log[name][-1][1] == slot.net.quantity

    monkeypatch.setattr(Reconciler, "moved", compare)
    for seed in range(1, 21):
        World(seed).run()
    assert checked[0] > 1_000


def test_doubts_are_those_of_the_orders(monkeypatch: pytest.MonkeyPatch) -> None:
    moved, seen = Reconciler.moved, [0]

    def compare(self: Reconciler) -> None:
        moved(self)
        tracks = self.desk.books.tracks
        wanted = {name: t.spec.instrument for name, t in tracks.items() if t.doubt}
        assert self.desk.books.doubts == wanted
        seen[0] += len(wanted)

    monkeypatch.setattr(Reconciler, "moved", compare)
    for seed in range(1, 21):
        World(seed).run()
    assert seen[0] > 50
