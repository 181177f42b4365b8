"""Every point at which the power can go, with every way to treat what was not synced."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec

from interlock.adapters.storage.database import Database
from tests.crash_points.damage import DAMAGES, tears
from tests.crash_points.disk import Disk, Image
from tests.crash_points.operations import Kind, Operation, Recorder
from tests.crash_points.python_files import python_files
from tests.crash_points.sqlite_files import sqlite_files
from tests.crash_points.trial import (
    Outcome,
    Promised,
    broken_promises,
    lay_out,
    read,
    start_engine,
)
from tests.crash_points.workload import LEDGER, RENEW_EVERY, RESERVE, Player, Workload, digests
from tests.toy_venue import Splitmix

# An unfinished write meets every so many of the damages.
TORN_EVERY = 3
# There already, so that no run writes 16 MB of it.
START: Image = {RESERVE: b"reserve"}


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder in memory where the machine has one; the crashes are ours, not the disk's."""
    memory = Path("/dev/shm")
    parent = tempfile.mkdtemp(prefix="crash-points-", dir=memory if memory.is_dir() else None)
    try:
        yield Path(parent) / "state"
    finally:
        shutil.rmtree(parent, ignore_errors=True)


@contextmanager
def synchronous(mode: str) -> Iterator[None]:
    """A planted defect: connections that do not wait for the disk as the ledger's must."""
    real = Database._prepare_sqlite

    def weakened(self: Database, connection: Any, record: object) -> None:
        real(self, connection, record)
        connection.execute(f"PRAGMA synchronous = {mode}")

    Database._prepare_sqlite = weakened  # type: ignore[method-assign]
    try:
        yield
    finally:
        Database._prepare_sqlite = real  # type: ignore[method-assign]


class Record:
    """A workload that was played to its end, operation by operation."""

    def __init__(
        self, workload: Workload, *, mode: str = "FULL", renew_every: int = RENEW_EVERY
    ) -> None:
        self.workload = workload
        self.renew_every = renew_every
        with scratch() as folder:
            lay_out(START, folder)
            recorder = Recorder(folder)
            with synchronous(mode), recording(recorder):
                self.player(recorder).play(workload.steps)
            self.left: Image = {
                str(path.relative_to(folder)): path.read_bytes()
                for path in folder.rglob("*")
                if path.is_file()
            }
            self.digests: Sequence[bytes] = digests(folder / LEDGER)
        self.operations = recorder.operations
        self.acknowledged = recorder.acknowledged

    def player(self, recorder: Recorder) -> Player:
        """One that plays the same again."""
        return Player(self.workload, recorder, renew_every=self.renew_every)

    @cached_property
    def points(self) -> int:
        """Moments between two operations, the end among them."""
        return len(self.operations) + 1

    def promised(self, point: int) -> Promised:
        """What had been acknowledged when ``point`` operations had happened."""
        return Promised(self.digests).and_also(self.acknowledged, point)

    def lying(self, *prefixes: str, kind: Kind = Kind.SYNC) -> Record:
        """The same on a disk that ignores syncs of paths that begin so."""
        other = object.__new__(Record)
        other.__dict__ = dict(self.__dict__)
        other.operations = [
            _unheard(one) if one.kind is kind and one.path.startswith(prefixes) else one
            for one in self.operations
        ]
        return other


def _unheard(sync: Operation) -> Operation:
    """Something as long as a sync that does nothing."""
    if sync.kind is Kind.SYNC_FOLDER:
        return msgspec.structs.replace(sync, failed=True)
    return Operation(Kind.WRITE, sync.path)


@contextmanager
def recording(recorder: Recorder) -> Iterator[None]:
    """Both file layers at once."""
    with sqlite_files(recorder), python_files(recorder):
        yield


