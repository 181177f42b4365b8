"""What an account holds at its first start is taken over with what it cost there."""

from __future__ import annotations

import pytest

from interlock.model.rows import AdjustmentRow, PaymentRow
from interlock.model.venue import (
    Answer,
    FillSeen,
    FillsQuery,
    Payment,
    PaymentsQuery,
    VenueBalance,
    VenueFill,
    VenuePosition,
    Verdict,
)
from interlock.runtime.opening import entry_of
from interlock.runtime.settings import HOUR, SECOND
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


@pytest.mark.parametrize("traded", [T0 - SECOND, T0 + SECOND], ids=["long before", "meanwhile"])
def test_an_execution_that_is_told_while_an_account_is_opened_is_counted_once(traded: int) -> None:
    """The first look shows what it came to; the list of executions tells of it too."""
    before = Core()
    before.stored.clear()
    core = Core(after=before, ts=T0)
    core.later(2 * SECOND)
    fill = fill_of(9, ts_venue=traded)
    core.hear(FillSeen(ts_event=core.ts, fill=fill))
    core.answer(FillsQuery, (fill,))
    held = (VenuePosition(instrument=BTC.id, quantity=fill.quantity),)
    core.later(10 * SECOND)
    core.engine.reconciler.want("full")
    core.answer_all(positions=held)
    core.later(10 * SECOND)
    core.answer_all(positions=held)
    (row,) = [row for row in core.rows if isinstance(row, AdjustmentRow)]
    assert (row.cause, row.quantity) == ("opening", fill.quantity)
    assert core.engine.desk.state.instruments[BTC.id].net.quantity == fill.quantity
    assert core.engine.desk.books.ts_opened


def _opening(traded: int) -> tuple[Core, VenueFill]:
    """A core that asks for its first look, and an execution that a list then tells of."""
    before = Core()
    before.stored.clear()
    core = Core(after=before, ts=T0)
    return core, fill_of(9, ts_venue=T0 + traded)


@pytest.mark.parametrize("ago", [-SECOND, SECOND // 100], ids=["just before", "meanwhile"])
def test_a_first_look_is_believed_when_nothing_moved_about_its_time(ago: int) -> None:
    """It shows the execution or does not: the next one, some time after it, does."""
    core, fill = _opening(ago)
    held = (VenuePosition(instrument=BTC.id, quantity=fill.quantity),)
    for _ in range(40):
        core.later(SECOND // 2)
        is_fetched = any(isinstance(request, FillsQuery) for request in core.asked)
        if is_fetched:
            core.answer(FillsQuery, (fill,))
        core.answer_all(positions=held)
    (row,) = [row for row in core.rows if isinstance(row, AdjustmentRow)]
    assert (row.cause, row.quantity) == ("opening", fill.quantity)
    opened = core.engine.desk.books.ts_opened
    assert fill.ts_venue + core.engine.desk.settings.proof_ns < opened < T0 + 10 * SECOND
    assert core.engine.desk.state.instruments[BTC.id].net.quantity == fill.quantity


def test_an_account_that_never_stands_still_is_opened_and_that_is_said() -> None:
    core, _ = _opening(0)
    quantity = 0
    while not core.engine.desk.books.ts_opened and core.ts < T0 + 300 * SECOND:
        core.later(SECOND)
        quantity += 3_000
        core.hear(FillSeen(ts_event=core.ts, fill=fill_of(quantity, ts_venue=core.ts)))
        core.answer_all(positions=(VenuePosition(instrument=BTC.id, quantity=quantity),))
    assert core.names().count("ACCOUNT_MOVES") == 1
    assert T0 + 60 * SECOND < core.engine.desk.books.ts_opened < T0 + 120 * SECOND


def test_a_payment_during_the_first_look_is_counted_once() -> None:
    """Asked for after it, payments tell of one that the wallet may have or not."""
    core, _ = _opening(0)
    core.later(2 * SECOND)
    core.answer_all()
    assert not core.engine.desk.books.ts_opened
    paid = Payment(
        kind="transfer",
        instrument="",
        asset="USDT",
        amount=500,
        payment_id="t1",
        ts_venue=T0 + SECOND // 100,
    )
    for _ in range(30):
        core.later(SECOND // 2)
        balances = (VenueBalance(asset="USDT", wallet=CASH + 500),)
        core.answer_all(payments=(paid,), balances=balances)
    opened = [row.payment for row in core.rows if isinstance(row, PaymentRow)]
    assert [(payment.kind, payment.amount) for payment in opened] == [("opening", CASH + 500)]
    assert core.engine.desk.books.ts_opened > paid.ts_venue


def test_a_first_look_without_payments_is_begun_anew() -> None:
    core, _ = _opening(0)
    for _ in range(300):
        core.later(SECOND // 2)
        for request in list(core.asked):
            if isinstance(request, PaymentsQuery):
                core.asked.remove(request)
                number = request.request_id
                core.hear(Answer(request_id=number, ts_event=core.ts, verdict=Verdict.UNKNOWN))
        core.answer_all()
    assert not core.engine.desk.books.ts_opened
    for _ in range(30):
        core.later(SECOND // 2)
        core.answer_all()
    assert core.engine.desk.books.ts_opened > T0 + 60 * SECOND


def test_an_account_whose_history_the_venue_cannot_give_is_opened() -> None:
    """Too many pages for one question: who asks for less has an answer."""
    core, _ = _opening(0)
    oldest = T0 - 2 * HOUR
    while not core.engine.startup.is_trading and core.ts < T0 + 60 * SECOND:
        core.later(SECOND)
        for request in list(core.asked):
            if isinstance(request, FillsQuery | PaymentsQuery) and request.ts_from < oldest:
                core.asked.remove(request)
                core.hear(
                    Answer(
                        request_id=request.request_id,
                        ts_event=core.ts,
                        verdict=Verdict.UNKNOWN,
                        reason="more than 20000 rows; ask from a later time",
                    )
                )
        core.answer_all()
    assert core.engine.desk.books.ts_opened
    assert core.engine.startup.is_trading
