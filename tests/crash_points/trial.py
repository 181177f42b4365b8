"""One start on what a crash left: the program's own start path, and what is held against it."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from interlock.adapters.storage import (
    FolderSnapshots,
    SqlLeases,
    SqlLedger,
    open_ledger,
    prepare,
    verify,
)
from interlock.adapters.storage.database import Database
from interlock.adapters.storage.ledger import digest_after, read_stored
from interlock.adapters.tape import TapeReader
from interlock.live.start import EXTRA_INPUTS, Started, StartError, start
from interlock.model.instrument import Instrument
from interlock.model.rows import EventRow
from interlock.model.venue import Request
from interlock.ports import Heard, LedgerFault
from interlock.runtime.recovery import recover
from tests.crash_points.disk import Image
from tests.crash_points.operations import Recorder
from tests.crash_points.workload import ACCOUNT, HOLDER, LEDGER, Workload
from tests.toy_players import BTC, SECOND, T0

# Later than anything in a workload: leases of the life before have run out.
TS_START = T0 + 10_000 * SECOND
TS_LATER = TS_START + 1_000 * SECOND
# A start that does not come to its first question is stuck.
_PATIENCE_S = 20


class Promised(msgspec.Struct, frozen=True):
    """What had been acknowledged before the crash; ``digests`` is the chain by row."""

    digests: Sequence[bytes]
    rows: int = 0
    epoch: int = 0
    version: int = 0
    snapshot: int = 0
    tape: int = 0

    def and_also(self, acknowledged: Iterable[tuple[int, str, int]], upto: int) -> Promised:
        """With what was acknowledged by the time that ``upto`` operations had happened."""
        more = {name: getattr(self, name) for name in PROMISES}
        for at, what, value in acknowledged:
            if at <= upto:
                more[what] = max(more[what], value)
        return msgspec.structs.replace(self, **more)


PROMISES = ("rows", "epoch", "version", "snapshot", "tape")


class Outcome(msgspec.Struct):
    """What a start on an image found.

    ``refused`` is the reason of a start that did not come about, ``corrupt`` what full
    verification says afterwards, ``faults`` everything else that is wrong whatever was promised.
    """

    rows: int = 0
    epoch: int = 0
    version: int = 0
    snapshot: int = 0
    tape: int = 0
    digest: bytes = b""
    refused: str = ""
    corrupt: str = ""
    faults: list[str] = []


class _Hand:
    """A clock that stands still."""

    def now_ns(self) -> int:
        return TS_START


class _Venue:
    """A venue that hears the first questions of recovery and says nothing yet."""

    name = "toy"

    def __init__(self, recorder: Recorder | None) -> None:
        self.doors: Any = None
        self.was_asked = asyncio.Event()
        self._recorder = recorder

    def instruments(self) -> list[Instrument]:
        return [BTC]

    async def connect(self, heard: Heard) -> None:
        """Nothing to reach."""

    def request(self, request: Request) -> None:
        self.was_asked.set()
        if self._recorder is not None and self.doors is not None:
            # A request leaves only when every row before it is durable.
            self._recorder.acknowledge("rows", self.doors.ledger.last())

    async def close(self) -> None:
        """Nothing to close."""


def lay_out(image: Image, folder: Path) -> None:
    """Put an image in place of a folder."""
    shutil.rmtree(folder, ignore_errors=True)
    for name in ("tape", "snapshots"):
        (folder / name).mkdir(parents=True)
    for path, content in image.items():
        (folder / path).write_bytes(content)


def read(folder: Path, workload: Workload, known: Sequence[bytes]) -> Outcome:
    """Take the lease, open and verify the ledger, recover from it, append a row to it.

    ``known`` is the chain of the workload, by row; what is recovered from rows of it is compared.
    """
    found = Outcome(tape=_taped(folder))
    path = folder / LEDGER
    try:
        database = prepare(path)
        found.version = 1
        leases = SqlLeases(database)
        lease = leases.acquire(ACCOUNT, HOLDER, ts=TS_LATER, ttl_ns=SECOND)
        found.epoch = 0 if lease is None else lease.epoch
        with open_ledger(path, leases=[] if lease is None else [lease]) as ledger:
            _recover(found, ledger, workload, known)
            ledger.append([EventRow(ts_event=TS_START, name="STARTED", level="INFO")])
            if ledger.commit() != found.rows + 1:
                found.faults.append("the ledger cannot be written on")
        return _verified(found, database)
    except LedgerFault as error:
        found.refused = str(error)
        return found


def _recover(found: Outcome, ledger: SqlLedger, workload: Workload, known: Sequence[bytes]) -> None:
    folder = Path(ledger.database.path or "").parent
    kept = FolderSnapshots(folder / "snapshots", anchor=ledger.digest_at)
    seq, state = kept.latest() or (0, None)
    reader = TapeReader(folder / "tape", extra=EXTRA_INPUTS)
    rows = read_stored(ledger.database, seq)
    recovered = recover(workload.world.setup(), kept=state, rows=rows, tape=reader.read(seq))
    found.rows, found.snapshot = recovered.seq, seq
    found.digest = ledger.digest_at(recovered.seq) or b""
    if found.rows < len(known) and found.digest == known[found.rows]:
        wanted = workload.books_after(found.rows)
        if workload.books_of(recovered.state, found.rows) != wanted:
            found.faults.append(f"books after row {found.rows} are not those of its rows")


def start_engine(folder: Path, workload: Workload, recorder: Recorder | None = None) -> Outcome:
    """Start the engine on a folder as the program does, and stop it when its recovery asks."""
    found = Outcome(tape=_taped(folder))
    try:
        started = asyncio.run(_start(folder, workload, recorder))
    except (LedgerFault, StartError) as error:
        found.refused = str(error)
        return found
    database = prepare(folder / LEDGER)
    found.rows, found.epoch, found.version = started.recovered.seq, _epoch(SqlLeases(database)), 1
    found.digest = digest_after(database, found.rows) or b""
    kept = FolderSnapshots(folder / "snapshots", anchor=lambda seq: digest_after(database, seq))
    found.snapshot = (kept.latest() or (0, b""))[0]
    return _verified(found, database)


def _verified(found: Outcome, database: Database) -> Outcome:
    """Every row against the chain, and the structure of the database."""
    problem = verify(database).problem
    found.corrupt = "" if problem is None else str(problem)
    return found


async def _start(folder: Path, workload: Workload, recorder: Recorder | None) -> Started:
    venue = _Venue(recorder)

    def around(doors: Any) -> Any:
        venue.doors = doors
        if recorder is not None:
            recorder.acknowledge("version", 1)
            recorder.acknowledge("epoch", _epoch(doors.leases))
        return doors

    told: list[Any] = []
    started = await start(workload.plan(folder), venue, _Hand(), told=told.append, around=around)
    running = asyncio.create_task(started.driver.run())
    asked = asyncio.create_task(venue.was_asked.wait())
    await asyncio.wait((running, asked), timeout=_PATIENCE_S, return_when="FIRST_COMPLETED")
    started.driver.abandon()
    asked.cancel()
    await running
    if not venue.was_asked.is_set():
        raise StartError("the engine asked the venue nothing")
    return started


def _epoch(leases: SqlLeases) -> int:
    lease = leases.current(ACCOUNT)
    return 0 if lease is None else lease.epoch


def _taped(folder: Path) -> int:
    """How many events the tape gives back; they are the first that were written."""
    reader = TapeReader(folder / "tape", extra=EXTRA_INPUTS)
    return sum(1 for _ in reader.read())


def broken_promises(found: Outcome, promised: Promised) -> list[str]:
    """What an outcome owes to what had been acknowledged."""
    if found.refused:
        return [f"refused: {found.refused}"]
    said = [f"corrupt: {found.corrupt}"] if found.corrupt else []
    said += found.faults
    for name in ("rows", "version", "snapshot", "tape"):
        there, owed = getattr(found, name), getattr(promised, name)
        if there < owed:
            said.append(f"lost: {name} {there} of {owed}")
    if found.epoch <= promised.epoch:
        said.append(f"lost: epoch {found.epoch} given again after {promised.epoch}")
    if found.rows < len(promised.digests) and found.digest != promised.digests[found.rows]:
        said.append(f"no prefix: row {found.rows} is not the one that was written")
    return said
