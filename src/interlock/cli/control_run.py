"""What `interlock control` does: announces, asks, watches, reports."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import click
import msgspec

from interlock import config
from interlock.adapters.system import SystemClock
from interlock.cli.door import (
    NOT_FINISHED,
    NOT_FLAT,
    REFUSED,
    Door,
    Unreachable,
    folder_of,
)
from interlock.live.control import Ask
from interlock.ui.read_model import Status
from interlock.ui.terminal.verbs import Verb
from interlock.ui.terminal.words import count, is_zero

LOOK_S = 0.2
SHOUT_NS = 10_000_000_000
TAKEN = "accepted"
BELL = "\a"


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """A verb as it was asked for on the command line."""

    verb: Verb
    reason: str
    scope: str
    account: str
    is_waited: bool
    timeout_s: float
    as_json: bool


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a verb. ``status`` is the last that was seen of the engine."""

    verb: str
    scope: str
    actor: str
    reason: str
    is_taken: bool
    text: str
    is_done: bool
    seconds: float
    exit_code: int
    status: Status


async def carry_out(order: Order, state: Path | None) -> int:
    """Carry a verb out; returns the exit code. Raises Unreachable before anything was sent."""
    door = Door(folder_of(state))
    before = await door.status()
    order = msgspec.structs.replace(order, scope=_whole_name(order.scope, before))
    _confirm(order, before)
    ask = Ask(verb=order.verb.name, actor=config.operator(), reason=order.reason, scope=order.scope)
    if not order.as_json:
        _announce(order, ask, before)
    return await Errand(door, order, before).run(ask)


class Errand:
    """One verb on its way: sent, watched, reported."""

    def __init__(self, door: Door, order: Order, before: Status) -> None:
        self.door = door
        self.order = order
        self.before = before
        self.last = before
        self.is_gone = False
        self._clock = SystemClock()
        self._ts = self._ts_shout = self._clock.now_ns()

    async def run(self, ask: Ask) -> int:
        """Send, watch and report."""
        reply = await self.door.ask(ask)
        if reply.status is not None:
            self.last = reply.status
        is_taken = reply.is_taken and reply.text == TAKEN
        is_done = is_taken
        try:
            if is_taken and self.order.is_waited:
                is_done = await self._watch()
        except asyncio.CancelledError:
            name = self.order.verb.name
            click.echo(f"\nstopped watching; the engine goes on with {name}", err=True)
            raise
        finally:
            await self.door.close()
        outcome = Outcome(
            verb=ask.verb,
            scope=ask.scope,
            actor=ask.actor,
            reason=ask.reason,
            is_taken=is_taken,
            text=reply.text,
            is_done=is_done,
            seconds=round(self._passed_ns() / 1e9, 3),
            exit_code=self._code(is_taken, is_done),
            status=self.last,
        )
        self._report(outcome)
        return outcome.exit_code

    async def _watch(self) -> bool:
        """Look until it is done, the engine is gone, or the time is over."""
        while not self._is_done():
            if self.is_gone or self._passed_ns() > self.order.timeout_s * 1e9:
                return False
            self._shout()
            await asyncio.sleep(LOOK_S)
            try:
                self.last = await self.door.status()
            except Unreachable:
                self.is_gone = True
        return True

    def _is_done(self) -> bool:
        name, status = self.order.verb.name, self.last
        if name == "shutdown":
            return self.is_gone or status.state == "stopped"
        if name == "emergency-stop":
            return status.state == "flat"
        if name == "reconcile":
            return _compared(status) > _compared(self.before)
        if name == "halt":
            return not _entries(status, self.order.scope)
        return True

    def _shout(self) -> None:
        """An emergency that takes its time is told loudly, every few seconds."""
        now = self._clock.now_ns()
        if self.order.verb.name != "emergency-stop" or now - self._ts_shout < SHOUT_NS:
            return
        self._ts_shout = now
        seconds = self._passed_ns() / 1e9
        click.echo(
            f"{BELL}!! NOT VERIFIED FLAT after {seconds:.0f} s: {_held(self.last)}", err=True
        )

    def _passed_ns(self) -> int:
        return self._clock.now_ns() - self._ts

    def _code(self, is_taken: bool, is_done: bool) -> int:
        if not is_taken:
            return REFUSED
        if is_done:
            return 0
        return NOT_FLAT if self.order.verb.name == "emergency-stop" else NOT_FINISHED

    def _report(self, outcome: Outcome) -> None:
        if self.order.as_json:
            click.echo(msgspec.json.encode(outcome))
            return
        name = outcome.verb
        if not outcome.is_taken:
            click.echo(f"REFUSED: {outcome.text}", err=True)
        elif outcome.exit_code == NOT_FLAT:
            self._warn()
        elif not outcome.is_done:
            click.echo(f"NOT FINISHED after {outcome.seconds:.1f} s; the engine goes on", err=True)
        else:
            word = "done" if self.order.is_waited else "taken"
            click.echo(f"{name} {word} after {outcome.seconds:.1f} s")
        ended = " (the engine has ended)" if self.is_gone else ""
        click.echo(f"After: {_described(outcome.status, self.order.scope)}{ended}")
        if name == "resume" and outcome.is_taken and outcome.status.state == "halted":
            click.echo("One more `interlock control resume` lets it trade again.")

    def _warn(self) -> None:
        why = "the engine has ended" if self.is_gone else "the time is over; the engine goes on"
        click.echo(
            f"{BELL}!! EMERGENCY STOP NOT VERIFIED FLAT: {why}. {_held(self.last)}. "
            f"Log in at {self.last.venue} and close by hand what is open.",
            err=True,
        )


