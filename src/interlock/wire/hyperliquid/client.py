"""The client's side of one account: what it keeps from one request to the next.

It knows no sockets and no clock: whoever has a line to the venue says what time it is, moves the
bytes, and gives back what came.
"""

from __future__ import annotations

import msgspec

from interlock.model.clock import Offset
from interlock.model.venue import (
    Answer,
    FillsQuery,
    PaymentsQuery,
    Request,
    TimeQuery,
    Verdict,
)
from interlock.ports import Signer
from interlock.wire.http import HttpRequest, HttpResponse
from interlock.wire.hyperliquid import actions, queries
from interlock.wire.hyperliquid.actions import Identity
from interlock.wire.hyperliquid.answers import classify
from interlock.wire.hyperliquid.cloids import Cloids
from interlock.wire.hyperliquid.info import read_fills, read_marks
from interlock.wire.hyperliquid.instruments import Universe, read_universe, with_fees
from interlock.wire.hyperliquid.known import KnownOrders
from interlock.wire.hyperliquid.nonces import Nonces
from interlock.wire.hyperliquid.streams import Reader
from interlock.wire.hyperliquid.text import NS_PER_MS
from interlock.wire.hyperliquid.weights import Window, action_weight, info_weight, rows_weight

# Every row of a list has its time, also one that is not ours to read.
_OF_A_ROW = b'"time":'


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
        self.reader = self._reader(Universe(()))
        self.prices: dict[str, int] = {}
        self.offset = Offset()
        self.nonces = Nonces(wallet.nonce_floor)
        # What our calls have weighed: the venue counts it too, and does not say.
        self.spent = Window()
        self._signer = wallet.signer

    def load(self, lists: bytes, fees: bytes) -> None:
        """Take in the answers to ``load_universe`` with marks and ``load_fees``; raises WireFault.

        The lists in hand stay good for what they have until new ones are whole.
        """
        universe = read_universe(lists)
        marks = read_marks(lists, universe)
        self.reader = self._reader(with_fees(universe, fees))
        self.prices.update(marks)

    def recall(self, fills: bytes) -> None:
        """Take in the answer to ``load_fills``, after the lists; raises WireFault.

        An order that an earlier process amended is at the venue for what was left of it: what its
        numbers before have traded is in its executions alone.
        """
        reader = self.reader
        for fill in read_fills(fills, reader.universe, reader.cloids, user=reader.user):
            self.known.fill(fill)

    def question(self, request: Request, *, ts: int) -> HttpRequest:
        """A question as it leaves at ``ts`` of our clock; raises Unsupported or WireFault."""
        found = queries.query_of(request, self.reader.universe, self.identity)
        self.spent.add(ts, info_weight(str(found["type"])))
        return queries.ask(found)

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
        self.spent.add(ts, action_weight(1))
        ready = actions.draft(action, self.identity, nonce=nonce, ts_deadline=deadline)
        return actions.post(ready, self._signer.sign(ready.digest))

    def judged(self, request: Request, response: HttpResponse, *, sent: int, ts: int) -> Answer:
        """What a response of ``ts`` says about a request; the venue's time is measured by it."""
        answer = classify(request, response, reader=self.reader, ts=ts, sent_ts=sent)
        if isinstance(request, FillsQuery | PaymentsQuery):
            kind = queries.query_of(request, self.reader.universe, self.identity)["type"]
            self.spent.add(ts, rows_weight(str(kind), response.body.count(_OF_A_ROW)))
        answer = msgspec.structs.replace(answer, used_weight=self.spent.total(ts))
        if isinstance(request, TimeQuery) and answer.verdict is Verdict.ACCEPTED:
            self.offset.take(sent=sent, seen=ts, venue=answer.ts_venue)
        return answer

    def _reader(self, universe: Universe) -> Reader:
        return Reader(universe=universe, cloids=self.known.cloids, user=self.identity.trader)
