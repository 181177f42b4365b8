"""Import: files to one verified entry of the catalog, or one message and no change."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import numpy as np

from interlock.model.instrument import Instrument
from interlock.research.catalog.catalog import Catalog
from interlock.research.catalog.checks import check_table
from interlock.research.catalog.convert import Progress, RawFile, Reading, read_file
from interlock.research.catalog.entries import Entry, Provenance
from interlock.research.catalog.errors import ImportRefused
from interlock.research.catalog.findings import Finding
from interlock.research.catalog.instruments import (
    InstrumentOptions,
    Precision,
    from_file,
    from_options,
    hold_to,
    widened,
)
from interlock.research.catalog.layouts import step_in_name
from interlock.research.catalog.merge import collapse, join, ordered_rows
from interlock.research.catalog.table import KINDS, PREVIOUS, PRICES, QUANTITIES, Table
from interlock.research.catalog.times import distinct, step_name, step_ns
from interlock.strategy.columns import Integers


@dataclass(frozen=True, slots=True)
class ImportRequest:
    """What to import and how; ``mode`` as in Catalog.put."""

    paths: tuple[Path, ...]
    instrument_id: str
    options: InstrumentOptions = field(default_factory=InstrumentOptions)
    reading: Reading = field(default_factory=Reading)
    step: str = ""
    mode: str = "append"
    sort: bool = False
    round_values: bool = False
    # Some sources label a bar by its close; the catalog keeps open times.
    labeled_by_close: bool = False
    synthetic: bool = False


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What was stored, what was assumed, and what the check of the new rows says."""

    entry: Entry
    instrument: Instrument
    files: int
    rows: int
    notes: tuple[str, ...]
    findings: tuple[Finding, ...]


def import_files(
    catalog: Catalog,
    request: ImportRequest,
    *,
    now_ns: int | None = None,
    progress: Progress | None = None,
    started: Callable[[str], None] | None = None,
) -> ImportReport:
    """Read all files, prove them, check them and store them in one step; raises CatalogError."""
    if not request.paths:
        raise ImportRefused("no files to import; name at least one file or pattern")
    known = _known_instrument(catalog, request)
    reading = _reading(request, known)
    files = [read_file(path, reading, progress=progress) for path in request.paths]
    kinds = sorted({raw.layout.kind for raw in files})
    if len(kinds) > 1:
        raise ImportRefused(
            f"the files hold {' and '.join(kinds)}; import one kind with one command"
        )
    instrument, notes = known, tuple[str, ...]()
    if instrument is None:
        instrument, notes = from_options(
            request.instrument_id, request.options, precision=_precision(files, request.options)
        )
    if started is not None:
        started("checking and storing")
    tables, moved = [], 0
    for raw in files:
        table, back = ordered_rows(
            _table(raw, instrument, request), where=str(raw.path), sort=request.sort
        )
        tables.append(table)
        moved += back
        raw.release()
    return _store(catalog, request, files, tables, (*notes, *_notes(files, moved)), now_ns)


def _store(
    catalog: Catalog,
    request: ImportRequest,
    files: list[RawFile],
    tables: list[Table],
    notes: tuple[str, ...],
    now_ns: int | None,
) -> ImportReport:
    merge = request.mode == "merge"
    _one_step(files, tables)
    collapsed = 0
    for at, (raw, table) in enumerate(zip(files, tables, strict=True)):
        tables[at], found = collapse(table, where=str(raw.path), merge=merge)
        collapsed += found
    joined, found = join(tables, merge=merge)
    findings = check_table(joined, now_ns=now_ns)
    provenance = Provenance(
        origin=", ".join(raw.path.name for raw in files[:20]) + (", ..." if files[20:] else ""),
        imported_by="interlock data import",
        synthetic=request.synthetic or joined.instrument.synthetic,
        rounded=sum(raw.rounded for raw in files),
        collapsed=collapsed + found,
    )
    entry = catalog.put(joined, origin=provenance.origin, mode=request.mode, provenance=provenance)
    return ImportReport(entry, joined.instrument, len(files), len(joined), notes, tuple(findings))


def _known_instrument(catalog: Catalog, request: ImportRequest) -> Instrument | None:
    options = request.options
    if not catalog.has_instrument(request.instrument_id):
        return None
    known = catalog.instrument(request.instrument_id)
    if options.file is not None:
        return None if from_file(options.file) != known else known
    wider = widened(known, options.price_exponent, quantity_exponent=options.quantity_exponent)
    hold_to(wider, options)
    return wider


def _reading(request: ImportRequest, known: Instrument | None) -> Reading:
    if not request.round_values:
        return request.reading
    options = request.options
    if known is None and options.file is not None:
        known = from_file(options.file)
    if known is not None:
        exponents = (known.price_exponent, known.quantity_exponent)
    elif options.price_exponent is None or options.quantity_exponent is None:
        raise ImportRefused(
            "--round needs the units to round to; pass --price-exponent 2 --quantity-exponent 8"
        )
    else:
        exponents = (options.price_exponent, options.quantity_exponent)
    reading = request.reading
    return Reading(
        reading.hints, reading.timezone, reading.time_unit, reading.symbol, round_to=exponents
    )


