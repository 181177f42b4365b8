"""Scenarios as tables that a trader can read: market data, what is ordered, what must happen.

One row is one bar (``open high low close volume``, several instruments parted by ``/``) or one tick
(``12 quote 100 5 101 3`` or ``13 trade 100 2 sell``: milliseconds, prices, quantities). The second
cell holds the orders decided on that row, the third what happens on it; further cells are named by
the header and checked where they are not blank: ``position``, ``wallet``, or the name of a strategy
for its own position.

    buy 1 | sell 2 limit 101 | buy 1 stop 105 limit 106 | sell 1 take 110 | sell 1 trail 3
        with: post reduce ioc fok, until ROW (good till the end of that row), as NAME, oco GROUP
    bracket buy 1 [limit 99] stop 95 [target 110] [as NAME]
    target 0.5 [band 0.1] | hold -2 | close | cancel NAME | cancel all | timer ROW
    amend NAME [quantity 2] [price 100] [trigger 95]

``;`` parts orders, ``B> buy 1`` gives one to strategy B, ``ETH: buy 1`` trades another instrument.
Everything runs through the real kernel, session, replay and exchange.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np

from interlock.kernel.journal import Journal
from interlock.kernel.state import State
from interlock.model.instrument import FixedTick, Instrument, InstrumentKind
from interlock.model.limits import Limits
from interlock.model.units import MONEY_EXPONENT, parse_units
from interlock.sim.costs import VenueOptions
from interlock.sim.exchange import Exchange
from interlock.sim.record import Recorder
from interlock.sim.replay import Replay
from interlock.sim.session import Session
from interlock.strategy.api import Strategy
from interlock.strategy.columns import (
    BarColumns,
    Dataset,
    FundingColumns,
    QuoteColumns,
    TradeColumns,
)
from tests.scripted import ProtectedScripted, Scripted
from tests.wording import Wording

SECOND = 10**9
# Two minutes before midnight UTC: the third row begins a day.
START = (1_700_006_400 - 120) * SECOND
STEP = 60 * SECOND
# A bar closes one second before the next opens, so that every event belongs to one row.
LENGTH = STEP - SECOND

PERPETUAL = Instrument(
    id="BTC-PERP.TEST",
    kind=InstrumentKind.PERPETUAL,
    base="BTC",
    quote="USDT",
    price_exponent=2,
    quantity_exponent=3,
    price_rule=FixedTick(1),
    lot=1,
    leverage_max=20,
)
SPOT = msgspec.structs.replace(PERPETUAL, id="BTC.TEST", kind=InstrumentKind.SPOT, leverage_max=1)
EQUITY = msgspec.structs.replace(
    SPOT, id="ACME.TEST", kind=InstrumentKind.EQUITY, base="ACME", quantity_exponent=0
)
FREE = Limits(leverage_max_ratio=20_000_000)
NO_CAP = VenueOptions(volume_cap_ratio=None)


class KeptJournal(Journal):
    """A journal that also keeps its rows."""

    def __init__(self) -> None:
        self.data = bytearray()
        super().__init__(self.data.extend)
        self.kept: list[Any] = []

    def flush(self) -> None:
        self.kept.extend(self.rows)
        super().flush()


@dataclass
class Table:
    """A parsed scenario: per row the data words, the orders and the expected cells."""

    header: list[str]
    rows: list[list[str]]

    @classmethod
    def parse(cls, text: str) -> Table:
        lines = [line for line in text.splitlines() if line.strip(" |-")]
        split = [[" ".join(cell.split()) for cell in line.split("|")] for line in lines]
        width = len(split[0])
        return cls(split[0], [(row + [""] * width)[:width] for row in split[1:]])

    def render(self) -> str:
        """The table with aligned columns."""
        every = [self.header, *self.rows]
        widths = [max(len(row[k]) for row in every) for k in range(len(self.header))]
        lines = []
        for row in every:
            cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            lines.append(" | ".join(cells).rstrip())
        return "\n".join(lines)


@dataclass
class Setup:
    """What a scenario runs with; the plain case costs nothing and has no volume cap."""

    instruments: tuple[Instrument, ...] = (PERPETUAL,)
    cash: str = "10000"
    venue: VenueOptions = NO_CAP
    limits: Limits = FREE
    protection: bool = False
    funding: Mapping[int, str] = field(default_factory=dict)
    balances: Mapping[str, int] = field(default_factory=dict)
    gap: bool = True


@dataclass
class Outcome:
    """A run that is over, with everything it left behind."""

    session: Session
    journal: KeptJournal
    table: Table

    @property
    def text(self) -> str:
        return self.table.render()

    @property
    def state(self) -> State:
        return self.session.state

    @property
    def fills(self) -> list[Any]:
        return self.session.recorder.fills

    @property
    def counts(self) -> dict[str, int]:
        return self.session.recorder.counts


def check(text: str, **given: Any) -> Outcome:
    """Run a scenario and compare the cells; the failure shows the table as it really went."""
    outcome = play(text, **given)
    wanted, found = Table.parse(text), outcome.table
    for want, row in zip(wanted.rows, found.rows, strict=True):
        for column, cell in enumerate(want[2:], 2):
            if cell != row[column] and (cell or column == 2):
                message = f"{wanted.header[column]}: wanted {cell!r}, met {row[column]!r}"
                raise AssertionError(f"{message}\n\n{found.render()}")
    return outcome


def play(text: str, **given: Any) -> Outcome:
    """Run a scenario; the outcome's table is filled with what happened."""
    table = Table.parse(text)
    given = {key: _plain(key, value) for key, value in given.items()}
    setup = Setup(**given)
    ticks = any(word in table.rows[0][0].split() for word in ("quote", "trade"))
    dataset, ends, kinds = (_ticks if ticks else _bars)(table, setup)
    strategies = _strategies(table, setup, ends, kinds)
    session, journal = make_session(setup, dataset, strategies)
    replay = Replay(session, dataset)
    replay.prepare()
    replay.run()
    journal.flush()
    wording = Wording(session, strategies, ends)
    rows = []
    for k, row in enumerate(table.rows):
        cells = [wording.cell(name, k, setup.cash) for name in table.header[3:]]
        rows.append([row[0], row[1], "; ".join(wording.happened(journal.kept, k)), *cells])
    outcome = Outcome(session, journal, Table(table.header, rows))
    check_books(session, parse_units(setup.cash, MONEY_EXPONENT))
    return outcome


