"""What others do on the account, under each policy: a strategy's, the bucket's, or an alarm."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import msgspec
import pytest

from interlock.kernel import snapshot
from interlock.model.market import Quote
from interlock.model.order import OrderSpec, OrderStatus, OrderType
from interlock.model.rows import EventRow, FillRow
from interlock.model.venue import VenueFill
from interlock.runtime.adoption import ADOPTED
from interlock.runtime.books import FOREIGN, FOREIGN_KEPT, OUTSIDE_KEPT, Books
from interlock.runtime.counted import RECENT
from interlock.runtime.recovery import recover
from interlock.runtime.settings import SECOND, ForeignPolicy, Settings
from tests.toy_players import BTC, LOT, T0, Restless
from tests.toy_world import NONE, World

QUICK = Settings(full_every_ns=10 * SECOND, orders_every_ns=5 * SECOND)
FAR = OrderSpec(BTC.id, 1, 4 * LOT, OrderType.LIMIT, 90_00)
NEAR = OrderSpec(BTC.id, 1, 4 * LOT, OrderType.LIMIT, 104_00)


class Watching(Restless):
    """Decides nothing of its own; cancels what it finds open from a time on."""

    cancels_from = 0

    def on_quote(self, quote: Quote) -> None:
        if self.cancels_from and quote.ts_event >= self.cancels_from:
            for ref in self.view.open_orders():
                self.cancel(ref)


class Canceling(Watching):
    cancels_from = T0 + 20 * SECOND


def _settings(policy: ForeignPolicy, **more: object) -> Settings:
    return msgspec.structs.replace(QUICK, foreign_orders=policy, **more)


def _world(act: Callable[[World], None], policy: ForeignPolicy, **options: object) -> World:
    """A quiet world in which somebody acts at ten seconds; what is held is compared by the test."""
    chosen = {
        "seed": 1,
        "faults": NONE,
        "strategy": Watching,
        "settings": _settings(policy),
        **options,
    }
    world = World(**chosen)  # type: ignore[arg-type]
    world.truth.books = lambda engine, rows: None  # type: ignore[method-assign]
    world.truth.told = lambda facts: None  # type: ignore[method-assign]
    world.at(T0 + 10 * SECOND, act, world)
    return world.run()


def _place(spec: OrderSpec, name: str = "web_1") -> Callable[[World], None]:
    return lambda world: _placed(world, spec, name)


def _placed(world: World, spec: OrderSpec, name: str) -> None:
    world.venue.place(world.ts, name, spec)


def _levels(world: World, name: str) -> list[str]:
    return [notice.level for notice in world.notices if getattr(notice, "name", "") == name]


def _held(world: World) -> tuple[int, int, str]:
    """Position of the strategy, of the bucket, and the state of the instrument."""
    assert world.engine is not None
    desk = world.engine.desk
    own = desk.state.strategies["toy"].positions.get(BTC.id)
    state = desk.books.switches.get(BTC.id, ("", ""))[0]
    return own.quantity if own is not None else 0, world.engine.external.get(BTC.id, 0), state


def _agrees(world: World) -> None:
    """Position, wallet and a fold of the ledger are what the engine holds."""
    engine = world.engine
    assert engine is not None
    assert engine.positions[BTC.id] == world.venue.positions[BTC.id].quantity
    assert engine.desk.state.wallet == world.venue.wallet
    assert not engine.gate.missing_fills and not engine.evidence.lacking()
    found = recover(world.setup(), rows=world.rows, tape=world.tape)
    assert found.books == engine.desk.books
    assert snapshot.dump(found.state) == snapshot.dump(engine.desk.state)


def test_an_adopted_order_is_in_the_view_and_canceled_from_there() -> None:
    world = _world(_place(FAR), "adopt")
    assert world.engine is not None
    owner = world.engine.desk.state.strategies["toy"]
    (ref,) = owner.strategy.view.open_orders()
    order = owner.strategy.view.order(ref)
    assert order is not None
    assert (order.client_order_id, order.spec.price, order.spec.quantity) == ("web_1", 9000, 4000)
    assert _levels(world, ADOPTED) == ["WARNING"]
    assert _held(world) == (0, 0, "")
    _agrees(world)

    world = _world(_place(FAR), "adopt", strategy=Canceling)
    assert [h.order.status for h in world.venue.orders.values()] == [OrderStatus.CANCELED]
    assert world.engine is not None and not world.engine.desk.state.open
    _agrees(world)


@pytest.mark.parametrize("policy", ["adopt", "ignore", "alarm"])
def test_whose_an_execution_is_and_what_follows(policy: ForeignPolicy) -> None:
    """By an order that is seen first, and by one that trades at once."""
    for seed, spec in product(range(1, 9), (NEAR, OrderSpec(BTC.id, 1, 4 * LOT))):
        world = _world(_place(spec), policy, seed=seed)
        bought = world.venue.positions[BTC.id].quantity
        assert bought == 4 * LOT
        wanted = {
            "adopt": (bought, 0, ""),
            "ignore": (0, bought, ""),
            "alarm": (0, bought, "paused"),
        }
        assert _held(world) == wanted[policy]
        level = "CRITICAL" if policy == "alarm" else "INFO"
        assert set(_levels(world, "EXTERNAL_FILL")) <= {level}
        assert policy == "adopt" or _levels(world, "EXTERNAL_FILL")
        _agrees(world)


def test_a_trade_whose_order_nobody_saw_is_adopted_too() -> None:
    def act(world: World) -> None:
        world._stream_up = False
        _placed(world, OrderSpec(BTC.id, -1, 3 * LOT), "")

    world = _world(act, "adopt")
    assert _held(world) == (-3 * LOT, 0, "")
    _agrees(world)


def test_what_an_order_executed_before_it_was_seen_counts_once() -> None:
    """It rests half filled before the engine starts; the rest trades under its eyes."""
    world = World(1, faults=NONE, strategy=Watching, settings=_settings("adopt"))
    world.truth.books = lambda engine, rows: None  # type: ignore[method-assign]
    world.truth.told = lambda facts: None  # type: ignore[method-assign]
    world.venue.random.chance = lambda share: False  # type: ignore[method-assign]
    world.venue.place(T0 - 5 * SECOND, "web_1", NEAR)
    (held,) = world.venue.orders.values()
    assert 0 < held.order.filled < held.order.quantity
    world.run()
    assert held.order.filled > 3 * LOT
    assert _held(world)[:2] == (world.venue.positions[BTC.id].quantity, 0)
    assert world.engine is not None and not world.engine.gate.missing_fills
    _agrees(world)


def test_a_name_that_a_person_gives_twice_is_another_order() -> None:
    def act(world: World) -> None:
        _placed(world, FAR, "web_1")
        world.at(world.ts + 5 * SECOND, world.venue.cancel, world.ts + 5 * SECOND, "web_1")
        world.at(world.ts + 12 * SECOND, _placed, world, FAR, "web_1")

    for whole_ns in (0, Settings().whole_ns):
        world = _world(act, "adopt", settings=_settings("adopt", whole_ns=whole_ns))
        first, second = world.venue.orders.values()
        assert first.order.status is OrderStatus.CANCELED
        # It stands: what is not ours to lead is left alone, with an alarm.
        assert second.order.status is OrderStatus.ACCEPTED
        assert _held(world)[2] == "paused"
        assert _levels(world, "ORDER_REVENANT") == []
        _agrees(world)


def test_the_strategy_that_adopts_is_the_one_named() -> None:
    world = _world(_place(FAR), "adopt", settings=_settings("adopt", adopt_into="toy"))
    assert world.engine is not None
    assert list(world.engine.desk.state.open) == ["web_1"]
    world = _world(_place(FAR), "adopt", settings=_settings("adopt", adopt_into="another"))
    assert world.engine is not None
    assert not world.engine.desk.state.open and _held(world)[2] == "paused"


def test_an_adopted_order_survives_a_crash() -> None:
    def act(world: World) -> None:
        _placed(world, FAR, "web_1")
        world.at(world.ts + 3 * SECOND, world.crash)

    world = _world(act, "adopt", strategy=Canceling)
    assert world.crashes == 1
    assert [h.order.status for h in world.venue.orders.values()] == [OrderStatus.CANCELED]
    _agrees(world)


def test_what_is_known_of_others_is_bounded() -> None:
    books = Books()
    for number in range(FOREIGN_KEPT + OUTSIDE_KEPT):
        name = f"web_{number}"
        fill = VenueFill(
            instrument=BTC.id,
            trade_id=number,
            client_order_id=name,
            venue_order_id=str(number),
            side=1,
            price=100_00,
            quantity=LOT,
            fee=0,
            fee_asset="USDT",
            is_maker=False,
            ts_venue=T0 + number,
        )
        books.apply(EventRow(ts_event=T0, name=FOREIGN, subject=name, fields={}))
        books.apply(
            FillRow(ts_event=T0, fill=fill, client_order_id="", strategy="", position_after=0)
        )
    assert len(books.foreign) == FOREIGN_KEPT and list(books.foreign)[-1] == name
    assert len(books.outside) == OUTSIDE_KEPT and books.outside[f"{BTC.id} {number}"] == LOT
    assert len(books.trades[BTC.id].recent) < RECENT and number in books.trades[BTC.id]