def _precision(files: list[RawFile], options: InstrumentOptions) -> Precision:
    price = max(raw.exponent(PRICES) for raw in files)
    quantity = max(raw.exponent(QUANTITIES) for raw in files)
    return Precision(
        price=price,
        quantity=quantity,
        price_increment=_increment(files, PRICES, price) if options.tick == "auto" else 0,
        quantity_increment=_increment(files, QUANTITIES, quantity) if options.lot == "auto" else 0,
    )


def _increment(files: list[RawFile], names: tuple[str, ...], exponent: int) -> int:
    found = [
        int(np.gcd.reduce(part.at(exponent)))
        for raw in files
        for name in names
        for part in raw.decimals.get(name, [])
    ]
    return int(np.gcd.reduce(np.array(found or [1], dtype=np.int64)))


def _table(raw: RawFile, instrument: Instrument, request: ImportRequest) -> Table:
    kind, times = raw.layout.kind, raw.times()
    arrays: dict[str, Integers] = {"ts": times}
    for name in KINDS[kind].names():
        if name == "ts":
            continue
        if name in raw.decimals:
            arrays[name] = _units(raw, name, instrument)
        elif name in raw.integers:
            arrays[name] = np.concatenate(raw.integers[name])
        else:
            fill = 1 if name == "is_snapshot" and raw.layout.all_snapshot else 0
            arrays[name] = np.full(len(times), fill, dtype=np.int64)
    if PREVIOUS in raw.integers:
        arrays[PREVIOUS] = np.concatenate(raw.integers[PREVIOUS])
    step = 0
    if kind == "bars":
        step = _step(raw, request.step)
    if raw.layout.at_close:
        arrays["ts"] = times + _step(raw, request.step)
    elif request.labeled_by_close and kind == "bars":
        arrays["ts"] = times - step
    return Table(instrument, kind, arrays, step)


def _units(raw: RawFile, name: str, instrument: Instrument) -> Integers:
    is_price = name in PRICES
    what = "price" if is_price else "quantity"
    exponent = instrument.price_exponent if is_price else instrument.quantity_exponent
    needed = raw.exponent(PRICES if is_price else QUANTITIES)
    remedy = (
        f"values are never rounded silently: pass --{what}-exponent {needed} (stored data of the "
        "instrument keeps its meaning), or round on purpose with --round"
    )
    return raw.units(name, exponent, remedy=remedy)


def _step(raw: RawFile, said: str) -> int:
    differences = np.diff(distinct(raw.times()))
    in_name = step_in_name(raw.path)
    stated = said or in_name
    if not len(differences):
        if not stated:
            raise ImportRefused(
                f"{raw.path} has one time only; say the step of its bars: --step 1m"
            )
        return step_ns(stated.lower())
    values, counts = np.unique(differences, return_counts=True)
    common = int(values[int(counts.argmax())])
    if not stated:
        return step_ns(step_name(common))
    step = step_ns(stated.lower())
    if step != common and (said == "" or int(values[0]) < step):
        source = "--step" if said else "the file name"
        raise ImportRefused(
            f"{raw.path}: {source} says {stated}, most rows are {common / 1e9:g} s apart; pass "
            "the step that the bars have: --step 1h"
        )
    return step


def _one_step(files: list[RawFile], tables: list[Table]) -> None:
    steps = {table.step_ns: raw.path for raw, table in zip(files, tables, strict=True)}
    if len(steps) > 1:
        shown = ", ".join(f"{path.name} {step_name(step)}" for step, path in sorted(steps.items()))
        raise ImportRefused(f"the files have different steps ({shown}); import each step by itself")


def _notes(files: list[RawFile], moved: int) -> tuple[str, ...]:
    notes = dict.fromkeys(note for raw in files for note in (*raw.notes, *raw.layout.notes))
    ignored = dict.fromkeys(name for raw in files for name in raw.layout.ignored)
    if ignored:
        notes[f"columns not stored: {', '.join(ignored)}"] = None
    if moved:
        notes[f"sorted by time: {moved} rows went back in time"] = None
    changed = sum(raw.rounded for raw in files)
    if changed:
        notes[f"rounded half-even on request: {changed} values changed"] = None
    return tuple(notes)


def expand(patterns: tuple[str, ...]) -> tuple[Path, ...]:
    """Files of paths and glob patterns, each once, in the order of patterns then names."""
    found: dict[Path, None] = {}
    for pattern in patterns:
        path = Path(pattern)
        if any(mark in pattern for mark in "*?[") and not path.exists():
            root = Path(path.anchor) if path.is_absolute() else Path()
            relative = str(path.relative_to(root)) if path.is_absolute() else pattern
            matches = sorted(item for item in root.glob(relative) if item.is_file())
            if not matches:
                raise ImportRefused(f"pattern {pattern!r} matches no file; check folder and name")
            found.update(dict.fromkeys(matches))
        else:
            found[path] = None
    return tuple(found)


def as_json(report: ImportReport) -> dict[str, object]:
    """The report as plain values."""
    return {
        "entry": msgspec.to_builtins(report.entry),
        "files": report.files,
        "rows": report.rows,
        "notes": list(report.notes),
        "findings": [msgspec.to_builtins(item) for item in report.findings],
    }
