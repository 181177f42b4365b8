"""One backtest: strategies over a dataset through the kernel and the simulated exchange."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
import polars as pl

from interlock.kernel.journal import Journal
from interlock.kernel.state import State
from interlock.model.instrument import Instrument
from interlock.model.units import MONEY_SCALE, RATE_SCALE, parse_units
from interlock.research import equity as equity_curve
from interlock.research.digest import result_digest
from interlock.research.doubts import broken_bars, without_volume
from interlock.research.frames import fills_frame, orders_frame
from interlock.research.metrics import Search, Source, compute
from interlock.research.options import (
    BacktestError,
    RunOptions,
    bps_rate,
    check_fee_units,
    with_fees,
)
from interlock.research.result import BacktestResult
from interlock.research.round_trips import round_trips
from interlock.research.target_runner import TargetRunner
from interlock.research.timeframes import larger_bars
from interlock.sim.bars import BarMarket
from interlock.sim.exchange import Exchange
from interlock.sim.record import Recorder
from interlock.sim.replay import Replay
from interlock.sim.session import Session
from interlock.strategy.api import Followed, Strategy, TargetStrategy
from interlock.strategy.columns import BarColumns, Dataset
from interlock.strategy.indicators.live import column_of

__all__ = [
    "BacktestError",
    "Extras",
    "RunOptions",
    "bps_rate",
    "make_session",
    "run",
    "with_fees",
]

Progress = Callable[[int, int], None]
Named = Mapping[str, Strategy | TargetStrategy]
BIND_FROM = 20_000


@dataclass(frozen=True)
class Extras:
    """What goes with a run and changes nothing in it.

    ``config`` is recorded as it is, ``search`` is what the run was chosen from, and
    ``write_journal`` gets the journal's bytes. ``lap`` is told each part that is over: features,
    run, metrics.
    """

    config: Mapping[str, Any] = field(default_factory=dict)
    search: Search | None = None
    write_journal: Callable[[bytes], object] | None = None
    lap: Callable[[str], object] = str


def run(
    strategies: Any,
    dataset: Dataset,
    options: RunOptions | None = None,
    *,
    name: str = "",
    progress: Progress | None = None,
    extras: Extras | None = None,
) -> BacktestResult:
    """Run one strategy, or a mapping of names to strategies that share the cash equally.

    Progress is called with (done, total) steps.
    """
    options, extras = options or RunOptions(), extras or Extras()
    dataset = with_fees(dataset, options)
    named = _named(strategies, name)
    session = make_session(named, dataset, options, extras.write_journal)
    replay = Replay(session, dataset, larger=_timeframes(named, dataset), progress=progress)
    replay.prepare()
    session.started = lambda: _bind_all(session, replay)
    extras.lap("features")
    with rare_collection():
        replay.run()
    extras.lap("run")
    result = _Outcome(session, dataset, options).result(named, extras)
    extras.lap("metrics")
    return result


def make_session(
    named: Named,
    dataset: Dataset,
    options: RunOptions,
    write_journal: Callable[[bytes], object] | None = None,
) -> Session:
    """A kernel with its strategies and an exchange, ready to be driven."""
    instruments = dataset.instruments()
    _check_dataset(dataset, instruments)
    currency = options.currency or instruments[0].quote
    for instrument in instruments:
        check_fee_units(instrument)
        if instrument.quote != currency:
            raise BacktestError(
                f"{instrument.id} is quoted in {instrument.quote}, the account in {currency}; "
                "run instruments of one quote currency together"
            )
    cash = parse_units(options.cash, 8)
    state = State(currency=currency, cash=cash, instruments=instruments, limits=options.limits())
    shares = split_cash(cash, len(named))
    for (key, strategy), share in zip(named.items(), shares, strict=True):
        state.add(key, _runner(strategy, dataset, options), share)
    exchange = Exchange(
        [(item, fidelity(dataset, item)) for item in instruments],
        cash=cash,
        options=options.venue(),
    )
    session = Session(state, exchange, journal=Journal(write_journal), recorder=Recorder())
    session.journal.append([dataset.digest, currency, cash])
    return session


def fidelity(dataset: Dataset, instrument: Instrument) -> str:
    """The finest fidelity that the data of an instrument allows."""
    groups = (
        ("orders", dataset.orders),
        ("depth", dataset.depth),
        ("quotes", dataset.quotes),
        ("bars", dataset.bars),
    )
    for kind, parts in groups:
        if any(part.instrument.id == instrument.id for part in parts):
            return kind
    raise BacktestError(
        f"{instrument.id} has trades or funding only; add bars, quotes, depth or orders"
    )


def _check_dataset(dataset: Dataset, instruments: Sequence[Instrument]) -> None:
    if not instruments:
        raise BacktestError(f"dataset {dataset.name!r} has no columns; select some data")
    empty = [f"{part.instrument.id} {part.kind}" for part in dataset.parts() if not len(part)]
    filled = [part for part in dataset.parts() if len(part)]
    if not filled or (empty and not any(part.kind != "funding" for part in filled)):
        raise BacktestError(
            f"no rows in {', '.join(empty)}; choose a range with data (interlock data list)"
        )


def _named(strategies: Any, name: str) -> dict[str, Strategy | TargetStrategy]:
    if isinstance(strategies, Mapping):
        return dict(strategies)
    return {name or type(strategies).__name__: strategies}


def _runner(strategy: Strategy | TargetStrategy, dataset: Dataset, options: RunOptions) -> Strategy:
    if isinstance(strategy, TargetStrategy):
        if not dataset.bars:
            raise BacktestError(f"{type(strategy).__name__} needs bars; the dataset has none")
        bars = dataset.bars[0]
        if len(dataset.instruments()) > 1:
            raise BacktestError(
                f"{type(strategy).__name__} is a target strategy for one instrument, the data has "
                f"{len(dataset.instruments())}; select one, or write an event strategy"
            )
        most = min(parse_units(options.leverage, 6), bars.instrument.leverage_max * RATE_SCALE)
        return TargetRunner(strategy, dataset.bar(bars.instrument.id), exposure_max=most)
    if not hasattr(strategy, "_outbox"):
        raise BacktestError(
            f"{type(strategy).__name__}.__init__ never called super().__init__(**values); call it "
            "first, or set things up in on_start instead"
        )
    return strategy


def _timeframes(named: Named, dataset: Dataset) -> tuple[BarColumns, ...]:
    wanted = {
        step
        for strategy in named.values()
        if isinstance(strategy, Strategy)
        for step in strategy.timeframes
    }
    return larger_bars(dataset, sorted(wanted))


def _bind_all(session: Session, replay: Replay) -> None:
    """Give followed indicators their columns once the strategies have said what they follow."""
    for owner in session.state.strategies.values():
        for followed in owner.strategy._followed:
            _bind(followed, replay)


def _bind(followed: Followed, replay: Replay) -> None:
    indicator: Any = followed.indicator
    steps = [step for (key, step) in replay.cursors if key == followed.instrument]
    if not steps or getattr(indicator, "outputs", 0) != 1:
        return
    step = followed.step_ns or min(steps)
    cursor = replay.cursors.get((followed.instrument, step))
    if cursor is None or len(cursor) < BIND_FROM:
        return
    columns = replay.columns[(followed.instrument, step)]
    inputs = [
        columns.quantities(name) if name == "volume" else columns.prices(name)
        for name in followed.sources
    ]
    followed.bind(column_of(indicator, *inputs).data, cursor)


class _Outcome:
    """What a session left behind, as a result."""

    def __init__(self, session: Session, dataset: Dataset, options: RunOptions) -> None:
        self.session = session
        self.state = session.state
        self.recorder = session.recorder
        self.dataset = dataset
        self.options = options
        self.instruments = {item.id: item for item in dataset.instruments()}
        cash = parse_units(options.cash, 8)
        self.curve = equity_curve.curve(dataset, self.recorder.account, cash)
        self.fills = fills_frame(self.recorder.fills, self.instruments)

    def result(self, named: Named, extras: Extras) -> BacktestResult:
        """Frames, metrics, counters and digests."""
        state, options = self.state, self.options
        marks = {key: slot.mark for key, slot in state.instruments.items()}
        trips = round_trips(
            self.recorder.fills, self.instruments, marks=marks, end=int(self.curve.ts[-1])
        )
        prices = equity_curve.price_frame(self.dataset)
        round_the_clock = all(item.calendar == "24/7" for item in self.instruments.values())
        periods = 365 if round_the_clock else 252
        costs = self.costs()
        first = min(self.instruments)
        benchmark = prices.filter(pl.col("instrument") == first).select(
            "ts", pl.col("close").alias("price")
        )
        metrics = compute(
            Source(
                equity=self.curve.frame,
                fills=self.fills,
                round_trips=trips,
                initial_equity=options.cash,
                periods_per_year=periods,
                costs=costs,
                benchmark=benchmark,
                search=extras.search,
                risk_free=options.risk_free,
            )
        )
        return BacktestResult(
            config=self.config(named, extras),
            synthetic=self.dataset.synthetic,
            data_digest=self.dataset.digest,
            currency=state.currency,
            initial_equity=options.cash,
            periods_per_year=periods,
            orders=orders_frame(self.recorder.orders, self.instruments),
            fills=self.fills,
            equity=self.curve.frame,
            round_trips=trips,
            bars=prices,
            costs=costs,
            metrics=metrics,
            counters=self.counters(),
            journal_digest=self.session.journal.digest(),
            result_digest=self.digest(),
        )

    def config(self, named: Named, extras: Extras) -> dict[str, Any]:
        """The settings of the run, and how it was executed in sentences."""
        strategies = {
            key: {"class": type(one).__name__, "parameters": one.parameter_values()}
            for key, one in named.items()
        }
        runners = [owner.strategy for owner in self.state.strategies.values()]
        notes = [note for one in runners if isinstance(one, TargetRunner) for note in one.notes]
        return {
            "strategy": ", ".join(named),
            "strategies": strategies,
            "instruments": sorted(self.instruments),
            "options": msgspec.to_builtins(self.options),
            "data": {"name": self.dataset.name, "digest": self.dataset.digest},
            "conventions": conventions(self.options, self.dataset),
            **extras.config,
            **({"notes": notes} if notes else {}),
        }

    def digest(self) -> str:
        """The result digest of the run."""
        rows, state = self.recorder.fills, self.state
        columns = [
            np.fromiter(values, np.int64, len(rows))
            for values in (
                (row.ts_row for row in rows),
                (row.side * row.quantity for row in rows),
                (row.price for row in rows),
                (row.fee for row in rows),
                (row.realized for row in rows),
            )
        ]
        quantities = [state.instruments[key].net.quantity for key in sorted(state.instruments)]
        return result_digest(columns, self.curve.units, wallet=state.wallet, quantities=quantities)

    def counters(self) -> dict[str, int]:
        """How often things happened."""
        markets = self.session.exchange.markets.values()
        recorder = self.recorder
        counters = {
            "events": self.state.seq,
            "orders": len(recorder.orders),
            "fills": len(recorder.fills),
            "denied": len(recorder.denials),
            "rejected": sum(1 for order in recorder.orders if order.status == "rejected"),
            "ambiguous_bars": sum(m.ambiguous for m in markets if isinstance(m, BarMarket)),
            "liquidations": sum(market.liquidations for market in markets),
            "journal_rows": self.session.journal.count,
        }
        return {**recorder.counts, **counters}

    def costs(self) -> dict[str, float]:
        """Costs by kind in the account currency, a cost positive."""
        fees = self.fills["fee"]
        funding = sum(slot.net.funding for slot in self.state.instruments.values())
        return {
            "fees": float(fees.filter(fees > 0).sum()),
            "rebates": float(fees.filter(fees < 0).sum()),
            "slippage": float(self.fills["slippage"].sum()),
            "funding": -funding / MONEY_SCALE,
            "borrow": self.recorder.borrow / MONEY_SCALE,
        }


def conventions(options: RunOptions, dataset: Dataset) -> dict[str, str]:
    """How orders met the market, one sentence for each choice."""
    kinds = sorted({fidelity(dataset, item) for item in dataset.instruments()})
    fill = {
        "next_open": "A decision on a bar trades at the open of the next bar.",
        "same_close": "A decision on a bar trades at the close of that same bar.",
    }[options.fill]
    cap = "no cap" if options.volume_cap_pct is None else f"{options.volume_cap_pct:g} %"
    uncapped = without_volume(dataset) if options.volume_cap_pct is not None else []
    if uncapped:
        cap += f"; no cap on {', '.join(uncapped)}, whose bars have no volume"
    touch = "touches" if options.touch_fills else "trades through"
    return {
        "Data": " ".join(
            (f"Fills come from {', '.join(kinds)}.", *(f"{text}." for text in broken_bars(dataset)))
        ),
        "Fill time": fill if "bars" in kinds else "Orders meet the book as it is on arrival.",
        "Inside a bar": (
            "Open, the extreme nearer to the open, the other extreme, close; where a stop and a "
            "target lie inside one bar the stop is taken first. Gaps fill at the open."
        ),
        "Resting limits": f"A limit fills when the price {touch} it.",
        "Volume": f"Share of a bar's volume that orders may take: {cap}.",
        "Slippage": f"Model {options.slippage}, {options.slippage_bps:g} bp.",
        "Latency": (
            f"Orders {options.order_latency_ms:g} ms, answers {options.ack_latency_ms:g} ms, "
            f"data {options.feed_latency_ms:g} ms."
        ),
        "Open position": "Marked at the last price; its share of the profit is listed.",
    }


@contextmanager
def rare_collection() -> Iterator[None]:
    """Let the cycle collector run seldom: a run makes many small objects and no cycles."""
    before = gc.get_threshold()
    gc.set_threshold(200_000, 50, 100)
    try:
        yield
    finally:
        gc.set_threshold(*before)


def split_cash(cash: int, count: int) -> list[int]:
    share, rest = divmod(cash, count)
    return [share + (1 if index < rest else 0) for index in range(count)]
