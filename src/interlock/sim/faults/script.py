"""A fault script as data: which fault, when, on what, how often. Nothing is injected here.

A script is a mapping with ``rules`` (a list) and an optional ``seed``. A rule has a ``fault`` by
name and may say when (``at``, ``for``, ``after_calls``), on what (``protocol``, ``call``,
``account``, ``instrument``, ``stream``, ``event``), how often (``count``, ``probability``), and the
values that its fault takes. Times are text with a unit ("250ms", "30s", "5m", "1h") or seconds.
Everything is checked when the script is read: an unknown name or a value of the wrong kind is an
error that names the rule.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

SECOND_NS = 1_000_000_000
_UNITS = {"ms": 1_000_000, "s": SECOND_NS, "m": 60 * SECOND_NS, "h": 3600 * SECOND_NS}
_TIME = re.compile(r"^(\d+(?:\.\d+)?)\s*(ms|s|m|h)?$")

# Which values each fault takes; a value in REQUIRED must be there.
REQUEST_FAULTS: Mapping[str, tuple[str, ...]] = {
    "lose_request": (),
    "delay_request": ("delay",),
    "drop_reply": (),
    "late_reply": ("delay",),
    "accept_twice": (),
    "truncate_reply": (),
    "empty_reply": (),
    "html_reply": ("status",),
    "answer": ("status", "code", "message", "executed"),
    "throttle": ("status", "retry_after"),
    "hide_order": ("delay",),
    "stale_snapshot": ("age",),
}
STREAM_FAULTS: Mapping[str, tuple[str, ...]] = {
    "lose_message": (),
    "duplicate_message": ("delay",),
    "delay_message": ("delay",),
    "reorder_messages": (),
    "freeze_stream": (),
    "close_stream": (),
}
VENUE_FAULTS: Mapping[str, tuple[str, ...]] = {
    "expire_listen_key": (),
    "skew_clock": ("offset",),
    "change_filters": ("tick", "lot", "min_notional"),
    "change_leverage": ("leverage",),
    "gap": ("ratio",),
    "liquidate": (),
    "deleverage": (),
    "manual_trade": ("side", "quantity"),
    "manual_cancel": (),
    "fill_part": ("ratio",),
    "delist": (),
    "halt": (),
    "resume": (),
    "maintenance": ("status",),
    "switch_protocol": ("version",),
}
FAULTS: Mapping[str, tuple[str, ...]] = {**REQUEST_FAULTS, **STREAM_FAULTS, **VENUE_FAULTS}
CALLS = ("any", "place", "amend", "cancel", "query", "account", "market", "session")
STREAMS = ("any", "user", "market")
VERSIONS = ("algo", "before-algo")
SIDES = ("buy", "sell")
# Verbs that end with their ``for``: what they changed is changed back.
REVERTED = ("skew_clock", "change_filters", "halt", "maintenance")
_REQUIRED = {
    "delay_request": ("delay",),
    "late_reply": ("delay",),
    "delay_message": ("delay",),
    "hide_order": ("delay",),
    "stale_snapshot": ("age",),
    "answer": ("status",),
    "skew_clock": ("offset",),
    "gap": ("ratio",),
    "manual_trade": ("side", "quantity"),
    "fill_part": ("ratio",),
    "switch_protocol": ("version",),
    "change_leverage": ("leverage",),
}
_TIMES = ("at", "for", "delay", "age", "retry_after", "offset")
_NUMBERS = ("status", "probability", "ratio", "leverage", "count", "after_calls", "code")
_TEXTS = ("name", "protocol", "call", "account", "instrument", "stream", "event", "message")
_COMMON = (
    "fault",
    "name",
    "at",
    "for",
    "after_calls",
    "count",
    "probability",
    "protocol",
    "call",
    "account",
    "instrument",
    "stream",
    "event",
)


class ScriptError(ValueError):
    """A fault script that cannot be followed; names the rule, the value and the remedy."""


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """One rule. Times are ns after the script's start; ``count`` 0 = whenever it matches.

    ``lasts`` 0 = without end.
    """

    fault: str
    name: str = ""
    at: int = 0
    lasts: int = 0
    after_calls: int = 0
    count: int = 0
    probability: float = 1.0
    protocol: str = ""
    call: str = "any"
    account: str = ""
    instrument: str = ""
    stream: str = "any"
    event: str = ""
    values: dict[str, Any] = {}

    @property
    def title(self) -> str:
        """How truth records and the terminal name this rule."""
        return self.name or self.fault

    @property
    def is_timed(self) -> bool:
        """Whether it acts on streams at its time, and not when a certain message leaves."""
        chosen = self.after_calls or self.count or self.event or self.probability < 1
        return self.fault in ("freeze_stream", "close_stream") and not chosen


class Script(msgspec.Struct, frozen=True, kw_only=True):
    """Rules in the order they were written, and the seed of their chances."""

    rules: tuple[Rule, ...] = ()
    seed: int = 1


def parse(given: Any) -> Script:
    """A script from what a YAML or JSON file holds; raises ScriptError for the first mistake."""
    if not isinstance(given, Mapping):
        raise ScriptError(f"a fault script is a mapping with rules, not {given!r}")
    unknown = [key for key in given if key not in ("rules", "seed", "title")]
    if unknown:
        raise ScriptError(f"a fault script has rules, seed and title; {unknown[0]!r} is unknown")
    rules = given.get("rules") or ()
    if not isinstance(rules, Sequence) or isinstance(rules, str):
        raise ScriptError(f"rules {rules!r} must be a list; start each rule with '- fault: NAME'")
    seed = given.get("seed", 1)
    if not isinstance(seed, int):
        raise ScriptError(f"seed {seed!r} must be an integer")
    return Script(rules=tuple(parse_rule(rule, k + 1) for k, rule in enumerate(rules)), seed=seed)


def parse_rule(given: Any, number: int = 1) -> Rule:
    """One rule from a mapping."""
    where = f"rule {number}"
    if not isinstance(given, Mapping):
        raise ScriptError(f"{where}: {given!r} must be a mapping that starts with 'fault: NAME'")
    fault = given.get("fault")
    if not isinstance(fault, str) or fault not in FAULTS:
        raise ScriptError(f"{where}: fault {fault!r} is unknown; there are: {', '.join(FAULTS)}")
    taken = FAULTS[fault]
    values: dict[str, Any] = {}
    common: dict[str, Any] = {}
    for key, value in given.items():
        if key not in _COMMON and key not in taken:
            allowed = ", ".join((*_COMMON, *taken))
            raise ScriptError(f"{where} ({fault}): {key!r} is unknown; allowed are: {allowed}")
        read = _read(f"{where} ({fault})", key, value)
        (common if key in _COMMON else values)[key] = read
    for key in _REQUIRED.get(fault, ()):
        if key not in values:
            raise ScriptError(f"{where}: {fault} needs {key!r}")
    _check_choice(where, "call", common.get("call", "any"), CALLS)
    _check_choice(where, "stream", common.get("stream", "any"), STREAMS)
    _check_choice(where, "version", values.get("version", "algo"), VERSIONS)
    _check_choice(where, "side", values.get("side", "buy"), SIDES)
    if fault == "fill_part" and not 0 < values["ratio"] <= 1:
        raise ScriptError(f"{where} ({fault}): ratio {values['ratio']} must be above 0, at most 1")
    if fault == "gap" and not -1 < values["ratio"] < 100:
        raise ScriptError(f"{where} ({fault}): ratio {values['ratio']} must be a change above -1")
    common["lasts"] = common.pop("for", 0)
    return Rule(values=values, **common)


def duration_ns(text: Any) -> int:
    """Nanoseconds of "250ms", "30s", "5m", "1h", "-2s", or of a number of seconds."""
    if isinstance(text, int | float) and not isinstance(text, bool):
        return round(text * SECOND_NS)
    negative = isinstance(text, str) and text.startswith("-")
    found = _TIME.match(str(text).lstrip("-").strip())
    if found is None:
        raise ScriptError(f"time {text!r} must read like 250ms, 30s, 5m, 1h or a number of seconds")
    size = round(float(found[1]) * _UNITS[found[2] or "s"])
    return -size if negative else size


def _read(where: str, key: str, value: Any) -> Any:
    if key in _TIMES:
        try:
            return duration_ns(value)
        except ScriptError as error:
            raise ScriptError(f"{where}: {key}: {error}") from None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if key in _NUMBERS and not is_number:
        raise ScriptError(f"{where}: {key} {value!r} must be a number")
    if key == "executed" and not isinstance(value, bool):
        raise ScriptError(f"{where}: executed {value!r} must be true or false")
    if key in _TEXTS and not isinstance(value, str):
        raise ScriptError(f"{where}: {key} {value!r} must be text")
    if key == "probability" and not 0 <= value <= 1:
        raise ScriptError(f"{where}: probability {value!r} must lie between 0 and 1")
    return value


def _check_choice(where: str, key: str, value: Any, allowed: Sequence[str]) -> None:
    if value not in allowed:
        raise ScriptError(f"{where}: {key} {value!r} must be one of {', '.join(allowed)}")
