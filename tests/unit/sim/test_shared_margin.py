"""Cross margin over several instruments: one price moves the liquidation level of another."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import pytest

from interlock.model.effects import AmendOrder, SubmitOrder
from interlock.model.events import FundingPaid, OrderFilled, PositionLiquidated
from interlock.model.order import OrderSpec, OrderType
from interlock.sim.costs import VenueOptions
from interlock.sim.exchange import Exchange
from interlock.sim.quotes import QuoteMarket
from tests.scenario import PERPETUAL

A = PERPETUAL
B = msgspec.structs.replace(PERPETUAL, id="ETH-PERP.TEST", base="ETH")
MONEY = 10**8


class Floor:
    """Two instruments quoted around 100, and one account."""

    def __init__(self, cash: int, **options: str) -> None:
        self.exchange = Exchange(
            [(A, "quotes"), (B, "quotes")], cash=cash * MONEY, options=VenueOptions(**options)
        )
        self.ts = 0
        self.sent = 0
        for key in (A.id, B.id):
            self.quote(key, 10_000)

    def market(self, key: str) -> QuoteMarket:
        market = self.exchange.markets[key]
        assert isinstance(market, QuoteMarket)
        return market

    def quote(self, key: str, price: int) -> None:
        self.ts += 1
        self.market(key).on_quote(self.ts, price, 10**6, price, 10**6)

    def order(self, key: str, side: int, quantity: int, price: int = 0) -> str:
        self.sent += 1
        kind = OrderType.LIMIT if price else OrderType.MARKET
        spec = OrderSpec(key, side, quantity, kind, price)
        self.exchange.submit(self.ts, SubmitOrder(self.ts, "S", f"o{self.sent}", spec))
        return f"o{self.sent}"

    def liquidated(self) -> list[tuple[str, int, int, int]]:
        return [
            (report.instrument, report.ts_event, report.quantity, report.price)
            for report in self.exchange.reports
            if isinstance(report, PositionLiquidated)
        ]


def held(floor: Floor) -> Mapping[str, int]:
    return {key: item.quantity for key, item in floor.exchange.account.positions.items()}


def test_a_loss_on_one_instrument_liquidates_the_other() -> None:
    floor = Floor(1_100)
    floor.order(A.id, 1, 100_000)
    floor.quote(A.id, 9_500)  # A alone carries 500 of loss: 600 are left for 47.5 of maintenance
    floor.order(B.id, 1, 10_000)
    assert floor.liquidated() == []
    floor.quote(B.id, 6_000)  # 400 lost on B: 200 are left, still enough
    assert floor.liquidated() == []
    floor.quote(B.id, 4_400)  # 560 lost on B: 40 are left, less than maintenance of 49.7
    assert floor.liquidated() == [
        (B.id, floor.ts, 10_000, 4_400),
        (A.id, floor.ts, 100_000, 9_500),
    ]
    assert set(held(floor).values()) == {0}
    assert floor.exchange.account.wallet == 40 * MONEY


def test_what_the_first_close_frees_may_save_the_rest() -> None:
    floor = Floor(1_100)
    floor.order(A.id, 1, 100_000)
    floor.quote(A.id, 9_500)
    floor.order(B.id, 1, 10_000)
    floor.quote(B.id, 4_480)  # 48 are left: less than 49.74 for both, more than 47.5 for A alone
    assert floor.liquidated() == [(B.id, floor.ts, 10_000, 4_480)]
    assert held(floor) == {A.id: 100_000, B.id: 0}
    # A alone has a level of its own again.
    floor.quote(A.id, 9_499)
    assert floor.liquidated()[1:] == [(A.id, floor.ts, 100_000, 9_499)]


def test_a_short_is_liquidated_by_the_rise_of_another() -> None:
    floor = Floor(300)
    floor.order(A.id, -1, 20_000)
    floor.order(B.id, -1, 20_000)
    floor.quote(A.id, 10_700)
    floor.quote(B.id, 10_600)
    assert floor.liquidated() == []
    floor.quote(B.id, 10_800)
    assert {row[0] for row in floor.liquidated()} >= {B.id}


def test_a_gain_on_one_instrument_carries_the_other() -> None:
    floor = Floor(300)
    floor.order(A.id, 1, 20_000)
    floor.order(B.id, -1, 20_000)
    for price in (9_000, 8_000, 7_000):
        floor.quote(B.id, price)
        floor.quote(A.id, price)
    assert floor.liquidated() == []


@pytest.mark.parametrize("price", [4_000, 2_000])
def test_isolated_margin_is_not_shared(price: int) -> None:
    floor = Floor(1_100, margin_mode="isolated")
    floor.order(A.id, 1, 100_000)
    floor.order(B.id, 1, 2_000)
    floor.quote(B.id, price)
    assert floor.liquidated() == [(B.id, floor.ts, 2_000, price)]
    assert held(floor)[A.id] == 100_000


def test_funding_on_one_instrument_moves_the_level_of_the_other() -> None:
    floor = Floor(1_100)
    floor.order(A.id, 1, 100_000)
    floor.order(B.id, 1, 10_000)
    floor.exchange.fund(floor.ts, B, 10**10)
    assert isinstance(floor.exchange.reports[-1], FundingPaid)
    assert floor.exchange.account.wallet == 100 * MONEY
    floor.quote(A.id, 9_950)
    assert floor.liquidated() != []


def test_the_margin_of_an_order_counts_the_present_price_of_the_other() -> None:
    floor = Floor(1_100)
    floor.order(A.id, 1, 100_000)
    floor.quote(A.id, 9_100)
    # 200 are left, 455 are bound by A: nothing is free, though no fill has told of the fall.
    floor.order(B.id, 1, 10_000)
    assert not any(
        isinstance(report, OrderFilled) and report.client_order_id == "o2"
        for report in floor.exchange.reports
    )


def test_an_amended_price_leaves_no_stale_best_behind() -> None:
    floor = Floor(1_000)
    order = floor.order(A.id, 1, 1_000, 9_900)
    market = floor.market(A.id)
    assert market._top_buy == 9_900
    floor.exchange.amend(floor.ts, AmendOrder(floor.ts, order, A.id, price=9_800))
    assert market._top_buy == 9_800
    floor.exchange.amend(floor.ts, AmendOrder(floor.ts, order, A.id, price=9_850))
    assert market._top_buy == 9_850
    market.cancel(floor.ts, order)
    assert market._top_buy == 0
