"""Keep results in folders: save, load, list and compare them.

A folder is complete when its DONE file exists. DONE is written last and lists every other file
with its size and SHA-256; a folder without it, or with a file that differs, is never loaded.
"""

import datetime
import hashlib
import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import polars as pl

from interlock.research import report
from interlock.research.metrics import DEFINITIONS
from interlock.research.report import text
from interlock.research.result import BacktestResult

FORMAT = 1
DONE = "DONE"
REPORT = "report.html"
_FRAMES = ("orders", "fills", "equity", "round_trips", "bars")
_STAMP = re.compile(r"-(\d{8}-\d{6})-[0-9a-f]{8}$")
_FILL_KEYS = ("ts", "instrument", "side", "quantity_units", "price_units", "fee_units")


class ResultError(ValueError):
    """A result folder that cannot be written, read or found."""


@dataclass(frozen=True, slots=True)
class RunSummary:
    """One line about a run; an incomplete one has only its id and path."""

    id: str
    path: Path
    complete: bool
    synthetic: bool | None = None
    ran_at: str = ""
    ran_ns: int = 0
    strategy: str = ""
    instruments: tuple[str, ...] = ()
    first_ts: int | None = None
    last_ts: int | None = None
    total_return: float | None = None
    sharpe: float | None = None
    max_drawdown: float | None = None
    trades: float | None = None


