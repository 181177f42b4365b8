"""A seeded record of orders in one book, told as orders, levels, touch and trades."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np

from interlock.kernel.journal import Journal
from interlock.kernel.state import State
from interlock.model.events import Event, OrderFilled
from interlock.model.instrument import FixedTick, Instrument, InstrumentKind
from interlock.model.limits import Limits
from interlock.model.order import OrderSpec, OrderType
from interlock.sim.account import Account
from interlock.sim.costs import VenueOptions
from interlock.sim.depth import DepthMarket
from interlock.sim.exchange import Exchange
from interlock.sim.market import Market
from interlock.sim.matching import Incoming, OrderBook
from interlock.sim.order_flow import OrderFlowMarket
from interlock.sim.quotes import QuoteMarket
from interlock.sim.record import Recorder
from interlock.sim.replay import Replay
from interlock.sim.session import Session
from interlock.strategy.api import Strategy
from interlock.strategy.columns import Dataset

COIN = Instrument(
    id="COIN-PERP.TEST",
    kind=InstrumentKind.PERPETUAL,
    base="COIN",
    quote="USD",
    price_exponent=0,
    quantity_exponent=0,
    price_rule=FixedTick(1),
    lot=1,
    leverage_max=100,
    allow_short=True,
)
SECOND = 10**9
OrderRow = tuple[int, int, int, int, int]
LevelRow = tuple[int, int, int]


def market(kind: type[Market], queue: str = "risk_averse", cash: int = 10**18) -> Market:
    """A market of COIN with a rich account."""
    return kind(COIN, Account(cash), VenueOptions(queue=queue), deque[Event]())


def limit(side: int, price: int, quantity: int = 1, **rest) -> OrderSpec:
    return OrderSpec(COIN.id, side, quantity, OrderType.LIMIT, price, **rest)


def fills(of: Market) -> list[tuple[str, int, int]]:
    """(client order id, quantity, price) of every execution so far."""
    reports = [report for report in of.reports if isinstance(report, OrderFilled)]
    return [(report.client_order_id, report.quantity, report.price) for report in reports]


def filled(of: Market) -> int:
    return sum(quantity for _, quantity, _ in fills(of))


def show(of: Market, ts: int, *rows: LevelRow, is_snapshot: bool = False) -> None:
    """One depth message of (side, price, quantity) rows."""
    assert isinstance(of, DepthMarket)
    of.on_depth(ts, tuple(zip(*rows, strict=True)), is_snapshot=is_snapshot)


def tell(of: Market, ts: int, *rows: OrderRow) -> None:
    """One message of (order id, action, side, price, quantity) rows."""
    assert isinstance(of, OrderFlowMarket)
    ids, actions, *rest = zip(*rows, strict=True)
    of.on_orders(ts, ids, actions, tuple(rest))


@dataclass
class Step:
    """What one request of somebody else did to the recorded book."""

    ts: int
    request: Incoming | int
    orders: list[OrderRow] = field(default_factory=list)
    levels: list[LevelRow] = field(default_factory=list)
    trades: list[tuple[int, int, int]] = field(default_factory=list)
    touch: tuple[int, int, int, int] = (0, 0, 0, 0)

    def play(self, of: Market, *, trades_first: bool) -> None:
        """Tell a market of this step what its fidelity understands."""
        if trades_first:
            self._trade(of)
        if isinstance(of, OrderFlowMarket):
            tell(of, self.ts, *self.orders)
        elif isinstance(of, DepthMarket):
            show(of, self.ts, *self.levels)
        elif isinstance(of, QuoteMarket):
            of.on_quote(self.ts, *self.touch)
        if not trades_first:
            self._trade(of)

    def _trade(self, of: Market) -> None:
        for trade in self.trades:
            of.on_trade(self.ts, *trade)


def replay(instrument: Instrument, dataset: Dataset, strategy: Strategy, **options) -> Session:
    """A whole run of one strategy over recorded books."""
    cash = 10**14
    state = State(
        currency=instrument.quote, cash=cash, instruments=[instrument],
        limits=Limits(leverage_max_ratio=None),
    )  # fmt: skip
    state.add("test", strategy, cash)
    kind = "orders" if dataset.orders else "depth"
    exchange = Exchange([(instrument, kind)], cash=cash, options=VenueOptions(**options))
    session = Session(state, exchange, journal=Journal(), recorder=Recorder())
    run = Replay(session, dataset)
    run.prepare()
    run.run()
    return session


def record(seed: int, steps: int, gap_ns: int) -> list[Step]:
    """Limit orders around 100, a third of them aggressive, and cancels; a seeded record."""
    generator = np.random.Generator(np.random.PCG64(seed))
    book, found = OrderBook(), []
    for at in range(steps):
        keys = [order.order_id for order in book]
        side = 1 if generator.random() < 0.5 else -1
        if keys and generator.random() < 0.35:
            request: Incoming | int = int(keys[generator.integers(len(keys))])
        else:
            distance = int(generator.integers(-2, 5))
            quantity = int(generator.integers(1, 9))
            request = Incoming(
                order_id=at + 1, side=side, quantity=quantity, price=100 - side * distance
            )
        found.append(apply(book, Step(1 + at * gap_ns, request)))
    return found


def apply(book: OrderBook, step: Step) -> Step:
    """Carry a request out on the recorded book and write down what it did."""
    request = step.request
    touched = set()
    if isinstance(request, int):
        gone = book.cancel(request)
        step.orders.append((request, 3, gone.side, gone.price, 0))
        touched.add((gone.side, gone.price))
    else:
        outcome = book.place(request)
        for match in outcome.trades:
            action = 2 if match.maker_left else 3
            assert isinstance(match.maker, int)
            step.orders.append((match.maker, action, -match.side, match.price, match.maker_left))
            step.trades.append((match.price, match.quantity, match.side))
            touched.add((-match.side, match.price))
        if outcome.resting:
            assert isinstance(request.order_id, int)
            row = (request.order_id, 1, request.side, request.price, outcome.resting)
            step.orders.append(row)
            touched.add((request.side, request.price))
    now = {(side, price): q for side in (1, -1) for price, q in book.levels(side)}
    step.levels = [(*key, now.get(key, 0)) for key in sorted(touched)]
    bid, ask = book.best(1), book.best(-1)
    step.touch = (bid, now.get((1, bid), 0), ask, now.get((-1, ask), 0))
    return step


def true_fills(steps: list[Step], at: int, spec: OrderSpec) -> list[int]:
    """Our cumulative fills after each step had our order really stood in the book from ``at``."""
    book, total, found = OrderBook(), 0, []
    for number, step in enumerate(steps):
        request = step.request
        if isinstance(request, Incoming):
            total += sum(m.quantity for m in book.place(request).trades if m.maker == "ours")
        elif request in book:
            book.cancel(request)
        found.append(total)
        if number == at:
            book.place(
                Incoming(order_id="ours", side=spec.side, quantity=spec.quantity, price=spec.price)
            )
    return found
