"""An instrument, requests and bodies that the tests of the Binance protocol share."""

from __future__ import annotations

import json
from typing import Any

from interlock.model.instrument import FixedTick, Instrument, InstrumentKind
from interlock.model.order import OrderSpec, OrderType
from interlock.model.venue import Answer, PlaceRequest, Request
from interlock.wire.binance.answers import Judge, Reply
from interlock.wire.binance.requests import Dialect
from interlock.wire.binance.terms import Listing

BTC = "BTCUSDT-PERP.BINANCE"
INSTRUMENT = Instrument(
    id=BTC,
    kind=InstrumentKind.PERPETUAL,
    base="BTC",
    quote="USDT",
    price_exponent=1,
    quantity_exponent=3,
    price_rule=FixedTick(1),
    lot=1,
    leverage_max=125,
)
LISTING = Listing([INSTRUMENT])
DIALECT = Dialect(listing=LISTING, reference_price=lambda _: 500_000)


def spec(**changes: Any) -> OrderSpec:
    """A limit order to buy 0.1 at 49000."""
    fields: dict[str, Any] = {
        "instrument": BTC,
        "side": 1,
        "quantity": 100,
        "type": OrderType.LIMIT,
        "price": 490_000,
    }
    return OrderSpec(**{**fields, **changes})


def place(**changes: Any) -> PlaceRequest:
    """A request to place that order under the id "a1"."""
    return PlaceRequest(request_id=7, client_order_id="a1", spec=spec(**changes))


def order_body(**changes: Any) -> dict[str, Any]:
    """The venue's answer to it."""
    return {
        "orderId": 22,
        "symbol": "BTCUSDT",
        "status": "NEW",
        "clientOrderId": "a1",
        "price": "49000.0",
        "avgPrice": "0.00",
        "origQty": "0.100",
        "executedQty": "0.000",
        "timeInForce": "GTC",
        "type": "LIMIT",
        "side": "BUY",
        "stopPrice": "0",
        "updateTime": 1_790_000_000_000,
        "fieldOfTomorrow": 1,
        **changes,
    }


def answer(request: Request, *replies: tuple[int, Any], **headers: str) -> Answer:
    """The judgment of replies given as (status, body)."""
    made = [
        Reply(
            status=status,
            body=body if isinstance(body, bytes) else json.dumps(body).encode(),
            headers={name.replace("_", "-"): value for name, value in headers.items()},
        )
        for status, body in replies
    ]
    judged = Judge(DIALECT).judge(request, made, ts=5)
    assert isinstance(judged, Answer)
    return judged
