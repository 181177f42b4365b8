"""Each refusal of the exchange core, and that a refused request changes nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from interlock.model.order import OrderType, TimeInForce
from interlock.sim.venue.core import VenueCore
from interlock.sim.venue.state import VenueError
from interlock.sim.venue.values import Amendment, OrderTicket, Refusal, Refused
from tests.unit.sim.venue.cases import (
    BTC,
    MONEY,
    give,
    held,
    limit,
    market,
    stop,
    taken,
    venue,
)

FOK = TimeInForce.FOK
Case = Callable[[VenueCore], object]


def with_book(core: VenueCore) -> VenueCore:
    """Bids at 49,990 and asks at 50,010 of one coin each, and a last price of 50,000."""
    give(core, "bob", 10)
    taken(core.place(2, "deep", limit(1, 1_000, 499_900)))
    taken(core.place(2, "deep", limit(-1, 1_000, 500_100)))
    return core


def twice(core: VenueCore) -> object:
    taken(core.place(3, "ann", limit(1, 10, 490_000, client_id="same")))
    return core.place(3, "ann", limit(1, 10, 490_000, client_id="same"))


def many(core: VenueCore) -> object:
    for _ in range(200):
        taken(core.place(3, "ann", limit(1, 1, 490_000)))
    return core.place(3, "ann", limit(1, 1, 490_000))


def halted(core: VenueCore) -> object:
    core.halt(3, BTC)
    return core.place(3, "ann", limit(1, 10, 490_000))


def same_again(core: VenueCore) -> object:
    order = taken(core.place(3, "ann", limit(1, 10, 490_000)))
    return core.amend(3, "ann", BTC, Amendment(order_id=order.order_id, price=490_000))


def trigger_of_limit(core: VenueCore) -> object:
    order = taken(core.place(3, "ann", limit(1, 10, 490_000)))
    return core.amend(3, "ann", BTC, Amendment(order_id=order.order_id, trigger=480_000))


def mode_with_order(core: VenueCore) -> object:
    taken(core.place(3, "ann", limit(1, 10, 490_000)))
    return core.set_position_mode(3, "ann", hedged=True)


def liquidating(core: VenueCore) -> object:
    core.state.accounts["ann"].is_liquidating = True
    return core.place(3, "ann", limit(1, 10, 490_000))


def orphan(core: VenueCore) -> object:
    return core.place(3, "ann", stop(-1, 10, 490_000, reduce_only=True, waits_for=77))


CASES: dict[str, tuple[Refusal, Case]] = {
    "margin": (
        Refusal.INSUFFICIENT_MARGIN,
        lambda core: core.place(3, "ann", limit(1, 5_000, 490_000)),
    ),
    "post only": (
        Refusal.POST_ONLY_WOULD_TAKE,
        lambda core: core.place(3, "ann", limit(1, 10, 500_100, post_only=True)),
    ),
    "reduce only, flat": (
        Refusal.REDUCE_ONLY,
        lambda core: core.place(3, "ann", market(1, 10, reduce_only=True)),
    ),
    "reduce only, wrong side": (
        Refusal.REDUCE_ONLY,
        lambda core: core.place(3, "bob", market(1, 10, reduce_only=True)),
    ),
    "fill or kill": (
        Refusal.FOK_UNFILLABLE,
        lambda core: core.place(3, "ann", limit(1, 1_001, 500_100, time_in_force=FOK)),
    ),
    "triggers now": (
        Refusal.WOULD_TRIGGER_NOW,
        lambda core: core.place(3, "ann", stop(-1, 10, 510_000)),
    ),
    "tick": (Refusal.PRICE_RULE, lambda core: core.place(3, "ann", stop(-1, 10, -5))),
    "quantity": (
        Refusal.QUANTITY_RULE,
        lambda core: core.place(3, "ann", limit(1, 1_000_001, 490_000)),
    ),
    "band": (
        Refusal.PRICE_BAND,
        lambda core: core.place(3, "ann", limit(1, 10, 530_000)),
    ),
    "same id": (Refusal.DUPLICATE_ID, twice),
    "unknown order": (
        Refusal.UNKNOWN_ORDER,
        lambda core: core.cancel(3, "ann", BTC, order_id=1),
    ),
    "unknown parent": (Refusal.UNKNOWN_ORDER, orphan),
    "somebody else's order": (
        Refusal.UNKNOWN_ORDER,
        lambda core: core.cancel(3, "ann", BTC, order_id=1_003),
    ),
    "too many": (Refusal.TOO_MANY_ORDERS, many),
    "halted": (Refusal.SYMBOL_CLOSED, halted),
    "leverage": (Refusal.LEVERAGE_RULE, lambda core: core.set_leverage(3, "ann", BTC, 126)),
    "nothing to change": (Refusal.NOTHING_TO_CHANGE, same_again),
    "margin type again": (
        Refusal.NOTHING_TO_CHANGE,
        lambda core: core.set_margin_type(3, "ann", BTC, isolated=False),
    ),
    "position": (
        Refusal.HAS_POSITION,
        lambda core: core.set_margin_type(3, "bob", BTC, isolated=True),
    ),
    "open orders": (Refusal.HAS_OPEN_ORDERS, mode_with_order),
    "liquidation": (Refusal.IN_LIQUIDATION, liquidating),
    "symbol": (
        Refusal.UNKNOWN_SYMBOL,
        lambda core: core.place(3, "ann", limit(1, 10, 490_000, symbol="NONE.X")),
    ),
    "balance": (
        Refusal.BALANCE,
        lambda core: core.transfer(3, "ann", "USDT", -10_001 * MONEY),
    ),
    "not amendable": (Refusal.NOT_AMENDABLE, trigger_of_limit),
    "side": (
        Refusal.SIDE_RULE,
        lambda core: core.place(3, "ann", limit(1, 10, 490_000, position_side="long")),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_refusal(name: str) -> None:
    refusal, call = CASES[name]
    core = with_book(venue())
    before = (core.book(BTC).bids[:1], core.book(BTC).asks, held(core, "ann"), held(core, "bob"))
    answer = call(core)
    assert isinstance(answer, Refused)
    assert answer.refusal is refusal
    assert answer.text
    after = (core.book(BTC).bids[:1], core.book(BTC).asks, held(core, "ann"), held(core, "bob"))
    assert after == before


def test_refusals_of_an_empty_book() -> None:
    core = venue()
    answer = core.place(1, "ann", market(1, 10))
    assert isinstance(answer, Refused) and answer.refusal is Refusal.NO_LIQUIDITY
    answer = core.place(1, "ann", limit(1, 1, 40_000))
    assert isinstance(answer, Refused) and answer.refusal is Refusal.MIN_NOTIONAL
    assert (answer.value, answer.limit) == (f"{4 * MONEY}", f"{5 * MONEY}")


def test_every_refusal_has_a_case() -> None:
    shown = {refusal for refusal, _ in CASES.values()}
    assert shown | {Refusal.NO_LIQUIDITY, Refusal.MIN_NOTIONAL} == set(Refusal)


def test_nonsense_raises() -> None:
    core = venue()
    for ticket, words in (
        (limit(0, 1, 1), "side 0"),
        (limit(1, 1, 0), "needs a price"),
        (stop(1, 1, 0), "needs a trigger"),
        (limit(1, 1, 5, is_conditional=True), "cannot be conditional"),
        (limit(1, 1, 5, expire_ts=5), "go together"),
        (OrderTicket(symbol=BTC, side=1, quantity=1, type=OrderType.TRAILING_STOP), "callback"),
    ):
        with pytest.raises(VenueError, match=words):
            core.place(1, "ann", ticket)
    with pytest.raises(VenueError, match="no account"):
        core.account("nobody")
    with pytest.raises(VenueError, match="no symbol"):
        core.book("NONE.X")
