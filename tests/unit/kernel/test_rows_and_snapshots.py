"""What a start makes of rows and of a snapshot: the same state, or a refusal that says why."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from interlock.kernel import snapshot
from interlock.kernel.engine import step
from interlock.kernel.restore import adopt_intent, cause_of, event_of, fee_of
from interlock.kernel.snapshot import SnapshotError
from interlock.kernel.state import Order, State
from interlock.model.events import ExternalTraded, OrderTriggered, OrderUpdated, Started
from interlock.model.limits import Limits
from interlock.model.market import Bar, Book, Quote, Trade
from interlock.model.order import Change, OrderSpec, OrderStatus, OrderType
from interlock.model.rows import (
    AdjustmentRow,
    AnyRow,
    CommandRow,
    EventRow,
    FillRow,
    IntentRow,
    TransitionRow,
)
from interlock.model.venue import VenueFill
from interlock.strategy.intents import Place, Target
from tests.desk import BTC, Desk, Told, buy
from tests.scenario import EQUITY, PERPETUAL, SPOT

S = OrderStatus


def _venue_fill(**values: Any) -> VenueFill:
    given = {
        "instrument": SPOT.id,
        "trade_id": 1,
        "client_order_id": "",
        "venue_order_id": "9",
        "side": -1,
        "price": 10_000,
        "quantity": 500,
        "fee": 0,
        "fee_asset": "USDT",
        "is_maker": False,
        "ts_venue": 1,
    }
    return VenueFill(**{**given, **values})


def _fill_row(**values: Any) -> FillRow:
    fill = _venue_fill(**values)
    return FillRow(ts_event=1, fill=fill, client_order_id="", strategy="", position_after=-500)


def _transition(change: Change) -> TransitionRow:
    return TransitionRow(
        ts_event=5,
        client_order_id="A-1",
        change=change,
        before=S.ACCEPTED,
        after=S.ACCEPTED,
        quantity=7,
        price=8,
        trigger=9,
    )


# Rows.
@pytest.mark.parametrize(
    "row",
    [
        _fill_row(instrument="GONE"),
        AdjustmentRow(
            ts_event=1, instrument="GONE", quantity=1, bucket="external", cause="", position_after=1
        ),
        EventRow(ts_event=1, name="ORDER_VANISHED"),
        _transition(Change.ASK_CANCEL),
        CommandRow(ts_event=1, name="halt", actor="", reason="", is_accepted=True),
    ],
)
def test_rows_that_stand_for_no_event_of_this_run(row: AnyRow) -> None:
    assert event_of(row, Desk().state.instruments) is None


def test_reports_that_carry_values_are_those_of_their_rows() -> None:
    slots = Desk().state.instruments
    assert event_of(_transition(Change.TRIGGER), slots) == OrderTriggered(5, "A-1")
    assert event_of(_transition(Change.UPDATE), slots) == OrderUpdated(5, "A-1", 7, 8, 9)


def test_a_trade_of_others_names_its_cause() -> None:
    slots = Desk().state.instruments
    event = event_of(_fill_row(client_order_id="adl_autoclose"), slots)
    assert isinstance(event, ExternalTraded)
    assert (event.quantity, event.owner, event.cause) == (-500, "external", "adl")
    names = ("adl_autoclose", "autoclose-17", "liquidation-3", "web_1")
    causes = [cause_of(_venue_fill(client_order_id=name), "") for name in names]
    assert causes == ["adl", "liquidation", "liquidation", "manual"]
    assert cause_of(_venue_fill(), "A") == "own order no longer in memory"


def test_a_fee_in_the_base_asset_is_quantity_rounded_against_us() -> None:
    """Money has eight digits: 0.00100001 BTC where a unit is 0.001 BTC costs two units."""
    fine = msgspec.structs.replace(SPOT, quantity_exponent=8)
    finer = msgspec.structs.replace(SPOT, quantity_exponent=10)
    fill = _venue_fill(fee=100_001, fee_asset="BTC")
    assert fee_of(SPOT, fill) == (2, "BTC")
    assert fee_of(fine, fill) == (100_001, "BTC")
    assert fee_of(finer, fill) == (10_000_100, "BTC")
    assert fee_of(SPOT, _venue_fill(fee=7, fee_asset="USDT")) == (7, "USDT")


# Intents.
def _intent(spec: OrderSpec, name: str = "A-1", strategy: str = "A") -> IntentRow:
    return IntentRow(
        ts_event=60, client_order_id=name, account="main", strategy=strategy, spec=spec, epoch=1
    )


def _leaving(spec: OrderSpec) -> tuple[Desk, Any]:
    """A desk that holds a thousand units, and the effect of one more instruction."""
    desk = Desk()
    desk.wants(buy(1_000))
    desk.fill(1_000, 1)
    desk.facts()
    (effect,) = desk.wants(Place(2, spec))
    return desk, effect


@pytest.mark.parametrize("side", [1, -1])
def test_a_replayed_order_becomes_what_was_written_before_it_left(side: int) -> None:
    desk = Desk()
    wanted = OrderSpec(BTC, side, 1_000, OrderType.LIMIT, 9_001)
    desk.wants(Place(1, wanted))
    slot = desk.state.instruments[BTC]
    sent = msgspec.structs.replace(wanted, quantity=600, price=9_000)
    assert not adopt_intent(desk.state, _intent(sent), 1)
    assert desk.order().spec == sent
    assert (slot.open_buy, slot.open_sell) == ((600, 0) if side > 0 else (0, 600))


def test_what_left_without_the_venues_mark_for_an_exit_stays_an_exit() -> None:
    desk, effect = _leaving(OrderSpec(BTC, -1, 1_000, reduce_only=True))
    name = effect.client_order_id
    plain = OrderSpec(BTC, -1, 1_000)
    assert not adopt_intent(desk.state, _intent(plain, name), 2)
    assert desk.order(name).spec == msgspec.structs.replace(plain, reduce_only=True)
    assert desk.state.instruments[BTC].open_sell == 0


def test_another_decision_under_a_number_is_what_the_ledger_says_and_counts() -> None:
    desk, effect = _leaving(OrderSpec(BTC, -1, 1_000, reduce_only=True))
    sent = OrderSpec(BTC, -1, 400, OrderType.LIMIT, 11_000)
    assert not adopt_intent(desk.state, _intent(sent, effect.client_order_id), 2)
    assert desk.order(effect.client_order_id).spec == sent
    assert desk.state.instruments[BTC].open_sell == 400


def test_an_entry_that_the_ledger_says_was_an_exit_is_counted_no_more() -> None:
    desk, effect = _leaving(OrderSpec(BTC, -1, 400, OrderType.LIMIT, 11_000))
    assert desk.state.instruments[BTC].open_sell == 400
    sent = OrderSpec(BTC, -1, 1_000, reduce_only=True)
    assert not adopt_intent(desk.state, _intent(sent, effect.client_order_id), 2)
    assert desk.order(effect.client_order_id).spec == sent
    assert desk.state.instruments[BTC].open_sell == 0


def test_what_a_replay_holds_under_a_number_of_the_ledger_waits_no_more() -> None:
    """A close that waits for an order before it would leave under the id of another order."""
    desk = Desk()
    desk.wants(buy(1_000))
    desk.wants(Target(2, BTC, quantity=0))
    owner = desk.order().owner
    owner.children[1] = [Order("A-3", owner, 3, OrderSpec(BTC, -1, 1_000, reduce_only=True))]
    assert list(owner.wants) == [BTC]
    for ref in (2, 3):
        spec = OrderSpec(BTC, 1, 300, OrderType.LIMIT, 9_000)
        assert adopt_intent(desk.state, _intent(spec, f"A-{ref}"), ref)
    assert not owner.wants
    assert owner.children == {1: []}


def test_an_intent_without_its_order_is_put_into_the_state() -> None:
    desk = Desk()
    slot = desk.state.instruments[BTC]
    specs = (
        OrderSpec(BTC, 1, 300, OrderType.LIMIT, 9_000),
        OrderSpec(BTC, -1, 200, OrderType.LIMIT, 11_000),
        OrderSpec(BTC, -1, 100, reduce_only=True),
    )
    for ref, spec in enumerate(specs, start=4):
        assert adopt_intent(desk.state, _intent(spec, f"A-{ref}"), ref)
    assert list(desk.state.open) == ["A-4", "A-5", "A-6"]
    assert (slot.open_buy, slot.open_sell) == (300, 200)
    assert desk.told._next_ref == 7
    assert not adopt_intent(desk.state, _intent(specs[0], "B-1", "B"), 1)


# Snapshots.
def _again(state: State) -> State:
    found = State(currency="USDT", cash=0, instruments=(EQUITY, PERPETUAL, SPOT), limits=Limits())
    found.add("A", Told(), 0)
    snapshot.load(found, snapshot.dump(state))
    return found


def _book() -> Book:
    book = Book(PERPETUAL)
    book.ts_event = 7
    for side, price in ((1, 9_990), (1, 9_980), (-1, 10_010)):
        book.set_level(side, price, quantity=5)
    return book


def _hourly() -> Bar:
    bar = Bar.of(PERPETUAL, 7, 9_000, 9_900, 8_900, 9_500, 3)
    bar.step_ns = bar._ready_ns = 3_600
    return bar


@pytest.mark.parametrize(
    "last",
    [
        None,
        _book(),
        _hourly(),
        Quote.of(PERPETUAL, 7, 9_998, 1, 10_002, 1),
        Trade.of(PERPETUAL, 7, 10_001, 1, -1),
    ],
    ids=lambda last: type(last).__name__,
)
def test_the_last_price_comes_back_as_what_it_was(last: Any) -> None:
    desk = Desk()
    desk.state.instruments[BTC].last = last
    found = _again(desk.state)
    slot = found.instruments[BTC]
    assert type(slot.last) is type(last)
    assert slot.mark == desk.state.instruments[BTC].mark
    assert snapshot.dump(found) == snapshot.dump(desk.state)


def test_waiting_children_come_back_with_their_parent() -> None:
    desk = Desk()
    stop = OrderSpec(
        BTC, -1, 1_000, OrderType.STOP_MARKET, trigger=8_000, reduce_only=True, parent=1
    )
    desk.wants(buy(1_000, 9_000), Place(2, stop))
    found = _again(desk.state)
    owner = found.strategies["A"]
    assert [child.ref for child in owner.children[1]] == [2]
    assert owner.children[1][0].status is S.INITIALIZED
    assert owner.orders[1] is found.open["A-1"]


def test_an_instrument_that_is_gone_is_left_out() -> None:
    desk = Desk()
    found = State(currency="USDT", cash=0, instruments=(PERPETUAL,), limits=Limits())
    found.add("A", Told(), 0)
    snapshot.load(found, snapshot.dump(desk.state))
    assert list(found.instruments) == [BTC]
    assert found.wallet == desk.state.wallet


def _changed(data: bytes, **changes: Any) -> bytes:
    kept = msgspec.msgpack.decode(data, type=snapshot.StateDump)
    return msgspec.msgpack.encode(msgspec.structs.replace(kept, **changes))


def test_what_is_no_snapshot_of_this_run_is_refused() -> None:
    desk = Desk()
    data = snapshot.dump(desk.state)
    (own,) = msgspec.msgpack.decode(data, type=snapshot.StateDump).strategies
    damaged = msgspec.structs.replace(own, own=own.own + b"x")
    other = msgspec.structs.replace(own, name="B")
    for wrong, text in (
        (b"\xc1", "the snapshot cannot be read"),
        (_changed(data, version=0), "snapshot version 0 is not"),
        (_changed(data, strategies=[other]), "a strategy 'B' that this run lacks"),
        (_changed(data, strategies=[damaged]), "the state of strategy 'A' is damaged"),
    ):
        with pytest.raises(SnapshotError, match=text):
            snapshot.load(Desk().state, wrong)


def test_a_run_that_has_not_begun_has_no_view() -> None:
    state = State(currency="USDT", cash=5, instruments=(EQUITY, PERPETUAL, SPOT), limits=Limits())
    state.add("A", Told(), 5)
    found = _again(state)
    assert not hasattr(found.strategies["A"].strategy, "view")
    step(found, Started(1))
    assert found.strategies["A"].strategy.view.equity == pytest.approx(5 / 10**8)
