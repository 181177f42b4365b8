"""Runs as a person asks for them: strategy, data and options by name, kept with a run file."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

import interlock
from interlock.adapters.system import SystemClock
from interlock.config import load
from interlock.research import results
from interlock.research.backtest import (
    BacktestError,
    Extras,
    Progress,
    RunOptions,
    conventions,
    run,
)
from interlock.research.catalog import Catalog, instant, iso
from interlock.research.doubts import broken_bars
from interlock.research.loading import (
    AnyStrategy,
    Loaded,
    StrategyClass,
    describe,
    load_strategy,
    make,
)
from interlock.research.metrics import DEFINITIONS
from interlock.research.report import render, text
from interlock.research.result import BacktestResult
from interlock.research.run_file import RunSpec, read_options, with_recorded, write_run_file
from interlock.research.selection_text import (
    IN_PYTHON,
    SYNTHETIC,
    DataRequest,
    cut,
    dataset_of_columns,
    gather,
    is_synthetic,
)
from interlock.strategy.api import Strategy, TargetStrategy
from interlock.strategy.columns import Columns, Dataset

_ABOUT_DATA = ("seed", "instrument", "catalog")
HEADLINE = ("total_return", "sharpe", "max_drawdown", "trades")


class ChangedDataError(ValueError):
    """The data of a run file are not the data that the run was made with."""


@dataclass(frozen=True, slots=True, repr=False)
class RunResult(BacktestResult):
    """A result that shows itself in a notebook and knows how to be kept.

    ``run_toml`` repeats the run; ``folder`` is where it is kept, None while it is not.
    """

    spec: RunSpec | None = None
    folder: Path | None = None

    def __repr__(self) -> str:
        shown = ", ".join(
            f"{name} {text.metric(name, self.metrics).replace(chr(160), ' ')}" for name in HEADLINE
        )
        kind = "SYNTHETIC DATA, " if self.synthetic else ""
        return f"<{self.config.get('strategy')}: {kind}{shown}, digest {self.result_digest[:8]}>"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th style='text-align:left'>{escape(DEFINITIONS[name].title)}</th>"
            f"<td>{escape(text.metric(name, self.metrics, currency=self.currency))}</td></tr>"
            for name in (*HEADLINE, "cagr", "annual_volatility", "costs_total")
        )
        notice = "<p><b>SYNTHETIC DATA</b></p>" if self.synthetic else ""
        kept = f"<p>{escape(str(self.folder))}</p>" if self.folder else ""
        title = escape(str(self.config.get("strategy")))
        return f"<p><b>{title}</b></p>{notice}<table>{rows}</table>{kept}"

    def report(self, path: str | Path) -> Path:
        """Write the HTML report to ``path`` and return it."""
        target = Path(path)
        now = text.moment(SystemClock().now_ns())
        target.write_text(render(self, name=target.stem, made=now), encoding="utf-8")
        return target

    def save(self, root: str | Path | None = None, *, page: bool = True) -> Path:
        """Keep the result in a folder below ``root`` (./results) and return the folder.

        Raises ResultError when it cannot be written; nothing is left then.
        """
        place = Path(root) if root is not None else load().results
        toml = ""
        if self.spec is not None:
            toml = write_run_file(self.spec, folder=place / "run", version=interlock.__version__)
        return results.save(self, place, when_ns=SystemClock().now_ns(), run_toml=toml, page=page)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A strategy and its data, ready to run; ``notes`` say what was assumed, ``warnings`` more."""

    spec: RunSpec
    loaded: Loaded
    strategy: AnyStrategy
    dataset: Dataset
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        """Rows of the columns that the strategy decides on."""
        return sum(len(part) for part in self.dataset.parts() if part.kind != "funding")


def prepare(
    spec: RunSpec, *, loaded: Loaded | None = None, allow_changed_data: bool = False
) -> Prepared:
    """Load what the spec names and hold it to the digests that the spec records.

    Raises LoadingError, ParameterError, SelectionError, CatalogError, ChangedDataError.
    """
    loaded = loaded or load_strategy(spec.strategy)
    strategy = make(loaded.kind, spec.parameters)
    spec = replace(
        spec,
        strategy=loaded.file_reference,
        parameters=strategy.parameter_values(),
        data=tuple(_placed(item) for item in spec.data or (SYNTHETIC,)),
        catalog=os.path.abspath(spec.catalog) if spec.catalog else "",
    )
    gathered = gather(_request(spec), Catalog(Path(spec.catalog or load().catalog)))
    return _checked(
        Prepared(spec, loaded, strategy, gathered.dataset, gathered.notes), allow_changed_data
    )


