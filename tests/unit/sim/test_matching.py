"""Price-time matching, rule by rule."""

from __future__ import annotations

import pytest

from interlock.model.order import TimeInForce
from interlock.sim.matching import BookError, Incoming, OrderBook, Outcome, SelfTrade


def place(book: OrderBook, key: str, side: int, quantity: int, price: int = 0, **rest) -> Outcome:
    return book.place(Incoming(order_id=key, side=side, quantity=quantity, price=price, **rest))


def trades(outcome: Outcome) -> list[tuple[object, int, int]]:
    return [(trade.maker, trade.quantity, trade.price) for trade in outcome.trades]


@pytest.fixture
def book() -> OrderBook:
    """Bids a 5@99, b 5@99, c 7@98; asks x 4@101, y 6@101, z 9@103."""
    book = OrderBook()
    for key, side, quantity, price in [
        ("a", 1, 5, 99), ("b", 1, 5, 99), ("c", 1, 7, 98),
        ("x", -1, 4, 101), ("y", -1, 6, 101), ("z", -1, 9, 103),
    ]:  # fmt: skip
        assert place(book, key, side, quantity, price).resting == quantity
    return book


def test_better_price_first_then_older(book: OrderBook) -> None:
    outcome = place(book, "t", 1, 12)
    assert trades(outcome) == [("x", 4, 101), ("y", 6, 101), ("z", 2, 103)]
    assert [trade.maker_left for trade in outcome.trades] == [0, 0, 7]
    assert book.levels(-1) == [(103, 7)]


def test_trade_is_at_the_resting_price(book: OrderBook) -> None:
    outcome = place(book, "t", -1, 11, 98)
    assert trades(outcome) == [("a", 5, 99), ("b", 5, 99), ("c", 1, 98)]
    assert not outcome.resting


def test_rest_of_a_limit_rests(book: OrderBook) -> None:
    outcome = place(book, "t", 1, 15, 102)
    assert (outcome.resting, outcome.ended) == (5, 0)
    assert (book.best(1), book.best(-1)) == (102, 103)


def test_rest_of_a_market_order_ends(book: OrderBook) -> None:
    outcome = place(book, "t", 1, 25)
    assert (outcome.resting, outcome.ended) == (0, 6)
    assert outcome.reason == "nothing left to take at once"
    assert book.best(-1) == 0
    assert place(book, "u", 1, 1).ended == 1


def test_immediate_or_cancel_and_fill_or_kill(book: OrderBook) -> None:
    assert place(book, "t", 1, 12, 101, time_in_force=TimeInForce.IOC).ended == 2
    before = book.levels(1)
    killed = place(book, "u", -1, 11, 99, time_in_force=TimeInForce.FOK)
    assert (killed.trades, killed.ended) == ((), 11)
    assert book.levels(1) == before
    assert len(place(book, "v", -1, 10, 99, time_in_force=TimeInForce.FOK).trades) == 2
    assert "u" not in book


def test_post_only_never_takes(book: OrderBook) -> None:
    refused = place(book, "t", 1, 1, 101, post_only=True)
    assert (refused.trades, refused.ended) == ((), 1)
    assert place(book, "t", 1, 1, 100, post_only=True).resting == 1


def test_getting_smaller_keeps_the_place(book: OrderBook) -> None:
    assert book.reduce("a", 2) == 3
    assert book.amend("a", price=99, quantity=2) == Outcome(resting=2)
    assert book.ahead("b") == 2
    assert [order.order_id for order in book.queue(1, 99)] == ["a", "b"]
    assert book.reduce("a", 2) == 0
    assert "a" not in book


@pytest.mark.parametrize("price, quantity, ahead", [(99, 6, 5), (98, 5, 7), (98, 1, 7)])
def test_growth_or_a_new_price_goes_to_the_back(
    book: OrderBook, price: int, quantity: int, ahead: int
) -> None:
    assert book.amend("a", price=price, quantity=quantity).resting == quantity
    assert book.ahead("a") == ahead


