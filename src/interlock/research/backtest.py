"""One backtest: strategies over a dataset through the kernel and the simulated exchange."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from interlock.kernel.journal import Journal
from interlock.kernel.state import Limits, Order, State
from interlock.model.instrument import Instrument
from interlock.model.units import MONEY_SCALE, RATE_SCALE, parse_units
from interlock.research import equity as equity_curve
from interlock.research.digest import result_digest
from interlock.research.metrics import Search, Source, compute
from interlock.research.result import BacktestResult
from interlock.research.round_trips import round_trips
from interlock.research.target_runner import TargetRunner
from interlock.research.timeframes import larger_bars
from interlock.sim.bars import BarMarket
from interlock.sim.costs import (
    FixedSlippage,
    Latency,
    NoSlippage,
    Slippage,
    SquareRootSlippage,
    VenueOptions,
    VolumeShareSlippage,
)
from interlock.sim.exchange import Exchange
from interlock.sim.record import FillRow, Recorder
from interlock.sim.replay import Replay
from interlock.sim.session import Session
from interlock.strategy.api import Followed, Strategy, TargetStrategy
from interlock.strategy.columns import BarColumns, Dataset
from interlock.strategy.indicators.live import column_of

Progress = Callable[[int, int], None]
BIND_FROM = 20_000

_SLIPPAGE: Mapping[str, Callable[[int], Slippage]] = {
    "none": lambda rate: NoSlippage(),
    "fixed": FixedSlippage,
    "volume_share": VolumeShareSlippage,
    "square_root": SquareRootSlippage,
}


class BacktestError(ValueError):
    """A run that cannot be made as asked."""


class RunOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How a run is made; the plain numbers a person writes, with their unit in the name."""

    cash: float = 1_000_000.0
    currency: str = ""
    fill: str = "next_open"
    slippage: str = "none"
    slippage_bps: float = 0.0
    volume_cap_pct: float | None = 2.5
    touch_fills: bool = False
    leverage: float = 1.0
    margin_mode: str = "cross"
    maker_fee_bps: float | None = None
    taker_fee_bps: float | None = None
    order_latency_ms: float = 0.0
    ack_latency_ms: float = 0.0
    feed_latency_ms: float = 0.0
    liquidation_fee_bps: float = 0.0
    queue: str = "risk_averse"
    order_notional_max: float | None = None
    position_notional_max: float | None = None
    orders_per_second_max: int | None = None
    open_orders_max: int | None = None
    risk_free: float = 0.0

    def __post_init__(self) -> None:
        _one_of("fill", self.fill, ("next_open", "same_close"))
        _one_of("slippage", self.slippage, tuple(_SLIPPAGE))
        _one_of("margin_mode", self.margin_mode, ("cross", "isolated"))
        _at_least("cash", self.cash, 1e-8)
        _at_least("leverage", self.leverage, 1e-6)
        for name in ("slippage_bps", "order_latency_ms", "ack_latency_ms", "feed_latency_ms"):
            _at_least(name, getattr(self, name), 0.0)
        if self.volume_cap_pct is not None:
            _at_least("volume_cap_pct", self.volume_cap_pct, 1e-4)

    def venue(self) -> VenueOptions:
        """The options of the simulated venue, in integers."""
        return VenueOptions(
            fill=self.fill,
            touch_fills=self.touch_fills,
            volume_cap_ratio=None
            if self.volume_cap_pct is None
            else parse_units(self.volume_cap_pct, 4),
            slippage=_SLIPPAGE[self.slippage](bps_rate(self.slippage_bps)),
            latency=Latency(
                order_ns=_ms(self.order_latency_ms),
                ack_ns=_ms(self.ack_latency_ms),
                feed_ns=_ms(self.feed_latency_ms),
            ),
            margin_mode=self.margin_mode,
            liquidation_fee_rate=bps_rate(self.liquidation_fee_bps),
            queue=self.queue,
        )

    def limits(self) -> Limits:
        """The pre-trade limits, in integers."""
        return Limits(
            order_notional_max=_money(self.order_notional_max),
            position_notional_max=_money(self.position_notional_max),
            leverage_max_ratio=parse_units(self.leverage, 6),
            orders_per_window_max=self.orders_per_second_max,
            open_orders_max=self.open_orders_max,
        )


def bps_rate(bps: float) -> int:
    """Basis points as a rate of 1e-6; finer than 0.01 bp is refused."""
    return parse_units(bps, 2)


