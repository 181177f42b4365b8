"""The journal: bytes that depend on what happened, not on the chunks or on the size of a number."""

from __future__ import annotations

import msgspec

from interlock.kernel.journal import Journal
from interlock.model.effects import CancelOrder
from interlock.model.facts import LateFill

ROWS = [CancelOrder(1, "A-1", "X"), LateFill(2, "A-1", 10), LateFill(3, "A-1", -5)]


def written(rows: list[object], *, flush_each: bool = False) -> tuple[str, bytes]:
    data = bytearray()
    journal = Journal(data.extend)
    for row in rows:
        journal.append(row)
        if flush_each:
            journal.flush()
    return journal.digest(), bytes(data)


def test_the_digest_does_not_depend_on_the_chunks() -> None:
    assert written([*ROWS]) == written([*ROWS], flush_each=True)


def test_numbers_beyond_64_bits_are_digits_and_change_no_other_row() -> None:
    large = LateFill(4, "A-1", 10**21)
    assert written([*ROWS, large, *ROWS]) == written([*ROWS, large, *ROWS], flush_each=True)
    _, data = written([large])
    assert msgspec.msgpack.decode(data) == ["late_fill", 4, "A-1", str(10**21)]
    # The bounds themselves are numbers still.
    for edge in (2**64 - 1, -(2**63)):
        _, data = written([large, LateFill(4, "A-1", edge)])
        assert data.endswith(msgspec.msgpack.encode(LateFill(4, "A-1", edge)))