def make_session(
    setup: Setup, dataset: Dataset, strategies: Mapping[str, Strategy]
) -> tuple[Session, KeptJournal]:
    """A kernel and an exchange over a dataset."""
    cash = parse_units(setup.cash, MONEY_EXPONENT)
    state = State(
        currency=setup.instruments[0].quote,
        cash=cash,
        instruments=sorted(setup.instruments, key=lambda item: item.id),
        limits=setup.limits,
    )
    state.balances.update(setup.balances)
    share = cash // len(strategies)
    for name, strategy in strategies.items():
        state.add(name, strategy, share)
    fidelity = "quotes" if dataset.quotes else "bars"
    exchange = Exchange(
        [(item, fidelity) for item in setup.instruments],
        cash=cash,
        options=setup.venue,
        balances=setup.balances,
    )
    journal = KeptJournal()
    session = Session(state, exchange, journal=journal, recorder=Recorder())
    return session, journal


def check_books(session: Session, cash: int) -> None:
    """The kernel's books are the venue's, and the strategies' books add up to the account's."""
    state, account = session.state, session.exchange.account
    assert state.wallet == account.wallet
    for key, slot in state.instruments.items():
        net = slot.net
        venue = account.position(slot.instrument)
        assert (net.quantity, net.cost) == (venue.quantity, venue.cost), key
        assert (net.realized, net.fees, net.funding) == (
            venue.realized,
            venue.fees,
            venue.funding,
        ), key
        owned = [owner.position(slot) for owner in state.strategies.values()]
        assert net.quantity == sum(held.quantity for held in owned), key
        opened = [order for order in state.open.values() if order.spec.instrument == key]
        sides = {1: slot.open_buy, -1: slot.open_sell}
        for side, counted in sides.items():
            leaves = [order.leaves for order in opened if order.spec.side == side]
            assert 0 <= counted <= sum(leaves), key
    # Cash flow = wallet - cost: a fill moves both, whoever books it and at whatever average.
    flow = state.wallet - sum(slot.net.cost for slot in state.instruments.values())
    owned_flow = sum(
        owner.wallet - owner.capital - sum(held.cost for held in owner.positions.values())
        for owner in state.strategies.values()
    )
    assert flow == cash + owned_flow, "the strategies' money is not the account's"


def _plain(key: str, value: Any) -> Any:
    if key == "instruments" and isinstance(value, Instrument):
        return (value,)
    return value


