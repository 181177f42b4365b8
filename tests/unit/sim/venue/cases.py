"""Instruments, venues and tickets that the tests of the exchange core share."""

from __future__ import annotations

from typing import Any

from interlock.model.instrument import FixedTick, Instrument, InstrumentKind, MarginTier
from interlock.model.order import OrderType
from interlock.sim.venue.core import VenueCore
from interlock.sim.venue.values import Order, OrderTicket, Refused, VenueRules

SECOND = 10**9
HOUR = 3_600 * SECOND
MONEY = 10**8
BTC = "BTCUSDT-PERP.BINANCE"
ETH = "ETHUSDT-PERP.BINANCE"


def perpetual(symbol: str = BTC, **changes: Any) -> Instrument:
    """A perpetual with a tick of 0.1 and a lot of 0.001."""
    fields: dict[str, Any] = {
        "id": symbol,
        "kind": InstrumentKind.PERPETUAL,
        "base": symbol[:3],
        "quote": "USDT",
        "price_exponent": 1,
        "quantity_exponent": 3,
        "price_rule": FixedTick(1),
        "lot": 1,
        "min_quantity": 1,
        "max_quantity": 1_000_000,
        "min_notional": 5 * MONEY,
        "maker_rate": 200,
        "taker_rate": 500,
        "margin_tiers": (
            MarginTier(50_000 * MONEY, 4_000, 0),
            MarginTier(0, 5_000, 50 * MONEY),
        ),
        "leverage_max": 125,
        "funding_interval_ns": 8 * HOUR,
    }
    return Instrument(**{**fields, **changes})


def venue(*names: str, wallet: int = 10_000, **rules: Any) -> VenueCore:
    """A venue of one symbol with accounts of some USDT each."""
    core = VenueCore([perpetual(), perpetual(ETH)], options=VenueRules(**rules), seed=3)
    for name in names or ("ann", "bob"):
        core.add_account(name, {"USDT": wallet * MONEY})
    return core


def limit(side: int, quantity: int, price: int, **changes: Any) -> OrderTicket:
    """A limit order on BTC."""
    fields = {"symbol": BTC, "type": OrderType.LIMIT, **changes}
    return OrderTicket(side=side, quantity=quantity, price=price, **fields)


def market(side: int, quantity: int, **changes: Any) -> OrderTicket:
    """A market order on BTC."""
    return OrderTicket(**{"symbol": BTC, "side": side, "quantity": quantity, **changes})


def stop(side: int, quantity: int, trigger: int, **changes: Any) -> OrderTicket:
    """A conditional stop-market order on BTC."""
    fields = {"symbol": BTC, "type": OrderType.STOP_MARKET, "is_conditional": True, **changes}
    return OrderTicket(side=side, quantity=quantity, trigger=trigger, **fields)


def taken(answer: Order | Refused) -> Order:
    """The order of an answer that must not be a refusal."""
    assert isinstance(answer, Order), answer
    return answer


def held(core: VenueCore, name: str, symbol: str = BTC) -> int:
    """The signed holdings of an account."""
    views = core.account(name).positions
    return sum(view.quantity for view in views if view.symbol == symbol)


def give(core: VenueCore, name: str, quantity: int, price: int = 500_000) -> None:
    """Let an account hold a signed quantity, bought from or sold to an account named deep."""
    if "deep" not in core.state.accounts:
        core.add_account("deep", {"USDT": 10**9 * MONEY})
    side = 1 if quantity > 0 else -1
    taken(core.place(core.now or 1, "deep", limit(-side, abs(quantity), price)))
    taken(core.place(core.now, name, limit(side, abs(quantity), price)))
    assert held(core, name) == quantity
