"""What a run reads, as a person writes it: catalog entries, files, or the synthetic market."""

from __future__ import annotations

import re
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from interlock.model.instrument import FixedTick, Instrument
from interlock.research.catalog import (
    Catalog,
    ImportRefused,
    ImportRequest,
    InstrumentOptions,
    NotFound,
    Selection,
    content_digest,
    import_files,
    iso,
)
from interlock.research.synthetic import PRESETS, START, SYMBOLS
from interlock.research.synthetic import dataset as synthetic_dataset
from interlock.research.synthetic.bars import MINUTES_PER_STEP
from interlock.strategy.columns import BarColumns, Columns, Dataset

SYNTHETIC = "synthetic"
IN_PYTHON = "python:"
_DAY_NS = 86_400 * 10**9
_GROUP = {"mark": "marks"}
_FILES = (".csv", ".csv.gz", ".csv.zip", ".parquet", ".pq", ".feather", ".npy", ".npz", ".json")
_SYMBOL = re.compile(r"[A-Z0-9]{2,20}(?:-PERP)?(?=[-_.]|$)")


class SelectionError(ValueError):
    """A choice of data that cannot be read as it is."""


@dataclass(frozen=True, kw_only=True)
class DataRequest:
    """Selections as written, the range in ns UTC (end not included), and what files need."""

    selections: tuple[str, ...] = ()
    start: int | None = None
    end: int | None = None
    seed: int = 0
    instrument: str = ""

    def __post_init__(self) -> None:
        if self.start is not None and self.end is not None and self.end <= self.start:
            raise SelectionError(
                f"the end {iso(self.end)} is not later than the start {iso(self.start)}; swap them"
            )
        made = [text for text in self.selections if is_synthetic(text)]
        if made and len(self.selections) > 1:
            raise SelectionError(
                f"{', '.join(self.selections)}: synthetic data stand alone; "
                f"name several symbols in one selection ({SYNTHETIC}:BTCUSDT-PERP+ETHUSDT-PERP), "
                "or leave them out"
            )


@dataclass(frozen=True, slots=True)
class Gathered:
    """The dataset of a run, with what was assumed on the way."""

    dataset: Dataset
    notes: tuple[str, ...] = ()


def is_synthetic(text: str) -> bool:
    """Whether a selection means the synthetic market."""
    return text.partition(":")[0] == SYNTHETIC


def gather(request: DataRequest, catalog: Catalog) -> Gathered:
    """Everything the selections name, in the range.

    Raises SelectionError, SyntheticError or CatalogError; a range without rows is one of them.
    """
    if not request.selections or is_synthetic(request.selections[0]):
        text = request.selections[0] if request.selections else SYNTHETIC
        return Gathered(_synthetic(text, request))
    foreign = [text for text in request.selections if text.startswith(IN_PYTHON)]
    if foreign:
        raise SelectionError(
            f"{', '.join(foreign)}: these data came from a Python program, and no file names "
            "them; run that program again, or say where the data are with --data"
        )
    stored = [text for text in request.selections if not _is_file(text)]
    parts: list[Columns] = []
    notes: list[str] = []
    synthetic = False
    if stored:
        chosen, notes = _with_funding(stored, catalog, request)
        found = catalog.dataset(chosen, start=request.start, end=request.end)
        parts, synthetic = list(found.parts()), found.synthetic
    for text in request.selections:
        if _is_file(text):
            part, more = _from_file(Path(text), catalog, request)
            parts.append(part)
            notes += more
    return Gathered(_dataset(request.selections, parts, synthetic), tuple(notes))


