"""The machine: clock reads, waiting, atomic files, locks, free space and the parent process."""

from __future__ import annotations

import fcntl
import os
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from interlock.model.clock import SteadyClock

# Linux has one that goes on while the machine is suspended.
_COUNTER = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class SystemClock(SteadyClock):
    """Real time. Tests pass a virtual clock with the same methods instead."""

    def __init__(self) -> None:
        super().__init__(time.time_ns, partial(time.clock_gettime_ns, _COUNTER))

    def wait(self, seconds: float) -> None:
        """Block the calling thread; returns at once for a span that is not positive."""
        if seconds > 0:
            time.sleep(seconds)


class LockHeldError(RuntimeError):
    """Another process holds the lock."""


def write_atomically(path: Path, content: bytes) -> None:
    """Write the whole file or nothing: a reader sees the old bytes or all of the new ones."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with naming(path), temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)


def append_durably(path: Path, line: bytes) -> None:
    """Append one line and wait until it is on disk. A crash may leave a part of the line."""
    with naming(path), path.open("ab") as file:
        file.write(line)
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Let an OSError without a file, as a full disk gives, name the one that was written."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = str(path)
        raise


@contextmanager
def exclusive_lock(path: Path) -> Iterator[None]:
    """Hold the file's lock; the system releases it when the process ends, however it ends."""
    with path.open("ab") as file:
        try:
            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LockHeldError(
                f"{path} is held by another process; wait until it has ended, then run again"
            ) from None
        yield


def free_bytes(folder: Path) -> int:
    """Bytes that this user may still write on the folder's disk."""
    return shutil.disk_usage(folder).free


def end_with(parent: int, *, look_every: float = 0.5) -> None:
    """End this process soon after its parent has ended, however that ended.

    ``parent`` is the process id that the parent knows of itself, so that one which is gone
    already is noticed; ``look_every`` are the seconds between two looks. Returns at once.
    """

    def watch() -> None:
        # An orphan has another parent. Every system tells that; none of them sends a signal for it.
        while os.getppid() == parent:
            time.sleep(look_every)
        os._exit(1)

    threading.Thread(target=watch, name="parent", daemon=True).start()


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable: a power cut may take a new or renamed file without it."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