def _bars(table: Table, setup: Setup) -> tuple[Dataset, dict[int, int], list[tuple[str, int]]]:
    count = len(table.rows)
    length = LENGTH if setup.gap else STEP
    ts = START + STEP * np.arange(count)
    parts = []
    for index, instrument in enumerate(setup.instruments):
        exponents = [instrument.price_exponent] * 4 + [instrument.quantity_exponent]
        rows = [
            [parse_units(w, e) for w, e in zip(_words(row, index), exponents, strict=True)]
            for row in table.rows
        ]
        columns = np.array(rows, dtype=np.int64).T
        names = ("open", "high", "low", "close", "volume")
        values = dict(zip(names, columns, strict=True))
        parts.append(BarColumns(instrument=instrument, step_ns=length, ts=ts, **values))
    funding = _funding(setup)
    dataset = Dataset(name="scenario", digest="", bars=tuple(parts), funding=funding)
    ends = {k: int(START + STEP * k + length) for k in range(count)}
    return dataset, ends, [("bar", k) for k in range(count)]


def _words(row: list[str], index: int) -> list[str]:
    words = row[0].split("/")[index].split()
    return words if len(words) == 5 else [*words, "1000"]


def _funding(setup: Setup) -> tuple[FundingColumns, ...]:
    if not setup.funding:
        return ()
    # In the middle of its row: seconds after the open.
    ts = [START + STEP * row + 30 * SECOND for row in setup.funding]
    rates = [parse_units(rate, 10) for rate in setup.funding.values()]
    return (
        FundingColumns(
            instrument=setup.instruments[0], ts=np.array(ts), rate=np.array(rates, dtype=np.int64)
        ),
    )


def _ticks(table: Table, setup: Setup) -> tuple[Dataset, dict[int, int], list[tuple[str, int]]]:
    instrument = setup.instruments[0]
    p, q = instrument.price_exponent, instrument.quantity_exponent
    quotes: list[list[int]] = []
    trades: list[list[int]] = []
    kinds: list[tuple[str, int]] = []
    ends: dict[int, int] = {}
    for row, cells in enumerate(table.rows):
        when, kind, *words = cells[0].split()
        ts = START + int(when) * 10**6
        ends[row] = ts
        if kind == "quote":
            kinds.append(("quote", len(quotes)))
            values = [parse_units(w, e) for w, e in zip(words, (p, q, p, q), strict=True)]
            quotes.append([ts, *values])
        else:
            kinds.append(("trade", len(trades)))
            side = {"buy": 1, "sell": -1}.get(words[2] if len(words) > 2 else "", 0)
            trades.append([ts, parse_units(words[0], p), parse_units(words[1], q), side])
    dataset = Dataset(
        name="scenario",
        digest="",
        quotes=_quotes(instrument, quotes),
        trades=_trades(instrument, trades),
    )
    return dataset, ends, kinds


def _transposed(rows: Sequence[Sequence[int]], width: int) -> list[Any]:
    return list(np.array(rows, dtype=np.int64).reshape(-1, width).T)


def _quotes(instrument: Instrument, rows: list[list[int]]) -> tuple[QuoteColumns, ...]:
    ts, bid, bid_quantity, ask, ask_quantity = _transposed(rows, 5)
    return (
        QuoteColumns(
            instrument=instrument,
            ts=ts,
            bid=bid,
            bid_quantity=bid_quantity,
            ask=ask,
            ask_quantity=ask_quantity,
        ),
    )


def _trades(instrument: Instrument, rows: list[list[int]]) -> tuple[TradeColumns, ...]:
    if not rows:
        return ()
    ts, price, quantity, side = _transposed(rows, 4)
    return (TradeColumns(instrument=instrument, ts=ts, price=price, quantity=quantity, side=side),)


def _strategies(
    table: Table, setup: Setup, ends: Mapping[int, int], kinds: Sequence[tuple[str, int]]
) -> dict[str, Scripted]:
    scripts: dict[str, dict[tuple[str, int], list[str]]] = {"A": {}}
    for row, cells in enumerate(table.rows):
        for text in cells[1].split(";"):
            name, arrow, rest = text.strip().partition("> ")
            name, order = (name, rest) if arrow else ("A", text.strip())
            if not order:
                continue
            script = scripts.setdefault(name, {})
            head, at, timed = order.partition(" @timer ")
            key = ("timer", int(timed)) if at else kinds[row]
            script.setdefault(key, []).append(head)
    made = ProtectedScripted if setup.protection else Scripted
    return {name: made(script, ends) for name, script in scripts.items()}