def execute(
    prepared: Prepared,
    *,
    command: str = "",
    progress: Progress | None = None,
    write_journal: Callable[[bytes], object] | None = None,
    lap: Callable[[str], object] = str,
) -> RunResult:
    """The run; what the strategy raises comes through as it is.

    ``lap`` is told each part that is over, for those who measure: features, run, metrics.
    """
    spec = prepared.spec
    result = run(
        prepared.strategy,
        prepared.dataset,
        spec.options,
        name=prepared.loaded.kind.__name__,
        progress=progress,
        extras=Extras(config=_config(prepared, command), write_journal=write_journal, lap=lap),
    )
    recorded = with_recorded(
        spec,
        source_sha256=prepared.loaded.source_sha256,
        data_digest=prepared.dataset.digest,
        result_digest=result.result_digest,
    )
    values = {item.name: getattr(result, item.name) for item in fields(BacktestResult)}
    return RunResult(**values, spec=recorded)


def backtest(
    strategy: str | Path | AnyStrategy | StrategyClass,
    data: str | Sequence[str] | Dataset | Sequence[Columns] | Columns | None = None,
    *,
    start: str = "",
    end: str = "",
    parameters: Mapping[str, Any] | None = None,
    save: bool | str | Path = False,
    **options: Any,
) -> RunResult:
    """Backtest a strategy and return its frames, metrics and digests.

    ``strategy`` is a class, an object, a path (``file.py:Class``) or the name of an example.
    ``data`` is a selection or several as on the command line (``BTCUSDT-PERP.BINANCE:1m``, a file,
    ``synthetic:ETHUSDT-PERP``), a Dataset, or columns; without it the synthetic market is used.
    ``start`` and ``end`` are ISO dates, UTC, the end not included. With ``save`` the result is kept
    in ./results, or in the folder named. ``options`` are those of RunOptions (cash, fill,
    slippage_bps, leverage ...) and three about the data: ``seed`` of the synthetic market,
    ``instrument`` that a file holds, and the ``catalog`` folder.

    Raises the errors of prepare, BacktestError for options, and what the strategy itself raises.
    """
    loaded, instance = _given(strategy)
    if instance is not None and parameters:
        raise BacktestError(
            f"parameters {dict(parameters)} were passed beside an object that has its own; "
            f"pass the class {loaded.kind.__name__} with parameters, or the object alone"
        )
    if isinstance(instance, Strategy) and hasattr(instance, "view"):
        raise BacktestError(
            f"this {loaded.kind.__name__} object ran before and keeps what that run left in it; "
            f"pass the class {loaded.kind.__name__} with parameters, or a new object"
        )
    about_data = {name: options.pop(name) for name in _ABOUT_DATA if name in options}
    spec = RunSpec(
        strategy=loaded.reference,
        parameters=instance.parameter_values() if instance is not None else dict(parameters or {}),
        data=_texts(data),
        start=start,
        end=end,
        options=read_options(options),
        **about_data,
    )
    if data is None or spec.data:
        prepared = prepare(spec, loaded=loaded)
    else:
        prepared = _with_columns(spec, loaded, data)
    if instance is not None:
        prepared = replace(prepared, strategy=instance)
    result = execute(prepared)
    if save is False:
        return result
    return replace(result, folder=result.save(None if save is True else save))


def load_result(name: str | Path, results_folder: str | Path | None = None) -> RunResult:
    """A kept result by its folder, its id, or the beginning or end of the id.

    Raises ResultError when there is none, or when it is incomplete or was changed.
    """
    root = Path(results_folder) if results_folder is not None else load().results
    folder = results.find(root, str(name))
    found = results.load(folder)
    values = {item.name: getattr(found, item.name) for item in fields(BacktestResult)}
    return RunResult(**values, folder=folder)


def _given(
    strategy: str | Path | AnyStrategy | StrategyClass,
) -> tuple[Loaded, AnyStrategy | None]:
    if isinstance(strategy, str | Path):
        return load_strategy(str(strategy)), None
    if isinstance(strategy, Strategy | TargetStrategy):
        return describe(type(strategy)), strategy
    if isinstance(strategy, type) and issubclass(strategy, Strategy | TargetStrategy):
        return describe(strategy), None
    raise BacktestError(
        f"{strategy!r} is no strategy; pass a class or an object of Strategy or TargetStrategy, "
        "a path, or the name of an example"
    )


def _texts(data: Any) -> tuple[str, ...]:
    if isinstance(data, str | Path):
        return (str(data),)
    if isinstance(data, Sequence) and all(isinstance(item, str | Path) for item in data):
        return tuple(str(item) for item in data)
    return ()


