"""Who trades in the toy world, and what: one instrument and two strategies that decide by seed."""

from __future__ import annotations

from interlock.model.instrument import FixedTick, Instrument, InstrumentKind
from interlock.model.market import Quote
from interlock.model.order import OrderSpec, OrderType
from interlock.strategy.api import Strategy
from tests.toy_venue import Splitmix

MS = 1_000_000
SECOND = 1_000 * MS
T0 = 1_700_000_000 * SECOND
LOT = 1_000
LIMIT = 10 * LOT
SLACK = 20 * SECOND

BTC = Instrument(
    id="BTCUSDT-PERP.TOY",
    kind=InstrumentKind.PERPETUAL,
    base="BTC",
    quote="USDT",
    price_exponent=2,
    quantity_exponent=3,
    price_rule=FixedTick(1),
    lot=LOT,
    leverage_max=50,
    allow_short=True,
)


class Restless(Strategy):
    """Enters, amends, cancels and leaves by a generator of its own; a pure function of quotes."""

    def __init__(self, seed: int, until: int) -> None:
        super().__init__()
        self.random = Splitmix(seed)
        self.until = until
        self.refs: list[int] = []

    def on_quote(self, quote: Quote) -> None:
        if quote.ts_event >= self.until:
            return
        draw, side = self.random.below(12), 1 if self.random.below(2) else -1
        size = (1 + self.random.below(4)) * LOT
        price = quote.bid_units + self.random.below(40) - 20
        self.refs = [ref for ref in self.refs if self.view.is_open(ref)]
        if draw < 3:
            self.refs.append(self.place(OrderSpec(BTC.id, side, size)))
        elif draw < 7:
            kind = OrderType.LIMIT
            self.refs.append(self.place(OrderSpec(BTC.id, side, size, kind, price)))
        elif draw < 9 and self.refs:
            self.cancel(self.refs[self.random.below(len(self.refs))])
        elif draw == 9 and self.refs:
            order = self.view.order(self.refs[0])
            if order is not None and order.spec.price:
                self.amend(self.refs[0], quantity=(order.filled + size) / 1000)
        elif draw == 10:
            self.close()


class Bracketed(Strategy):
    """Enters with a stop and a target when it is flat."""

    protection = "required"

    def __init__(self, seed: int, until: int) -> None:
        super().__init__()
        self.random = Splitmix(seed)
        self.until = until

    def on_quote(self, quote: Quote) -> None:
        if quote.ts_event >= self.until or self.view.open_orders():
            return
        if self.view.position_units() or self.random.below(3):
            return
        side = 1 if self.random.below(2) else -1
        mark = quote.bid_units / 100
        self.bracket(side, 2, stop=mark - side * 0.3, target=mark + side * 0.4)
