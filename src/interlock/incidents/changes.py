"""What a replay changes: parameters, limits, the cash of the strategies, or their code."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any

import msgspec

from interlock.incidents.contents import Incident, IncidentError
from interlock.incidents.strategies import Code
from interlock.kernel.state import State
from interlock.live.targets import LiveTarget
from interlock.model.limits import Limits
from interlock.model.units import MONEY_EXPONENT, MONEY_SCALE, UnitError, parse_units
from interlock.research.loading import parse_parameters
from interlock.runtime.recovery import Setup
from interlock.runtime.settings import Settings
from interlock.strategy.api import TargetStrategy

_LIMITS, _SETTINGS = "limits.", "settings."
_OFF = ("none", "off")
_LOCKS = "symbol_locks"
# The gate's code for an order that waits for the one before it on its instrument.
IN_FLIGHT = "DECISION_IN_FLIGHT"
# Decimal places of a limit that is given in whole units; the others are integers as they are.
_EXPONENTS = {
    "order_notional_max": MONEY_EXPONENT,
    "position_notional_max": MONEY_EXPONENT,
    "leverage_max_ratio": 6,
}


class Changes(msgspec.Struct, frozen=True, kw_only=True):
    """Parameters by member, limits, and the cash of each strategy in money units or None.

    ``lets_out`` are codes of the live core's refusals that a changed setting lifts.
    """

    parameters: dict[str, dict[str, Any]]
    limits: Limits
    lets_out: frozenset[str] = frozenset()
    cash: int | None = None
    has_code: bool = False


def parse_changes(incident: Incident, codes: Sequence[Code], texts: Sequence[str]) -> Changes:
    """Changes from ``NAME=VALUE`` texts; raises IncidentError, ParameterError, UnitError.

    NAME is a parameter (``size`` or ``Member.size``), ``limits.FIELD``, ``cash`` or
    ``symbol_locks``. Money and ratios are whole units with decimals, ``none`` switches a limit off.
    """
    assignments: dict[str, list[str]] = {code.terms.name: [] for code in codes}
    limits, cash, lets_out = incident.terms.limits, None, frozenset[str]()
    for text in texts:
        name, equals, value = (part.strip() for part in text.partition("="))
        if not equals or not name or not value:
            raise IncidentError(f"change {text!r} is not NAME=VALUE, such as size=0.5")
        if name.startswith(_LIMITS):
            limits = _limit(limits, name.removeprefix(_LIMITS), value)
        elif name == "cash" and not _is_parameter(codes, name):
            cash = _cash(incident, value)
        elif name.startswith(_SETTINGS) or name in Settings.__struct_fields__:
            lets_out = _setting(incident, codes, name.removeprefix(_SETTINGS), value)
        else:
            member, parameter = _place(codes, name)
            assignments[member].append(f"{parameter}={value}")
    parameters = {
        code.terms.name: parse_parameters(code.kind, assignments[code.terms.name]) for code in codes
    }
    return Changes(
        parameters=parameters,
        limits=limits,
        lets_out=lets_out,
        cash=cash,
        has_code=not all(code.is_sealed for code in codes),
    )


def setup_of(incident: Incident, codes: Sequence[Code], changes: Changes | None) -> Setup:
    """What the kernel is made of, as it was or with the changes; strategies are new each time."""
    terms = incident.terms
    members = []
    for code in codes:
        values = {} if changes is None else changes.parameters[code.terms.name]
        capital = code.terms.capital
        if changes is not None and changes.cash is not None:
            capital = changes.cash
        members.append(code.member(values, capital))
    return Setup(
        instruments=terms.instruments,
        members=members,
        currency=terms.currency,
        limits=terms.limits if changes is None else changes.limits,
        settings=terms.settings,
    )


def impose(state: State, codes: Sequence[Code], changes: Changes) -> tuple[str, ...]:
    """Put changed parameters and code over what a snapshot brought back; says what stays old."""
    notes = []
    for code in codes:
        values = changes.parameters[code.terms.name]
        if not values and code.is_sealed:
            continue
        strategy = state.strategies[code.terms.name].strategy
        made = code.made(values)
        if isinstance(strategy, LiveTarget) and isinstance(made, TargetStrategy):
            strategy.turn_to(made)
            continue
        for name, value in made.parameter_values().items():
            setattr(strategy, name, value)
        notes.append(
            f"{code.terms.name} goes on with what it remembered at the snapshot; what it had "
            "worked out of its old parameters by then stays. A capture with --from-start has none"
        )
    return tuple(notes)


def _limit(limits: Limits, name: str, value: str) -> Limits:
    if name not in Limits.__struct_fields__:
        raise IncidentError(
            f"there is no limit {name!r}; there are: {', '.join(Limits.__struct_fields__)}"
        )
    if value.lower() in _OFF and name != "window_ns":
        return msgspec.structs.replace(limits, **{name: None})
    try:
        wanted = parse_units(value, _EXPONENTS.get(name, 0))
    except (UnitError, ValueError) as error:
        raise IncidentError(f"limits.{name}={value!r}: {error}") from error
    if wanted < 0 or (name == "window_ns" and not wanted):
        raise IncidentError(f"limits.{name}={value!r} must not be below zero")
    return msgspec.structs.replace(limits, **{name: wanted})


def _cash(incident: Incident, value: str) -> int:
    if not incident.manifest.is_whole:
        raise IncidentError(
            "cash counts at the first start of a run, and this window begins later; capture the "
            "run with --from-start"
        )
    if not value.isdecimal() or not int(value):
        raise IncidentError(f"cash={value!r} must be a whole number of {incident.terms.currency}")
    return int(value) * int(MONEY_SCALE)


def _setting(incident: Incident, codes: Sequence[Code], name: str, value: str) -> frozenset[str]:
    """What a changed setting lets out. Of most a replay cannot tell."""
    if name == _LOCKS:
        if value.lower() == "false":
            return frozenset({IN_FLIGHT})
        if incident.terms.settings.symbol_locks and value.lower() == "true":
            return frozenset()
        raise IncidentError(
            f"{name}={value}: a replay can lift the lock (false), not add one: what an order would "
            "have waited for is not in the record"
        )
    raise IncidentError(
        f"{name} works on the venue's answers and on time, which a replay takes from the record: "
        f"changing it would change nothing here. What can be changed: {_known(codes)}"
    )


def _is_parameter(codes: Sequence[Code], name: str) -> bool:
    return any(name in code.kind.parameters for code in codes)


def _place(codes: Sequence[Code], name: str) -> tuple[str, str]:
    """The member and the parameter that a name means."""
    member, dot, parameter = name.rpartition(".")
    if dot:
        for code in codes:
            if code.terms.name == member and parameter in code.kind.parameters:
                return member, parameter
    holders = [code.terms.name for code in codes if name in code.kind.parameters]
    if len(holders) == 1:
        return holders[0], name
    if holders:
        raise IncidentError(
            f"parameter {name!r} belongs to several strategies; write one of "
            + ", ".join(f"{holder}.{name}" for holder in holders)
        )
    known = [key for code in codes for key in code.kind.parameters]
    known += [f"{_LIMITS}{field}" for field in Limits.__struct_fields__]
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"; did you mean {close[0]}?" if close else ""
    raise IncidentError(f"there is no {name!r} to change{hint}; there are: {_known(codes)}")


def _known(codes: Sequence[Code]) -> str:
    parameters = [key for code in codes for key in code.kind.parameters]
    limits = [f"{_LIMITS}{field}" for field in Limits.__struct_fields__]
    return ", ".join([*parameters, *limits, _LOCKS, "cash"])
