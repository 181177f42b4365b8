"""A shadow in the same process: one market heard twice, and decisions compared as they leave."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from interlock.kernel.state import State
from interlock.live.past import past_of
from interlock.live.shadow import MS, Decision, ShadowTradingConfig
from interlock.live.start import Resumes
from interlock.model.events import BarRow, MarkChanged
from interlock.model.instrument import Instrument
from interlock.model.market import Bar, Book, Quote, Trade
from interlock.model.venue import PlaceRequest, Request, Stream, StreamChanged
from interlock.ports import Clock, Heard, Venue

_MARKET = (Quote, Trade, Book, Bar, MarkChanged)
Left = Callable[[Request], None]


class Tap:
    """A venue that also lets somebody see its market and what is asked of it."""

    def __init__(self, venue: Venue, *, left: Left, market: Heard | None = None) -> None:
        self.name = venue.name
        self.venue = venue
        self._left = left
        self._market = market

    def instruments(self) -> Iterable[Instrument]:
        """Those of the venue."""
        return self.venue.instruments()

    async def connect(self, heard: Heard) -> None:
        """Connect the venue; its market goes to both."""
        market = self._market
        if market is None:
            await self.venue.connect(heard)
            return

        def hear(event: Any) -> None:
            heard(event)
            if _is_market(event):
                market(event)

        await self.venue.connect(hear)

    def request(self, request: Request) -> None:
        """Ask the venue, and show what leaves."""
        self._left(request)
        self.venue.request(request)

    async def past_bars(
        self, instrument: str, *, step_ns: int, until: int, count: int
    ) -> tuple[BarRow, ...]:
        """Those of the venue; raises PastFault."""
        return await past_of(self.venue, instrument, step_ns=step_ns, until=until, count=count)

    def resume(self, state: State) -> None:
        """A venue in this process takes over what an earlier one left; others remember."""
        if isinstance(self.venue, Resumes):
            self.venue.resume(state)

    async def close(self) -> None:
        """Close the venue."""
        await self.venue.close()


class Echo:
    """The market of a tapped venue as a source of its own. It has no account and asks nothing."""

    def __init__(self) -> None:
        self.name = "a live market"
        self._listed: tuple[Instrument, ...] = ()
        self._heard: Heard | None = None
        self._up: StreamChanged | None = None
        self._venue: Venue | None = None

    def of(self, venue: Venue) -> None:
        """The tapped venue, once it is connected."""
        self._venue = venue
        self._listed = tuple(venue.instruments())

    def hear(self, event: Any) -> None:
        """What the tap shows."""
        if isinstance(event, StreamChanged) and not event.instrument:
            self._up = event
        if self._heard is not None:
            self._heard(event)

    def instruments(self) -> Iterable[Instrument]:
        """Those of the tapped venue."""
        return self._listed

    async def connect(self, heard: Heard) -> None:
        """Listen; the newest word about the stream comes first."""
        self._heard = heard
        if self._up is not None:
            heard(self._up)

    def request(self, request: Request) -> None:
        """Nothing is ever asked here."""
        raise RuntimeError(f"a shadow must not ask the venue: {type(request).__name__}")

    async def past_bars(
        self, instrument: str, *, step_ns: int, until: int, count: int
    ) -> tuple[BarRow, ...]:
        """Those of the tapped venue: both sides begin with the same window. Raises PastFault."""
        return await past_of(self._venue, instrument, step_ns=step_ns, until=until, count=count)

    async def close(self) -> None:
        """Stop listening."""
        self._heard = None


class Misaligned(msgspec.Struct, frozen=True):
    """Why the live side must halt."""

    text: str


class Watch:
    """Compares orders of both sides as they leave; says when the live side must halt."""

    def __init__(
        self, config: ShadowTradingConfig, clock: Clock, *, halt: Callable[[Misaligned], None]
    ) -> None:
        self.config = config
        self.misaligned = 0
        self.in_a_row = 0
        self.aligned = 0
        self._clock = clock
        self._halt = halt
        self._waiting: tuple[list[Decision], list[Decision]] = ([], [])

    def live(self, request: Request) -> None:
        """An order of the live side leaves."""
        self._take(request, 0)

    def shadow(self, request: Request) -> None:
        """An order of the shadow leaves, for the exchange in memory."""
        self._take(request, 1)

    def settle(self) -> None:
        """Count what has waited long enough for a twin."""
        now = self._clock.now_ns()
        old = now - self.config.grace_ms * MS
        for side in (0, 1):
            for item in [item for item in self._waiting[side] if item.ts < old]:
                self._waiting[side].remove(item)
                self._end(item, side)

    def _take(self, request: Request, side: int) -> None:
        if not isinstance(request, PlaceRequest):
            return
        self.settle()
        spec = request.spec
        decision = Decision(
            strategy="",
            instrument=spec.instrument,
            side=spec.side,
            tag=spec.tag,
            ts=self._clock.now_ns(),
            quantity=spec.quantity,
            price=spec.price or spec.trigger,
            name=request.client_order_id,
        )
        others = self._waiting[1 - side]
        twin = next((item for item in others if _is_twin(item, decision)), None)
        if twin is None:
            self._waiting[side].append(decision)
            return
        others.remove(twin)
        if self.config.agrees(twin.quantity, decision.quantity):
            self.aligned += 1
            self.in_a_row = 0
        else:
            self._count(f"{decision.quantity} against {twin.quantity} units", decision)

    def _end(self, decision: Decision, side: int) -> None:
        others = self._waiting[1 - side]
        opposed = next((item for item in others if item.place == decision.place), None)
        if opposed is None:
            self._count("only live" if side == 0 else "only the shadow", decision)
            return
        others.remove(opposed)
        self.misaligned += 1
        names = {1: "bought", -1: "sold"}
        ours, theirs = (decision, opposed) if side == 0 else (opposed, decision)
        self._halt(
            Misaligned(
                f"direction: live {names[ours.side]} {ours.instrument} where the shadow "
                f"{names[theirs.side]}"
            )
        )

    def _count(self, text: str, decision: Decision) -> None:
        self.misaligned += 1
        self.in_a_row += 1
        if self.in_a_row >= self.config.max_misalignment_count:
            self._halt(
                Misaligned(
                    f"{self.in_a_row} misaligned decisions in a row, the last on "
                    f"{decision.instrument}: {text}"
                )
            )


def _is_market(event: Any) -> bool:
    if isinstance(event, StreamChanged):
        return event.stream is Stream.MARKET
    return isinstance(event, _MARKET)


def _is_twin(first: Decision, second: Decision) -> bool:
    return first.place == second.place and first.side == second.side


__all__ = ["Echo", "Misaligned", "Tap", "Watch"]