def run(
    strategies: Any,
    dataset: Dataset,
    options: RunOptions | None = None,
    *,
    name: str = "",
    progress: Progress | None = None,
    write_journal: Callable[[bytes], object] | None = None,
    search: Search | None = None,
    config: Mapping[str, Any] | None = None,
) -> BacktestResult:
    """Run one strategy, or a mapping of names to strategies that share the cash equally.

    Progress is called with (done, total) steps. ``config`` is recorded in the result as it is.
    """
    options = options or RunOptions()
    dataset = with_fees(dataset, options)
    named = _named(strategies, name)
    session, recorder = make_session(named, dataset, options, write_journal)
    replay = Replay(session, dataset, larger=_timeframes(named, dataset), progress=progress)
    replay.prepare()
    _bind_after_start(session, replay, dataset)
    with rare_collection():
        replay.run()
    return _result(session, recorder, dataset, options, named, search, config or {})


def make_session(
    named: Mapping[str, Strategy | TargetStrategy],
    dataset: Dataset,
    options: RunOptions,
    write_journal: Callable[[bytes], object] | None = None,
) -> tuple[Session, Recorder]:
    """A kernel with its strategies and an exchange, ready to be driven."""
    instruments = dataset.instruments()
    _check_dataset(dataset, instruments)
    currency = options.currency or instruments[0].quote
    for instrument in instruments:
        if instrument.quote != currency:
            raise BacktestError(
                f"{instrument.id} is quoted in {instrument.quote}, the account in {currency}; "
                "run instruments of one quote currency together"
            )
    cash = parse_units(options.cash, 8)
    state = State(currency=currency, cash=cash, instruments=instruments, limits=options.limits())
    shares = _split(cash, len(named))
    for (key, strategy), share in zip(named.items(), shares, strict=True):
        state.add(key, _runner(strategy, dataset), share)
    exchange = Exchange(
        [(item, fidelity(dataset, item)) for item in instruments],
        cash=cash,
        options=options.venue(),
    )
    recorder = Recorder()
    session = Session(state, exchange, journal=Journal(write_journal), recorder=recorder)
    session.journal.append([dataset.digest, currency, cash])
    return session, recorder


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