def crashes(
    operations: Sequence[Operation], disk: Disk, points: Collection[int], *, seed: int = 1
) -> Iterator[tuple[int, str, str, Image]]:
    """(point, phase, damage, image) for each of the points; ``disk`` is as at first.

    A point lies before an operation and so after the one before it. An operation that writes is
    also left torn, in a way and with damages that change from point to point.
    """
    for point in range(max(points, default=-1) + 1):
        if point in points:
            for number, damage in enumerate(DAMAGES):
                draw = Splitmix(seed * 1_000_003 + point * 101 + number)
                yield point, "between", damage.name, disk.image(damage, draw)
                torn = tears(operations[point]) if point < len(operations) else []
                if torn and (point + number) % TORN_EVERY == 0:
                    parts = torn[(point // TORN_EVERY + number) % len(torn)]
                    yield point, "torn", damage.name, disk.image(damage, draw, parts)
        if point < len(operations):
            disk.take(operations[point])


class Tally(msgspec.Struct):
    """Counts of a sweep, and the first runs that went wrong."""

    points: int = 0
    runs: int = 0
    images: int = 0
    starts: int = 0
    lost: int = 0
    no_prefix: int = 0
    corrupt: int = 0
    refused: int = 0
    other: int = 0
    seconds: float = 0.0
    examples: list[str] = []

    def judge(self, label: str, broken: list[str]) -> None:
        """Count a run by the worst of what it broke."""
        self.runs += 1
        if not broken:
            return
        for name in ("refused", "corrupt", "no prefix", "lost"):
            if any(text.startswith(name) for text in broken):
                field = name.replace(" ", "_")
                setattr(self, field, getattr(self, field) + 1)
                break
        else:
            self.other += 1
        if len(self.examples) < 20:
            self.examples.append(f"{label}: {'; '.join(broken)}")

    def add(self, other: Tally) -> None:
        """Take another one's counts in."""
        for name in self.__struct_fields__:
            setattr(self, name, getattr(self, name) + getattr(other, name))

    @property
    def bad(self) -> int:
        """Runs that broke a promise or could not start."""
        return self.lost + self.no_prefix + self.corrupt + self.refused + self.other


def sweep_points(record: Record, points: Collection[int], *, start_every: int = 8) -> Tally:
    """All crashes at the points. Equal images are tried once and judged each time.

    Every image is opened, verified and recovered from; every so many are started as the program
    starts, too.
    """
    tally, seen = Tally(points=len(points)), dict[bytes, Outcome]()
    with scratch() as folder:
        for point, phase, damage, image in crashes(record.operations, Disk(START), points):
            promised = record.promised(point)
            label = f"point {point} {phase}, {damage}"
            name = fingerprint(image)
            if name not in seen:
                seen[name] = _try(record, image, folder)
                if not len(seen) % start_every:
                    lay_out(image, folder)
                    tally.starts += 1
                    started = start_engine(folder, record.workload)
                    tally.judge(f"{label}, started", broken_promises(started, promised))
            tally.judge(label, broken_promises(seen[name], promised))
    tally.images = len(seen)
    return tally


def _try(record: Record, image: Image, folder: Path) -> Outcome:
    lay_out(image, folder)
    return read(folder, record.workload, record.digests)


def fingerprint(image: Image) -> bytes:
    """Equal for equal images."""
    found = hashlib.blake2b(digest_size=16)
    for path, content in sorted(image.items()):
        found.update(f"{path}\0{len(content)}\0".encode())
        found.update(content)
    return found.digest()


def sweep_doubles(record: Record, seeds: range, *, each: int = 10) -> Tally:
    """Crashes in the recovery from a crash, ``each`` for every seed's first crash."""
    tally = Tally()
    for seed in seeds:
        draw = Splitmix(seed * 7 + 3)
        point = draw.below(record.points)
        found = list(crashes(record.operations, Disk(START), range(point, point + 1), seed=seed))
        _, phase, damage, image = found[draw.below(len(found))]
        label = f"seed {seed}: point {point} {phase}, {damage}"
        _crash_again(record, image, (label, record.promised(point), each, draw), tally)
    return tally


def _crash_again(
    record: Record, image: Image, how: tuple[str, Promised, int, Splitmix], tally: Tally
) -> None:
    label, promised, each, draw = how
    with scratch() as folder:
        lay_out(image, folder)
        recorder = Recorder(folder)
        with recording(recorder):
            started = start_engine(folder, record.workload, recorder)
        tally.starts += 1
        tally.judge(f"{label}, started", broken_promises(started, promised))
        known = msgspec.structs.replace(promised, digests=digests(folder / LEDGER), tape=0)
        for _ in range(each):
            point = draw.below(len(recorder.operations) + 1)
            again = list(
                crashes(recorder.operations, Disk(image), range(point, point + 1), seed=point)
            )
            _, phase, damage, second = again[draw.below(len(again))]
            lay_out(second, folder)
            outcome = read(folder, record.workload, record.digests)
            owed = known.and_also(recorder.acknowledged, point)
            text = f"{label}; then point {point} {phase}, {damage}"
            tally.judge(text, broken_promises(outcome, owed))
            tally.images += 1
    tally.points += 1