@dataclass(frozen=True, slots=True)
class FillDifference:
    """The first fill that two runs do not share; None where a run has no such fill."""

    index: int
    first: dict[str, Any] | None
    second: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two runs side by side: metrics (name, first, second) and settings that differ."""

    metrics: list[tuple[str, float | None, float | None]]
    settings: list[tuple[str, str, str]]
    fill: FillDifference | None
    same_data: bool
    same_result: bool


def run_id(strategy: str, *, when_ns: int, result_digest: str) -> str:
    """Folder name `<strategy>-<yyyymmdd-hhmmss>-<first 8 of the digest>`, time in UTC."""
    name = re.sub(r"[^A-Za-z0-9_.]+", "-", strategy).strip("-.") or "strategy"
    when = datetime.datetime.fromtimestamp(when_ns // 1_000_000_000, tz=datetime.UTC)
    return f"{name[:80]}-{when:%Y%m%d-%H%M%S}-{result_digest[:8]}"


def save(
    result: BacktestResult, root: Path, *, when_ns: int, run_toml: str = "", page: bool = True
) -> Path:
    """Write a result folder below `root` and return it.

    `when_ns` is the time of the run (ns UTC), `run_toml` the run file that repeats it, and `page`
    whether to write the report. A complete folder of the same run is left as it is. Raises
    ResultError when the folder cannot be written; what was written then is removed.
    """
    strategy = report.strategy_name(result.config)
    name = run_id(strategy, when_ns=when_ns, result_digest=result.result_digest)
    folder = root / name
    if (folder / DONE).exists():
        return folder
    try:
        if folder.exists():
            shutil.rmtree(folder)
        folder.mkdir(parents=True)
        _write(result, folder, when_ns=when_ns, run_toml=run_toml, page=page)
    except (OSError, ValueError, pl.exceptions.PolarsError) as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise ResultError(
            f"cannot write the result folder {folder}: {error}; "
            "free some space or name another folder for results"
        ) from error
    return folder


def _write(
    result: BacktestResult, folder: Path, *, when_ns: int, run_toml: str, page: bool
) -> None:
    for name in _FRAMES:
        getattr(result, name).write_parquet(folder / f"{name}.parquet", compression="zstd")
    ran_at = text.moment(when_ns)
    _dump(folder / "config.json", dict(result.config))
    (folder / "run.toml").write_text(run_toml, encoding="utf-8")
    _dump(folder / "metrics.json", _metrics_file(result, when_ns=when_ns))
    _dump(
        folder / "digest.json",
        {
            "format": FORMAT,
            "data_digest": result.data_digest,
            "journal_digest": result.journal_digest,
            "result_digest": result.result_digest,
            "synthetic": result.synthetic,
        },
    )
    if page:
        html = report.render(result, name=folder.name, made=f"{ran_at} UTC")
        (folder / REPORT).write_text(html, encoding="utf-8")
    files = {path.name: _fingerprint(path) for path in sorted(folder.iterdir())}
    partial = folder / (DONE + ".partial")
    _dump(partial, {"format": FORMAT, "files": files})
    partial.rename(folder / DONE)


def _metrics_file(result: BacktestResult, *, when_ns: int) -> dict[str, Any]:
    ts = result.equity["ts"]
    values = {name: result.metrics.get(name) for name in DEFINITIONS}
    return {
        "summary": {
            "ran_at": text.moment(when_ns),
            "ran_ns": when_ns,
            "strategy": report.strategy_name(result.config),
            "instruments": report.instrument_names(result),
            "first_ts": None if ts.is_empty() else int(ts[0]),
            "last_ts": None if ts.is_empty() else int(ts[-1]),
        },
        "account": {
            "currency": result.currency,
            "initial_equity": result.initial_equity,
            "periods_per_year": result.periods_per_year,
        },
        "metrics": values,
        "reasons": dict(result.metrics.get("reasons", {})),
        "costs": dict(result.costs),
        "counters": dict(result.counters),
        "definitions": {name: asdict(known) for name, known in DEFINITIONS.items()},
    }


def load(folder: Path, *, verify: bool = False) -> BacktestResult:
    """Read a complete result folder; with `verify` every file's SHA-256 is checked, too.

    Raises ResultError for a folder that is incomplete, changed or of another format.
    """
    _check(folder, verify=verify)
    digest, numbers = _read(folder / "digest.json"), _read(folder / "metrics.json")
    frames = {name: pl.read_parquet(folder / f"{name}.parquet") for name in _FRAMES}
    account = numbers["account"]
    return BacktestResult(
        config=_read(folder / "config.json"),
        synthetic=digest["synthetic"],
        data_digest=digest["data_digest"],
        currency=account["currency"],
        initial_equity=account["initial_equity"],
        periods_per_year=account["periods_per_year"],
        costs=numbers["costs"],
        metrics={**numbers["metrics"], "reasons": numbers["reasons"]},
        counters=numbers["counters"],
        journal_digest=digest["journal_digest"],
        result_digest=digest["result_digest"],
        **frames,
    )


def list_runs(root: Path) -> list[RunSummary]:
    """All runs below `root`, newest first; folders without DONE are listed as incomplete."""
    if not root.is_dir():
        return []
    runs = [_summary(folder) for folder in root.iterdir() if _is_run(folder)]
    return sorted(runs, key=lambda run: (run.complete, run.ran_ns, run.id), reverse=True)


def find(root: Path, name: str) -> Path:
    """The folder of a run by path, id, or beginning or end of the id.

    Raises ResultError when no run, or more than one, has that name.
    """
    for exact in (Path(name), root / name):
        if name and _is_run(exact):
            return exact
    ids = [run.id for run in list_runs(root)]
    found = [run for run in ids if run.startswith(name) or run.endswith(name)]
    if len(found) == 1:
        return root / found[0]
    if found:
        raise ResultError(
            f"{len(found)} runs match {name!r}: {', '.join(found[:5])}; type more of the id"
        )
    raise ResultError(f"no run {name!r} in {root} ({len(ids)} runs); see `interlock results list`")


def compare(first: Path, second: Path) -> Comparison:
    """Compare two complete result folders. Raises ResultError when one cannot be read."""
    for folder in (first, second):
        _check(folder, verify=False)
    numbers = [_read(folder / "metrics.json")["metrics"] for folder in (first, second)]
    digests = [_read(folder / "digest.json") for folder in (first, second)]
    settings = [text.flatten(_read(folder / "config.json")) for folder in (first, second)]
    names = list(dict.fromkeys([*settings[0], *settings[1]]))
    return Comparison(
        metrics=[(name, numbers[0].get(name), numbers[1].get(name)) for name in DEFINITIONS],
        settings=[
            (name, settings[0].get(name, ""), settings[1].get(name, ""))
            for name in names
            if settings[0].get(name) != settings[1].get(name)
        ],
        fill=first_fill_difference(
            *(pl.read_parquet(f / "fills.parquet") for f in (first, second))
        ),
        same_data=digests[0]["data_digest"] == digests[1]["data_digest"],
        same_result=digests[0]["result_digest"] == digests[1]["result_digest"],
    )


def first_fill_difference(first: pl.DataFrame, second: pl.DataFrame) -> FillDifference | None:
    """The first row where time, instrument, side, size, price or fee differ, or None."""
    keys = [key for key in _FILL_KEYS if key in first.columns and key in second.columns]
    shared = min(first.height, second.height)
    pair = pl.concat(
        [
            first.head(shared).select(keys),
            second.head(shared).select(pl.col(key).alias(f"{key}_other") for key in keys),
        ],
        how="horizontal",
    )
    differs = pair.select(
        pl.any_horizontal(pl.col(key).ne_missing(pl.col(f"{key}_other")) for key in keys)
    ).to_series()
    index = int(differs.arg_true()[0]) if differs.any() else shared
    if index >= max(first.height, second.height):
        return None
    rows = [
        frame.row(index, named=True) if index < frame.height else None for frame in (first, second)
    ]
    return FillDifference(index, rows[0], rows[1])


def _is_run(folder: Path) -> bool:
    return folder.is_dir() and any(
        (folder / name).exists() for name in (DONE, "config.json", "orders.parquet", "run.toml")
    )


def _stamped_ns(name: str) -> int:
    """The second in a run's id as ns UTC, 0 where the id has none."""
    found = _STAMP.search(name)
    if found is None:
        return 0
    when = datetime.datetime.strptime(found.group(1) + "+0000", "%Y%m%d-%H%M%S%z")
    return int(when.timestamp()) * 1_000_000_000