def _with_columns(spec: RunSpec, loaded: Loaded, data: Any) -> Prepared:
    """Data that the caller holds: the run cannot be repeated from a file, only from Python."""
    if isinstance(data, Columns):
        data = [data]
    if isinstance(data, Sequence) and all(isinstance(part, Columns) for part in data):
        data = dataset_of_columns(data)
    if not isinstance(data, Dataset):
        raise BacktestError(
            f"data is a {type(data).__name__}; pass a selection such as BTCUSDT-PERP.BINANCE:1m, "
            "a Dataset, or columns such as BarColumns"
        )
    start, end = _instant(spec.start), _instant(spec.end)
    chosen = cut(data, start, end)
    named = replace(spec, strategy=loaded.file_reference, data=(f"{IN_PYTHON}{data.name}",))
    return _checked(Prepared(named, loaded, make(loaded.kind, spec.parameters), chosen), False)


def _checked(prepared: Prepared, allow_changed_data: bool) -> Prepared:
    spec, dataset, loaded = prepared.spec, prepared.dataset, prepared.loaded
    warnings = []
    if spec.data_digest and spec.data_digest != dataset.digest:
        message = (
            f"the data of {', '.join(spec.data)} have digest {dataset.digest[:16]}, the run file "
            f"records {spec.data_digest[:16]}: they changed since that run"
        )
        if not allow_changed_data:
            raise ChangedDataError(
                f"{message}; restore them, or run on what is there now with --allow-changed-data"
            )
        warnings.append(message)
    if spec.source_sha256 and spec.source_sha256 != loaded.source_sha256:
        warnings.append(
            f"{loaded.path} was changed since the recorded run: the result may differ from it"
        )
    warnings += broken_bars(dataset)
    unheard = _unheard(loaded, dataset)
    return replace(prepared, notes=(*prepared.notes, *unheard), warnings=tuple(warnings))


def _unheard(loaded: Loaded, dataset: Dataset) -> list[str]:
    """What the strategy listens to and the data do not have."""
    if not issubclass(loaded.kind, Strategy):
        return []
    present = {
        "on_quote": dataset.quotes,
        "on_trade": dataset.trades,
        "on_book": (*dataset.depth, *dataset.orders),
        "on_bar": (*dataset.bars, *(dataset.trades if loaded.kind.timeframes else ())),
    }
    heard = [hook for hook in present if getattr(loaded.kind, hook) is not getattr(Strategy, hook)]
    return [
        f"{loaded.kind.__name__} has {hook}, the data have nothing for it "
        f"(--data {SYNTHETIC}:crypto-depth has trades, quotes and a book)"
        for hook in heard
        if not present[hook]
    ]


def _request(spec: RunSpec) -> DataRequest:
    return DataRequest(
        selections=spec.data,
        start=_instant(spec.start),
        end=_instant(spec.end),
        seed=spec.seed,
        instrument=spec.instrument,
    )


def _instant(when: str) -> int | None:
    return instant(when) if when else None


def _placed(selection: str) -> str:
    """A file by its absolute path, so that a run file may stand elsewhere."""
    return os.path.abspath(selection) if Path(selection).is_file() else selection


def _config(prepared: Prepared, command: str) -> dict[str, Any]:
    spec, dataset = prepared.spec, prepared.dataset
    made: dict[str, Any] = {
        "strategy": prepared.loaded.kind.__name__,
        "parameters": dict(spec.parameters),
        "instruments": [item.id for item in dataset.instruments()],
        "source": {
            "reference": Path(spec.strategy).name,
            "sha256": prepared.loaded.source_sha256,
        },
        "selections": list(spec.data),
        "period": {"from": spec.start or "all", "to": spec.end or "all"},
        "conventions": _conventions(spec.options, dataset),
        "command": command,
        "versions": {
            "interlock": interlock.__version__,
            "python": platform.python_version(),
            "numpy": np.__version__,
            "polars": pl.__version__,
        },
    }
    if is_synthetic(spec.data[0]):
        made["seed"] = spec.seed
    return {key: value for key, value in made.items() if value != ""}


def _conventions(options: RunOptions, dataset: Dataset) -> dict[str, str]:
    """How orders met the market, what they cost and over which time, for the report."""
    return {
        **conventions(options, dataset),
        "Fees": "; ".join(_fees(item, options) for item in dataset.instruments()) + ".",
        "Leverage": f"Up to {options.leverage:g}, {options.margin_mode} margin.",
        "Period": _span(dataset),
    }


def _fees(instrument: Any, options: RunOptions) -> str:
    maker, taker = options.maker_fee_bps, options.taker_fee_bps
    maker = instrument.maker_rate / 100 if maker is None else maker
    taker = instrument.taker_rate / 100 if taker is None else taker
    return f"{instrument.id} maker {maker:g} bps, taker {taker:g} bps"


def _span(dataset: Dataset) -> str:
    parts = [part for part in dataset.parts() if len(part)]
    first = min(int(part.ts[0]) for part in parts)
    last = max(int(part.ts[-1]) + getattr(part, "step_ns", 0) for part in parts)
    return f"{iso(first)} to {iso(last)}"
