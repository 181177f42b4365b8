"""Requests as actions of /exchange: exact key order and number text, ready to be hashed and sent.

The msgpack of an action is signed, so an action is a dict that is built in the venue's order and
never touched again. What the venue cannot do raises ``Unsupported`` before a byte leaves.
"""

from __future__ import annotations

import msgspec

from interlock.model.instrument import Instrument
from interlock.model.order import LIMIT_TYPES, OrderSpec, OrderType, TimeInForce
from interlock.model.units import RATE_SCALE
from interlock.model.venue import (
    AmendRequest,
    CancelRequest,
    DeadManRequest,
    PlaceRequest,
    Request,
)
from interlock.wire.http import HttpRequest
from interlock.wire.hyperliquid import hashing
from interlock.wire.hyperliquid.cloids import cloid_of
from interlock.wire.hyperliquid.instruments import Universe
from interlock.wire.hyperliquid.text import NS_PER_MS, units_text

EXCHANGE_PATH = "/exchange"
JSON_HEADERS = {"content-type": "application/json"}
# How far a market order may go from the price we know, 1e-6; the venue refuses beyond 80 %.
SLIPPAGE = 50_000
TRIGGER_SLIPPAGE = 100_000
DEAD_MAN_MIN_MS = 5_000

Action = dict[str, object]


class Unsupported(ValueError):
    """An instruction that this venue has no words for; nothing was sent."""


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """In whose name actions are sent: the account, a vault it trades for, and the network."""

    address: str
    vault: str | None = None
    is_mainnet: bool = True

    @property
    def trader(self) -> str:
        """The address whose orders and positions these are."""
        return self.vault or self.address

    @property
    def source(self) -> str:
        """The agent's source in the signature."""
        return hashing.MAINNET_SOURCE if self.is_mainnet else hashing.TESTNET_SOURCE


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """An action with everything that its signature covers."""

    action: Action
    nonce: int
    vault: str | None
    expires_ms: int | None
    digest: bytes


def action_of(
    request: Request, universe: Universe, *, mark: int = 0, filled: int = 0, now_ms: int = 0
) -> Action:
    """The action that carries out a request.

    ``mark`` is the price we know, in price units: a market order needs it for its limit. ``filled``
    is what an amended order has traded already. ``now_ms`` is the venue's time, for the dead man.
    """
    match request:
        case PlaceRequest():
            row = order_row(
                request.spec, universe, client_order_id=request.client_order_id, mark=mark
            )
            return {"type": "order", "orders": [row], "grouping": "na"}
        case CancelRequest():
            return _cancel(request, universe)
        case AmendRequest():
            return _amend(request, universe, mark=mark, filled=filled)
        case DeadManRequest():
            return _dead_man(request, now_ms)
        case _:
            raise Unsupported(f"{type(request).__name__} is no action of this venue")


def order_row(
    spec: OrderSpec, universe: Universe, *, client_order_id: str = "", mark: int = 0
) -> Action:
    """One order as the venue takes it, keys in the order of signing."""
    instrument = universe.of_id(spec.instrument)
    row: Action = {
        "a": universe.index(spec.instrument),
        "b": spec.side > 0,
        "p": units_text(_limit(spec, instrument, mark), instrument.price_exponent),
        "s": units_text(spec.quantity, instrument.quantity_exponent),
        "r": spec.reduce_only,
        "t": _type(spec, instrument),
    }
    if client_order_id:
        row["c"] = cloid_of(client_order_id)
    return row


def draft(action: Action, identity: Identity, *, nonce: int, ts_deadline: int = 0) -> Draft:
    """The action with its nonce and deadline, hashed; ``digest`` is what the key signs."""
    expires = ts_deadline // NS_PER_MS or None
    connection = hashing.connection_id(
        action, nonce=nonce, vault=identity.vault, expires_ms=expires
    )
    return Draft(
        action=action,
        nonce=nonce,
        vault=identity.vault,
        expires_ms=expires,
        digest=hashing.l1_digest(connection, identity.source),
    )


