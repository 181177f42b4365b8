"""The stop verbs: pause < halt < shutdown < emergency-stop, and what each does.

| verb | new risk | entries | stops and exits | positions | lifted by |
|---|---|---|---|---|---|
| pause | none | stay | stay | stay | resume |
| halt | none | canceled | stay | stay | resume |
| shutdown | none | canceled | stay | stay | the next start |
| emergency-stop | none | canceled | until flat | closed at the market | resume, twice |

Each is a row of the ledger first and is read in the send path, so it holds over restarts. A weaker
verb never undoes a stronger one.
"""

from __future__ import annotations

from interlock.kernel.restore import STRATEGIES_STOPPED, exit_row
from interlock.kernel.state import StrategySlot
from interlock.model.events import ExitDue
from interlock.model.order import OrderType
from interlock.model.rows import CommandRow, EventRow, StateRow
from interlock.model.venue import Answer, PositionsQuery, VenuePosition, Verdict
from interlock.runtime.asks import Asks, Pending
from interlock.runtime.desk import Desk
from interlock.runtime.dispatch import Dispatch
from interlock.runtime.reconcile import Reconciler
from interlock.runtime.values import Command

VERBS = {
    "pause": "paused",
    "halt": "halted",
    "shutdown": "stopping",
    "emergency-stop": "emergency",
}
RANKS = {
    "": 0,
    "trading": 0,
    "started": 0,
    "stopped": 0,
    "paused": 1,
    "halted": 2,
    "stopping": 3,
    "flat": 4,
    "emergency": 4,
}
# What a resume leads to: an emergency is lifted in two steps.
LIFTED = {"paused": "trading", "halted": "trading", "flat": "halted", "emergency": "halted"}
CANCEL_ENTRIES = ("halted", "stopping", "stopped", "emergency", "flat")


