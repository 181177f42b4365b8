"""The judge of the scenarios: equal books pass, and every kind of difference is found."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from interlock.model.order import OrderStatus
from interlock.runtime.ids import OrderId
from interlock.scenarios.audit import Intent, Kept, judge
from interlock.scenarios.exchange import Books
from interlock.sim.venue.values import AccountView, BalanceView, Fill, Order, PositionView
from interlock.wire.hyperliquid.cloids import cloid_of

BTC = "BTCUSDT-PERP.BINANCE"
FIRST, SECOND = OrderId("il", 1, 1, 1).text, OrderId("il", 1, 1, 2).text
WALLET = 100_000 * 10**8


def _order(name: str, *, number: int, filled: int) -> Order:
    status = OrderStatus.FILLED if filled else OrderStatus.ACCEPTED
    return Order(
        symbol=BTC, side=1, quantity=10, client_id=name, order_id=number, account="trader",
        filled=filled, status=status, ts_created=2_000,
    )  # fmt: skip


def _books() -> Books:
    """One filled order and one that rests."""
    filled, resting = _order(FIRST, number=1, filled=10), _order(SECOND, number=2, filled=0)
    balance = dict.fromkeys(BalanceView.__struct_fields__, 0) | {"asset": "USDT", "wallet": WALLET}
    held = dict.fromkeys(PositionView.__struct_fields__, 0) | {
        "symbol": BTC, "position_side": "both", "quantity": 10, "is_isolated": False,
    }  # fmt: skip
    fill = Fill(
        fill_id=5, order_id=1, client_id=FIRST, account="trader", symbol=BTC, side=1,
        position_side="both", price=600_000, quantity=10, notional=0, fee=30, fee_asset="USDT",
        is_maker=False, realized=0, position_before=0, ts=2_000,
    )  # fmt: skip
    account = AccountView(
        name="trader",
        is_hedged=False,
        is_liquidating=False,
        balances=(BalanceView(**balance),),
        positions=(PositionView(**held),),
    )
    return Books(account, [resting], [], [filled, resting], [], [fill], [])


def _kept() -> Kept:
    """A ledger that says the same."""
    kept = Kept(wallet=WALLET, positions={BTC: 10})
    for name, status, left in ((FIRST, "filled", 0), (SECOND, "accepted", 10)):
        kept.intents[name] = Intent(
            ts=1_000, instrument=BTC, side=1, quantity=10, reduce_only=False, epoch=1,
            status=status, left=left,
        )  # fmt: skip
    kept.fills[(BTC, 5, 1, 10, 600_000, 30)] = 1
    return kept


def test_equal_books_have_no_problem() -> None:
    verdict = judge(_books(), _kept())
    assert verdict.problems == []
    assert (verdict.intents, verdict.at_venue, verdict.duplicates) == (2, 2, 0)
    assert (verdict.fills, verdict.lost_fills, verdict.wallet_difference) == (1, 0, 0)


def _twice(books: Books, kept: Kept) -> None:
    books.orders.append(_order(FIRST, number=3, filled=10))


def _without_intent(books: Books, kept: Kept) -> None:
    del kept.intents[FIRST]


def _lost_fill(books: Books, kept: Kept) -> None:
    kept.fills.clear()


def _fill_twice(books: Books, kept: Kept) -> None:
    kept.fills[(BTC, 5, 1, 10, 600_000, 30)] += 1


def _position(books: Books, kept: Kept) -> None:
    kept.positions[BTC] = 9


def _cash(books: Books, kept: Kept) -> None:
    kept.wallet -= 1


def _cash_taken_over(books: Books, kept: Kept) -> None:
    kept.payments["cash_unexplained"] = 1


def _believed_open(books: Books, kept: Kept) -> None:
    books.open.clear()


def _believed_over(books: Books, kept: Kept) -> None:
    kept.intents[SECOND].status = "canceled"


def _other_side(books: Books, kept: Kept) -> None:
    kept.intents[FIRST].side = -1


def _in_doubt(books: Books, kept: Kept) -> None:
    kept.unknown.append((FIRST, 900, 0))


@pytest.mark.parametrize(
    ("spoil", "text"),
    [
        (_twice, "2 orders with the id"),
        (_without_intent, "has no intent"),
        (_lost_fill, "1 fills lost"),
        (_fill_twice, "1 fills invented"),
        (_position, f"{BTC}: 10 at the venue, 9 in the ledger"),
        (_cash, "the venue's wallet is 0.00000001 above the ledger's"),
        (_cash_taken_over, "1 payments booked as cash_unexplained"),
        (_believed_open, f"open order {SECOND}: none at the venue, 10 in the ledger"),
        (_believed_over, f"open order {SECOND}: 10 at the venue, none in the ledger"),
        (_other_side, "is not what its intent says"),
        (_in_doubt, "is still unknown"),
        (_in_doubt, f"{SECOND} was sent while {FIRST} was unknown"),
    ],
)
def test_a_difference_is_found(spoil: Callable[[Books, Kept], None], text: str) -> None:
    books, kept = _books(), _kept()
    spoil(books, kept)
    assert any(text in problem for problem in judge(books, kept).problems)


def test_an_order_that_the_venue_knows_by_a_digest_is_found_by_our_id() -> None:
    books, kept = _books(), _kept()
    for order in books.orders:
        order.client_id = cloid_of(order.client_id)
    assert judge(books, kept).problems == []
    books.orders.append(_order(cloid_of("il-9-0-1-0000"), number=9, filled=10))
    assert any("has no intent" in problem for problem in judge(books, kept).problems)


def test_an_order_that_replaced_another_is_no_duplicate_unless_nobody_asked_for_it() -> None:
    def replaced(*, over_at: int) -> Books:
        books = _books()
        before = _order(SECOND, number=0, filled=0)
        before.status, before.ts_updated = OrderStatus.CANCELED, over_at
        before.ts_created = 1_500
        books.orders.append(before)
        return books

    amended = _kept()
    amended.amends[SECOND] = [1_800]
    verdict = judge(replaced(over_at=2_000), amended)
    assert (verdict.problems, verdict.duplicates, verdict.at_venue) == ([], 0, 2)
    assert judge(replaced(over_at=2_000), _kept()).duplicates == 1
    # Both were open at once.
    assert judge(replaced(over_at=2_001), amended).duplicates == 1


def test_an_order_that_does_more_than_shrink_the_position_adds_risk() -> None:
    found = [
        Intent(
            ts=0, instrument=BTC, side=side, quantity=quantity, reduce_only=False, epoch=1, held=10
        ).adds_risk
        for side, quantity in ((1, 1), (-1, 10), (-1, 11))
    ]
    assert found == [True, False, True]
    only = Intent(ts=0, instrument=BTC, side=1, quantity=1, reduce_only=True, epoch=1, held=10)
    assert not only.adds_risk
