"""The start path, which is the recovery path: snapshot, rows, tape, then what is still open.

Ledger and tape are merged by the ledger's sequence and go through the same kernel again: rows give
back the reports, executions and timers, the tape gives back the market. What the strategies decide
on the way is compared with the intents that the ledger holds. Nothing is sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec

from interlock.kernel import snapshot
from interlock.kernel.external import bucket
from interlock.kernel.state import State
from interlock.model.instrument import Instrument
from interlock.model.limits import Limits
from interlock.model.rows import IntentRow, StoredRow, decode_row
from interlock.runtime.books import Books
from interlock.runtime.breaker import BreakerRule
from interlock.runtime.budget import Rate
from interlock.runtime.desk import enter_epoch
from interlock.runtime.folding import Folding
from interlock.runtime.settings import Settings
from interlock.runtime.values import LeaseChanged
from interlock.strategy.api import Strategy


class Member(msgspec.Struct, frozen=True):
    """A strategy of a run under its name, with its share of the cash in money units."""

    name: str
    strategy: Strategy
    capital: int


class Setup(msgspec.Struct, frozen=True, kw_only=True):
    """What a live engine is made of."""

    instruments: Sequence[Instrument]
    members: Sequence[Member]
    currency: str
    limits: Limits = Limits()
    settings: Settings = Settings()
    rate: Rate = Rate()
    breaker: BreakerRule = BreakerRule()


class Recovered(msgspec.Struct):
    """State and books as the ledger leaves them, and how they came about."""

    state: State
    books: Books
    seq: int
    rows: int = 0
    market: int = 0
    adopted: int = 0


class _Kept(msgspec.Struct, array_like=True):
    """A snapshot: the kernel's state and the books, up to a ledger sequence."""

    version: int
    seq: int
    kernel: bytes
    books: Books


VERSION = 2
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Kept).decode


def pack(state: State, books: Books, seq: int) -> bytes:
    """A snapshot of everything that recovery needs, up to a ledger sequence."""
    return _encode(_Kept(VERSION, seq, snapshot.dump(state), books))


def fresh(setup: Setup) -> State:
    """The state of a run that has not begun."""
    state = State(
        currency=setup.currency, cash=0, instruments=setup.instruments, limits=setup.limits
    )
    for member in setup.members:
        state.add(member.name, member.strategy, member.capital)
    bucket(state)
    return state


def recover(
    setup: Setup,
    *,
    kept: bytes | None = None,
    rows: Iterable[StoredRow] = (),
    tape: Iterable[tuple[int, Any]] = (),
) -> Recovered:
    """State and books from a snapshot, the rows after it, and the market that came with them.

    ``tape`` may begin before the snapshot; what the snapshot includes is passed over.
    """
    found = Recovered(fresh(setup), Books(), 0)
    if kept is not None:
        try:
            data = _decode(kept)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            text = f"the snapshot cannot be read: {error}; start without it"
            raise snapshot.SnapshotError(text) from error
        if data.version != VERSION:
            text = f"version {data.version} of the books is not {VERSION}; start without it"
            raise snapshot.SnapshotError(f"the snapshot cannot be read: {text}")
        snapshot.load(found.state, data.kernel)
        found.books, found.seq = data.books, data.seq
        enter_epoch(found.state, setup.settings.tag, max(1, found.books.epoch))
    market = (entry for entry in tape if entry[0] >= found.seq and not _is_marker(entry[1]))
    folding = _Counting(found, setup)
    _merge(found, folding, rows, market)
    for instrument in setup.instruments:
        folding.hold(instrument)
    found.state.obey(setup.limits, {member.name: member.capital for member in setup.members})
    found.state.facts.clear()
    found.state.effects.clear()
    return found


def _is_marker(event: Any) -> bool:
    """What only says where in the tape an engine began."""
    return type(event) is LeaseChanged


class _Counting(Folding):
    """Counts what was adopted."""

    def __init__(self, found: Recovered, setup: Setup) -> None:
        super().__init__(found.state, found.books, setup.settings)
        self._found = found

    def adopt(self, row: IntentRow) -> bool:
        """Bind an intent to its order."""
        is_adopted = super().adopt(row)
        self._found.adopted += is_adopted
        return is_adopted


def _merge(
    found: Recovered,
    folding: Folding,
    rows: Iterable[StoredRow],
    market: Iterator[tuple[int, Any]],
) -> None:
    entry = next(market, None)
    for stored in rows:
        if stored.seq <= found.seq:
            continue
        while entry is not None and entry[0] < stored.seq:
            folding.step(entry[1])
            found.market += 1
            entry = next(market, None)
        folding.fold(decode_row(stored.row))
        found.seq = stored.seq
        found.rows += 1
    # What came after a row that never became durable did not happen.
    while entry is not None and entry[0] <= found.seq:
        folding.step(entry[1])
        found.market += 1
        entry = next(market, None)