class Verbs:
    """Takes commands and carries the strong ones out."""

    def __init__(self, asks: Asks, dispatch: Dispatch, reconciler: Reconciler) -> None:
        self.desk: Desk = asks.desk
        self.asks = asks
        self.dispatch = dispatch
        self.reconciler = reconciler
        self.confirmations = 0
        self._ts_asked = 0
        self._is_asking = False
        self._ts_shout = 0
        self._tried: dict[str, int] = {}

    def state(self, scope: str = "") -> str:
        """The state of a scope."""
        return self.desk.books.switches.get(scope, ("", ""))[0]

    def command(self, command: Command) -> None:
        """Take a command in: it is durable before anything follows from it."""
        text = self._refusal(command)
        self.desk.write(
            CommandRow(
                ts_event=self.desk.ts,
                name=command.name,
                actor=command.actor,
                reason=command.reason,
                is_accepted=not text,
                arguments={"scope": command.scope} if command.scope else {},
                text=text,
            )
        )
        self.desk.tell("COMMAND", command.name, text or "accepted", actor=command.actor)
        if text:
            return
        if command.name == "reconcile":
            self.reconciler.want("command")
        elif command.name == "resume":
            self._enter(LIFTED[self.state(command.scope)], command)
        else:
            self._enter(VERBS[command.name], command)

    def _refusal(self, command: Command) -> str:
        """Why a command is not carried out, or an empty text."""
        name, scope, now = command.name, command.scope, self.state(command.scope)
        if not command.actor or not command.reason:
            return "a command needs an actor and a reason"
        known = {"", *self.desk.state.instruments, *self.desk.state.strategies}
        if scope not in known:
            return f"there is no instrument or strategy {scope!r}"
        if name == "reconcile":
            return ""
        if name == "resume":
            return "" if now in LIFTED else f"{now or 'trading'} has nothing to resume from"
        if name not in VERBS:
            return f"there is no verb {name!r}; there are: {', '.join(VERBS)}, resume, reconcile"
        if scope and name in ("shutdown", "emergency-stop"):
            return f"{name} is for the whole engine; leave the scope away"
        if RANKS[VERBS[name]] <= RANKS.get(now, 0) and now != VERBS[name]:
            return f"{now} is stronger than {name} and stays"
        return ""

    def _enter(self, state: str, command: Command) -> None:
        self.desk.write(
            StateRow(
                ts_event=self.desk.ts,
                state=state,
                scope=command.scope,
                mode=self.desk.settings.mode,
                actor=command.actor,
                reason=command.reason,
            )
        )
        self.confirmations = 0
        self._ts_shout = self.desk.ts + self.desk.settings.flat_shout_ns

    def due(self) -> None:
        """Go on with what the present state asks for."""
        for scope, (state, _) in list(self.desk.books.switches.items()):
            if state in CANCEL_ENTRIES:
                self._cancel_entries(scope)
        state = self.state()
        if state == "stopping":
            self._stop()
        elif state == "emergency":
            self._flatten()

    @property
    def wake_ts(self) -> int:
        """When to look again, 0 when no verb is being carried out."""
        is_busy = self.state() in ("stopping", "emergency") or any(
            state in CANCEL_ENTRIES and self._entries(scope)
            for scope, (state, _) in self.desk.books.switches.items()
        )
        return self.desk.ts + self.desk.settings.query_first_ns if is_busy else 0

    def _entries(self, scope: str) -> list[str]:
        """Open orders of a scope that may add risk."""
        return [
            track.client_order_id
            for track in self.desk.open_tracks()
            if not self.desk.state.open[track.client_order_id].spec.reduce_only
            and scope in ("", track.spec.instrument, track.strategy)
        ]

    def _cancel_entries(self, scope: str) -> None:
        ts, again = self.desk.ts, self.desk.settings.flat_again_ns
        for name in self._entries(scope):
            if ts >= self._tried.get(name, 0) + again and self.dispatch.cancel(name):
                self._tried[name] = ts
        if len(self._tried) > len(self.desk.books.tracks):
            self._tried.clear()

    def _stop(self) -> None:
        """Shut down when nothing that adds risk is open; strategies hear it once."""
        if self._entries(""):
            return
        desk = self.desk
        desk.apply(EventRow(ts_event=desk.ts, name=STRATEGIES_STOPPED))
        self.dispatch.drain()
        reason = self.desk.books.switches[""][1]
        desk.write(StateRow(ts_event=desk.ts, state="stopped", reason=reason))
        desk.tell("STOPPED", desk.settings.account, reason)

    # The emergency stop: flat, and the venue has said so twice.
    def _flatten(self) -> None:
        ts, settings = self.desk.ts, self.desk.settings
        is_open = self._close_positions()
        is_quiet = not is_open and not self._entries("") and not self._is_asking
        if is_quiet and ts >= self._ts_asked + settings.flat_again_ns:
            self._is_asking = self.asks.ask(PositionsQuery, self._looked)
            self._ts_asked = ts
        if ts >= self._ts_shout:
            self._ts_shout = ts + settings.flat_shout_ns
            held = ", ".join(f"{name} {quantity}" for name, quantity in self._held())
            text = f"not flat yet: {held or 'the venue has not confirmed it'}; close it by hand"
            self.desk.record("EMERGENCY_NOT_FLAT", settings.account, text, level="CRITICAL")

    def _held(self) -> list[tuple[str, int]]:
        return [
            (name, slot.net.quantity)
            for name, slot in self.desk.state.instruments.items()
            if self._is_lot(name, slot.net.quantity)
        ]

    def _is_lot(self, name: str, quantity: int) -> bool:
        """Whether a position can be closed at all: what is below a lot cannot be ordered."""
        slot = self.desk.state.instruments.get(name)
        return abs(quantity) >= (slot.instrument.lot if slot is not None else 1)

    def _close_positions(self) -> bool:
        """Have the account closed at the market; True while one of a lot or more is left.

        No more than it holds at the venue: what strategies, or one and the external bucket, hold
        against each other is no position there, and an order for it would open one.
        """
        is_open = False
        for owner in self.desk.state.strategies.values():
            for name, position in list(owner.positions.items()):
                slot = self.desk.state.instruments[name]
                held, net = position.quantity, slot.net.quantity
                size = min(abs(held), abs(net)) if held * net > 0 else 0
                if size < slot.instrument.lot:
                    continue
                is_open = True
                size = min(size, abs(net) - self._leaving(name, net))
                if size >= slot.instrument.lot:
                    self._close(owner, name, size)
        return is_open

    def _leaving(self, instrument: str, net: int) -> int:
        """What is on its way to take off the account's position at the market."""
        return sum(
            order.leaves
            for order in self.desk.state.open.values()
            if order.spec.instrument == instrument
            and order.spec.type is OrderType.MARKET
            and order.spec.reduce_only
            and order.spec.side * net < 0
        )

    def _close(self, owner: StrategySlot, instrument: str, size: int) -> None:
        key, ts = f"{owner.name} {instrument}", self.desk.ts
        is_leaving = any(
            order.spec.type is OrderType.MARKET
            and order.spec.instrument == instrument
            and order.client_order_id in self.desk.state.open
            for order in owner.orders.values()
        )
        if is_leaving or ts < self._tried.get(key, 0) + self.desk.settings.flat_again_ns:
            return
        self._tried[key] = ts
        event = ExitDue(ts, owner.name, instrument, size, tag="flatten")
        self.desk.apply(exit_row(event))

    def _looked(self, answer: Answer, pending: Pending) -> None:
        self._is_asking = False
        if answer.verdict is not Verdict.ACCEPTED or not isinstance(answer.content, tuple):
            return
        shown = [
            item
            for item in answer.content
            if isinstance(item, VenuePosition) and self._is_lot(item.instrument, item.quantity)
        ]
        if shown or self._held():
            self.confirmations = 0
            self.reconciler.want("command")
            return
        self.confirmations += 1
        moved = max(self.reconciler.ts_moved, self.desk.books.ts_opened)
        is_late = pending.ts > moved + self.desk.settings.query_lag_ns
        if self.confirmations >= 2 and is_late and self.state() == "emergency":
            self._flat()

    def _flat(self) -> None:
        """Flat for certain: what still rests protects nothing any more."""
        for track in self.desk.open_tracks():
            self.dispatch.cancel(track.client_order_id)
        reason = self.desk.books.switches[""][1]
        self.desk.write(StateRow(ts_event=self.desk.ts, state="flat", reason=reason))
        text = "the venue said twice that there is no position"
        self.desk.record("EMERGENCY_FLAT", self.desk.settings.account, text, level="WARNING")
