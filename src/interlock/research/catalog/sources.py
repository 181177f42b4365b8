"""Files as users have them, read in chunks: CSV (plain, gz, zip), Parquet, feather, NumPy, JSON."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
import polars as pl

from interlock.research.catalog.errors import ImportRefused
from interlock.research.catalog.preamble import open_table, separator_of

_CSV_BLOCK = 32 << 20
_CHUNK_ROWS = 1_000_000
_OHLCV = ("time", "open", "high", "low", "close", "volume")
_KLINE = (
    "open_time", "open", "high", "low", "close", "volume", "close_time", "quote_volume", "count",
    "taker_buy_volume", "taker_buy_quote_volume", "ignore",
)  # fmt: skip
_AGGREGATE = (
    "agg_trade_id", "price", "quantity", "first_trade_id", "last_trade_id", "transact_time",
    "is_buyer_maker", "is_best_match",
)  # fmt: skip
_TRADE = ("id", "price", "qty", "quote_qty", "time", "is_buyer_maker", "is_best_match")
_SUFFIXES = "csv, csv.gz, csv.zip, parquet, feather, npy, npz, json, json.gz"


@dataclass(frozen=True, slots=True)
class Chunk:
    """Rows of a file with the columns it names, and how much of the file they end at (0..1).

    ``notes`` say what of the file was passed over.
    """

    frame: pl.DataFrame
    first_row: int
    done: float
    notes: tuple[str, ...] = ()


def chunks(path: Path) -> Iterator[Chunk]:
    """The rows of a file in order; raises ImportRefused for what cannot be read."""
    name = path.name.lower()
    if not path.is_file():
        raise ImportRefused(f"{path} is not a file; name a file or a pattern that matches files")
    for suffixes, reader in _READERS:
        if name.endswith(suffixes):
            try:
                yield from reader(path)
            except (
                pl.exceptions.PolarsError, OSError, EOFError, ValueError, zipfile.BadZipFile,
            ) as error:  # fmt: skip
                raise ImportRefused(
                    f"{path} cannot be read: {_short(error)}; the file is damaged or not what its "
                    "name says: download or export it again"
                ) from error
            return
    raise ImportRefused(f"{path}: the format is not known; supported are {_SUFFIXES}")


def _short(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


def _csv(path: Path) -> Iterator[Chunk]:
    size = max(1, path.stat().st_size)
    with path.open("rb") as raw, _plain(raw, path) as text:
        table = open_table(text)
        separator = separator_of(table.head)
        cells = _cells(table.head, separator)
        has_header = _is_header(cells)
        names = [cell.strip() for cell in cells] if has_header else _headerless(cells, path)
        rest = table.second if has_header else table.head + table.second
        row = 0
        while True:
            block = table.rest.read(_CSV_BLOCK)
            content = rest + block
            cut = content.rfind(b"\n") + 1 if block else len(content)
            if cut and content[:cut].strip():
                frame = _frame(content[:cut], names, separator, path)
                yield Chunk(frame, row, min(1.0, raw.tell() / size), table.notes)
                row += len(frame)
            rest = content[cut:]
            if not block:
                return


def _frame(content: bytes, names: list[str], separator: str, path: Path) -> pl.DataFrame:
    try:
        frame = pl.read_csv(content, has_header=False, infer_schema=False, separator=separator)
    except pl.exceptions.PolarsError as error:
        raise ImportRefused(
            f"{path} is not a regular CSV: {_short(error)}; every row needs {len(names)} columns"
        ) from error
    if frame.width != len(names):
        hint = ""
        if separator == "," and frame.width > len(names):
            hint = "; where numbers have a decimal comma, export them with decimal points"
        raise ImportRefused(
            f"{path} has rows of {frame.width} columns under {len(names)} names; "
            f"every row needs as many values as there are names{hint}"
        )
    return frame.rename(dict(zip(frame.columns, names, strict=True)))


@contextmanager
def _plain(raw: IO[bytes], path: Path) -> Iterator[IO[bytes]]:
    if path.name.lower().endswith(".gz"):
        with gzip.GzipFile(fileobj=raw) as unpacked:
            yield io.BufferedReader(unpacked)
    elif path.name.lower().endswith(".zip"):
        with zipfile.ZipFile(raw) as archive:
            members = [item for item in archive.namelist() if item.lower().endswith(".csv")]
            if len(members) != 1:
                raise ImportRefused(
                    f"{path} holds {len(members)} CSV files; unpack it and import them one by one"
                )
            with archive.open(members[0]) as unpacked:
                yield unpacked
    else:
        yield raw


def _cells(line: bytes, separator: str) -> list[str]:
    text = line.decode("utf-8-sig", errors="replace").strip()
    return [cell.strip().strip('"') for cell in text.split(separator)] if text else []


def _is_header(cells: list[str]) -> bool:
    return bool(cells) and not any(cell[:1].isdigit() for cell in cells[:2])


def _headerless(cells: list[str], path: Path) -> list[str]:
    truths = sum(cell.lower() in ("true", "false") for cell in cells)
    shapes = {
        (12, 0): _KLINE,
        (6, 0): _OHLCV,
        (5, 0): _OHLCV[:5],
        (7, 1): _AGGREGATE[:7],
        (8, 2): _AGGREGATE,
        (6, 1): _TRADE[:6],
        (7, 2): _TRADE,
    }
    names = shapes.get((len(cells), truths))
    if names is None:
        raise ImportRefused(
            f"{path} has no header and {len(cells)} columns, which is no known layout; "
            "add a first line with column names, such as time,open,high,low,close,volume"
        )
    return list(names)


def _parquet(path: Path) -> Iterator[Chunk]:
    lazy = pl.scan_parquet(path)
    total = int(lazy.select(pl.len()).collect().item())
    for start in range(0, total, _CHUNK_ROWS):
        frame = lazy.slice(start, _CHUNK_ROWS).collect()
        yield Chunk(frame, start, min(1.0, (start + _CHUNK_ROWS) / total))


def _feather(path: Path) -> Iterator[Chunk]:
    yield Chunk(pl.read_ipc(path), 0, 1.0)


def _npy(path: Path) -> Iterator[Chunk]:
    array = np.load(path, allow_pickle=False)
    if array.dtype.names:
        yield Chunk(pl.DataFrame({name: array[name] for name in array.dtype.names}), 0, 1.0)
        return
    if array.ndim != 2 or array.shape[1] not in (5, 6):
        raise ImportRefused(
            f"{path} has shape {array.shape}; an .npy file needs N x 6 in the order "
            f"{', '.join(_OHLCV)} (or named fields)"
        )
    names = _OHLCV[: array.shape[1]]
    columns = {name: np.ascontiguousarray(array[:, at]) for at, name in enumerate(names)}
    yield Chunk(pl.DataFrame(columns), 0, 1.0)


def _npz(path: Path) -> Iterator[Chunk]:
    with np.load(path, allow_pickle=False) as archive:
        columns = {name: archive[name] for name in archive.files}
    shapes = {name: array.shape for name, array in columns.items()}
    if len(set(shapes.values())) != 1 or any(array.ndim != 1 for array in columns.values()):
        raise ImportRefused(
            f"{path} holds arrays of shapes {shapes}; name one flat array per column, equally long"
        )
    yield Chunk(pl.DataFrame(columns), 0, 1.0)


def _json(path: Path) -> Iterator[Chunk]:
    with path.open("rb") as raw, _plain(raw, path) as text:
        rows = json.load(text, parse_float=str)
    if not isinstance(rows, list) or not rows or not isinstance(rows[0], list):
        raise ImportRefused(f"{path} is no list of rows; expected [[time, open, high, ...], ...]")
    if {len(row) for row in rows} != {len(_OHLCV)}:
        raise ImportRefused(f"{path}: every row needs {len(_OHLCV)} values: {', '.join(_OHLCV)}")
    columns = {
        name: pl.Series(
            [None if row[at] is None else str(row[at]) for row in rows], dtype=pl.String
        )
        for at, name in enumerate(_OHLCV)
    }
    yield Chunk(pl.DataFrame(columns), 0, 1.0)


_READERS = (
    ((".csv", ".csv.gz", ".zip", ".txt"), _csv),
    ((".parquet", ".pq"), _parquet),
    ((".feather", ".arrow", ".ipc"), _feather),
    ((".npy",), _npy),
    ((".npz",), _npz),
    ((".json", ".json.gz"), _json),
)
