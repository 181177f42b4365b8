"""What an account holds at its first start is taken over with what it cost there."""

from __future__ import annotations

import pytest

from interlock.model.rows import AdjustmentRow, PaymentRow
from interlock.model.venue import FillSeen, VenueBalance, VenuePosition
from interlock.runtime.opening import entry_of
from interlock.runtime.settings import SECOND
from tests.toy_players import BTC, T0
from tests.unit.runtime.core import CASH, Core, fill_of

QUANTITY = 3_000
MONEY = 10**8


@pytest.mark.parametrize("side", [1, -1], ids=["long", "short"])
@pytest.mark.parametrize(
    ("entry", "price", "cost"),
    [("100.25", 100_25, 300_750_000 * 100), ("99.993333", 99_99, 299_979_999 * 100)],
    ids=["a price", "between two prices"],
)
def test_a_position_of_before_closes_with_the_profit_of_the_venue(
    side: int, entry: str, price: int, cost: int
) -> None:
    before = Core()
    before.stored.clear()
    core = Core(after=before, ts=T0)
    held = VenuePosition(instrument=BTC.id, quantity=side * QUANTITY, entry=entry)
    core.answer_all(positions=(held,))
    core.later(10 * SECOND)
    core.answer_all(positions=(held,))
    (row,) = [row for row in core.rows if isinstance(row, AdjustmentRow)]
    assert (row.cause, row.quantity, row.price) == ("opening", side * QUANTITY, price)
    state = core.engine.desk.state
    net = state.instruments[BTC.id].net
    assert (net.cost, state.wallet) == (side * cost, CASH)
    closing = fill_of(9, side=-side, price=100_50, quantity=QUANTITY, ts_venue=core.ts)
    core.hear(FillSeen(ts_event=core.ts, fill=closing))
    assert (net.quantity, net.cost) == (0, 0)
    assert state.wallet == CASH + side * (301 * MONEY + MONEY // 2 - cost)


def test_a_wallet_without_money_is_no_opening() -> None:
    before = Core()
    before.stored.clear()
    core = Core(after=before, ts=T0)
    wallets = (VenueBalance(asset="BNB", wallet=0), VenueBalance(asset="USDT", wallet=CASH))
    for _ in range(2):
        core.answer_all(balances=wallets)
        core.later(10 * SECOND)
    opened = [row.payment for row in core.rows if isinstance(row, PaymentRow)]
    assert [(paid.asset, paid.amount, paid.kind) for paid in opened] == [("USDT", CASH, "opening")]


@pytest.mark.parametrize("entry", ["", "0.0", "-1", "soon", "1e9999"])
def test_what_is_no_price_is_no_entry(entry: str) -> None:
    held = VenuePosition(instrument=BTC.id, quantity=QUANTITY, entry=entry)
    assert entry_of(held, BTC) is None
