"""What others do to the account: trades by hand, foreign orders, positions from nowhere."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import msgspec
import pytest

from interlock.model.order import OrderSpec, OrderType
from interlock.model.rows import AdjustmentRow, FillRow, ReconcileRow, Severity, decode_row
from interlock.model.venue import (
    BalanceSeen,
    FillSeen,
    FillsQuery,
    OrderSeen,
    Payment,
    PaymentSeen,
    Stream,
    StreamChanged,
    VenueBalance,
    VenueFill,
)
from interlock.runtime.settings import SECOND, ForeignPolicy, Settings
from tests.toy_players import BTC, LOT, T0, Restless
from tests.toy_world import NONE, World
from tests.unit.runtime.core import Core, order_of

QUICK = Settings(full_every_ns=10 * SECOND, orders_every_ns=5 * SECOND)


class Idle(Restless):
    """Decides nothing."""

    def on_quote(self, quote: object) -> None:
        pass


def _world(act: Callable[[World], None], **options: object) -> World:
    """A quiet world in which something happens at ten seconds; its books are not judged."""
    world = World(1, **{"faults": NONE, "strategy": Idle, "settings": QUICK, **options})  # type: ignore[arg-type]
    world.truth.books = lambda engine, rows: None  # type: ignore[method-assign]
    world.truth.told = lambda facts: None  # type: ignore[method-assign]
    world.at(T0 + 10 * SECOND, act, world)
    return world.run()


def _by_hand(world: World) -> None:
    world.venue.place(world.ts, "web_1", OrderSpec(BTC.id, 1, 3 * LOT))


def _state(world: World, scope: str) -> str:
    assert world.engine is not None
    return world.engine.desk.books.switches.get(scope, ("", ""))[0]


def _rows(world: World, kind: type) -> list[object]:
    return [row for row in (decode_row(stored.row) for stored in world.rows) if type(row) is kind]


@pytest.mark.parametrize("is_streamed", [True, False])
def test_a_trade_by_hand_goes_to_the_external_bucket(is_streamed: bool) -> None:
    def act(world: World) -> None:
        world._stream_up = is_streamed
        _by_hand(world)
        world._stream_up = True

    world = _world(act)
    assert world.engine is not None
    assert world.engine.external == {BTC.id: 3 * LOT}
    assert world.engine.positions == {BTC.id: 3 * LOT}
    assert world.engine.desk.state.wallet == world.venue.wallet
    assert _state(world, BTC.id) == "paused"
    assert not _rows(world, AdjustmentRow)


def test_a_position_from_nowhere_is_critical_and_booked_once() -> None:
    def act(world: World) -> None:
        world.venue.fills.append(
            VenueFill(
                instrument=BTC.id,
                trade_id=-1,
                client_order_id="",
                venue_order_id="",
                side=-1,
                price=0,
                quantity=LOT,
                fee=0,
                fee_asset="USDT",
                is_maker=False,
                ts_venue=world.ts,
            )
        )

    world = _world(act)
    (adjusted,) = _rows(world, AdjustmentRow)
    assert isinstance(adjusted, AdjustmentRow)
    assert (adjusted.quantity, adjusted.cause) == (-LOT, "unexplained")
    reports = [r for r in _rows(world, ReconcileRow) if isinstance(r, ReconcileRow)]
    critical = [r for r in reports if r.severity is Severity.CRITICAL]
    assert [d.cause for r in critical for d in r.differences] == ["position_unexplained"]
    assert reports[-1].differences == ()
    assert _state(world, BTC.id) == "paused"
    assert world.engine is not None
    assert world.engine.external == {BTC.id: -LOT}


@pytest.mark.parametrize(("policy", "state"), [("alarm", "paused"), ("ignore", "")])
def test_a_foreign_order_is_labelled_once(policy: ForeignPolicy, state: str) -> None:
    def act(world: World) -> None:
        spec = OrderSpec(BTC.id, 1, LOT, OrderType.LIMIT, 90_00)
        world.venue.place(world.ts, "web_2", spec)

    world = _world(act, settings=msgspec.structs.replace(QUICK, foreign_orders=policy))
    assert world.engine is not None
    assert world.engine.desk.books.foreign == {"web_2": BTC.id}
    assert [n.subject for n in world.notices if getattr(n, "name", "") == "FOREIGN_ORDER"] == [
        "web_2"
    ]
    assert _state(world, BTC.id) == state
    assert not world.engine.desk.state.open


def test_an_order_with_a_later_epoch_stops_everything() -> None:
    def act(world: World) -> None:
        spec = OrderSpec(BTC.id, 1, LOT, OrderType.LIMIT, 90_00)
        from interlock.runtime.ids import OrderId

        world.venue.place(world.ts, OrderId("il", 9, 1, 1).text, spec)

    world = _world(act)
    assert world.engine is not None
    assert world.engine.fence.is_lost


def test_funding_is_booked_once_by_its_id() -> None:
    paid = Payment(
        kind="funding",
        instrument=BTC.id,
        asset="USDT",
        amount=-5 * 10**8,
        payment_id="f1",
        ts_venue=T0 + 10 * SECOND,
    )

    def act(world: World) -> None:
        world.venue.wallet += paid.amount
        world.venue.wallets.append((world.ts, world.venue.wallet))
        for _ in range(2):
            world._hear(PaymentSeen(ts_event=world.ts, payment=paid), world._life)

    world = _world(act)
    assert world.engine is not None
    assert world.engine.desk.state.wallet == world.venue.wallet
    assert world.engine.reconciler.cash.suspects == {}


@pytest.mark.parametrize(("cause", "count"), [("FUNDING_FEE", 1), ("ORDER", 0)])
def test_a_wallet_that_no_trade_moved_has_its_payments_fetched(cause: str, count: int) -> None:
    def act(world: World) -> None:
        balance = VenueBalance(asset="USDT", wallet=world.venue.wallet)
        world._hear(BalanceSeen(ts_event=world.ts, balance=balance, cause=cause), world._life)

    world = _world(act, settings=msgspec.structs.replace(QUICK, full_every_ns=3_600 * SECOND))
    reports = [r for r in _rows(world, ReconcileRow) if isinstance(r, ReconcileRow)]
    assert len([r for r in reports if r.scope == "payment"]) == count


def test_a_stream_that_comes_and_goes_leaves_its_rounds_apart() -> None:
    def act(world: World) -> None:
        for number in range(10):
            world.at(world.ts + number * SECOND // 4, _flap, world)

    world = _world(act, settings=msgspec.structs.replace(QUICK, full_every_ns=3_600 * SECOND))
    reports = [r for r in _rows(world, ReconcileRow) if isinstance(r, ReconcileRow)]
    begun = [r.ts_event - r.took_ns for r in reports if r.scope == "reconnect"]
    assert 2 <= len(begun) <= 3
    assert all(later - first >= 2 * SECOND for first, later in pairwise(begun))


def _flap(world: World) -> None:
    for is_up in (False, True):
        event = StreamChanged(ts_event=world.ts, stream=Stream.USER, is_up=is_up)
        world._hear(event, world._life)


def test_cash_from_nowhere_is_reported_and_booked() -> None:
    def act(world: World) -> None:
        world.venue.wallet += 7 * 10**8
        world.venue.wallets.append((world.ts, world.venue.wallet))

    world = _world(act)
    assert world.engine is not None
    assert world.engine.desk.state.wallet == world.venue.wallet
    reports = [r for r in _rows(world, ReconcileRow) if isinstance(r, ReconcileRow)]
    causes = [(d.cause, d.severity) for r in reports for d in r.differences]
    assert causes == [("cash_unexplained", Severity.WARNING)]


def test_a_liquidation_closes_the_strategies_that_held() -> None:
    def act(world: World) -> None:
        assert world.engine is not None
        held = world.engine.positions[BTC.id]
        if not held:
            world.at(world.ts + SECOND, act, world)
            return
        side = -1 if held > 0 else 1
        world.venue.place(world.ts, "autoclose-77", OrderSpec(BTC.id, side, abs(held)))

    world = _world(act, strategy=Restless)
    assert world.engine is not None
    causes = [n.fields for n in world.notices if getattr(n, "name", "") == "EXTERNAL_FILL"]
    assert causes == [{"cause": "liquidation"}]
    assert world.engine.external == {}
    assert world.engine.positions[BTC.id] == world.venue.positions[BTC.id].quantity
    assert _state(world, BTC.id) == "paused"


def test_an_external_execution_asks_for_the_cash_at_once() -> None:
    rare = msgspec.structs.replace(QUICK, full_every_ns=3_600 * SECOND)
    world = _world(_by_hand, settings=rare)
    reports = [r for r in _rows(world, ReconcileRow) if isinstance(r, ReconcileRow)]
    (asked,) = [r for r in reports if r.scope == "external"]
    assert T0 + 10 * SECOND <= asked.ts_event < T0 + 12 * SECOND


def _forced(trade_id: int, name: str, quantity: int) -> VenueFill:
    return VenueFill(
        instrument=BTC.id,
        trade_id=trade_id,
        client_order_id=name,
        venue_order_id="77" if trade_id > 1 else "76",
        side=1 if trade_id == 1 else -1,
        price=100_00,
        quantity=quantity,
        fee=0,
        fee_asset="USDT",
        is_maker=False,
        ts_venue=T0 + (60 + trade_id) * SECOND,
    )


@pytest.mark.parametrize("is_restarted", [False, True])
@pytest.mark.parametrize("is_by_order", [False, True])
def test_a_forced_close_that_only_a_query_tells_of_keeps_its_cause(
    is_by_order: bool, is_restarted: bool
) -> None:
    """A list of executions has no names: the order's is known by what the stream told of it."""
    core = Core()
    core.later(100 * SECOND)
    core.hear(FillSeen(ts_event=core.ts, fill=_forced(1, "web_1", 3 * LOT)))
    told = order_of("autoclose-77", venue_order_id="77", side=-1, status="partially_filled")
    if is_by_order:
        core.hear(OrderSeen(ts_event=core.ts, order=told))
    else:
        core.hear(FillSeen(ts_event=core.ts, fill=_forced(2, "autoclose-77", LOT)))
    if is_restarted:
        core = Core(ts=core.ts + SECOND, after=core)
    core.engine.fills.fetch(BTC.id, core.ts)
    core.later(SECOND)
    core.answer(FillsQuery, (_forced(3, "", 2 * LOT),))
    causes = [n.fields["cause"] for n in core.notices if getattr(n, "name", "") == "EXTERNAL_FILL"]
    assert causes[-1] == "liquidation"
    rows = [row for row in core.rows if isinstance(row, FillRow)]
    assert rows[-1].fill.client_order_id == "autoclose-77"
