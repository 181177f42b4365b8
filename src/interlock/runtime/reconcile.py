"""Our books against the venue's: at the start, on a clock and on every reconnect, always the same.

Rules of this file. It never trades and never invents the end of an order: an order that the venue
does not show is asked about, nothing more. A snapshot is compared with everything that we held
since it may have been taken, so that what was under way is no difference. A position counts as
different when it stays so over several snapshots and its executions were fetched in between; then
it goes to the external bucket, and its instrument takes no new risk.
"""

from __future__ import annotations

from collections import deque
from functools import partial

import msgspec

from interlock.model.rows import Difference, ReconcileRow, Severity
from interlock.model.venue import (
    Answer,
    BalancesQuery,
    OpenOrdersQuery,
    PaymentsQuery,
    PositionsQuery,
    Request,
    VenueBalance,
    VenuePosition,
    Verdict,
)
from interlock.model.venue import Payment as VenuePayment
from interlock.runtime.asks import Asks, Pending
from interlock.runtime.books import IN_PART
from interlock.runtime.cash import Cash
from interlock.runtime.desk import Desk
from interlock.runtime.evidence import CUT
from interlock.runtime.fills import LACKS, Fills, is_behind
from interlock.runtime.gate import Gate
from interlock.runtime.opening import Opening, adjust
from interlock.runtime.orders_check import OrdersCheck
from interlock.runtime.settings import CLOCK_MOST_NS, MINUTE

HISTORY = 4096
# What was held longer ago than any snapshot may show.
HISTORY_NS = 1 * MINUTE
TRIES_MAX = 16
RECONNECT = "reconnect"
# What the first look at an account waits for besides the answers of its round.
EXECUTIONS = "executions"
PAYMENTS = "payments"


class Round(msgspec.Struct):
    """One comparison: what was asked when, and what is still open."""

    scope: str
    ts: int
    waiting: dict[str, None]
    differences: list[Difference]
    positions: int = 0
    is_failed: bool = False
    # Questions to ask again, with their time, and how often that happened.
    again: dict[str, int] = {}
    tries: int = 0
    # What the first look at an account has seen of it, and when that was asked.
    opened: dict[str, int] = {}

    def look_again(self, ts: int) -> None:
        """Have all that the first look has seen asked for once more at a time."""
        for part in self.opened:
            self.waiting[part] = None
            self.again[part] = ts
        self.opened = {}


class Suspect(msgspec.Struct):
    """A position that differs: since when, by how much, and in how many snapshots.

    ``ts_far`` is since when executions of long ago are asked for too.
    """

    ts: int
    difference: int
    count: int = 1
    ts_far: int = 0


FULL: dict[str, type[Request]] = {
    "orders": OpenOrdersQuery,
    "positions": PositionsQuery,
    "balances": BalancesQuery,
    PAYMENTS: PaymentsQuery,
}
SEVERITIES = (Severity.INFO, Severity.WARNING, Severity.CRITICAL)