def _summary(folder: Path) -> RunSummary:
    if not (folder / DONE).exists():
        return RunSummary(folder.name, folder, complete=False)
    try:
        numbers, digest = _read(folder / "metrics.json"), _read(folder / "digest.json")
        about, values = numbers["summary"], numbers["metrics"]
    except (ResultError, KeyError):
        return RunSummary(folder.name, folder, complete=False)
    return RunSummary(
        id=folder.name,
        path=folder,
        complete=True,
        synthetic=digest.get("synthetic"),
        ran_at=about["ran_at"],
        ran_ns=about.get("ran_ns") or _stamped_ns(folder.name),
        strategy=about["strategy"],
        instruments=tuple(about["instruments"]),
        first_ts=about["first_ts"],
        last_ts=about["last_ts"],
        **{name: values.get(name) for name in ("total_return", "sharpe", "max_drawdown", "trades")},
    )


def _check(folder: Path, *, verify: bool) -> None:
    if not (folder / DONE).exists():
        raise ResultError(
            f"{folder} is not a complete result: it has no {DONE} file, so the run was interrupted "
            "or is still going; run it again"
        )
    listed = _read(folder / DONE)
    if listed.get("format") != FORMAT:
        raise ResultError(
            f"{folder} has result format {listed.get('format')!r}; this version reads {FORMAT}: "
            "run the backtest again"
        )
    for name, known in listed["files"].items():
        path = folder / name
        if name == REPORT and not path.exists():
            continue
        size = path.stat().st_size if path.exists() else None
        if size != known["size"] or (verify and _fingerprint(path) != known):
            raise ResultError(
                f"{path} was changed after the run ({size} bytes, {known['size']} written): "
                "restore it or run the backtest again"
            )


def _fingerprint(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"size": path.stat().st_size, "sha256": digest}


def _dump(path: Path, value: Mapping[str, Any]) -> None:
    content = json.dumps(value, indent=2, default=str, ensure_ascii=False, allow_nan=False)
    path.write_text(content + "\n", encoding="utf-8")


def _read(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ResultError(f"cannot read {path}: {error}; run the backtest again") from error
    if not isinstance(value, dict):
        raise ResultError(f"{path} holds no JSON object; run the backtest again")
    return value
