"""Questions as bodies of /info: no key, no signature."""

from __future__ import annotations

import msgspec

from interlock.model.venue import (
    BalancesQuery,
    BookQuery,
    FillsQuery,
    OpenOrdersQuery,
    OrderQuery,
    PaymentsQuery,
    PositionsQuery,
    Request,
    TimeQuery,
)
from interlock.wire.http import HttpRequest
from interlock.wire.hyperliquid.actions import JSON_HEADERS, Identity, Unsupported
from interlock.wire.hyperliquid.cloids import cloid_of
from interlock.wire.hyperliquid.instruments import Universe
from interlock.wire.hyperliquid.text import NS_PER_MS

INFO_PATH = "/info"
META = b'{"type":"meta"}'
META_AND_MARKS = b'{"type":"metaAndAssetCtxs"}'


class TransfersQuery(PaymentsQuery, frozen=True, kw_only=True, gc=False):
    """The second half of what moved the account's money: what came and went beside funding."""

    user: str


def transfers_of(request: PaymentsQuery, identity: Identity) -> TransfersQuery:
    """The question about transfers that belongs to one about payments."""
    return TransfersQuery(
        request_id=request.request_id, ts_from=request.ts_from, user=identity.trader
    )


def query_of(request: Request, universe: Universe, identity: Identity) -> dict[str, object]:
    """The question that a request asks."""
    user = identity.trader
    match request:
        case OrderQuery():
            return {"type": "orderStatus", "user": user, "oid": _named(request)}
        case OpenOrdersQuery():
            return {"type": "frontendOpenOrders", "user": user}
        case FillsQuery():
            return {
                "type": "userFillsByTime",
                "user": user,
                "startTime": request.ts_from // NS_PER_MS,
            }
        case PositionsQuery() | BalancesQuery():
            return {"type": "clearinghouseState", "user": user}
        case TransfersQuery():
            return {
                "type": "userNonFundingLedgerUpdates",
                "user": request.user,
                "startTime": request.ts_from // NS_PER_MS,
            }
        case PaymentsQuery():
            return {"type": "userFunding", "user": user, "startTime": request.ts_from // NS_PER_MS}
        case BookQuery():
            return {"type": "l2Book", "coin": universe.of_id(request.instrument).base}
        case TimeQuery():
            return {"type": "exchangeStatus"}
        case _:
            raise Unsupported(f"{type(request).__name__} is no question of this venue")


def _named(request: OrderQuery) -> str | int:
    """How an order is asked for: by our id, else by the venue's number."""
    if request.client_order_id:
        return cloid_of(request.client_order_id)
    if not request.venue_order_id.isdecimal():
        raise Unsupported(f"order number {request.venue_order_id!r} is none of this venue")
    return int(request.venue_order_id)


def ask(question: object) -> HttpRequest:
    """A question as a request."""
    body = msgspec.json.encode(question)
    return HttpRequest(method="POST", path=INFO_PATH, body=body, headers=JSON_HEADERS)


def load_universe(*, marks: bool = False) -> HttpRequest:
    """Ask for the list of perpetuals, with or without what they are worth now."""
    body = META_AND_MARKS if marks else META
    return HttpRequest(method="POST", path=INFO_PATH, body=body, headers=JSON_HEADERS)


def load_candles(coin: str, interval: str, *, ts_from: int, ts_until: int) -> HttpRequest:
    """Ask for the bars of a coin that open from ``ts_from`` on and before ``ts_until`` (ns)."""
    span = {"startTime": ts_from // NS_PER_MS, "endTime": (ts_until - 1) // NS_PER_MS}
    return ask({"type": "candleSnapshot", "req": {"coin": coin, "interval": interval, **span}})


def load_fees(user: str) -> HttpRequest:
    """Ask what a user pays."""
    return ask({"type": "userFees", "user": user})


def load_fills(user: str) -> HttpRequest:
    """Ask for a user's newest executions."""
    return ask({"type": "userFills", "user": user})