class Reconciler:
    """Asks, compares, reports."""

    def __init__(self, asks: Asks, gate: Gate, fills: Fills, orders: OrdersCheck) -> None:
        self.desk: Desk = asks.desk
        self.asks = asks
        self.gate = gate
        self.fills = fills
        self.orders = orders
        # What others do on the account may cost more than its executions say: a liquidation's fee.
        fills.looks.append(self.want)
        orders.evidence.looks.append(self.want)
        fills.fetched.append(self._stood_still)
        self.cash = Cash(self.desk)
        self.opening = Opening(self.desk, self.cash)
        self.round: Round | None = None
        self.suspects: dict[str, Suspect] = {}
        self.ts_orders = 0
        self.ts_full = 0
        self.ts_clean = 0
        self.wanted = ""
        self.rounds = 0
        self.ts_moved = 0
        self._log: dict[str, deque[tuple[int, int]]] = {
            name: deque(maxlen=HISTORY) for name in self.desk.state.instruments
        }
        self._ts_begun = 0

    # When.
    def want(self, scope: str) -> None:
        """Compare everything as soon as possible, for a reason of its own.

        A stream that comes and goes, or loses messages, asks again and again; its rounds keep
        apart, so that they leave some of the rate budget to the one that counts.
        """
        self.wanted = scope
        apart = self._ts_begun + self.desk.settings.reconnects_apart_ns
        self.ts_full = apart if scope in (RECONNECT, LACKS, CUT) and self._ts_begun else 0

    def due(self) -> None:
        """Begin a round when its time has come and none is under way."""
        ts = self.desk.ts
        if self.round is not None:
            for part, due in list(self.round.again.items()):
                if ts >= due:
                    del self.round.again[part]
                    self._ask(self.round, part)
        elif ts >= self.ts_full:
            self.begin(self.wanted or "full")
        elif ts >= self.ts_orders:
            self.begin("orders")

    def begin(self, scope: str) -> None:
        """Ask for one snapshot; what was under way meanwhile is compared with all we held."""
        ts, settings = self.desk.ts, self.desk.settings
        parts = ["orders"] if scope == "orders" else list(FULL)
        self.round = Round(scope, ts, {}, [])
        for part in parts:
            self.round.waiting[part] = None
            self._ask(self.round, part)
        if scope != "orders":
            self._ts_begun = ts
            self.fills.backfill()
            self.ts_full = ts + settings.full_every_ns
            self.wanted = ""
        self.ts_orders = ts + settings.orders_every_ns

    def _ask(self, current: Round, part: str) -> None:
        more = {"ts_from": self._payments_from()} if part == PAYMENTS else {}
        told = partial(self._told, current, part)
        if not self.asks.ask(FULL[part], told, **more):
            self._ask_later(current, part)

    def _ask_later(self, current: Round, part: str) -> None:
        current.tries += 1
        settings = self.desk.settings
        wait = min(settings.query_first_ns * current.tries, settings.query_most_ns)
        current.again[part] = self.desk.ts + wait

    @property
    def wake_ts(self) -> int:
        """When the next round or question is due, 0 while answers are under way."""
        if self.round is not None:
            return min(self.round.again.values(), default=0)
        return max(1, min(self.ts_orders, self.ts_full))

    def moved(self) -> None:
        """Positions or cash may have changed: remember what we held when."""
        ts, touched = self.desk.ts, self.desk.touched
        if not self.ts_moved:
            touched.update(dict.fromkeys(self._log))
        elif not touched:
            return
        for name in touched:
            if name not in self._log:
                continue
            held, log = self.desk.state.instruments[name].net.quantity, self._log[name]
            if not log or log[-1][1] != held:
                log.append((ts, held))
                self.ts_moved = ts
            while len(log) > 1 and log[1][0] < ts - HISTORY_NS:
                log.popleft()
        touched.clear()
        self.cash.moved()

    # What.
    def _told(self, current: Round, part: str, answer: Answer, pending: Pending) -> None:
        # Every question has one answer or is overdue once, and a round ends with its last one.
        content = answer.content
        is_told = answer.verdict is Verdict.ACCEPTED and isinstance(content, tuple)
        if not is_told and current.tries < TRIES_MAX:
            self._ask_later(current, part)
            return
        del current.waiting[part]
        if not is_told or not isinstance(content, tuple):
            current.is_failed = True
            # A first look is another round's then.
            current.waiting.pop(EXECUTIONS, None)
        elif part == "orders":
            current.differences += self.orders.compare(content, pending.ts)
        elif part == "positions":
            self._positions(current, content, pending.ts)
        elif part == PAYMENTS:
            for payment in content:
                if isinstance(payment, VenuePayment):
                    self.cash.take(payment)
            self.cash.ts_told = pending.ts
            self._stood_still()
        else:
            self._balances(current, content, pending.ts)
        if not current.waiting and self.round is current:
            self._finish(current)

    def _positions(self, current: Round, content: tuple[object, ...], asked: int) -> None:
        shown = {item.instrument: item for item in content if isinstance(item, VenuePosition)}
        current.positions = len(shown)
        if not self.desk.books.ts_opened:
            self.opening.positions = shown
            self._open_account(current, "positions", asked)
            return
        for name in self.desk.state.instruments:
            position = shown.get(name)
            venue = position.quantity if position is not None else 0
            if venue in self._held_since(name, asked):
                self.suspects.pop(name, None)
                self.gate.suspects.pop(name, None)
            else:
                self._differs(current, name, venue, asked)

    def _held_since(self, name: str, asked: int) -> set[int]:
        """Every position that a snapshot asked for at a time may rightly show."""
        start = asked - self.desk.settings.query_lag_ns
        held = {self.desk.state.instruments[name].net.quantity}
        for ts, quantity in reversed(self._log[name]):
            held.add(quantity)
            if ts < start:
                break
        if name in self.suspects:
            # Once in doubt, only what is held now settles it.
            return {self.desk.state.instruments[name].net.quantity}
        return held

    def _differs(self, current: Round, name: str, venue: int, asked: int) -> None:
        ours = self.desk.state.instruments[name].net.quantity
        difference = venue - ours
        suspect = self.suspects.get(name)
        if suspect is None or suspect.difference != difference:
            self.suspects[name] = suspect = Suspect(self.desk.ts, difference)
        elif asked > suspect.ts + self.desk.settings.query_lag_ns:
            suspect.count += 1
        text = f"{name}: {venue} at the venue, {ours} here"
        self.gate.suspects[name] = text
        back = 0
        if suspect.count > 1:
            # Executions have the venue's time: a clock of ours that was ahead asked for too little.
            back, suspect.ts_far = CLOCK_MOST_NS, suspect.ts_far or self.desk.ts
        self.fills.fetch(name, self._verified() - back, since=self.desk.ts)
        if suspect.count <= self.desk.settings.confirmations or self._is_moving(name):
            return
        self._declare(current, name, venue, ours)

    def _is_moving(self, name: str) -> bool:
        """Whether something under way may still explain a difference."""
        suspect = self.suspects[name]
        if self.fills.ts_fetched.get(name, 0) < max(suspect.ts, suspect.ts_far):
            # Nobody has seen the executions since.
            return True
        if self.fills.waiting.is_on(name):
            return True
        return any(
            track.spec.instrument == name and (track.doubt or track.in_flight)
            for track in self.desk.open_tracks()
        ) or any(track.spec.instrument == name for _, track in self.fills.evidence.lacking())

    def _declare(self, current: Round, name: str, venue: int, ours: int) -> None:
        """No execution explains it: into the bucket, and no new risk on the instrument."""
        lot = self.desk.state.instruments[name].instrument.lot
        severity = Severity.CRITICAL if abs(venue - ours) >= lot else Severity.WARNING
        current.differences.append(
            Difference(
                subject="position",
                cause="position_unexplained",
                severity=severity,
                instrument=name,
                ours=str(ours),
                venue=str(venue),
                action="external bucket, instrument paused",
            )
        )
        text = f"{venue} at the venue, {ours} here, no execution explains it"
        self.desk.tell("POSITION_UNEXPLAINED", name, text, level="CRITICAL")
        adjust(self.desk, name, venue - ours, "unexplained")
        self.fills.pause(name, text)
        self.suspects.pop(name, None)
        self.gate.suspects.pop(name, None)

    def _balances(self, current: Round, content: tuple[object, ...], asked: int) -> None:
        shown = {item.asset: item.wallet for item in content if isinstance(item, VenueBalance)}
        if not self.desk.books.ts_opened:
            self.opening.wallets = shown
            self._open_account(current, "balances", asked)
            return
        is_quiet = not (self.suspects or self.gate.missing_fills or self.fills.waiting)
        current.differences += self.cash.compare(shown, asked, is_quiet=is_quiet)

    def _open_account(self, current: Round, part: str, asked: int) -> None:
        """The first look at an account, whole or not at all: what it holds is nobody's here.

        It is one moment: what happens later is booked, and so must not be in what was seen. Where
        one question had to be asked again, both are.
        """
        current.opened[part] = asked
        if len(current.opened) < 2:
            return
        if len(set(current.opened.values())) > 1:
            current.look_again(self.desk.ts)
            return
        self.opening.looked(asked)
        current.waiting[EXECUTIONS] = None
        oldest = asked - self.desk.settings.proof_ns
        for name in self.desk.state.instruments:
            self.fills.fetch(name, oldest, since=self.desk.ts)

    def _stood_still(self, *_: object) -> None:
        """Whether the account did, once what was traded and paid until its first look is told."""
        current, opening, times = self.round, self.opening, self.fills.ts_fetched
        if current is None or EXECUTIONS not in current.waiting or PAYMENTS in current.waiting:
            return
        if min(times.get(name, 0) for name in self.desk.state.instruments) < opening.ts_seen:
            return
        if self.cash.ts_told < opening.ts_seen:
            current.waiting[PAYMENTS] = None
            self._ask(current, PAYMENTS)
            return
        del current.waiting[EXECUTIONS]
        again = opening.again(max(self.fills.ts_before, self.cash.ts_before))
        if again:
            current.look_again(again)
            return
        opening.book()
        if not current.waiting:
            self._finish(current)

    def _finish(self, current: Round) -> None:
        desk, settings = self.desk, self.desk.settings
        self.round = None
        self.rounds += 1
        severity = max(
            (item.severity for item in current.differences),
            key=SEVERITIES.index,
            default=Severity.INFO,
        )
        # The next life asks for what happened since the last round that was whole.
        is_in_part = current.is_failed or bool(self.suspects) or is_behind(self.fills)
        if current.scope != "orders" or current.differences:
            desk.write(
                ReconcileRow(
                    ts_event=desk.ts,
                    account=settings.account,
                    scope=current.scope + IN_PART * is_in_part,
                    severity=severity,
                    differences=tuple(current.differences),
                    orders=len(desk.state.open),
                    positions=current.positions,
                    took_ns=desk.ts - current.ts,
                )
            )
            desk.tell(
                "RECONCILED", current.scope, level=severity, differences=len(current.differences)
            )
        if current.is_failed:
            self.ts_full = min(self.ts_full, desk.ts + settings.doubtful_every_ns)
            if current.scope != "orders":
                self.wanted = current.scope
                self.ts_full = desk.ts + settings.query_most_ns
        elif self.suspects or self.cash.suspects:
            self.ts_full = min(self.ts_full, desk.ts + settings.doubtful_every_ns)
        elif current.scope != "orders":
            self.ts_clean = desk.ts
            self.gate.ts_clean = current.ts
            self.gate.freshness.user.is_stale = False

    def _verified(self) -> int:
        return max(self.desk.books.ts_opened, self.desk.books.ts_verified) - (
            self.desk.settings.proof_ns
        )

    def _payments_from(self) -> int:
        """From when payments are asked for; farther back while money is missing.

        Payments have the venue's time: a clock of ours that was ahead has asked for too little. A
        first look wants those about its time alone: a venue may not give all of an old account.
        """
        if not self.desk.books.ts_opened:
            return max(self.desk.ts - CLOCK_MOST_NS, 0)
        back = CLOCK_MOST_NS if self.cash.suspects else 0
        return max(self.desk.books.ts_opened, self._verified() - back, 0)