def _confirm(order: Order, status: Status) -> None:
    """The strongest verb needs the account by name."""
    if order.verb.name != "emergency-stop":
        return
    typed = order.account
    if not typed and sys.stdin.isatty():
        question = f"Every position is closed at the market. Type {status.account}"
        typed = str(click.prompt(question))
    if not typed:
        raise click.UsageError(f"name the account to go on: --account {status.account}")
    if typed != status.account:
        raise click.UsageError(
            f"this engine trades {status.account!r}, not {typed!r}; nothing was sent"
        )


def _announce(order: Order, ask: Ask, status: Status) -> None:
    scope = f" for {order.scope}" if order.scope else ""
    click.echo(
        f"{order.verb.name}{scope} on {status.account} at {status.venue} ({status.mode}), "
        f"by {ask.actor}: {ask.reason}"
    )
    for what, does in order.verb.effects:
        click.echo(f"  {what:16} {does}")
    click.echo(f"Before: {_described(status, order.scope)}")


def _whole_name(scope: str, status: Status) -> str:
    """An instrument may be named without its venue."""
    found = [
        line.instrument for line in status.positions if line.instrument.startswith(f"{scope}.")
    ]
    return found[0] if scope and len(found) == 1 else scope


def _described(status: Status, scope: str) -> str:
    entries = len(_entries(status, ""))
    exits = len(status.orders) - entries
    orders = (
        f"{count(entries, 'entry', 'entries')}, {count(exits, 'stop or exit', 'stops and exits')}"
    )
    paused = [line.instrument for line in status.positions if line.is_paused]
    stopped = f"; paused: {', '.join(paused)}" if paused else ""
    unknown = f"; {status.unknown_orders} UNKNOWN" if status.unknown_orders else ""
    return f"{status.state}; {_held(status)}; open: {orders}{unknown}{stopped}"


def _held(status: Status) -> str:
    held = [
        f"{line.quantity} {line.instrument}"
        for line in status.positions
        if not is_zero(line.quantity)
    ]
    return f"position {', '.join(held)}" if held else "no position in the books"


def _entries(status: Status, scope: str) -> list[str]:
    """Open orders that may add risk."""
    return [
        line.client_order_id
        for line in status.orders
        if "reduce" not in line.kind and scope in ("", line.instrument, line.strategy)
    ]


def _compared(status: Status) -> int:
    return status.counts.get("RECONCILED", 0)