def test_amendment_may_trade(book: OrderBook) -> None:
    outcome = book.amend("a", price=101, quantity=5)
    assert trades(outcome) == [("x", 4, 101), ("y", 1, 101)]
    assert "a" not in book


def test_post_only_amendment_that_would_take_is_refused(book: OrderBook) -> None:
    place(book, "p", 1, 3, 97, post_only=True)
    with pytest.raises(BookError, match="post-only and would take at 101"):
        book.amend("p", price=101, quantity=3)
    assert book.order("p").price == 97


@pytest.mark.parametrize(
    "rule, traded, ended, yielded, left",
    [
        (SelfTrade.ALLOW, [("own", 4, 101), ("other", 2, 101)], 0, (), ["other"]),
        (SelfTrade.CANCEL_INCOMING, [], 6, (), ["own", "other"]),
        (SelfTrade.CANCEL_RESTING, [("other", 6, 101)], 0, ("own",), []),
        (SelfTrade.CANCEL_BOTH, [], 6, ("own",), ["other"]),
    ],
)
def test_self_trade_prevention(rule, traded, ended, yielded, left) -> None:
    book = OrderBook(rule)
    place(book, "own", -1, 4, 101, owner="me")
    place(book, "other", -1, 6, 101, owner="them")
    outcome = place(book, "t", 1, 6, 101, owner="me")
    assert trades(outcome) == traded
    assert (outcome.ended, outcome.yielded) == (ended, yielded)
    assert [order.order_id for order in book.side(-1)] == left


@pytest.mark.parametrize(
    "rule, filled", [(SelfTrade.CANCEL_BOTH, 0), (SelfTrade.CANCEL_RESTING, 6)]
)
def test_fill_or_kill_counts_what_prevention_leaves(rule: SelfTrade, filled: int) -> None:
    book = OrderBook(rule)
    place(book, "own", -1, 4, 101, owner="me")
    place(book, "other", -1, 6, 101)
    outcome = place(book, "t", 1, 6, owner="me", time_in_force=TimeInForce.FOK)
    assert sum(trade.quantity for trade in outcome.trades) == filled
    assert ("own" in book) == (not filled)


def test_orders_without_an_owner_are_nobodys_own() -> None:
    book = OrderBook(SelfTrade.CANCEL_BOTH)
    place(book, "a", -1, 4, 101)
    assert len(place(book, "b", 1, 4, 101).trades) == 1


def test_a_recorded_book_may_stand_crossed(book: OrderBook) -> None:
    book.rest(Incoming(order_id="r", side=1, quantity=2, price=102))
    assert (book.best(1), book.best(-1)) == (102, 101)
    with pytest.raises(BookError, match="needs a price to rest"):
        book.rest(Incoming(order_id="s", side=1, quantity=2))


@pytest.mark.parametrize(
    "change, words",
    [
        ({"side": 0}, "side 0 must be"),
        ({"quantity": 0}, "quantity 0 must be positive"),
        ({"price": -1}, "must not be negative"),
        ({"order_id": "a"}, "rests already"),
        ({"post_only": True, "price": 0}, "must be able to rest"),
        ({"post_only": True, "time_in_force": TimeInForce.IOC}, "must be able to rest"),
    ],
)
def test_contradictions_are_refused(book: OrderBook, change: dict, words: str) -> None:
    fields = {"order_id": "t", "side": 1, "quantity": 1, "price": 99} | change
    with pytest.raises(BookError, match=words):
        book.place(Incoming(**fields))


def test_requests_about_orders_that_do_not_fit(book: OrderBook) -> None:
    with pytest.raises(BookError, match="over or unknown"):
        book.cancel("nobody")
    with pytest.raises(BookError, match="cannot be reduced by 6"):
        book.reduce("a", 6)
    with pytest.raises(BookError, match="both must be positive"):
        book.amend("a", price=0, quantity=1)
    assert book.cancel("a").quantity == 5
