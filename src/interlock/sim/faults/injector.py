"""What a fault script decides, request by request and message by message.

Rules of this file. Decisions follow from the script, its seed and the order of what is asked, and
from nothing else: the same run makes the same faults. Each decision that changes something leaves
a truth record: what really happened at the venue, for whoever judges a run later. The injector
decides only; the sockets (or the simulator) carry out.
"""

from __future__ import annotations

from typing import Any

import msgspec

from interlock.sim.faults.script import (
    REQUEST_FAULTS,
    STREAM_FAULTS,
    VENUE_FAULTS,
    Rule,
    Script,
    parse_rule,
)

_MASK = (1 << 64) - 1


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """A request as a script sees it: ``kind`` is one of ``script.CALLS``."""

    kind: str
    account: str = ""
    instrument: str = ""
    endpoint: str = ""


class Frame(msgspec.Struct, frozen=True, kw_only=True):
    """A stream message as a script sees it: ``stream`` user or market, ``event`` its name."""

    stream: str
    event: str = ""
    account: str = ""
    instrument: str = ""


class RequestFault(msgspec.Struct, frozen=True, kw_only=True):
    """What to do with one request. Times in ns.

    ``executions`` is how often the exchange carries it out (0 = it never arrives, 2 = twice).
    ``reply`` is "as is", "none" (the connection closes), "truncated", "empty", "html" or "given"
    (``status`` and ``body`` replace the true answer). ``hides_ns`` is how long queries deny an
    order that was just accepted; ``age_ns`` how old a snapshot is answered.
    """

    titles: tuple[str, ...] = ()
    delay_ns: int = 0
    executions: int = 1
    reply: str = "as is"
    reply_delay_ns: int = 0
    status: int = 200
    code: int = 0
    message: str = ""
    retry_after_s: int = 0
    hides_ns: int = 0
    age_ns: int = 0


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """What to do with one message: one copy after each delay; none = it is lost."""

    delays_ns: tuple[int, ...] = (0,)
    closes: bool = False
    freezes: bool = False
    swaps: bool = False
    titles: tuple[str, ...] = ()


class Truth(msgspec.Struct, frozen=True, kw_only=True):
    """One fault as it happened."""

    ts: int
    title: str
    fault: str
    on: str


PLAIN = RequestFault()
DELIVERED = Delivery()


class _Armed:
    """A rule with its counters."""

    __slots__ = ("fired", "rule", "seen", "ts_start")

    def __init__(self, rule: Rule, ts_start: int) -> None:
        self.rule = rule
        self.ts_start = ts_start
        self.seen = 0
        self.fired = 0

    def is_live(self, ts: int) -> bool:
        rule = self.rule
        begins = self.ts_start + rule.at
        return (
            ts >= begins
            and (not rule.lasts or ts < begins + rule.lasts)
            and (not rule.count or self.fired < rule.count)
        )


class Injector:
    """Follows one script. ``ts_start`` is when its clock begins, ns."""

    def __init__(self, script: Script, *, ts_start: int) -> None:
        self.truth: list[Truth] = []
        self.counts: dict[str, int] = {}
        self._state = script.seed & _MASK
        self._requests: list[_Armed] = []
        self._frames: list[_Armed] = []
        self._verbs: list[_Armed] = []
        for rule in script.rules:
            self.add(rule, ts_start)

    def add(self, rule: Rule | dict[str, Any], ts_start: int) -> Rule:
        """Take one more rule in; its times count from ``ts_start``."""
        read = rule if isinstance(rule, Rule) else parse_rule(rule)
        armed = _Armed(read, ts_start)
        if read.fault in REQUEST_FAULTS or read.fault == "maintenance":
            self._requests.append(armed)
        elif read.fault in STREAM_FAULTS:
            self._frames.append(armed)
        if read.fault in VENUE_FAULTS:
            self._verbs.append(armed)
        return read

    def forget(self, rule: Rule) -> None:
        """Take one rule back."""
        for rules in (self._requests, self._frames, self._verbs):
            rules[:] = [armed for armed in rules if armed.rule is not rule]

    def clear(self) -> None:
        """Forget every rule; what happened stays in ``truth``."""
        for rules in (self._requests, self._frames, self._verbs):
            rules.clear()

    @property
    def watches_frames(self) -> bool:
        """Whether any rule is about stream messages; without one nobody needs to ask."""
        return bool(self._frames)

    def request(self, ts: int, call: Call) -> RequestFault:
        """What happens to a request that arrives now. Several rules may apply to one."""
        found = PLAIN
        for armed in self._requests:
            rule = armed.rule
            wants = rule.call in ("any", call.kind)
            if wants and _meets(rule, call.account, call.instrument) and self._fires(armed, ts):
                self.note(ts, rule, f"{call.kind} {call.endpoint}".strip())
                found = _combine(found, rule)
        return found

    def frame(self, ts: int, frame: Frame) -> Delivery:
        """What happens to a stream message that leaves now."""
        found = DELIVERED
        for armed in self._frames:
            rule = armed.rule
            wants = rule.stream in ("any", frame.stream) and rule.event in ("", frame.event)
            if wants and _meets(rule, frame.account, frame.instrument) and self._fires(armed, ts):
                self.note(ts, rule, f"{frame.stream} {frame.event}".strip())
                found = _deliver(found, rule)
        return found

    def due(self, ts: int) -> list[Rule]:
        """Rules about the venue itself whose time has come, each once, in the order of time."""
        found = [
            armed
            for armed in self._verbs
            if not armed.fired and not armed.rule.after_calls and armed.is_live(ts)
        ]
        found.sort(key=lambda armed: armed.ts_start + armed.rule.at)
        for armed in found:
            if armed.rule.fault != "maintenance":
                armed.fired += 1
                self.note(ts, armed.rule, armed.rule.instrument or armed.rule.account or "venue")
        return [armed.rule for armed in found if armed.rule.fault != "maintenance"]

    def next_due(self) -> int | None:
        """When the next rule about the venue itself comes due, ns; None when none waits."""
        times = [armed.ts_start + armed.rule.at for armed in self._verbs if not armed.fired]
        return min(times, default=None)

    def _fires(self, armed: _Armed, ts: int) -> bool:
        if not armed.is_live(ts):
            return False
        armed.seen += 1
        rule = armed.rule
        if armed.seen <= rule.after_calls:
            return False
        if rule.probability < 1 and self._chance() >= rule.probability:
            return False
        armed.fired += 1
        return True

    def _chance(self) -> float:
        """The next number in [0, 1) of a splitmix64 sequence: equal on every machine."""
        self._state = (self._state + 0x9E3779B97F4A7C15) & _MASK
        mixed = self._state
        mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _MASK
        return ((mixed ^ (mixed >> 31)) >> 11) / (1 << 53)

    def note(self, ts: int, rule: Rule, on: str) -> None:
        """Put down that a rule did something."""
        self.counts[rule.fault] = self.counts.get(rule.fault, 0) + 1
        self.truth.append(Truth(ts=ts, title=rule.title, fault=rule.fault, on=on))


