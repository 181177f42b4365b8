"""WebSocket sessions: what a client subscribed to, and the frames that wait for it."""

from __future__ import annotations

from collections import deque

import msgspec

from interlock.sim.hyperliquid_server.limits import LimitRules
from interlock.sim.hyperliquid_server.market_info import INTERVALS
from interlock.sim.hyperliquid_server.state import ServerState
from interlock.wire.hyperliquid.weights import Window

Key = tuple[str, ...]
Subscription = dict[str, object]

_OF_COIN = ("l2Book", "bbo", "trades", "activeAssetCtx")
_OF_USER = (
    "orderUpdates",
    "userFills",
    "userEvents",
    "userFundings",
    "userNonFundingLedgerUpdates",
    "clearinghouseState",
    "spotState",
    "webData2",
    "openOrders",
    "notification",
    "userHistoricalOrders",
    "userTwapSliceFills",
    "userTwapHistory",
)


class SessionFault(Exception):
    """A message that the venue refuses; the text goes to the client on the error channel."""


class Session:
    """One socket. ``closed`` says why the server wants it closed, once it does."""

    def __init__(self, ts: int, client: str) -> None:
        self.client = client
        self.outbox: deque[bytes] = deque()
        self.subscriptions: dict[Key, Subscription] = {}
        self.heard_ns = ts
        self.closed = ""
        self.messages = Window()

    def send(self, channel: str, data: object = None) -> None:
        """Queue a frame."""
        frame: dict[str, object] = {"channel": channel}
        if data is not None:
            frame["data"] = data
        self.outbox.append(msgspec.json.encode(frame))

    def take(self) -> list[bytes]:
        """The frames that wait, oldest first."""
        frames = list(self.outbox)
        self.outbox.clear()
        return frames


def key_of(subscription: Subscription, state: ServerState) -> Key:
    """What a subscription is to: its kind, and its coin or user in one spelling."""
    kind = subscription.get("type")
    if kind == "allMids":
        return ("allMids",)
    if kind in _OF_COIN:
        return (str(kind), _coin(subscription, state))
    if kind == "candle":
        interval = subscription.get("interval")
        if interval not in INTERVALS:
            raise SessionFault(f"Invalid subscription {text_of(subscription)}")
        return ("candle", _coin(subscription, state), str(interval))
    if kind in _OF_USER:
        return (str(kind), _user(subscription))
    if kind == "activeAssetData":
        return ("activeAssetData", _user(subscription), _coin(subscription, state))
    raise SessionFault(f"Invalid subscription {text_of(subscription)}")


def check_room(session: Session, key: Key, rules: LimitRules) -> None:
    """Refuse what goes over the limits of a socket."""
    if key in session.subscriptions:
        raise SessionFault(f"Already subscribed: {text_of(session.subscriptions[key])}")
    if rules.subscriptions and len(session.subscriptions) >= rules.subscriptions:
        raise SessionFault("Cannot track more than 1000 subscriptions.")
    if key[0] in _OF_USER or key[0] == "activeAssetData":
        users = {held[1] for held in session.subscriptions if held[0] in _OF_USER}
        if rules.socket_users and key[1] not in users and len(users) >= rules.socket_users:
            raise SessionFault(f"Cannot track more than {rules.socket_users} total users.")


def text_of(subscription: Subscription) -> str:
    """A subscription as the venue repeats it."""
    return msgspec.json.encode(subscription).decode()[:200]


def _coin(subscription: Subscription, state: ServerState) -> str:
    coin = subscription.get("coin")
    if not isinstance(coin, str) or not state.universe.knows(coin):
        raise SessionFault(f"Invalid subscription {text_of(subscription)}")
    return coin


def _user(subscription: Subscription) -> str:
    user = subscription.get("user")
    if not isinstance(user, str) or len(user) != 42:
        raise SessionFault(f"Invalid subscription {text_of(subscription)}")
    return user.lower()
