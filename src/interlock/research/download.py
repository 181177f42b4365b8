"""Resumable downloads: pages kept on disk one by one, then put into the catalog in one step.

The rules of this file: a page counts when its line stands in ``pages.jsonl``, which happens after
its file is on disk; a run killed at any instant loses at most the page in flight; what a file
holds is proven by its digest before it is used again; the catalog sees a series when all of it
is there. The folder of a job is named by everything that decides its rows except the end, so
that a later run with a later end goes on in it.
"""

from __future__ import annotations

import hashlib
import io
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from interlock.adapters.ccxt_history import HistoryPage, HistoryRequest
from interlock.adapters.system import (
    append_durably,
    exclusive_lock,
    free_bytes,
    write_atomically,
)
from interlock.model.instrument import Instrument
from interlock.strategy.columns import BarColumns, Columns, FundingColumns, TradeColumns

FREE_BYTES_MIN = 100 * 2**20
_KINDS: dict[str, type[Columns]] = {
    "bars": BarColumns,
    "trades": TradeColumns,
    "funding": FundingColumns,
}


class DownloadError(Exception):
    """A download that ended without a series; the message names the remedy."""


class History(Protocol):
    """A series that is read in pages, such as the one of the ccxt adapter."""

    instrument: Instrument
    request: HistoryRequest
    origin: str

    def page(self, cursor_ns: int, end_ns: int) -> HistoryPage:
        """The page at the cursor; its ``next_ns`` lies later."""
        ...


class Store(Protocol):
    """Where a finished series goes, all of it or nothing."""

    def put(self, columns: Columns, *, origin: str) -> str:
        """Store the series, joined to what is there, and return the digest of the entry."""
        ...