def with_fees(dataset: Dataset, options: RunOptions) -> Dataset:
    """The dataset with the fees of the run in its instruments."""
    changes: dict[str, int] = {}
    if options.maker_fee_bps is not None:
        changes["maker_rate"] = bps_rate(options.maker_fee_bps)
    if options.taker_fee_bps is not None:
        changes["taker_rate"] = bps_rate(options.taker_fee_bps)
    if not changes:
        return dataset
    replaced: dict[str, Any] = {}
    made: dict[str, Instrument] = {}
    for group in ("bars", "quotes", "trades", "depth", "orders", "funding", "marks"):
        parts = []
        for part in getattr(dataset, group):
            old = part.instrument
            new = made.setdefault(old.id, msgspec.structs.replace(old, **changes))
            values = {key: array for key, array in part.arrays()}
            if isinstance(part, BarColumns):
                values["step_ns"] = part.step_ns
            parts.append(type(part)(instrument=new, **values))
        replaced[group] = tuple(parts)
    return Dataset(
        name=dataset.name, digest=dataset.digest, synthetic=dataset.synthetic, **replaced
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


def _runner(strategy: Strategy | TargetStrategy, dataset: Dataset) -> Strategy:
    if isinstance(strategy, TargetStrategy):
        if not dataset.bars:
            raise BacktestError(f"{type(strategy).__name__} needs bars; the dataset has none")
        bars = dataset.bars[0]
        if len(dataset.instruments()) > 1:
            raise BacktestError(
                f"{type(strategy).__name__} is a target strategy for one instrument, the data has "
                f"{len(dataset.instruments())}; select one, or write an event strategy"
            )
        return TargetRunner(strategy, dataset.bar(bars.instrument.id))
    return strategy


def _timeframes(
    named: Mapping[str, Strategy | TargetStrategy], dataset: Dataset
) -> tuple[BarColumns, ...]:
    wanted = {
        step
        for strategy in named.values()
        if isinstance(strategy, Strategy)
        for step in strategy.timeframes
    }
    return larger_bars(dataset, sorted(wanted))


def _bind_after_start(session: Session, replay: Replay, dataset: Dataset) -> None:
    """Give followed indicators their columns once the strategies have said what they follow."""

    def bind() -> None:
        for owner in session.state.strategies.values():
            for followed in owner.strategy._followed:
                _bind(followed, replay)

    session.started = bind


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


def _result(
    session: Session,
    recorder: Recorder,
    dataset: Dataset,
    options: RunOptions,
    named: Mapping[str, Any],
    search: Search | None,
    config: Mapping[str, Any],
) -> BacktestResult:
    state = session.state
    curve = equity_curve.curve(dataset, recorder.account, parse_units(options.cash, 8))
    instruments = {item.id: item for item in dataset.instruments()}
    marks = {key: slot.mark for key, slot in state.instruments.items()}
    end = int(curve.ts[-1])
    trips = round_trips(recorder.fills, instruments, marks=marks, end=end)
    fills = fills_frame(recorder.fills, instruments)
    costs = _costs(session, fills)
    prices = equity_curve.price_frame(dataset)
    periods = 365 if all(item.calendar == "24/7" for item in instruments.values()) else 252
    first = sorted(instruments)[0]
    benchmark = prices.filter(pl.col("instrument") == first).select(
        "ts", pl.col("close").alias("price")
    )
    metrics = compute(
        Source(
            equity=curve.frame,
            fills=fills,
            round_trips=trips,
            initial_equity=options.cash,
            periods_per_year=periods,
            costs=costs,
            benchmark=benchmark,
            search=search,
            risk_free=options.risk_free,
        )
    )
    return BacktestResult(
        config={
            "strategies": {
                key: {"class": type(s).__name__, "parameters": s.parameter_values()}
                for key, s in named.items()
            },
            "options": msgspec.to_builtins(options),
            "data": {"name": dataset.name, "digest": dataset.digest},
            **config,
        },
        synthetic=dataset.synthetic,
        data_digest=dataset.digest,
        currency=state.currency,
        initial_equity=options.cash,
        periods_per_year=periods,
        orders=orders_frame(recorder.orders, instruments),
        fills=fills,
        equity=curve.frame,
        round_trips=trips,
        bars=prices,
        costs=costs,
        metrics=metrics,
        counters=_counters(session, recorder),
        journal_digest=session.journal.digest(),
        result_digest=_digest(session, recorder, curve),
    )


def _digest(session: Session, recorder: Recorder, curve: equity_curve.Curve) -> str:
    fills = recorder.fills
    columns = [
        np.fromiter((row.ts_row for row in fills), np.int64, len(fills)),
        np.fromiter((row.side * row.quantity for row in fills), np.int64, len(fills)),
        np.fromiter((row.price for row in fills), np.int64, len(fills)),
        np.fromiter((row.fee for row in fills), np.int64, len(fills)),
        np.fromiter((row.realized for row in fills), np.int64, len(fills)),
    ]
    state = session.state
    quantities = [state.instruments[key].net.quantity for key in sorted(state.instruments)]
    return result_digest(columns, curve.units, wallet=state.wallet, quantities=quantities)


def _counters(session: Session, recorder: Recorder) -> dict[str, int]:
    markets = session.exchange.markets.values()
    counters = {
        "events": session.state.seq,
        "orders": len(recorder.orders),
        "fills": len(recorder.fills),
        "denied": len(recorder.denials),
        "rejected": sum(1 for order in recorder.orders if order.status == "rejected"),
        "ambiguous_bars": sum(m.ambiguous for m in markets if isinstance(m, BarMarket)),
        "liquidations": sum(market.liquidations for market in markets),
        "journal_rows": session.journal.count,
    }
    counters.update({key: value for key, value in recorder.counts.items() if key not in counters})
    return counters


def _costs(session: Session, fills: pl.DataFrame) -> dict[str, float]:
    slots = session.state.instruments.values()
    paid = fills.filter(pl.col("fee") > 0)["fee"].sum() if len(fills) else 0.0
    rebates = fills.filter(pl.col("fee") < 0)["fee"].sum() if len(fills) else 0.0
    return {
        "fees": float(paid or 0.0),
        "rebates": float(rebates or 0.0),
        "slippage": float(fills["slippage"].sum() or 0.0) if len(fills) else 0.0,
        "funding": -sum(slot.net.funding for slot in slots) / MONEY_SCALE,
        "borrow": 0.0,
    }


_FILL_SCHEMA: dict[str, Any] = {
    "seq": pl.Int64,
    "ts": pl.Int64,
    "instrument": pl.String,
    "strategy": pl.String,
    "client_order_id": pl.String,
    "side": pl.Int64,
    "quantity": pl.Float64,
    "price": pl.Float64,
    "quantity_units": pl.Int64,
    "price_units": pl.Int64,
    "notional": pl.Float64,
    "fee": pl.Float64,
    "fee_units": pl.Int64,
    "fee_asset": pl.String,
    "liquidity": pl.String,
    "realized": pl.Float64,
    "slippage": pl.Float64,
    "position_after": pl.Float64,
    "tag": pl.String,
}


def fills_frame(rows: Sequence[FillRow], instruments: Mapping[str, Instrument]) -> pl.DataFrame:
    """Fills in quote and base units, beside their integers."""
    made = []
    for row in rows:
        instrument = instruments[row.instrument]
        notional = instrument.notional(row.price, row.quantity)
        worse = (row.price - row.reference) * row.side
        slipped = instrument.notional(abs(worse), row.quantity) * (1 if worse >= 0 else -1)
        size = 10**instrument.quantity_exponent
        if row.fee_asset == instrument.base:
            fee = instrument.notional(row.price, row.fee) / MONEY_SCALE
        else:
            fee = row.fee / MONEY_SCALE
        made.append(
            (
                row.seq,
                row.ts,
                row.instrument,
                row.strategy,
                row.client_order_id,
                row.side,
                row.quantity / size,
                row.price / 10**instrument.price_exponent,
                row.quantity,
                row.price,
                notional / MONEY_SCALE,
                fee,
                row.fee,
                row.fee_asset,
                "maker" if row.is_maker else "taker",
                row.realized / MONEY_SCALE,
                slipped / MONEY_SCALE,
                row.position_after / size,
                row.tag,
            )
        )
    return pl.DataFrame(made, schema=_FILL_SCHEMA, orient="row")


def orders_frame(orders: Sequence[Order], instruments: Mapping[str, Instrument]) -> pl.DataFrame:
    """Orders in quote and base units."""
    specs = [order.spec for order in orders]
    prices = {key: 10.0**item.price_exponent for key, item in instruments.items()}
    sizes = {key: 10.0**item.quantity_exponent for key, item in instruments.items()}
    names = [spec.instrument for spec in specs]
    price_scale = np.fromiter((prices[name] for name in names), np.float64, len(names))
    size_scale = np.fromiter((sizes[name] for name in names), np.float64, len(names))

    def whole(values: Iterable[int]) -> NDArray[np.int64]:
        return np.fromiter(values, np.int64, len(names))

    return pl.DataFrame(
        {
            "client_order_id": [order.client_order_id for order in orders],
            "strategy": [order.owner.name for order in orders],
            "instrument": names,
            "type": [str(spec.type) for spec in specs],
            "side": whole(spec.side for spec in specs),
            "quantity": whole(spec.quantity for spec in specs) / size_scale,
            "price": whole(spec.price for spec in specs) / price_scale,
            "trigger": whole(spec.trigger for spec in specs) / price_scale,
            "time_in_force": [str(spec.time_in_force) for spec in specs],
            "reduce_only": [spec.reduce_only for spec in specs],
            "post_only": [spec.post_only for spec in specs],
            "status": [str(order.status) for order in orders],
            "filled": whole(order.filled for order in orders) / size_scale,
            "filled_notional": whole(order.notional for order in orders) / MONEY_SCALE,
            "ts_submitted": whole(order.ts_submitted for order in orders),
            "ts_closed": whole(order.ts_closed for order in orders),
            "tag": [spec.tag for spec in specs],
        },
        schema_overrides={name: pl.String for name in _ORDER_TEXT}
        | {name: pl.Boolean for name in ("reduce_only", "post_only")},
    )


_ORDER_TEXT = (
    "client_order_id",
    "strategy",
    "instrument",
    "type",
    "time_in_force",
    "status",
    "tag",
)


@contextmanager
def rare_collection() -> Iterator[None]:
    """Let the cycle collector run seldom: a run makes many small objects and no cycles."""
    before = gc.get_threshold()
    gc.set_threshold(200_000, 50, 100)
    try:
        yield
    finally:
        gc.set_threshold(*before)


def _split(cash: int, count: int) -> list[int]:
    share, rest = divmod(cash, count)
    return [share + (1 if index < rest else 0) for index in range(count)]


def _ms(value: float) -> int:
    return parse_units(value, 6)


def _money(value: float | None) -> int | None:
    return None if value is None else parse_units(value, 8)


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise BacktestError(f"{name}={value!r} must be one of {', '.join(allowed)}")


def _at_least(name: str, value: float, least: float) -> None:
    if not value >= least:
        raise BacktestError(f"{name}={value!r} must be at least {least:g}")


assert RATE_SCALE == 10**6  # bps_rate and the volume cap are written for it
