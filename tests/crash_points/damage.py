"""Ways to treat what was not synced when the power went, and ways to leave a write unfinished."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from tests.crash_points.operations import Kind, Operation
from tests.toy_venue import Splitmix

SECTOR = 512
PAGE = 4096


def apply(content: bytearray, operation: Operation) -> None:
    at, end = operation.at, operation.at + len(operation.data)
    if operation.kind is Kind.TRUNCATE:
        del content[at:]
    content.extend(bytes(max(0, end - len(content))))
    content[at:end] = operation.data


class Damage:
    """One way to treat what was not synced."""

    def __init__(
        self,
        name: str,
        data: Callable[[bytearray, list[Operation], Splitmix, int], None],
        names: Callable[[int, Splitmix], int],
    ) -> None:
        self.name = name
        self.data = data
        self.names = names


def _all(count: int, draw: Splitmix) -> int:
    return count


def _none(count: int, draw: Splitmix) -> int:
    return 0


def _some(count: int, draw: Splitmix) -> int:
    return draw.below(count + 1)


def _keep(content: bytearray, pending: list[Operation], draw: Splitmix, file: int) -> None:
    for operation in pending:
        apply(content, operation)


def _lose(content: bytearray, pending: list[Operation], draw: Splitmix, file: int) -> None:
    """Nothing reached the disk."""


def _lose_newest(content: bytearray, pending: list[Operation], draw: Splitmix, file: int) -> None:
    _keep(content, pending[:-1], draw, file)


def _keep_first_half(
    content: bytearray, pending: list[Operation], draw: Splitmix, file: int
) -> None:
    _keep(content, pending[: (len(pending) + 1) // 2], draw, file)


def _keep_second_half(
    content: bytearray, pending: list[Operation], draw: Splitmix, file: int
) -> None:
    _keep(content, pending[len(pending) // 2 :], draw, file)


def _keep_any_half(content: bytearray, pending: list[Operation], draw: Splitmix, file: int) -> None:
    _keep(content, [one for one in pending if draw.below(2)], draw, file)


def _keep_other_files(
    content: bytearray, pending: list[Operation], draw: Splitmix, file: int
) -> None:
    if file % 2:
        _keep(content, pending, draw, file)


def _keep_even_files(
    content: bytearray, pending: list[Operation], draw: Splitmix, file: int
) -> None:
    if not file % 2:
        _keep(content, pending, draw, file)


def _zeros(content: bytearray, pending: list[Operation], draw: Splitmix, file: int) -> None:
    """The length reached the disk, of the data only the first half: delayed allocation."""
    before = len(content)
    _keep(content, pending, draw, file)
    half = len(pending) // 2
    for operation in pending[half:]:
        end = min(operation.at + len(operation.data), len(content))
        start = max(operation.at, before)
        if start < end:
            content[start:end] = bytes(end - start)


def _garbage(content: bytearray, pending: list[Operation], draw: Splitmix, file: int) -> None:
    """The newest write left another sector's bytes instead of its own."""
    _keep(content, pending, draw, file)
    newest = pending[-1]
    end = min(newest.at + len(newest.data), len(content))
    for at in range(newest.at, end, 8):
        word = draw.below(1 << 64).to_bytes(8, "big")
        content[at : min(at + 8, end)] = word[: min(8, end - at)]


def _sectors(content: bytearray, pending: list[Operation], draw: Splitmix, file: int) -> None:
    """Each sector of each write reached the disk or did not, for itself."""
    for operation in pending:
        if operation.kind is Kind.TRUNCATE:
            apply(content, operation)
            continue
        for piece in sectors(operation):
            if draw.below(2):
                apply(content, piece)


def sectors(operation: Operation) -> list[Operation]:
    """A write in pieces that end where sectors of the disk end."""
    pieces, at, data = [], operation.at, operation.data
    while data:
        size = SECTOR - at % SECTOR
        pieces.append(Operation(Kind.WRITE, operation.path, at, data[:size]))
        at, data = at + size, data[size:]
    return pieces


DAMAGES = (
    Damage("kept", _keep, _all),
    Damage("lost", _lose, _none),
    Damage("names kept, data lost", _lose, _all),
    Damage("newest lost", _lose_newest, _all),
    Damage("first half", _keep_first_half, _some),
    Damage("second half", _keep_second_half, _all),
    Damage("any half", _keep_any_half, _some),
    Damage("sectors", _sectors, _all),
    Damage("zeros", _zeros, _all),
    Damage("garbage", _garbage, _all),
    Damage("one file kept", _keep_even_files, _all),
    Damage("other file kept", _keep_other_files, _all),
)


def tears(write: Operation) -> list[list[Operation]]:
    """What can be there of a write that was under way.

    One byte, a whole number of sectors, a whole number of pages, half and a byte, all but a byte;
    and the first and the last sector without what is between them.
    """
    data, half = write.data, len(write.data) // 2
    ends = {1, half // SECTOR * SECTOR, half // PAGE * PAGE, half + 1, len(data) - 1}
    found = [
        [msgspec.structs.replace(write, data=data[:end])]
        for end in sorted(ends)
        if 0 < end < len(data)
    ]
    pieces = sectors(write)
    if len(pieces) > 2:
        found.append([pieces[0], pieces[-1]])
    return found
