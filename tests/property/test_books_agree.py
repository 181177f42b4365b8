"""Any orders, prices and funding: the kernel's books are the venue's, to the last unit, always."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interlock.kernel.positions import Position, funding_payment
from interlock.model.instrument import Instrument
from interlock.model.order import LIMIT_TYPES, OrderSpec, OrderType, TimeInForce
from interlock.sim.costs import VenueOptions
from interlock.sim.replay import Replay
from interlock.strategy.api import Strategy
from interlock.strategy.columns import BarColumns, Dataset, FundingColumns, QuoteColumns
from tests.scenario import EQUITY, FREE, PERPETUAL, SPOT, Setup, check_books, make_session

MINUTE = 60 * 10**9
START = 1_700_006_400 * 10**9
CASH = "2000"
FEES = {"maker_rate": -50, "taker_rate": 450}
KINDS = {
    "perpetual": msgspec.structs.replace(PERPETUAL, **FEES),
    "spot": msgspec.structs.replace(SPOT, **FEES),
    "spot with fees in coins": msgspec.structs.replace(
        SPOT, maker_rate=100, taker_rate=450, fee_asset="BTC"
    ),
    "equity": msgspec.structs.replace(EQUITY, **FEES),
    "equity on margin": msgspec.structs.replace(
        EQUITY, **FEES, allow_short=True, leverage_max=4, borrow_rate_daily=300
    ),
}
ORDERS = st.tuples(
    st.sampled_from(list(OrderType)),
    st.sampled_from((1, -1)),
    st.integers(1, 12),
    st.integers(-400, 400),
    st.sampled_from(("", "post_only", "reduce_only", "ioc", "fok")),
)
ROWS = st.lists(
    st.tuples(
        st.integers(-500, 500),
        st.integers(0, 300),
        st.integers(0, 300),
        st.integers(0, 40_000),
        st.lists(ORDERS, max_size=3),
        st.integers(-(10**8), 10**8),
    ),
    min_size=3,
    max_size=25,
)


class Random(Strategy):
    """Places what the example says; compares both books before every decision and answer."""

    def __init__(self, plan: list[list[Any]], unit: int) -> None:
        super().__init__()
        self.plan = plan
        self.unit = unit
        self.row = 0
        self.compare: Callable[[], None] = lambda: None

    def on_bar(self, bar: Any) -> None:
        self.act(bar.instrument, bar.close_units)

    def on_quote(self, quote: Any) -> None:
        self.act(quote.instrument, quote.bid_units)

    def act(self, instrument: Instrument, price: int) -> None:
        self.compare()
        if self.row % 7 == 6:
            self.cancel_all()
        for order in self.plan[self.row]:
            self.place(spec_of(instrument, price, self.unit, order))
        self.row += 1


def spec_of(instrument: Instrument, price: int, unit: int, order: Any) -> OrderSpec:
    kind, side, quantity, away, flag = order
    limited, level = kind in LIMIT_TYPES, max(1, price + away)
    conditional = kind not in (OrderType.MARKET, OrderType.LIMIT)
    trails = kind is OrderType.TRAILING_STOP
    return OrderSpec(
        instrument.id,
        side,
        quantity * unit,
        kind,
        level if limited else 0,
        level if conditional and not trails else 0,
        1 + abs(away) if trails else 0,
        TimeInForce(flag) if flag in ("ioc", "fok") else TimeInForce.GTC,
        flag == "post_only" and kind is OrderType.LIMIT,
        flag == "reduce_only",
    )


def market_of(instrument: Instrument, rows: list[Any], fidelity: str) -> Dataset:
    count = len(rows)
    ts = START + MINUTE * np.arange(count)
    moves = np.array([row[0] for row in rows])
    up, down, volume = (np.array([row[k] for row in rows]) for k in (1, 2, 3))
    close = np.maximum(10_000 + np.cumsum(moves), 1_000)
    opened = np.concatenate([[10_000], close[:-1]])
    rates = np.array([row[5] for row in rows])
    paid = FundingColumns(instrument=instrument, ts=ts + MINUTE // 2, rate=rates)
    funding = (paid,) if instrument.is_margined else ()
    if fidelity == "quotes":
        touch = QuoteColumns(
            instrument=instrument,
            ts=ts,
            bid=close,
            bid_quantity=volume + 1,
            ask=close + 1 + up,
            ask_quantity=volume + 1,
        )
        return Dataset(name="random", digest="", quotes=(touch,), funding=funding)
    bars = BarColumns(
        instrument=instrument,
        step_ns=MINUTE,
        ts=ts,
        open=opened,
        high=np.maximum(opened, close) + up,
        low=np.minimum(opened, close) - down,
        close=close,
        volume=volume,
    )
    return Dataset(name="random", digest="", bars=(bars,), funding=funding)


@pytest.mark.parametrize("fidelity", ["bars", "quotes"])
@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=40)
@given(rows=ROWS, cap=st.sampled_from((None, 25_000, 300_000)))
def test_both_books_are_one(kind: str, fidelity: str, rows: list[Any], cap: int | None) -> None:
    instrument = KINDS[kind]
    unit = 10**instrument.quantity_exponent
    setup = Setup(
        instruments=(instrument,),
        cash=CASH,
        venue=VenueOptions(volume_cap_ratio=cap, liquidation_fee_rate=1_000),
        limits=FREE,
    )
    dataset = market_of(instrument, rows, fidelity)
    strategy = Random([row[4] for row in rows], unit)
    session, _ = make_session(setup, dataset, {"A": strategy})
    cash = int(CASH) * 10**8
    strategy.compare = lambda: check_books(session, cash)
    replay = Replay(session, dataset)
    replay.prepare()
    replay.run()
    check_books(session, cash)
    assert strategy.row == len(rows)
    # Money comes from nowhere: what the wallet moved by is what was realized, paid and received.
    net = session.state.instruments[instrument.id].net
    assert session.state.wallet == cash + net.realized - net.fees + net.funding


@settings(max_examples=60)
@given(
    trades=st.lists(
        st.tuples(st.sampled_from((1, -1)), st.integers(1, 9_000), st.integers(5_000, 15_000)),
        max_size=30,
    ),
    rates=st.lists(st.integers(-(10**8), 10**8), max_size=4),
)
def test_two_opposite_accounts_conserve_money(trades: list[Any], rates: list[int]) -> None:
    instrument = KINDS["perpetual"]
    wallets, held = [0, 0], [Position(instrument), Position(instrument)]
    fees = 0
    for side, quantity, price in trades:
        for k, own in enumerate((side, -side)):
            wallets[k] += held[k].fill(own * quantity, price)
            rate = instrument.taker_rate if k == 0 else instrument.maker_rate
            fee = instrument.fee(instrument.notional(price, quantity), rate)
            wallets[k] -= fee
            fees += fee
    dust = 0
    for rate in rates:
        paid = [funding_payment(instrument, item.quantity, 10_000, rate) for item in held]
        # What does not divide stays with the venue: never more than a unit for each payment.
        assert -1 <= sum(paid) <= 0
        dust -= sum(paid)
        wallets = [wallet + amount for wallet, amount in zip(wallets, paid, strict=True)]
    assert held[0].quantity == -held[1].quantity
    assert held[0].cost == -held[1].cost
    assert sum(wallets) + fees + dust == 0
