"""Ports: what the runtime needs of the world, as interfaces; adapters and the simulator fill them.

Rules of this file. A port has no implementation and no default. Calls do not block: a venue takes
requests and tells what it hears through one callback; a ledger takes rows and says when they are
durable. Time enters as an argument or through ``Clock``, never from anywhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Protocol, runtime_checkable

import msgspec

from interlock.model.events import BarRow, MarkChanged
from interlock.model.instrument import Instrument
from interlock.model.market import Bar, Book, Quote, Trade
from interlock.model.rows import AnyRow, LedgerRow
from interlock.model.venue import Request, VenueEvent


class Clock(Protocol):
    """Time, ns UTC."""

    def now_ns(self) -> int: ...


class LedgerFault(RuntimeError):
    """The ledger cannot be trusted or written; the text says why and how to go on."""


class LedgerFull(LedgerFault):
    """There is no space for a commit: nothing may be sent that must be remembered."""


class StaleLease(LedgerFault):
    """A later holder has the account: whoever gets this must stop at once and send nothing."""


class TapeFault(RuntimeError):
    """The tape misses events; the text says why. Orders do not depend on it."""


class Ledger(Protocol):
    """The append-only chain of rows. One writer at a time, by its lease epoch.

    A ledger that raised LedgerFault from ``append`` or ``commit`` takes nothing more: what it had
    not committed is not durable, and the way on is the start path.
    """

    def append(self, rows: Sequence[AnyRow | LedgerRow]) -> int:
        """Take rows in, encoded or not; returns the sequence of the last. Not durable yet."""
        ...

    def stage(self) -> None:
        """Do what the next commit of all that was appended can do without waiting; may do nothing.

        On the appending thread, while no commit is under way. Raises nothing: what is wrong, the
        commit says.
        """
        ...

    def commit(self) -> int:
        """Make everything appended durable; returns the last durable sequence. May be slow.

        After ``stage`` that is what was appended before it, and what came since waits for the next
        commit. Raises StaleLease, with nothing written, when a lease it writes under has a later
        epoch.
        """
        ...

    def read(self, after: int = 0) -> Iterator[tuple[int, AnyRow]]:
        """Durable rows with a sequence above ``after``, in order; verifies the chain on the way."""
        ...

    def last(self) -> int:
        """The last durable sequence, 0 in an empty ledger."""
        ...

    def tidy(self) -> None:
        """Do what keeps commits fast and may wait; another thread than the committing one may."""
        ...

    def close(self) -> None: ...


class Lease(msgspec.Struct, frozen=True, kw_only=True):
    """Who may trade an account: the epoch grows with every holder and is never given twice."""

    account: str
    holder: str
    epoch: int
    ts_expires: int


class Leases(Protocol):
    """Leases with fencing epochs, beside the ledger."""

    def acquire(self, account: str, holder: str, *, ts: int, ttl_ns: int) -> Lease | None:
        """A new lease with a new epoch, or None while another holder's is alive."""
        ...

    def renew(self, lease: Lease, *, ts: int, ttl_ns: int) -> Lease | None:
        """The same epoch for longer, or None when a later epoch exists.

        A crash of the machine may take a renewal back: its holder is gone with it.
        """
        ...

    def release(self, lease: Lease) -> None: ...


class Snapshots(Protocol):
    """States by the ledger sequence that they include."""

    def save(self, seq: int, state: bytes) -> None: ...

    def latest(self) -> tuple[int, bytes] | None: ...


class Tape(Protocol):
    """Every market input in the order it entered the kernel, with the ledger's sequence."""

    def write(self, seq: int, event: Any) -> None:
        """Take an event in that came after the ledger's row ``seq``; it may move on afterwards."""
        ...

    def flush(self) -> None:
        """Out of this process, before a request leaves that its events led to; raises TapeFault."""
        ...

    def read(self, after: int) -> Iterator[tuple[int, Any]]:
        """Events that came after the row ``after``, as they were written."""
        ...

    def close(self) -> None: ...


Ended = Callable[[Any, Exception | None], None]


class Disk(Protocol):
    """Somewhere that work may wait for storage while inputs go on being taken."""

    def start(self, work: Callable[[], Any], ended: Ended) -> None:
        """Do ``work`` after all that was given before, then call ``ended``; never blocks.

        ``ended`` gets what the work returned or what it raised, on the caller's own thread, in
        the order of the works, and never from within ``start``.
        """
        ...


class Timer(Protocol):
    """Something that is due once; canceled twice or too late it does nothing."""

    def cancel(self) -> None: ...


class Timers(Protocol):
    """Calls that are due later, on the caller's own thread."""

    def later(self, delay_ns: int, call: Callable[[], None]) -> Timer:
        """Call once after ``delay_ns`` (0: as soon as possible, not from within ``later``)."""
        ...


MarketEvent = Bar | Quote | Trade | Book | MarkChanged
Heard = Callable[[VenueEvent | MarketEvent], None]


class Venue(Protocol):
    """One account at one venue. What it answers and streams goes to the ``heard`` callback."""

    name: str

    def instruments(self) -> Iterable[Instrument]: ...

    async def connect(self, heard: Heard) -> None:
        """Load instruments, measure the clock, open the streams; raises when that fails."""
        ...

    def request(self, request: Request) -> None:
        """Ask; never blocks. The answer comes as an Answer, whatever happens to the connection."""
        ...

    async def close(self) -> None: ...


class PastFault(RuntimeError):
    """The venue did not tell its past bars; they may be asked for again. The text says why."""


class NoPast(PastFault):
    """The venue tells no past bars of this step, now or later."""


@runtime_checkable
class TellsPast(Protocol):
    """A venue that tells closed bars of before now."""

    async def past_bars(
        self, instrument: str, *, step_ns: int, until: int, count: int
    ) -> tuple[BarRow, ...]:
        """The newest ``count`` closed bars that open before ``until`` (ns), oldest first.

        There are fewer where the venue has no more. Raises PastFault.
        """
        ...


class Signer(Protocol):
    """Signs bytes with a key it never shows."""

    def sign(self, message: bytes) -> str: ...
