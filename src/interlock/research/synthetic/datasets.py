"""Ready-made synthetic data sets: what a first run reads when there is no market data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from interlock.research.catalog import content_digest
from interlock.research.synthetic.bars import START, bars
from interlock.research.synthetic.depth import depth_under
from interlock.research.synthetic.funding import funding
from interlock.research.synthetic.symbols import SyntheticError, symbol
from interlock.research.synthetic.ticks import quotes_and_trades
from interlock.strategy.columns import Columns, Dataset

SECONDS_PER_DAY = 86_400

_PERPETUALS = ("BTCUSDT-PERP", "ETHUSDT-PERP", "SOLUSDT-PERP")


@dataclass(frozen=True, kw_only=True)
class Preset:
    """What a data set holds: ``kinds`` of columns, its symbols and its length unless told."""

    description: str
    kinds: tuple[str, ...]
    symbols: tuple[str, ...]
    days: float


PRESETS: dict[str, Preset] = {
    "crypto-bars": Preset(
        description="180 days of 1-minute bars and funding of three perpetuals",
        kinds=("bars", "funding"),
        symbols=_PERPETUALS,
        days=180,
    ),
    "crypto-ticks": Preset(
        description="half an hour of quotes and trades of one perpetual",
        kinds=("quotes", "trades"),
        symbols=("BTCUSDT-PERP",),
        days=1_800 / SECONDS_PER_DAY,
    ),
    "crypto-depth": Preset(
        description="two minutes of depth, quotes and trades of one perpetual",
        kinds=("depth", "quotes", "trades"),
        symbols=("BTCUSDT-PERP",),
        days=120 / SECONDS_PER_DAY,
    ),
}


def dataset(
    kind: str = "crypto-bars",
    *,
    seed: int = 0,
    start: int = START,
    days: float | None = None,
    symbols: Sequence[str] | None = None,
    step: str = "1m",
) -> Dataset:
    """A preset by name, marked synthetic in its name, its flag and every instrument.

    ``days``, ``symbols`` and ``step`` (bars only) replace those of the preset. Refuses an unknown
    preset or symbol, and bars over a part of a day.
    """
    preset = PRESETS.get(kind)
    if preset is None:
        raise SyntheticError(
            f"{kind!r} is not a synthetic data set; choose one of: {', '.join(PRESETS)}"
        )
    names = tuple(symbol(name).name for name in (symbols or preset.symbols))
    length = preset.days if days is None else days
    title = f"synthetic {kind} seed {seed}"
    if "bars" in preset.kinds:
        return _bar_set(title, names, start=start, days=length, step=step, seed=seed)
    return _tick_set(title, preset, names, start=start, days=length, seed=seed)


def _bar_set(
    title: str, names: tuple[str, ...], *, start: int, days: float, step: str, seed: int
) -> Dataset:
    if days != int(days):
        raise SyntheticError(f"{days} days of bars: ask for whole days")
    parts = bars(names, start=start, days=int(days), step=step, seed=seed)
    rates = tuple(
        funding(name, start=start, days=int(days), seed=seed)
        for name in names
        if symbol(name).instrument.funding_interval_ns
    )
    return Dataset(
        name=title,
        digest=content_digest([*parts, *rates]),
        synthetic=True,
        bars=parts,
        funding=rates,
    )


def _tick_set(
    title: str, preset: Preset, names: tuple[str, ...], *, start: int, days: float, seed: int
) -> Dataset:
    pairs = [
        quotes_and_trades(name, start=start, seconds=days * SECONDS_PER_DAY, seed=seed)
        for name in names
    ]
    quotes = tuple(pair[0] for pair in pairs)
    trades = tuple(pair[1] for pair in pairs)
    levels = tuple(depth_under(part, seed=seed) for part in quotes if "depth" in preset.kinds)
    parts: list[Columns] = [*quotes, *trades, *levels]
    return Dataset(
        name=title,
        digest=content_digest(parts),
        synthetic=True,
        quotes=quotes,
        trades=trades,
        depth=levels,
    )
