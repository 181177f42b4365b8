"""The exchange's time: everything that happens by itself, and rules whose moment has come.

Rules of this file. One loop moves all protocols, so that a rule is carried out once. A rule that
cannot be carried out is put down in the truth and shown; it never stops the exchange.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from interlock.model.instrument import InstrumentError
from interlock.model.units import UnitError
from interlock.sim.faults import Injector, Rule
from interlock.sim.venue.replay import Replay
from interlock.sim.venue.state import VenueError
from interlock.venue.clock import VenueClock
from interlock.venue.faces import UnsupportedVerb
from interlock.venue.host import Host
from interlock.venue.verbs import VerbError, Verbs

PROBLEMS = (VerbError, VenueError, UnsupportedVerb, InstrumentError, UnitError)
# The longest nap between two looks at the market; a busy market is looked at when it is due.
_NAP_S = 0.02
_LEAST_NAP_S = 0.001
# As fast as possible: venue time goes on by such steps, for so much work between two breaths.
_STEP_NS = 50_000_000
_WORK_NS = 10_000_000


class Pace:
    """Moves the protocols on."""

    def __init__(self, hosts: Mapping[str, Host], clock: VenueClock, injector: Injector) -> None:
        self.problems: list[str] = []
        self._hosts = hosts
        self._verbs = {name: Verbs(host) for name, host in hosts.items()}
        self._clock = clock
        self._injector = injector
        self._pinged = clock.real_ns()

    async def run(self) -> None:
        """Keep time until canceled."""
        while True:
            if self._clock.is_free:
                self._hurry()
                nap = _LEAST_NAP_S
            else:
                self.step()
                due = min(host.face.next_due() for host in self._hosts.values())
                nap = max(_LEAST_NAP_S, min(_NAP_S, self._clock.seconds_until(due)))
            await self._ping()
            await asyncio.sleep(nap)

    def step(self) -> None:
        """Come to the present."""
        now = self._clock.now_ns()
        for rule in self._injector.over(now):
            self.take_back(now, rule)
        for rule in self._injector.due(now):
            try:
                self.carry_out(now, rule)
            except PROBLEMS as error:
                self._injector.note(now, rule, _object_of(rule), str(error))
                self.problems.append(str(error))
        for host in self._hosts.values():
            host.advance(now)

    def carry_out(self, now: int, rule: Rule) -> None:
        """Do what a rule about the venue or its streams says; raises one of PROBLEMS."""
        meant = [verbs for verbs in self._verbs.values() if verbs.meets(rule)]
        if not meant:
            served = ", ".join(self._hosts)
            raise VerbError(
                f"{rule.title}: protocol {rule.protocol!r}, instrument {rule.instrument!r} is not "
                f"served here; there are: {served}"
            )
        problems: list[Exception] = []
        for verbs in meant:
            try:
                verbs.carry_out(now, rule)
            except PROBLEMS as error:
                problems.append(error)
        # Without a name a rule is for all who can.
        if len(problems) == len(meant):
            raise problems[0]
        self._injector.note(now, rule, _object_of(rule))

    def take_back(self, now: int, rule: Rule) -> None:
        """End what a rule changed."""
        for verbs in self._verbs.values():
            if verbs.meets(rule):
                verbs.take_back(now, rule)

    def _hurry(self) -> None:
        """Work for a moment; when everything recorded has happened, time is real time again."""
        end = self._clock.real_ns() + _WORK_NS
        while self._clock.real_ns() < end:
            self._clock.come_to(self._clock.now_ns() + _STEP_NS)
            self.step()
        flows = [
            flow for host in self._hosts.values() for flow in host.face.core.state.flows.values()
        ]
        if all(isinstance(flow, Replay) and flow.is_over for flow in flows):
            self._clock.set_speed(1.0)

    async def _ping(self) -> None:
        real = self._clock.real_ns()
        periods = [host.face.ping_s for host in self._hosts.values() if host.face.ping_s]
        if not periods or real - self._pinged < min(periods) * 1e9:
            return
        self._pinged = real
        for host in self._hosts.values():
            if host.face.ping_s:
                await host.ping()


def _object_of(rule: Rule) -> str:
    words = (rule.protocol, rule.instrument, rule.account)
    return " ".join(word for word in words if word) or "venue"
