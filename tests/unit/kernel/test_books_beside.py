"""What changes the books without an order of ours: trades of others, forced closes, payments."""

from __future__ import annotations

import msgspec
import pytest

from interlock.kernel.engine import step
from interlock.kernel.external import EXTERNAL
from interlock.kernel.positions import Position, liquidation_price, tier_of
from interlock.kernel.state import State
from interlock.model.events import (
    BorrowPaid,
    CashMoved,
    CorporateAction,
    ExternalTraded,
    FundingPaid,
    OrderFilled,
    PositionLiquidated,
    Started,
)
from interlock.model.instrument import MarginTier
from interlock.model.limits import Limits
from interlock.model.market import Bar
from interlock.strategy.api import Strategy
from interlock.strategy.intents import Place
from tests.desk import BTC, Desk, buy
from tests.scenario import EQUITY, PERPETUAL, SPOT

CASH = 10**12
# Money of one quantity unit at one price unit of the perpetual.
UNIT = PERPETUAL.notional(1, 1)


class Buying(Strategy):
    def __init__(self, quantity: int) -> None:
        super().__init__()
        self.quantity = quantity

    def on_bar(self, bar: Bar) -> Place | None:
        return buy(self.quantity) if self.view.position_units(BTC) == 0 else None


def _held(*quantities: int) -> State:
    """Strategies that bought these quantities at 10,000 price units."""
    state = State(currency="USDT", cash=CASH, instruments=(PERPETUAL,), limits=Limits())
    for number, quantity in enumerate(quantities):
        state.add(f"s{number}", Buying(quantity), CASH // len(quantities))
    step(state, Started(0))
    for effect in step(state, Bar.of(PERPETUAL, 1, *[10_000] * 4, 1_000)):
        order = state.open[effect.client_order_id]
        fill = OrderFilled(
            1, order.client_order_id, order.ref, 10_000, order.spec.quantity, 0, "USDT", False, 0
        )
        step(state, fill)
    return state


def _books_add_up(state: State) -> None:
    owners = state.strategies.values()
    start = CASH - sum(owner.capital for owner in owners)
    assert state.wallet == start + sum(owner.wallet for owner in owners)
    for name, slot in state.instruments.items():
        held = [owner.positions[name] for owner in owners if name in owner.positions]
        assert slot.net.quantity == sum(position.quantity for position in held)


def _positions(state: State) -> dict[str, int]:
    return {
        name: owner.positions[BTC].quantity
        for name, owner in state.strategies.items()
        if BTC in owner.positions
    }


def test_a_forced_close_takes_from_the_holders_in_proportion() -> None:
    state = _held(3_000, 1_000)
    step(state, ExternalTraded(2, BTC, -2_000, 9_000, 400, "USDT", EXTERNAL, "liquidation"))
    assert _positions(state) == {"s0": 1_500, "s1": 500}
    fees = [state.strategies[name].positions[BTC].fees for name in ("s0", "s1")]
    assert fees == [300, 100]
    _books_add_up(state)


def test_a_forced_close_of_one_unit_is_one_holders_and_the_fee_both_pay() -> None:
    state = _held(3_000, 1_000)
    step(state, ExternalTraded(2, BTC, -1, 9_000, 4, "USDT", EXTERNAL, "liquidation"))
    assert _positions(state) == {"s0": 2_999, "s1": 1_000}
    fees = [state.strategies[name].positions[BTC].fees for name in ("s0", "s1")]
    assert fees == [3, 1]
    _books_add_up(state)


def test_a_forced_close_of_more_than_is_held_leaves_the_rest_to_the_bucket() -> None:
    state = _held(1_000)
    step(state, ExternalTraded(2, BTC, -1_500, 9_000, 0, "USDT", EXTERNAL, "adl"))
    assert _positions(state) == {"s0": 0, EXTERNAL: -500}
    _books_add_up(state)


def test_a_forced_close_of_what_nobody_holds_is_the_buckets_with_its_fee() -> None:
    state = _held(1_000)
    step(state, ExternalTraded(2, BTC, 500, 9_000, 70, "USDT", EXTERNAL, "liquidation"))
    assert _positions(state) == {"s0": 1_000, EXTERNAL: 500}
    assert state.strategies[EXTERNAL].positions[BTC].fees == 70
    _books_add_up(state)


def test_a_fee_in_another_asset_is_that_balances_and_no_strategys() -> None:
    state = _held(1_000)
    wallet = state.wallet
    step(state, ExternalTraded(2, BTC, 500, 10_000, 70, "BNB", EXTERNAL, "manual"))
    assert state.balances == {"BNB": -70}
    assert (state.wallet, state.strategies[EXTERNAL].wallet) == (wallet, 0)
    step(state, ExternalTraded(3, BTC, 500, 10_000, 0, "BNB", EXTERNAL, "manual"))
    assert state.balances == {"BNB": -70}


def test_money_that_moves_is_the_accounts_in_its_asset() -> None:
    state = _held(1_000)
    wallet, own = state.wallet, state.strategies["s0"].wallet
    step(state, CashMoved(2, "USDT", 500, "transfer"))
    step(state, CashMoved(2, "BNB", 30, "transfer"))
    step(state, CashMoved(2, "BNB", -10, "transfer"))
    assert (state.wallet, state.balances) == (wallet + 500, {"BNB": 20})
    assert state.strategies["s0"].wallet == own


def test_profit_on_another_part_of_the_cost_changes_no_equity() -> None:
    state = _held(3_000, 1_000)
    equity = state.equity()
    step(state, CashMoved(2, "USDT", 401, "basis", BTC))
    assert state.equity() == equity
    held = [state.strategies[name].positions[BTC] for name in ("s0", "s1")]
    assert [position.realized for position in held] == [301, 100]
    assert state.instruments[BTC].net.realized == 401
    _books_add_up(state)


def test_fees_in_the_base_asset_and_in_a_third_one() -> None:
    desk = Desk(instruments=(SPOT, PERPETUAL))
    desk.wants(Place(1, msgspec.structs.replace(buy().spec, instrument=SPOT.id)), instrument=SPOT)
    desk.hears(OrderFilled, 1, 10_000, 400, 1, "BTC", False, 10_000)
    slot = desk.state.instruments[SPOT.id]
    assert slot.net.quantity == desk.owner.positions[SPOT.id].quantity == 399
    assert desk.state.balances == {}
    desk.hears(OrderFilled, 2, 10_000, 600, 25, "BNB", False, 10_000)
    assert slot.net.quantity == 999
    assert desk.state.balances == {"BNB": -25}


def test_funding_and_borrowing_are_shared_out_by_what_is_held() -> None:
    state = _held(3_000, 1_000)
    step(state, FundingPaid(2, BTC, 0, 0, -400))
    step(state, BorrowPaid(2, BTC, -40))
    held = [state.strategies[name].positions[BTC] for name in ("s0", "s1")]
    assert [position.funding for position in held] == [-300, -100]
    assert [position.fees for position in held] == [30, 10]
    _books_add_up(state)
    flat = _held()
    step(flat, FundingPaid(2, BTC, 0, 0, -400))
    assert flat.wallet == CASH - 400


def test_a_liquidation_of_the_whole_closes_every_holder_with_its_fee() -> None:
    state = _held(3_000, 1_000)
    step(state, PositionLiquidated(2, BTC, 4_000, 8_000, 80))
    assert _positions(state) == {"s0": 0, "s1": 0}
    assert state.wallet == CASH - 4_000 * 2_000 * UNIT - 80
    _books_add_up(state)


def test_a_dividend_alone_leaves_shares_and_mark() -> None:
    desk = Desk()
    order = msgspec.structs.replace(buy(7).spec, instrument=EQUITY.id)
    desk.wants(Place(1, order), instrument=EQUITY)
    desk.hears(OrderFilled, 1, 10_000, 7, 0, "USDT", False, 10_000)
    wallet, mark = desk.state.wallet, desk.state.instruments[EQUITY.id].mark
    step(desk.state, CorporateAction(desk.ts, EQUITY.id, dividend=30))
    assert desk.state.wallet == wallet + 210 == desk.owner.wallet
    slot = desk.state.instruments[EQUITY.id]
    assert (slot.net.quantity, slot.mark) == (7, mark)
    step(desk.state, CorporateAction(desk.ts, EQUITY.id, numerator=2))
    assert (slot.net.quantity, slot.mark) == (14, 0)


def test_an_average_price_needs_a_position() -> None:
    position = Position(PERPETUAL)
    assert position.average_price() == 0.0
    position.fill(2_000, 10_000)
    position.fill(2_000, 10_100)
    assert position.average_price() == pytest.approx(100.5)


def test_beyond_the_last_tier_its_rates_hold() -> None:
    tiers = (MarginTier(10 * CASH, 10_000, 0), MarginTier(20 * CASH, 20_000, 5))
    instrument = msgspec.structs.replace(PERPETUAL, margin_tiers=tiers)
    assert [tier_of(instrument, CASH * n) for n in (10, 11, 21)] == [tiers[0], tiers[1], tiers[1]]


@pytest.mark.parametrize("side", [1, -1])
def test_a_price_is_searched_through_every_tier(side: int) -> None:
    """The last tier has a bound that the price does not meet: what lies above is its own."""
    tiers = (MarginTier(CASH, 10_000, 0), MarginTier(2 * CASH, 50_000, CASH // 25))
    instrument = msgspec.structs.replace(PERPETUAL, margin_tiers=tiers)
    position = Position(instrument)
    position.fill(side * 1_000_000, 10_000)
    level = liquidation_price(position, 2 * 10**9)
    assert level is not None
    notional = abs(position.value(level))
    tier = tier_of(instrument, notional)
    equity = 2 * 10**9 + position.unrealized(level)
    maintenance = notional * tier.maintenance_rate // 10**6 - tier.amount
    assert abs(equity - maintenance) <= 2 * abs(position.value(1))
