"""One core at a desk: the test answers what it asks, in its own order and time."""

from __future__ import annotations

from typing import Any

import msgspec

from interlock.kernel.restore import adopt_intent
from interlock.model.order import OrderSpec
from interlock.model.rows import AnyRow, IntentRow, LedgerRow, StoredRow, decode_row
from interlock.model.venue import (
    Answer,
    BalancesQuery,
    FillsQuery,
    OpenOrdersQuery,
    PaymentsQuery,
    PositionsQuery,
    Request,
    Stream,
    StreamChanged,
    VenueBalance,
    VenueFill,
    VenueOrder,
    Verdict,
)
from interlock.ports import Lease
from interlock.runtime.budget import Rate
from interlock.runtime.engine import Engine
from interlock.runtime.recovery import Member, Setup, recover
from interlock.runtime.settings import SECOND
from interlock.runtime.values import Outputs, Tick
from interlock.strategy.api import Strategy
from tests.toy_players import BTC, T0

CASH = 1_000_000 * 10**8
LEASE = Lease(account="main", holder="test", epoch=7, ts_expires=T0 + 1_000 * SECOND)
EMPTY: dict[type[Request], Any] = {
    OpenOrdersQuery: (),
    PositionsQuery: (),
    BalancesQuery: (VenueBalance(asset="USDT", wallet=CASH),),
    PaymentsQuery: (),
    FillsQuery: (),
}


class Idle(Strategy):
    """Decides nothing."""


def setup_of(strategy: type[Strategy] = Idle) -> Setup:
    """What the core is made of, its strategy new each time."""
    return Setup(
        instruments=[BTC],
        members=[Member("toy", strategy(), CASH)],
        currency="USDT",
        rate=Rate(weight=1_000_000),
    )


class Core:
    """An engine, what it asked and was not told, its rows and its notices."""

    def __init__(
        self, setup: Setup | None = None, *, ts: int = T0, after: Core | None = None
    ) -> None:
        """``after`` is the life before this one: its ledger is gone on from."""
        setup = setup or setup_of()
        rows = () if after is None else after.ledger()
        epoch = LEASE.epoch + (after is not None)
        lease = msgspec.structs.replace(LEASE, epoch=epoch, ts_expires=ts + 1_000 * SECOND)
        self.engine = Engine(setup, recover(setup, rows=rows), lease)
        self.ts = ts
        self.asked: list[Request] = []
        self.stored: list[LedgerRow] = []
        self.notices: list[Any] = []
        self._out(self.engine.begin(self.ts))
        self.hear(StreamChanged(ts_event=self.ts, stream=Stream.USER, is_up=True))
        while after is None and not self.engine.startup.is_trading:
            self.answer_all()
            self.later(SECOND)

    def hear(self, event: Any) -> None:
        self._out(self.engine.take(event, self.ts))

    def later(self, ns: int) -> None:
        self.ts += ns
        self.hear(Tick(self.ts))

    def _out(self, out: Outputs) -> None:
        self.asked += out.requests
        self.stored += out.rows
        self.notices += out.facts

    def answer(self, kind: type[Request], content: Any) -> None:
        """Answer every question of a kind that was asked so far."""
        waiting = [request for request in self.asked if type(request) is kind]
        self.asked = [request for request in self.asked if type(request) is not kind]
        assert waiting, f"no {kind.__name__} waits"
        for request in waiting:
            self.tell(request, content)

    def tell(self, request: Request, content: Any) -> None:
        self.hear(
            Answer(
                request_id=request.request_id,
                ts_event=self.ts,
                verdict=Verdict.ACCEPTED,
                content=content,
                ts_venue=self.ts,
            )
        )

    def answer_all(self, **contents: Any) -> None:
        """Answer everything that waits; ``orders``, ``positions``, ... where there is something."""
        kinds = {
            "orders": OpenOrdersQuery,
            "positions": PositionsQuery,
            "balances": BalancesQuery,
            "payments": PaymentsQuery,
        }
        said = EMPTY | {kinds[name]: content for name, content in contents.items()}
        for request in list(self.asked):
            self.asked.remove(request)
            self.tell(request, said.get(type(request)))

    def compare(self, **contents: Any) -> None:
        """One full comparison, with these contents."""
        self.asked.clear()
        self.engine.reconciler.want("test")
        self.later(10 * SECOND)
        self.answer_all(**contents)

    @property
    def rows(self) -> list[AnyRow]:
        return [decode_row(row) for row in self.stored]

    def ledger(self) -> list[StoredRow]:
        return [
            StoredRow(seq=seq, digest=b"", row=row) for seq, row in enumerate(self.stored, start=1)
        ]

    def names(self) -> list[str]:
        """What the notices are called."""
        return [getattr(notice, "name", "") for notice in self.notices]


def leave(core: Core, name: str, spec: OrderSpec) -> None:
    """Let an order of ours leave: its intent is a row, and the kernel has it."""
    row = IntentRow(
        ts_event=core.ts,
        client_order_id=name,
        account="main",
        strategy="toy",
        spec=spec,
        epoch=LEASE.epoch,
        request_id=1,
    )
    core.engine.desk.write(row)
    assert adopt_intent(core.engine.desk.state, row, 1)


def order_of(name: str, **values: Any) -> VenueOrder:
    """An open limit order as the venue shows it."""
    given: dict[str, Any] = {
        "instrument": BTC.id,
        "client_order_id": name,
        "venue_order_id": "5",
        "side": 1,
        "type": "limit",
        "status": "accepted",
        "quantity": 4_000,
        "price": 90_00,
    }
    return msgspec.convert({**given, **values}, VenueOrder)


def fill_of(trade: int, **values: Any) -> VenueFill:
    """An execution of somebody's order as the venue shows it."""
    given: dict[str, Any] = {
        "instrument": BTC.id,
        "trade_id": trade,
        "client_order_id": "web_1",
        "venue_order_id": "77",
        "side": 1,
        "price": 100_00,
        "quantity": 3_000,
        "fee": 0,
        "fee_asset": "USDT",
        "is_maker": False,
        "ts_venue": 0,
    }
    return VenueFill(**{**given, **values})