def cut(dataset: Dataset, start: int | None, end: int | None) -> Dataset:
    """The rows with start <= ts < end, under the digest of exactly those."""
    if start is None and end is None:
        return dataset
    parts = [part.between(start, end) for part in dataset.parts()]
    kept = [part for part in parts if len(part)]
    if not any(part.kind != "funding" for part in kept):
        ends = [int(part.ts[-1]) for part in dataset.parts() if len(part)]
        starts = [int(part.ts[0]) for part in dataset.parts() if len(part)]
        asked = " to ".join("the end" if at is None else iso(at) for at in (start, end))
        held = f"{iso(min(starts))} to {iso(max(ends))}" if starts else "nothing"
        raise NotFound(
            f"{dataset.name} has no rows from {asked}; it holds {held}: choose dates inside"
        )
    return _dataset((dataset.name,), kept, dataset.synthetic)


def dataset_of_columns(columns: Sequence[Columns]) -> Dataset:
    """A dataset of columns that the caller made."""
    names = tuple(f"{part.instrument.id} {part.kind}" for part in columns)
    return _dataset(names, list(columns), any(part.instrument.synthetic for part in columns))


# ---------------------------------------------------------------- the synthetic market


def _synthetic(text: str, request: DataRequest) -> Dataset:
    """One market that begins at START; the end of the range says how far it is made."""
    preset, symbols, step = _synthetic_words(text)
    if request.start is not None and request.start < START:
        raise SelectionError(
            f"the synthetic market begins at {iso(START)}, not at {iso(request.start)}; "
            "choose a later start"
        )
    days = None
    if "bars" in PRESETS[preset].kinds and request.end is not None:
        days = max(1, -(-(request.end - START) // _DAY_NS))
        if days > 3_660:
            raise SelectionError(
                f"the end {iso(request.end)} is more than ten years after {iso(START)}, where the "
                "synthetic market begins; choose an earlier end"
            )
    made = synthetic_dataset(preset, seed=request.seed, days=days, symbols=symbols, step=step)
    return cut(made, request.start, request.end)


def _synthetic_words(text: str) -> tuple[str, list[str] | None, str]:
    """Preset, symbols and step; plain ``synthetic`` is minute bars of one perpetual."""
    words = text.split(":")[1:]
    preset, step = "crypto-bars", "1m"
    symbols: list[str] | None = None
    is_named = False
    for word in words:
        if word in PRESETS:
            preset, is_named = word, True
        elif word in MINUTES_PER_STEP:
            step = word
        elif all(_plain(part) in SYMBOLS for part in word.split("+")):
            symbols = [_plain(part) for part in word.split("+")]
        else:
            raise SelectionError(
                f"{text!r}: {word!r} is no part of the synthetic market; it has the sets "
                f"{', '.join(PRESETS)}, the symbols {', '.join(SYMBOLS)} (joined with +) and the "
                f"steps {', '.join(MINUTES_PER_STEP)}"
            )
    if symbols is None and not is_named:
        symbols = ["BTCUSDT-PERP"]
    return preset, symbols, step


def _plain(symbol: str) -> str:
    return symbol.removesuffix(".SYNTHETIC")


# ---------------------------------------------------------------- the catalog


def _with_funding(
    texts: Sequence[str], catalog: Catalog, request: DataRequest
) -> tuple[list[Selection], list[str]]:
    """Funding belongs to a perpetual's costs, so it comes along where the catalog has it."""
    chosen = [Selection.parse(text) for text in texts]
    notes: list[str] = []
    for name in dict.fromkeys(item.instrument for item in chosen):
        entries = {item.name for item in chosen if item.instrument == name}
        if "funding" in entries or not catalog.instrument(name).funding_interval_ns:
            continue
        if "funding" not in catalog.names(name):
            notes.append(f"{name} has no funding in the catalog: the run pays none")
            continue
        try:
            catalog.funding(name, request.start, end=request.end)
        except NotFound:
            notes.append(f"{name} has no funding in this range: the run pays none")
            chosen = _without_funding(chosen, name, catalog)
            continue
        if "" not in entries:
            chosen.append(Selection(name, "funding"))
        notes.append(f"{name}: funding comes along from the catalog")
    return chosen, notes


def _without_funding(chosen: Sequence[Selection], name: str, catalog: Catalog) -> list[Selection]:
    """The selections with everything of an instrument spelled out but its funding."""
    others = [Selection(name, item) for item in catalog.names(name) if item != "funding"]
    kept: list[Selection] = []
    for item in chosen:
        kept += others if item == Selection(name) else [item]
    return kept


# ---------------------------------------------------------------- files


def _is_file(text: str) -> bool:
    return text.lower().endswith(_FILES) or "/" in text or Path(text).is_file()


def _from_file(path: Path, catalog: Catalog, request: DataRequest) -> tuple[Columns, list[str]]:
    """A file read through the importer into a catalog that lives as long as this call."""
    name = request.instrument or _instrument_of(path)
    is_known = catalog.has_instrument(name)
    options = InstrumentOptions() if is_known else InstrumentOptions(tick="auto", lot="auto")
    with tempfile.TemporaryDirectory(prefix="interlock-import-") as folder:
        scratch = Catalog(Path(folder))
        if is_known:
            scratch.register_instrument(catalog.instrument(name))
        try:
            report = import_files(
                scratch, ImportRequest(paths=(path,), instrument_id=name, options=options)
            )
        except ImportRefused as error:
            raise ImportRefused(
                f"{error}; more can be said with `interlock data import {path} --instrument {name} "
                f"...`, then run with --data {name}"
            ) from error
        entry = report.entry
        part = scratch.read(entry.instrument, entry.name, start=request.start, end=request.end)
    notes = [f"{path.name}: read as {name} {entry.name}, {entry.rows:,} rows"]
    if not is_known:
        notes.append(_assumed(path, report.instrument))
    if report.instrument.funding_interval_ns:
        notes.append(f"{name} comes without funding: the run pays none")
    errors = [item for item in report.findings if item.severity == "error"]
    notes += [
        f"{path.name}: {item.count:,} rows with {item.code}: {item.meaning}" for item in errors
    ]
    return part, notes


def _assumed(path: Path, instrument: Instrument) -> str:
    rule = instrument.price_rule
    tick = f"tick {instrument.price_text(rule.tick)}, " if isinstance(rule, FixedTick) else ""
    return (
        f"assumed of {instrument.id}: {tick}lot {instrument.quantity_text(instrument.lot)} (from "
        f"the data), fees maker {instrument.maker_rate / 100:g} and taker "
        f"{instrument.taker_rate / 100:g} bps; state yours with `interlock data import {path.name} "
        f"--instrument {instrument.id} ...`"
    )


def _instrument_of(path: Path) -> str:
    if not path.is_file():
        raise SelectionError(f"there is no file {path}; check the path given to --data")
    found = _SYMBOL.match(path.name)
    if found is None:
        raise SelectionError(
            f"{path.name} does not begin with a symbol such as BTCUSDT or BTCUSDT-PERP; "
            "say what it holds: --instrument BTCUSDT-PERP.BINANCE"
        )
    return f"{found.group()}.FILE"


# ---------------------------------------------------------------- together


def _dataset(names: Sequence[str], parts: list[Columns], synthetic: bool) -> Dataset:
    groups: defaultdict[str, list[Columns]] = defaultdict(list)
    seen: set[tuple[str, str, int]] = set()
    for part in parts:
        step = part.step_ns if isinstance(part, BarColumns) else 0
        key = (part.instrument.id, part.kind, step)
        if key in seen:
            raise SelectionError(
                f"{part.instrument.id} {part.kind} is selected twice; select it once"
            )
        seen.add(key)
        groups[_GROUP.get(part.kind, part.kind)].append(part)
    values: dict[str, Any] = {kind: tuple(found) for kind, found in groups.items()}
    return Dataset(
        name=", ".join(names), digest=content_digest(parts), synthetic=synthetic, **values
    )
