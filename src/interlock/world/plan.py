"""A plan: the seed, how long, how often each fault strikes, and which strikes are left out.

A plan is all that a run depends on. The schedule that it makes is named by kind and number
("request_lost 3" is the third lost request), so that a shrunk plan says which strikes are needed.
"""

from __future__ import annotations

from typing import Any

import msgspec

from interlock.runtime.settings import HOUR, MINUTE, SECOND
from interlock.world.chance import Chance
from interlock.world.kinds import (
    ABSENT,
    BINANCE,
    BY_NAME,
    KINDS,
    RATE,
    SWITCH_MAY_KEEP_STOPS,
    VENUES,
)

HALF_HOUR = 30 * MINUTE
QUIET = 90 * SECOND
# The longest time with faults: a longer one is better played as more seeds.
BUSY_MOST = 7 * 24 * HOUR
# The largest seed: a file of JSON gives it back as it was.
SEED_MOST = 2**63 - 1
MILLION = 1_000_000
# How often a kind that is counted may strike in half an hour.
COUNT_MOST = 1_000
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
    _check_rates(rates, venue)
    return Plan(seed=seed, venue=venue, busy_ns=busy_ns, rates=rates)


def _check_seed(seed: int) -> None:
    if not 0 <= seed <= SEED_MOST:
        raise PlanError(f"a seed of {seed} is none; give 0 to {SEED_MOST}")


def _check_time(busy_ns: int) -> None:
    if busy_ns <= 0:
        raise PlanError(f"a busy time of {busy_ns} ns is none; give at least a second")
    if busy_ns > BUSY_MOST:
        text = f"a busy time of {busy_ns} ns is too long; give {BUSY_MOST} at most, a week"
        raise PlanError(f"{text}, and more seeds")


def _check_rates(rates: dict[str, int], venue: str) -> None:
    _check_kinds(set(rates))
    for name, rate in rates.items():
        if rate < 0:
            raise PlanError(f"{name} strikes {rate} times; give 0 or more, or leave it out")
        is_share = BY_NAME[name].unit == RATE
        most = MILLION if is_share else COUNT_MOST
        if rate > most:
            what = "of a million occasions" if is_share else "times in half an hour"
            raise PlanError(f"{name} strikes {rate} {what}; give {most} at most")
        if name in ABSENT[venue]:
            raise PlanError(f"{name} cannot strike on {venue}: {ABSENT[venue][name]}; leave it out")


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
        text = f"this is no plan of the simulator: {error}"
        raise PlanError(f"{text}; a sweep leaves one for its smallest failure") from error
    _check_seed(plan.seed)
    _check_time(plan.busy_ns)
    _check_venue(plan.venue)
    _check_rates(plan.rates, plan.venue)
    if plan.dead_man_ns < 0:
        raise PlanError(f"a switch after {plan.dead_man_ns} ns; give 0 for none, or more")
    _check_strikes(plan.muted | (plan.only or frozenset()))
    return plan


def _check_strikes(strikes: frozenset[str]) -> None:
    _check_kinds({strike.partition(" ")[0] for strike in strikes})
    for strike in sorted(strikes):
        number = strike.partition(" ")[2]
        if not (number.isascii() and number.isdecimal()):
            raise PlanError(f'{strike!r} names no strike; give a kind and a number: "kill 3"')
