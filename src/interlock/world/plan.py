"""A plan: the seed, how long, how often each fault strikes, and which strikes are left out.

A plan is all that a run depends on. The schedule that it makes is named by kind and number
("request_lost 3" is the third lost request), so that a shrunk plan says which strikes are needed.
"""

from __future__ import annotations

from typing import Any

import msgspec

from interlock.runtime.settings import MINUTE, SECOND
from interlock.world.chance import Chance
from interlock.world.kinds import (
    ABSENT,
    BINANCE,
    BY_NAME,
    KINDS,
    SWITCH_MAY_KEEP_STOPS,
    VENUES,
)

HALF_HOUR = 30 * MINUTE
QUIET = 90 * SECOND
# What the last fault is given to be over in, before the quiet time is measured.
AFTERMATH = 30 * SECOND
# How long the venue's switch waits, in the plans that have it on.
SWITCH_S = (20, 90)


class PlanError(ValueError):
    """A plan that cannot be played; the text names the value and the rule."""


class Plan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``busy_ns`` with faults, then quiet time. ``rates`` by kind; ``muted`` strikes are left out.

    ``venue`` is whose protocol the exchange speaks, one of ``kinds.VENUES``.

    ``only`` keeps the named strikes alone (None: all). ``dead_man_ns`` is the delay of the venue's
    switch for a silent engine (0: not used), which by ``switch_keeps_stops`` takes no stops. By
    ``has_stop_limits`` stops of brackets become limit orders.
    """

    seed: int
    venue: str = BINANCE
    busy_ns: int = HALF_HOUR
    rates: dict[str, int] = {}
    muted: frozenset[str] = frozenset()
    only: frozenset[str] | None = None
    dead_man_ns: int = 0
    switch_keeps_stops: bool = False
    has_stop_limits: bool = False

    def allows(self, strike: str) -> bool:
        """Whether a strike ("kind number") happens."""
        return strike not in self.muted and (self.only is None or strike in self.only)


def drawn(seed: int, *, busy_ns: int = HALF_HOUR, venue: str = BINANCE) -> Plan:
    """The plan of a seed: every kind left out of half of the plans, else drawn from its range.

    Kinds that a venue has no words for are in none of its plans.
    """
    _check_time(busy_ns)
    _check_venue(venue)
    rates = {}
    for kind in KINDS:
        chance = Chance(seed, f"rate {kind.name}")
        if chance.below(2) and kind.name not in ABSENT[venue]:
            rates[kind.name] = chance.between(kind.low, kind.high)
    switch, stops = Chance(seed, "venue switch"), Chance(seed, "stop limits")
    delay = (switch.below(3) == 0) * switch.between(*SWITCH_S) * SECOND
    return Plan(
        seed=seed,
        venue=venue,
        busy_ns=busy_ns,
        rates={k: v for k, v in rates.items() if v},
        dead_man_ns=delay,
        switch_keeps_stops=bool(switch.below(2)) and venue in SWITCH_MAY_KEEP_STOPS,
        has_stop_limits=stops.below(3) == 0,
    )


def with_rates(seed: int, *, busy_ns: int = HALF_HOUR, venue: str = BINANCE, **rates: int) -> Plan:
    """A plan with these rates and no others."""
    _check_time(busy_ns)
    _check_venue(venue)
    _check_kinds(set(rates))
    for name, rate in rates.items():
        if rate < 0:
            raise PlanError(f"{name} strikes {rate} times; give 0 or more, or leave it out")
    absent = [name for name in rates if name in ABSENT[venue]]
    if absent:
        raise PlanError(f"{absent[0]} cannot strike on {venue}: {ABSENT[venue][absent[0]]}")
    return Plan(seed=seed, venue=venue, busy_ns=busy_ns, rates=rates)


def _check_time(busy_ns: int) -> None:
    if busy_ns <= 0:
        raise PlanError(f"a busy time of {busy_ns} ns is none; give at least a second")


def _check_venue(venue: str) -> None:
    if venue not in VENUES:
        raise PlanError(f"{venue!r} is no venue of the world; there are {', '.join(VENUES)}")


def _check_kinds(names: set[str]) -> None:
    unknown = sorted(names - set(BY_NAME))
    if unknown:
        raise PlanError(f"{unknown[0]!r} is no kind of fault; known are {', '.join(BY_NAME)}")


def to_json(plan: Plan) -> bytes:
    """The plan as a file holds it; equal plans give equal bytes."""
    plain: dict[str, Any] = msgspec.to_builtins(plan)
    for name in ("muted", "only"):
        if plain.get(name) is not None:
            plain[name] = sorted(plain[name])
    return msgspec.json.format(msgspec.json.encode(plain, order="sorted"), indent=2)


def from_json(data: bytes) -> Plan:
    """The plan of a file; raises PlanError for what is none."""
    try:
        plan = msgspec.json.decode(data, type=Plan)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise PlanError(f"this is no plan of the simulator: {error}") from error
    with_rates(plan.seed, busy_ns=plan.busy_ns, venue=plan.venue, **plan.rates)
    if plan.dead_man_ns < 0:
        raise PlanError(f"a switch after {plan.dead_man_ns} ns; give 0 for none, or more")
    _check_kinds({strike.partition(" ")[0] for strike in plan.muted | (plan.only or frozenset())})
    return plan