def _meets(rule: Rule, account: str, instrument: str) -> bool:
    return rule.account in ("", account) and rule.instrument in ("", instrument)


def _combine(present: RequestFault, rule: Rule) -> RequestFault:
    values = rule.values
    changes: dict[str, Any] = {"titles": (*present.titles, rule.title)}
    match rule.fault:
        case "lose_request":
            changes |= {"executions": 0, "reply": "none"}
        case "delay_request":
            changes["delay_ns"] = present.delay_ns + values["delay"]
        case "drop_reply":
            changes["reply"] = "none"
        case "late_reply":
            changes["reply_delay_ns"] = present.reply_delay_ns + values["delay"]
        case "accept_twice":
            changes["executions"] = 2
        case "truncate_reply":
            changes["reply"] = "truncated"
        case "empty_reply":
            changes["reply"] = "empty"
        case "hide_order":
            changes["hides_ns"] = values["delay"]
        case "stale_snapshot":
            changes["age_ns"] = values["age"]
        case _:
            changes |= _replace(rule)
    return msgspec.structs.replace(present, **changes)


def _replace(rule: Rule) -> dict[str, Any]:
    """The answer that a rule gives instead of the true one."""
    values = rule.values
    if rule.fault == "html_reply":
        return {"reply": "html", "status": int(values.get("status", 502))}
    if rule.fault == "throttle":
        seconds = max(1, int(values.get("retry_after", 10 * 10**9)) // 10**9)
        return {
            "reply": "given",
            "executions": 0,
            "status": int(values.get("status", 429)),
            "code": -1003,
            "message": "Too many requests.",
            "retry_after_s": seconds,
        }
    if rule.fault == "maintenance":
        return {"reply": "html", "executions": 0, "status": int(values.get("status", 503))}
    return {
        "reply": "given",
        "executions": 1 if values.get("executed", True) else 0,
        "status": int(values["status"]),
        "code": int(values.get("code", 0)),
        "message": str(values.get("message", "")),
    }


def _deliver(present: Delivery, rule: Rule) -> Delivery:
    titles = (*present.titles, rule.title)
    delays = present.delays_ns
    match rule.fault:
        case "lose_message":
            return msgspec.structs.replace(present, delays_ns=(), titles=titles)
        case "duplicate_message":
            again = tuple(delay + rule.values.get("delay", 0) for delay in delays)
            return msgspec.structs.replace(present, delays_ns=delays + again, titles=titles)
        case "delay_message":
            late = tuple(delay + rule.values["delay"] for delay in delays)
            return msgspec.structs.replace(present, delays_ns=late, titles=titles)
        case "reorder_messages":
            return msgspec.structs.replace(present, swaps=True, titles=titles)
        case "freeze_stream":
            return msgspec.structs.replace(present, delays_ns=(), freezes=True, titles=titles)
        case _:
            return msgspec.structs.replace(present, delays_ns=(), closes=True, titles=titles)
