"""Orders that are replaced stay one order: numbers, quantities, and ends that are withheld."""

from __future__ import annotations

import msgspec
import pytest

from interlock.model.order import OrderSpec, OrderStatus, OrderType
from interlock.model.venue import (
    AmendRequest,
    FillsQuery,
    PlaceRequest,
    VenueFill,
    VenueOrder,
)
from interlock.wire.hyperliquid.cloids import Cloids
from interlock.wire.hyperliquid.known import KnownOrders
from interlock.wire.hyperliquid.pages import FILLS_MOST, Pages
from interlock.wire.hyperliquid.text import WireFault

BTC = "BTC-PERP.HYPERLIQUID"
SPEC = OrderSpec(BTC, 1, 10, OrderType.LIMIT, 500_000)
WANTED = OrderSpec(BTC, 1, 8, OrderType.LIMIT, 510_000)
AMEND = AmendRequest(request_id=2, client_order_id="a", spec=WANTED)


def known() -> KnownOrders:
    orders = KnownOrders(Cloids())
    orders.sent(PlaceRequest(request_id=1, client_order_id="a", spec=SPEC))
    return orders


def told(number: str, status: OrderStatus, *, quantity: int = 10, filled: int = 0) -> VenueOrder:
    return VenueOrder(
        instrument=BTC,
        client_order_id="a",
        venue_order_id=number,
        side=1,
        type=OrderType.LIMIT,
        status=status,
        quantity=quantity,
        filled=filled,
        price=500_000,
    )


def fill(number: str, trade_id: int, quantity: int) -> VenueFill:
    return VenueFill(
        instrument=BTC, trade_id=trade_id, client_order_id="a", venue_order_id=number, side=1,
        price=500_000, quantity=quantity, fee=0, fee_asset="USDC", is_maker=True,
        ts_venue=trade_id,
    )  # fmt: skip


def test_a_fill_told_by_both_channels_counts_once() -> None:
    orders = known()
    orders.whole(told("5", OrderStatus.ACCEPTED, filled=3))
    orders.fill(fill("5", 1, 3))
    assert orders.traded("a") == 3


@pytest.mark.parametrize("stream_first", [True, False])
def test_the_end_of_a_replaced_number_is_not_told(stream_first: bool) -> None:
    orders = known()
    orders.whole(told("5", OrderStatus.ACCEPTED))
    orders.fill(fill("5", 1, 3))
    orders.amending(AMEND)
    assert orders.whole(told("5", OrderStatus.CANCELED, filled=3)) is None
    if not stream_first:
        orders.amended(AMEND, "6")
    seen = orders.whole(told("6", OrderStatus.ACCEPTED, quantity=5))
    assert seen is not None
    assert (seen.quantity, seen.filled, seen.status) == (8, 3, OrderStatus.PARTIALLY_FILLED)
    assert orders.whole(told("5", OrderStatus.CANCELED, filled=3)) is None
    orders.fill(fill("6", 2, 5))
    done = orders.whole(told("6", OrderStatus.FILLED, quantity=5, filled=5))
    assert done is not None and (done.quantity, done.filled) == (8, 8)


def test_a_late_fill_of_the_old_number_counts() -> None:
    orders = known()
    orders.whole(told("5", OrderStatus.ACCEPTED))
    orders.amending(AMEND)
    orders.amended(AMEND, "6")
    orders.fill(fill("5", 1, 2))
    seen = orders.whole(told("6", OrderStatus.ACCEPTED, quantity=8))
    # More than was wanted: that is what replacing does, and it is told as it is.
    assert seen is not None and (seen.quantity, seen.filled) == (10, 2)


def test_an_end_without_a_replacement_is_told_when_the_amendment_is_settled() -> None:
    orders = known()
    orders.whole(told("5", OrderStatus.ACCEPTED))
    orders.amending(AMEND)
    assert orders.whole(told("5", OrderStatus.CANCELED)) is None
    ended = orders.settle("a")
    assert ended is not None
    whole = orders.whole(ended)
    assert whole is not None and whole.status is OrderStatus.CANCELED
    assert orders.settle("a") is None