def payload(ready: Draft, signature: str) -> Action:
    """The signed action as /exchange and the socket's post take it.

    ``signature`` is 65 bytes in hexadecimal: r, s and the recovery id (0, 1, 27 or 28).
    """
    digits = signature.removeprefix("0x")
    recovery = int(digits[128:130], 16)
    found: Action = {
        "action": ready.action,
        "nonce": ready.nonce,
        "signature": {
            "r": f"0x{digits[:64]}",
            "s": f"0x{digits[64:128]}",
            "v": recovery if recovery >= 27 else recovery + 27,
        },
        "vaultAddress": ready.vault,
    }
    if ready.expires_ms is not None:
        found["expiresAfter"] = ready.expires_ms
    return found


def post(ready: Draft, signature: str) -> HttpRequest:
    """The signed action as a request."""
    body = msgspec.json.encode(payload(ready, signature))
    return HttpRequest(method="POST", path=EXCHANGE_PATH, body=body, headers=JSON_HEADERS)


def _type(spec: OrderSpec, instrument: Instrument) -> Action:
    kind, tif = spec.type, spec.time_in_force
    if tif in (TimeInForce.FOK, TimeInForce.GTD):
        raise Unsupported(f"the venue has no {tif} orders; use gtc or ioc")
    if kind is OrderType.MARKET:
        return {"limit": {"tif": "Ioc"}}
    if kind is OrderType.LIMIT:
        word = "Alo" if spec.post_only else "Ioc" if tif is TimeInForce.IOC else "Gtc"
        return {"limit": {"tif": word}}
    if kind is OrderType.TRAILING_STOP:
        raise Unsupported("the venue has no trailing stops; move a stop instead")
    is_stop = kind in (OrderType.STOP_MARKET, OrderType.STOP_LIMIT)
    return {
        "trigger": {
            "isMarket": kind not in LIMIT_TYPES,
            "triggerPx": units_text(spec.trigger, instrument.price_exponent),
            "tpsl": "sl" if is_stop else "tp",
        }
    }


def _limit(spec: OrderSpec, instrument: Instrument, mark: int) -> int:
    """The price on the wire: the order's own, or the worst that a market order may take."""
    if spec.type in LIMIT_TYPES:
        return spec.price
    reference, allowed = (spec.trigger, TRIGGER_SLIPPAGE) if spec.trigger else (mark, SLIPPAGE)
    if reference <= 0:
        raise Unsupported(
            f"{instrument.id}: a market order is sent with a worst price; no price is known yet"
        )
    worst = reference * (RATE_SCALE + spec.side * allowed) // RATE_SCALE
    # Toward the known price, so that the order never goes further than stated.
    return instrument.round_price(worst, up=spec.side < 0)


def _cancel(request: CancelRequest, universe: Universe) -> Action:
    asset = universe.index(request.instrument)
    if request.client_order_id:
        cancel: Action = {"asset": asset, "cloid": cloid_of(request.client_order_id)}
        return {"type": "cancelByCloid", "cancels": [cancel]}
    return {"type": "cancel", "cancels": [{"a": asset, "o": _number(request.venue_order_id)}]}


def _amend(request: AmendRequest, universe: Universe, *, mark: int, filled: int) -> Action:
    """The venue replaces the order by a new one of the same cloid: for what is left to trade."""
    left = request.spec.quantity - filled
    if left <= 0:
        raise Unsupported(f"nothing is left of {request.client_order_id}; cancel it instead")
    spec = msgspec.structs.replace(request.spec, quantity=left)
    row = order_row(spec, universe, client_order_id=request.client_order_id, mark=mark)
    named: object = (
        cloid_of(request.client_order_id)
        if request.client_order_id
        else _number(request.venue_order_id)
    )
    return {"type": "batchModify", "modifies": [{"oid": named, "order": row}]}


def _dead_man(request: DeadManRequest, now_ms: int) -> Action:
    if request.instrument:
        raise Unsupported("the venue cancels all orders of an account; name no instrument")
    if not request.delay_ms:
        return {"type": "scheduleCancel"}
    if request.delay_ms < DEAD_MAN_MIN_MS:
        raise Unsupported(f"delay_ms {request.delay_ms} must be at least {DEAD_MAN_MIN_MS}")
    return {"type": "scheduleCancel", "time": now_ms + request.delay_ms}


def _number(venue_order_id: str) -> int:
    if not (venue_order_id.isascii() and venue_order_id.isdigit()):
        raise Unsupported(f"venue order id {venue_order_id!r} is not a number of this venue")
    return int(venue_order_id)
