"""What really happened: kept from the venue's side and from the durable rows, for the judges.

Nothing here asks the engine what it believes.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from typing import Any

from interlock.model.rows import StoredRow
from interlock.sim.venue.values import ConditionalEvent, Event, Fill, Order, OrderEvent
from interlock.world.exchange import ACCOUNT
from interlock.world.record import Record
from interlock.world.storage import Files


class Violation(BaseException):
    """An invariant does not hold: which one, and what was seen.

    No ``except Exception`` of what is judged may take it for a fault of its own.
    """

    def __init__(self, invariant: str, text: str) -> None:
        super().__init__(f"{invariant}: {text}")
        self.invariant = invariant
        self.text = text


class Truth:
    """The venue's history of our account, every durable row, and a digest of all of it."""

    def __init__(self, files: Files, now: Callable[[], int]) -> None:
        self.now = now
        self.rows: list[StoredRow] = []
        self.fills: list[Fill] = []
        # The newest state of every order of the account, by its number and kind.
        self.orders: dict[int, Order] = {}
        self.touched_at: dict[str, int] = {}
        # Orders of others of which nothing tells: when, their symbols and signed quantities.
        self.unseen: dict[int, tuple[int, str, int]] = {}
        self.record = Record(ACCOUNT)
        self._files = files
        self._flipped: dict[int, None] = {}
        self._digest = blake2b(digest_size=16)

    def saw(self, event: Event) -> None:
        """The venue did something; what it tells of the market alone is not kept."""
        if not isinstance(event, OrderEvent | ConditionalEvent):
            return
        self.record.saw(event)
        if isinstance(event, OrderEvent) and event.order.account == ACCOUNT:
            self.orders[event.order.order_id] = event.order
            if event.fill is not None and event.fill.account == ACCOUNT:
                self.fills.append(event.fill)
            order = event.order
            self.note("venue", order.order_id, order.client_id, order.status, order.filled)

    def durable(self, rows: list[StoredRow]) -> None:
        """Rows became durable."""
        self.rows += rows
        for row in rows:
            self._digest.update(row.digest)

    def note(self, *values: Any) -> None:
        """Put something into the digest of the run."""
        self._digest.update(repr(values).encode())
        self._digest.update(str(self.now()).encode())

    @property
    def digest(self) -> str:
        """Equal for equal runs."""
        return self._digest.hexdigest()

    def touched(self, symbol: str) -> None:
        """Somebody other than the engine traded on the account."""
        self.touched_at[symbol] = self.now()

    def untold(self, order: Order) -> None:
        """An order of others traded, and nothing will ever tell of it."""
        self.unseen[order.order_id] = (self.now(), order.symbol, order.side * order.filled)

    # The mirror of the ledger.
    def flipped(self, place: int) -> None:
        """A row on the disk is damaged."""
        self._flipped[place] = None

    def restore(self, place: int) -> None:
        """Put the whole row back."""
        if place in self._flipped:
            del self._flipped[place]
            self._files.rows[place] = self.rows[place]

    def restore_all(self) -> None:
        """Put every damaged row back."""
        for place in list(self._flipped):
            self.restore(place)
