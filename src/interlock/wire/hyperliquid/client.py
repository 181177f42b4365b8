"""The client's side of one account: what it keeps from one request to the next.

It knows no sockets and no clock: whoever has a line to the venue says what time it is, moves the
bytes, and gives back what came.
"""

from __future__ import annotations

import msgspec

from interlock.model.clock import Offset
from interlock.model.venue import Answer, Request, TimeQuery, Verdict
from interlock.ports import Signer
from interlock.wire.http import HttpRequest, HttpResponse
from interlock.wire.hyperliquid import actions, queries
from interlock.wire.hyperliquid.actions import Identity
from interlock.wire.hyperliquid.answers import classify
from interlock.wire.hyperliquid.cloids import Cloids
from interlock.wire.hyperliquid.info import read_marks
from interlock.wire.hyperliquid.instruments import Universe, read_universe, with_fees
from interlock.wire.hyperliquid.known import KnownOrders
from interlock.wire.hyperliquid.nonces import Nonces
from interlock.wire.hyperliquid.streams import Reader
from interlock.wire.hyperliquid.text import NS_PER_MS


class Wallet(msgspec.Struct, frozen=True, kw_only=True):
    """In whose name actions go, and what signs them: the account's own key or an agent's.

    ``nonce_floor`` is the last nonce an earlier process may have used with this key, and
    ``client_order_ids`` the orders it may have left: without them its orders have no names.
    """

    identity: Identity
    signer: Signer
    nonce_floor: int = 0
    client_order_ids: tuple[str, ...] = ()


class DeadlinePassed(ValueError):
    """The action may no longer leave."""


class Client:
    """One account. ``traded`` are the instruments of its strategies, ``prices`` the newest price of
    each in price units: what a market order is bounded by.

    ``reader`` is replaced when the instruments are loaded.
    """

    def __init__(self, wallet: Wallet, traded: tuple[str, ...]) -> None:
        self.identity = wallet.identity
        self.traded = traded
        self.known = KnownOrders(Cloids(wallet.client_order_ids))
        self.reader = Reader(universe=Universe(()), cloids=self.known.cloids)
        self.prices: dict[str, int] = {}
        self.offset = Offset()
        self.nonces = Nonces(wallet.nonce_floor)
        self._signer = wallet.signer

    def load(self, lists: bytes, fees: bytes) -> None:
        """Take in the answers to ``load_universe`` with marks and ``load_fees``; raises WireFault.

        The lists in hand stay good for what they have until new ones are whole.
        """
        universe = read_universe(lists)
        marks = read_marks(lists, universe)
        self.reader = Reader(universe=with_fees(universe, fees), cloids=self.known.cloids)
        self.prices.update(marks)

    def question(self, request: Request) -> HttpRequest:
        """A question as it leaves; raises Unsupported or WireFault."""
        return queries.ask(queries.query_of(request, self.reader.universe, self.identity))

    def action(self, request: Request, *, ts: int, filled: int = 0) -> HttpRequest:
        """An action as it leaves at ``ts`` of our clock, with a nonce of its own.

        ``filled`` is what an order that is amended has traded. Raises Unsupported, WireFault,
        NonceFault or DeadlinePassed.
        """
        now = self.offset.at_venue(ts)
        deadline = self.offset.at_venue(request.ts_deadline)
        if deadline and deadline // NS_PER_MS <= now // NS_PER_MS:
            raise DeadlinePassed(f"it was to be sent before {request.ts_deadline}")
        spec = getattr(request, "spec", None)
        action = actions.action_of(
            request,
            self.reader.universe,
            mark=self.prices.get(spec.instrument, 0) if spec is not None else 0,
            filled=filled,
            now_ms=now // NS_PER_MS,
        )
        nonce = self.nonces.take(now // NS_PER_MS)
        ready = actions.draft(action, self.identity, nonce=nonce, ts_deadline=deadline)
        return actions.post(ready, self._signer.sign(ready.digest))

    def judged(self, request: Request, response: HttpResponse, *, sent: int, ts: int) -> Answer:
        """What a response of ``ts`` says about a request; the venue's time is measured by it."""
        answer = classify(request, response, reader=self.reader, ts=ts, sent_ts=sent)
        if isinstance(request, TimeQuery) and answer.verdict is Verdict.ACCEPTED:
            self.offset.take(sent=sent, seen=ts, venue=answer.ts_venue)
        return answer