def test_a_filled_order_is_told_whatever_is_under_way() -> None:
    orders = known()
    orders.amending(AMEND)
    assert orders.whole(told("5", OrderStatus.FILLED, filled=10)) is not None


def test_orders_of_others_pass_as_they_are() -> None:
    order = msgspec.structs.replace(told("5", OrderStatus.ACCEPTED), client_order_id="0x1")
    assert known().whole(order) is order


def rows(*times: int) -> bytes:
    return msgspec.json.encode([{"time": time} for time in times])


def test_pages_go_on_from_the_last_moment_and_drop_what_both_hold() -> None:
    pages = Pages(FillsQuery(request_id=1, instrument=BTC, ts_from=0))
    first = tuple(fill("5", number, 1) for number in range(1, 4))
    assert not pages.take(rows(*[7] * FILLS_MOST), first)
    assert pages.question.ts_from == 7_000_000
    assert pages.take(rows(7), (first[-1], fill("5", 9, 1)))
    assert [item.trade_id for item in pages.content()] == [1, 2, 3, 9]


def test_a_page_that_never_moves_on_is_no_answer() -> None:
    pages = Pages(FillsQuery(request_id=1, instrument=BTC, ts_from=7_000_000))
    with pytest.raises(WireFault, match="later time"):
        pages.take(rows(*[7] * FILLS_MOST), ())


def test_an_execution_of_the_replacement_may_come_before_the_answer() -> None:
    orders = known()
    orders.whole(told("5", OrderStatus.ACCEPTED))
    orders.amending(AMEND)
    orders.fill(fill("6", 1, 8))
    orders.amended(AMEND, "6")
    seen = orders.whole(told("6", OrderStatus.ACCEPTED, quantity=8))
    assert seen is not None
    assert seen.quantity == 8


class TestEarlierProcesses:
    """Orders that this process did not send, known by their ids and by their executions."""

    def recalled(self) -> KnownOrders:
        """Number 5 traded 3 of 10, was replaced by number 8 for the 7 that were left."""
        orders = KnownOrders(Cloids(("a",)))
        for _ in range(2):
            orders.fill(fill("5", 1, 3))
        return orders

    def test_a_replacement_is_the_whole_order_with_what_was_traded_before(self) -> None:
        seen = self.recalled().whole(told("8", OrderStatus.ACCEPTED, quantity=7))
        assert seen is not None
        assert (seen.quantity, seen.filled, seen.status) == (10, 3, OrderStatus.PARTIALLY_FILLED)

    def test_an_order_that_was_not_replaced_stays_as_the_venue_has_it(self) -> None:
        order = told("5", OrderStatus.PARTIALLY_FILLED, filled=3)
        assert self.recalled().whole(order) == order

    def test_an_amendment_goes_on_from_what_all_its_numbers_have_traded(self) -> None:
        orders = self.recalled()
        orders.learn(AMEND, told("8", OrderStatus.ACCEPTED, quantity=7))
        assert orders.traded("a") == 3
        orders.amending(AMEND)
        orders.amended(AMEND, "9")
        seen = orders.whole(told("9", OrderStatus.ACCEPTED, quantity=5))
        assert seen is not None
        assert (seen.quantity, seen.filled) == (8, 3)

    def test_executions_of_strangers_are_not_kept(self) -> None:
        orders = KnownOrders(Cloids())
        orders.fill(fill("5", 1, 3))
        order = told("8", OrderStatus.ACCEPTED, quantity=7)
        assert orders.whole(order) == order

    def test_a_stop_that_the_stream_tells_of_is_still_a_stop(self) -> None:
        orders = KnownOrders(Cloids(("a",)))
        asked = msgspec.structs.replace(
            told("5", OrderStatus.ACCEPTED), type=OrderType.STOP_MARKET, trigger=490_000, price=0
        )
        assert orders.whole(asked) == asked
        seen = orders.whole(told("5", OrderStatus.TRIGGERED, quantity=4))
        assert seen is not None
        assert (seen.type, seen.trigger, seen.price) == (OrderType.STOP_MARKET, 490_000, 0)
        assert seen.quantity == 4
