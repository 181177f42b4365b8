"""A live core, a toy venue and a lossy line between them, under one seed in virtual time.

The world draws its faults from the seed, kills the core at its outputs, starts it again from what
was durable, and holds it to the venue's truth while faults happen and after they have stopped.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from interlock.model.limits import Limits
from interlock.model.market import Quote
from interlock.model.rows import StoredRow
from interlock.model.venue import (
    AmendRequest,
    Answer,
    BalancesQuery,
    BookQuery,
    CancelRequest,
    DeadManRequest,
    FillsQuery,
    OpenOrdersQuery,
    OrderQuery,
    PaymentsQuery,
    PlaceRequest,
    PositionsQuery,
    Request,
    Stream,
    StreamChanged,
    TimeQuery,
    VenueEvent,
    VenueOrder,
    Verdict,
)
from interlock.ports import Lease
from interlock.runtime.budget import Rate
from interlock.runtime.engine import Engine
from interlock.runtime.recovery import Member, Setup, recover
from interlock.runtime.settings import Settings
from interlock.runtime.values import Command, Outputs, Tick
from tests.toy_players import BTC, LIMIT, LOT, MS, SECOND, T0, Restless
from tests.toy_truth import Truth, Violation
from tests.toy_venue import Splitmix, ToyVenue


@dataclass(frozen=True)
class Faults:
    """Shares of requests, answers, stream events and outputs that a fault meets."""

    lost: float = 0.03
    hung: float = 0.04
    delayed: float = 0.05
    answer_lost: float = 0.05
    answer_late: float = 0.05
    unclear: float = 0.05
    refused: float = 0.02
    lag: float = 0.10
    stream_lost: float = 0.05
    stream_twice: float = 0.05
    stream_late: float = 0.08
    crash: float = 0.008
    stream_down: float = 0.004

    @staticmethod
    def of(random: Splitmix) -> Faults:
        """Every fault is off in half of the runs, so that few faults are met alone too."""
        return Faults(
            **{name: value if random.below(2) else 0.0 for name, value in vars(Faults()).items()}
        )


NONE = Faults(**dict.fromkeys(vars(Faults()), 0.0))


@dataclass
class World:
    """Everything under one seed."""

    seed: int
    faults: Faults | None = None
    strategy: type[Any] = Restless
    busy_ns: int = 40 * SECOND
    quiet_ns: int = 60 * SECOND
    settings: Settings = Settings(full_every_ns=15 * SECOND, orders_every_ns=10 * SECOND)
    crash_at: int = -1
    snapshots: float = 0.03
    lag_least_ns: int = 0
    ts: int = T0
    epoch: int = 0
    engine: Engine | None = None
    rows: list[StoredRow] = field(default_factory=list)
    tape: list[tuple[int, Any]] = field(default_factory=list)
    kept: tuple[int, bytes] | None = None
    notices: list[Any] = field(default_factory=list)
    boundaries: int = 0
    crashes: int = 0

    def __post_init__(self) -> None:
        self.random = Splitmix(self.seed * 7919 + 1)
        self.faults = Faults.of(self.random) if self.faults is None else self.faults
        self.venue = ToyVenue([BTC], self.seed + 5, self._streamed)
        self._heap: list[tuple[int, int, Any, Any]] = []
        self._order = count()
        self._life = 0
        self._stream_up = False
        self._ticks: dict[int, None] = {}
        self.truth = Truth(self.venue)

    # The loop.
    def at(self, ts: int, what: Any, *arguments: Any) -> None:
        heapq.heappush(self._heap, (ts, next(self._order), what, arguments))

    def run(self) -> World:
        """A busy time with faults, then a quiet one, then the books must be equal."""
        self.at(self.ts, self._start)
        for step in range(0, self.busy_ns + self.quiet_ns, 500 * MS):
            self.at(T0 + SECOND + step, self._quote)
        end = T0 + self.busy_ns + self.quiet_ns
        self.at(T0 + self.busy_ns, _calm, self)
        while self._heap and self._heap[0][0] <= end:
            self.ts, _, what, arguments = heapq.heappop(self._heap)
            what(*arguments)
            self.truth.exposure()
        self.truth.books(self.engine, self.rows)
        return self

    def _start(self) -> None:
        self.epoch += 1
        self._life += 1
        setup = self.setup()
        after = 0 if self.kept is None else self.kept[0]
        rows = [row for row in self.rows if row.seq > after]
        # As a tape's reader does it: what came after rows that the crash took never was.
        self.tape = [entry for entry in self.tape if entry[0] <= len(self.rows)]
        found = recover(
            setup, kept=None if self.kept is None else self.kept[1], rows=rows, tape=self.tape
        )
        lease = Lease(
            account="main",
            holder=str(self.epoch),
            epoch=self.epoch,
            ts_expires=self.ts + 1000 * SECOND,
        )
        self.engine = Engine(setup, found, lease)
        self._out(self.engine.begin(self.ts))
        self.at(self.ts + 300 * MS, self._connect, self._life)

    def setup(self) -> Setup:
        """What a core of this world is made of, its strategy as it was at first."""
        strategy = self.strategy(seed=self.seed + 11, until=T0 + self.busy_ns)
        return Setup(
            instruments=[BTC],
            members=[Member("toy", strategy, 1_000_000 * 10**8)],
            currency="USDT",
            limits=Limits(position_notional_max=BTC.notional(110_00, LIMIT)),
            settings=self.settings,
            rate=Rate(weight=100_000),
        )

    def _connect(self, life: int) -> None:
        if life != self._life or self.engine is None or self._stream_up:
            return
        self._stream_up = True
        self._hear(StreamChanged(ts_event=self.ts, stream=Stream.USER, is_up=True), life)

    def _quote(self) -> None:
        step = self.random.below(31) - 15
        if self.ts > T0 + self.busy_ns + self.quiet_ns - 25 * SECOND:
            return
        price = max(95_00, min(105_00, self.venue.price[BTC.id] + step))
        self.venue.move(self.ts, BTC.id, price)
        if self.engine is not None and self.random.chance(self.snapshots):
            self.keep()
        if self.engine is not None:
            self._hear(Quote.of(BTC, self.ts, price, 5 * LOT, price + 1, 5 * LOT), self._life)
        assert self.faults is not None
        if self._stream_up and self.random.chance(self.faults.stream_down):
            self._stream_up = False
            self._hear(StreamChanged(ts_event=self.ts, stream=Stream.USER, is_up=False), self._life)
            self.at(self.ts + self.random.below(8 * SECOND), self._connect, self._life)

    # Between core and venue.
    def _hear(self, event: Any, life: int) -> None:
        if life == self._life and self.engine is not None:
            self._out(self.engine.take(event, self.ts))

    def _tick(self, life: int, ts: int) -> None:
        self._ticks.pop(ts, None)
        self._hear(Tick(self.ts), life)

    def _out(self, out: Outputs) -> None:
        """Carry outputs out in their order; a crash may come before, between and after."""
        assert self.engine is not None and self.faults is not None
        for seq, event in out.tape:
            self.tape.append((seq, event.copy() if hasattr(event, "copy") else event))
        self.notices += out.facts
        self.truth.told(out.facts)
        steps: list[tuple[Any, Any]] = []
        if out.rows:
            steps.append((self._commit, out.rows))
        steps += [(self._send, request) for request in out.requests]
        for act, what in steps:
            self.boundaries += 1
            if self.boundaries == self.crash_at or self.random.chance(self.faults.crash):
                self.crash()
                return
            act(what)
        if out.wake_ts and out.wake_ts not in self._ticks:
            self._ticks[out.wake_ts] = None
            self.at(max(out.wake_ts, self.ts), self._tick, self._life, out.wake_ts)

    def crash(self) -> None:
        """End the core as a kill does, and start another one a little later."""
        self.crashes += 1
        self.engine = None
        self._life += 1
        self._stream_up = False
        self._ticks.clear()
        if self.tape and self.random.below(2):
            # The last second of the tape may be lost, the ledger never.
            since = self.tape[-1][1].ts_event - self.random.below(SECOND)
            self.tape = [entry for entry in self.tape if entry[1].ts_event < since]
        self.at(self.ts + 100 * MS + self.random.below(5 * SECOND), self._start)

    def _commit(self, rows: list[Any]) -> None:
        for row in rows:
            self.rows.append(StoredRow(seq=len(self.rows) + 1, digest=b"", row=row))
            self.truth.written(row)

    def keep(self) -> None:
        """Take a snapshot, as the edge does now and then."""
        assert self.engine is not None
        seq, data, out = self.engine.snapshot(self.ts)
        self._out(out)
        if self.engine is not None:
            self.kept = (seq, data)

    def _send(self, request: Request) -> None:
        assert self.engine is not None and self.faults is not None
        refused = self.engine.admits(request, self.ts)
        if refused is not None:
            self.at(self.ts, self._hear, refused, self._life)
            return
        if isinstance(request, PlaceRequest):
            self.truth.leaves(request, self.engine, self.epoch, self.ts)
        draw, faults = self.random, self.faults
        if draw.chance(faults.lost):
            self._answer(request, Verdict.UNKNOWN, 3 * SECOND, reason="time-out")
            return
        if draw.chance(faults.hung):
            # The caller gives up, the request is still on its way.
            self._answer(request, Verdict.UNKNOWN, 300 * MS, reason="time-out")
            self.at(self.ts + 300 * MS + draw.below(6 * SECOND), self._arrive, request, 0)
            return
        delay = 5 * MS + draw.below(40 * MS)
        if draw.chance(faults.delayed):
            delay += draw.below(8 * SECOND)
        self.at(self.ts + delay, self._arrive, request, self._life)

    def _arrive(self, request: Request, life: int) -> None:
        """The venue has the request; whether the answer comes back is another matter."""
        assert self.faults is not None
        draw, faults, ts = self.random, self.faults, self.ts
        if request.ts_deadline and ts > request.ts_deadline:
            self._answer(request, Verdict.REJECTED, 5 * MS, code="-1021", life=life)
            return
        if draw.chance(faults.refused):
            self._answer(request, Verdict.UNKNOWN, 5 * MS, code="-1008", life=life)
            return
        verdict, content, code = self._execute(request)
        if draw.chance(faults.unclear):
            self._answer(request, Verdict.UNKNOWN, 5 * MS, code="503", life=life)
        elif draw.chance(faults.answer_lost):
            self._answer(request, Verdict.UNKNOWN, 3 * SECOND, reason="time-out", life=life)
        else:
            late = draw.below(9 * SECOND) if draw.chance(faults.answer_late) else 0
            wait = 5 * MS + draw.below(30 * MS) + late
            self._answer(request, verdict, wait, content=content, code=code, life=life)

    def _answer(
        self, request: Request, verdict: Verdict, wait: int, life: int = -1, **more: Any
    ) -> None:
        answer = Answer(
            request_id=request.request_id,
            ts_event=self.ts + wait,
            verdict=verdict,
            ts_venue=0 if verdict is Verdict.UNKNOWN else self.ts,
            **more,
        )
        self.at(self.ts + wait, self._hear, answer, self._life if life < 0 else life)

    def _execute(self, request: Request) -> tuple[Verdict, Any, str]:
        assert self.faults is not None
        venue, ts = self.venue, self.ts
        result: Any
        if isinstance(request, PlaceRequest):
            result = venue.place(ts, request.client_order_id, request.spec)
            if isinstance(result, VenueOrder):
                self.truth.arrived(request.client_order_id)
        elif isinstance(request, CancelRequest):
            result = venue.cancel(ts, request.client_order_id)
        elif isinstance(request, AmendRequest):
            result = venue.amend(ts, request.client_order_id, request.spec)
        else:
            least = self.lag_least_ns
            lag = least + self.random.below(5 * SECOND - least)
            lag = lag if self.random.chance(self.faults.lag) else 0
            return Verdict.ACCEPTED, self._query(request, ts - lag), ""
        if isinstance(result, VenueOrder):
            return Verdict.ACCEPTED, result, ""
        return Verdict.REJECTED, None, result

    def _query(self, request: Request, as_of: int) -> Any:
        venue = self.venue
        match request:
            case OrderQuery():
                if not request.client_order_id:
                    return venue.numbered_as_of(as_of, request.venue_order_id)
                return venue.order_as_of(as_of, request.client_order_id)
            case OpenOrdersQuery():
                return venue.open_as_of(as_of)
            case FillsQuery():
                return venue.fills_as_of(as_of, request.instrument, request.ts_from)
            case PositionsQuery():
                return venue.positions_as_of(as_of)
            case BalancesQuery():
                return venue.balances_as_of(as_of)
            case PaymentsQuery():
                return ()
            case BookQuery():
                return venue.price[request.instrument]
            case TimeQuery() | DeadManRequest():
                return self.ts
        raise Violation(f"a request nobody knows: {request}")

    def _streamed(self, event: VenueEvent) -> None:
        assert self.faults is not None
        draw, faults = self.random, self.faults
        if not self._stream_up or draw.chance(faults.stream_lost):
            return
        for _ in range(2 if draw.chance(faults.stream_twice) else 1):
            late = draw.below(6 * SECOND) if draw.chance(faults.stream_late) else 0
            self.at(self.ts + 3 * MS + draw.below(20 * MS) + late, self._hear, event, self._life)

    def command(self, name: str) -> None:
        """An operator speaks; the verb is durable when this returns."""
        self._hear(Command(ts_event=self.ts, name=name, actor="ada", reason="test"), self._life)
        if name != "resume" and self.engine is not None:
            self.truth.ts_halted = self.ts


def _calm(world: World) -> None:
    """No faults from here on."""
    world.faults = NONE
    if world.engine is not None and not world._stream_up:
        world._connect(world._life)
