"""What reaches a disk, one operation at a time: the record of a run, and faults at its N-th one."""

from __future__ import annotations

import errno
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path

import msgspec


class Kind(StrEnum):
    """What an operation does."""

    CREATE = "create"
    WRITE = "write"
    TRUNCATE = "truncate"
    SYNC = "sync"
    REMOVE = "remove"
    RENAME = "rename"
    SYNC_FOLDER = "sync folder"


class Operation(msgspec.Struct, frozen=True):
    """One operation on a file, named by its path below the folder under test.

    ``at`` is the place of a write or the length that a truncate leaves, in bytes; ``target`` is the
    new name of a rename. ``failed`` says that the caller got an error; ``data`` of a failed write
    is the part that reached the file all the same.
    """

    kind: Kind
    path: str
    at: int = 0
    data: bytes = b""
    target: str = ""
    failed: bool = False


class Fault(msgspec.Struct, frozen=True):
    """From the ``at``-th operation on (the first is 0) the disk refuses with an errno.

    ``lasts`` is "once", "forever", or "until freed": until a file with a name in ``freed_by`` goes,
    which is how space comes back. A full disk still truncates, removes and syncs.
    """

    at: int
    code: int = errno.EIO
    lasts: str = "once"
    freed_by: str = ".reserve"

    def refuses(self, number: int, operation: Operation) -> bool:
        """Whether it meets this operation."""
        if number < self.at:
            return False
        if number == self.at:
            return True
        if self.lasts == "once":
            return False
        if self.code == errno.ENOSPC:
            return operation.kind in (Kind.WRITE, Kind.CREATE, Kind.RENAME)
        return True


class Recorder:
    """Keeps the operations below a folder in their order, and what was acknowledged when."""

    def __init__(self, root: Path, fault: Fault | None = None) -> None:
        self.root = root
        self.operations: list[Operation] = []
        self.acknowledged: list[tuple[int, str, int]] = []
        self.refused = 0
        self._fault = fault

    def inside(self, path: str) -> str | None:
        """The path below the folder under test, None for one that is not ours."""
        prefix = f"{self.root}/"
        return path.removeprefix(prefix) if path.startswith(prefix) else None

    def acknowledge(self, what: str, value: int) -> None:
        """Note that a caller was told of something durable: it must survive from here on."""
        self.acknowledged.append((len(self.operations), what, value))

    def perform(self, operation: Operation, act: Callable[[Operation], int]) -> int:
        """Let it happen and keep it, or refuse it; returns 0 or the errno.

        ``act`` carries out what it is given, which for a refused write is a part of the data.
        """
        code = self._refusal(operation)
        if not code:
            code = act(operation)
            if not code:
                self.operations.append(operation)
            return code
        self.refused += 1
        kept = operation.data[: len(operation.data) // 2]
        partly = msgspec.structs.replace(operation, data=kept, failed=True)
        if operation.kind is Kind.WRITE and kept:
            act(partly)
        self.operations.append(partly)
        return code

    def _refusal(self, operation: Operation) -> int:
        fault = self._fault
        if fault is None or not fault.refuses(len(self.operations), operation):
            if fault is not None and self.refused and self._frees(operation):
                self._fault = None
            return 0
        return fault.code

    def _frees(self, operation: Operation) -> bool:
        fault = self._fault
        return (
            fault is not None
            and fault.lasts == "until freed"
            and operation.kind is Kind.REMOVE
            and operation.path.endswith(fault.freed_by)
        )
