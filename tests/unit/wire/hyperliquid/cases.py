"""Instruments, requests and bodies that the tests of Hyperliquid's protocol share."""

from __future__ import annotations

import json

from interlock.model.order import OrderSpec, OrderType, TimeInForce
from interlock.model.venue import PlaceRequest
from interlock.wire.http import HttpResponse
from interlock.wire.hyperliquid.cloids import Cloids
from interlock.wire.hyperliquid.instruments import Universe, read_universe
from interlock.wire.hyperliquid.streams import Reader

META = {
    "universe": [
        {"szDecimals": 4, "name": "ETH", "maxLeverage": 25, "marginTableId": 25},
        {"szDecimals": 5, "name": "BTC", "maxLeverage": 40, "marginTableId": 56},
        {"szDecimals": 0, "name": "kPEPE", "maxLeverage": 10, "marginTableId": 10},
        {"szDecimals": 1, "name": "OLD", "maxLeverage": 3, "isDelisted": True},
    ],
    "marginTables": [
        [
            56,
            {
                "description": "tiered 40x",
                "marginTiers": [
                    {"lowerBound": "0.0", "maxLeverage": 40},
                    {"lowerBound": "150000000.0", "maxLeverage": 20},
                ],
            },
        ]
    ],
    "collateralToken": 0,
}
BTC = "BTC-PERP.HYPERLIQUID"
ETH = "ETH-PERP.HYPERLIQUID"
ORDER_ID = "e7-000001-btc"


def universe() -> Universe:
    """Four perpetuals: ETH, BTC, kPEPE and the delisted OLD."""
    return read_universe(json.dumps(META).encode())


def reader(*client_order_ids: str) -> Reader:
    """A reader that knows these ids as ours."""
    return Reader(universe(), Cloids(client_order_ids))


def limit_buy(**changes: object) -> OrderSpec:
    """Buy 0.01 BTC at 63,000."""
    fields: dict[str, object] = {
        "instrument": BTC,
        "side": 1,
        "quantity": 1_000,
        "type": OrderType.LIMIT,
        "price": 630_000,
        "time_in_force": TimeInForce.GTC,
    }
    return OrderSpec(**{**fields, **changes})  # type: ignore[arg-type]


def place(**changes: object) -> PlaceRequest:
    """A request that places that order."""
    return PlaceRequest(request_id=7, client_order_id=ORDER_ID, spec=limit_buy(**changes))


def answered(content: object, *, status: int = 200) -> HttpResponse:
    """A response with this JSON."""
    return HttpResponse(status=status, body=json.dumps(content).encode())


def statuses(*slots: object, kind: str = "order") -> HttpResponse:
    """A batch that went through."""
    response = {"type": kind, "data": {"statuses": list(slots)}}
    return answered({"status": "ok", "response": response})