class PageRecord(msgspec.Struct, frozen=True):
    """One line of pages.jsonl: the rows from ``start`` to ``next`` (ns) and their file's digest."""

    start: int
    next: int
    rows: int
    repeats: int
    digest: str


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a download is; times in ns UTC."""

    rows: int
    start_ns: int
    cursor_ns: int
    end_ns: int

    @property
    def share(self) -> float:
        """Part of the time range that is done, 0 to 1."""
        span = self.end_ns - self.start_ns
        return min(1.0, (self.cursor_ns - self.start_ns) / span) if span else 1.0


@dataclass(frozen=True, kw_only=True)
class Downloaded:
    """What a finished download put into the catalog.

    ``gaps`` are (first missing, first present again) in ns; ``repeats`` counts rows the venue sent
    twice and ``resumed`` the rows that an earlier run had already fetched.
    """

    instrument: str
    kind: str
    rows: int
    resumed: int
    repeats: int
    first_ns: int
    last_ns: int
    gaps: tuple[tuple[int, int], ...]
    digest: str


class JobFolder:
    """The pages of one job on disk; open it with ``open_job``."""

    def __init__(self, path: Path, start_ns: int) -> None:
        self.path = path
        self.start_ns = start_ns
        self.pages = self._trusted()

    @property
    def cursor_ns(self) -> int:
        """Where the next page begins."""
        return self.pages[-1].next if self.pages else self.start_ns

    @property
    def rows(self) -> int:
        """Rows of all pages."""
        return sum(page.rows for page in self.pages)

    def append(self, page: HistoryPage) -> None:
        """Keep a page: its file first, then the line that makes it count."""
        digest = ""
        if page.rows:
            buffer = io.BytesIO()
            pl.DataFrame(page.columns).write_parquet(buffer, compression="zstd")
            content = buffer.getvalue()
            digest = hashlib.sha256(content).hexdigest()
            write_atomically(self._file(len(self.pages)), content)
        record = PageRecord(self.cursor_ns, page.next_ns, page.rows, page.repeats, digest)
        append_durably(self.path / "pages.jsonl", msgspec.json.encode(record) + b"\n")
        self.pages.append(record)

    def columns(self) -> dict[str, NDArray[np.int64]]:
        """All rows in the order of the pages; empty when no page has any."""
        files = [self._file(index) for index, page in enumerate(self.pages) if page.rows]
        if not files:
            return {}
        frame = pl.concat([pl.read_parquet(path) for path in files])
        return {name: frame.get_column(name).to_numpy() for name in frame.columns}

    def remove(self) -> None:
        """Forget the job."""
        shutil.rmtree(self.path)

    def _file(self, index: int) -> Path:
        return self.path / f"page-{index:06d}.parquet"

    def _trusted(self) -> list[PageRecord]:
        journal = self.path / "pages.jsonl"
        if not journal.exists():
            return []
        lines = journal.read_bytes().splitlines(keepends=True)
        pages: list[PageRecord] = []
        cursor = self.start_ns
        for line in lines:
            page = self._record(line, len(pages), cursor)
            if page is None:
                break
            pages.append(page)
            cursor = page.next
        if len(pages) < len(lines):
            # The end was torn by a crash or changed since; it is fetched again.
            write_atomically(journal, b"".join(lines[: len(pages)]))
        return pages

    def _record(self, line: bytes, index: int, cursor: int) -> PageRecord | None:
        if not line.endswith(b"\n"):
            return None
        try:
            page = msgspec.json.decode(line, type=PageRecord)
        except msgspec.DecodeError:
            return None
        if page.start != cursor or page.next <= cursor:
            return None
        path = self._file(index)
        if not page.rows:
            return page
        if not path.exists() or hashlib.sha256(path.read_bytes()).hexdigest() != page.digest:
            return None
        return page


@contextmanager
def open_job(cache: Path, *, venue: str, history: History) -> Iterator[JobFolder]:
    """The job's folder under ``cache``/downloads, held against a second process.

    Raises LockHeldError while another process runs the same job.
    """
    request, instrument = history.request, history.instrument
    facts = {
        "format": 1,
        "venue": venue,
        "symbol": request.symbol,
        "kind": request.kind,
        "step": request.step if request.kind == "bars" else "",
        "start_ns": request.start_ns,
        "price_exponent": instrument.price_exponent,
        "quantity_exponent": instrument.quantity_exponent,
    }
    text = msgspec.json.encode(facts, order="sorted")
    key = hashlib.sha256(text).hexdigest()[:12]
    path = cache / "downloads" / f"{instrument.id}-{request.kind}-{key}"
    path.mkdir(parents=True, exist_ok=True)
    with exclusive_lock(path / "lock"):
        if not (path / "job.json").exists():
            write_atomically(path / "job.json", text + b"\n")
        yield JobFolder(path, request.start_ns)


def download(
    job: JobFolder,
    history: History,
    *,
    store: Store,
    end_ns: int,
    watch: Callable[[Progress], None],
) -> Downloaded:
    """Fetch what the job still lacks before ``end_ns`` and put the whole series into the store.

    ``watch`` is called before the first page and after each one. Raises DownloadError when the
    disk is full or the venue has no rows; errors of the venue and of the store pass through. What
    was fetched stays in the job's folder until the store holds it.
    """
    start_ns, resumed = job.start_ns, job.rows
    watch(Progress(rows=job.rows, start_ns=start_ns, cursor_ns=job.cursor_ns, end_ns=end_ns))
    while job.cursor_ns < end_ns:
        page = history.page(job.cursor_ns, end_ns)
        assert page.next_ns > job.cursor_ns, "a page that does not advance would never end"
        _keep(job, page)
        watch(Progress(rows=job.rows, start_ns=start_ns, cursor_ns=job.cursor_ns, end_ns=end_ns))
    columns = _series(job, history, end_ns)
    digest = store.put(columns, origin=history.origin)
    repeats = sum(page.repeats for page in job.pages)
    job.remove()
    return Downloaded(
        instrument=history.instrument.id,
        kind=history.request.kind,
        rows=len(columns),
        resumed=resumed,
        repeats=repeats,
        first_ns=int(columns.ts[0]),
        last_ns=int(columns.ts[-1]),
        gaps=_gaps(columns, start_ns, end_ns),
        digest=digest,
    )


def _keep(job: JobFolder, page: HistoryPage) -> None:
    try:
        free = free_bytes(job.path)
        if free < FREE_BYTES_MIN:
            raise DownloadError(
                f"{job.path} has {free // 2**20} MB free, a download keeps at least "
                f"{FREE_BYTES_MIN // 2**20} MB; free space and run the same command again, "
                "it continues where it stopped"
            )
        job.append(page)
    except OSError as error:
        raise DownloadError(
            f"{job.path} cannot be written: {error.strerror or error}; free space or fix the "
            "permissions and run the same command again, it continues where it stopped"
        ) from error


def _series(job: JobFolder, history: History, end_ns: int) -> Columns:
    request = history.request
    arrays = job.columns()
    if arrays:
        last = arrays["ts"] + request.step_ns
        inside = (arrays["ts"] < end_ns) & (last <= end_ns)
        arrays = {name: array[inside] for name, array in arrays.items()}
    if not arrays or not len(arrays["ts"]):
        job.remove()
        raise DownloadError(
            f"{history.origin} has no {request.kind} in the time asked for; check when the market "
            "was listed and choose other dates with --from and --to"
        )
    if request.kind != "trades" and bool(np.any(np.diff(arrays["ts"]) <= 0)):
        raise DownloadError(
            f"{job.path} holds two rows of one time; remove that folder and run again"
        )
    steps = {"step_ns": request.step_ns} if request.kind == "bars" else {}
    return _KINDS[request.kind](instrument=history.instrument, **arrays, **steps)  # type: ignore[arg-type]


def _gaps(columns: Columns, start_ns: int, end_ns: int) -> tuple[tuple[int, int], ...]:
    if not isinstance(columns, BarColumns):
        return ()
    edges = np.concatenate(([start_ns - columns.step_ns], columns.ts, [end_ns]))
    # The end may lie inside a step; only whole missing bars count.
    holes = np.flatnonzero(np.diff(edges) >= 2 * columns.step_ns)
    return tuple((int(edges[hole]) + columns.step_ns, int(edges[hole + 1])) for hole in holes)
