"""What a fault script decides, request by request and message by message.

Rules of this file. Decisions follow from the script, its seed and the order of what is asked, and
from nothing else: the same run makes the same faults. Each decision that changes something leaves
a truth record: what really happened at the venue, for whoever judges a run later. The injector
decides only; the sockets (or the simulator) carry out.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import msgspec

from interlock.sim.chance import Splitmix
from interlock.sim.faults.script import (
    REQUEST_FAULTS,
    REVERTED,
    STREAM_FAULTS,
    VENUE_FAULTS,
    Rule,
    Script,
    parse_rule,
)

_NEVER = 1 << 62
# How many faults are remembered one by one; all of them are counted.
TRUTH_KEPT = 100_000
# What is asked again and again; only such answers can be old ones.
_READS = ("query", "account", "market")


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """A request as a script sees it: ``kind`` is one of ``script.CALLS``."""

    kind: str
    protocol: str = ""
    account: str = ""
    instrument: str = ""
    endpoint: str = ""


class Frame(msgspec.Struct, frozen=True, kw_only=True):
    """A stream message as a script sees it: ``stream`` user or market, ``event`` its name."""

    stream: str
    protocol: str = ""
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
    """What to do with one message: one copy after each delay; none = it is lost.

    ``frozen_until`` is not 0 when the socket goes silent: the venue time at which it speaks again.
    """

    delays_ns: tuple[int, ...] = (0,)
    closes: bool = False
    frozen_until: int = 0
    swaps: bool = False
    titles: tuple[str, ...] = ()


class Truth(msgspec.Struct, frozen=True, kw_only=True):
    """One fault as it happened; ``problem`` says why one could not be carried out."""

    ts: int
    title: str
    fault: str
    on: str
    problem: str = ""


PLAIN = RequestFault()
DELIVERED = Delivery()


class _Armed:
    """A rule with its counters."""

    __slots__ = ("ended", "fired", "rule", "seen", "ts_start")

    def __init__(self, rule: Rule, ts_start: int) -> None:
        self.rule = rule
        self.ts_start = ts_start
        self.seen = 0
        self.fired = 0
        self.ended = False

    @property
    def begins(self) -> int:
        return self.ts_start + self.rule.at

    @property
    def ends(self) -> int:
        return self.begins + self.rule.lasts if self.rule.lasts else _NEVER

    @property
    def reverts(self) -> bool:
        return self.rule.fault in REVERTED and not self.ended

    def is_live(self, ts: int) -> bool:
        count = self.rule.count
        return self.begins <= ts < self.ends and (not count or self.fired < count)


class Injector:
    """Follows one script. ``ts_start`` is when its clock begins, ns."""

    def __init__(self, script: Script, *, ts_start: int) -> None:
        self.truth: deque[Truth] = deque(maxlen=TRUTH_KEPT)
        self.counts: dict[str, int] = {}
        self._chance = Splitmix(script.seed)
        self._requests: list[_Armed] = []
        self._frames: list[_Armed] = []
        self._verbs: list[_Armed] = []
        for rule in script.rules:
            self.add(rule, ts_start)

    def add(self, rule: Rule | dict[str, Any], ts_start: int) -> Rule:
        """Take one more rule in; its times count from ``ts_start``."""
        read = rule if isinstance(rule, Rule) else parse_rule(rule)
        armed = _Armed(read, ts_start)
        if read.fault in REQUEST_FAULTS:
            self._requests.append(armed)
        elif read.fault in STREAM_FAULTS and not read.is_timed:
            self._frames.append(armed)
        if read.fault in VENUE_FAULTS or read.is_timed:
            self._verbs.append(armed)
        return read

    def forget(self, rule: Rule) -> None:
        """Take one rule back."""
        for rules in (self._requests, self._frames, self._verbs):
            rules[:] = [armed for armed in rules if armed.rule is not rule]

    def clear(self) -> list[Rule]:
        """Forget every rule; what happened stays in ``truth``. Returns what has to be undone."""
        undone = [armed.rule for armed in self._verbs if armed.fired and armed.reverts]
        for rules in (self._requests, self._frames, self._verbs):
            rules.clear()
        return undone

    @property
    def rules(self) -> list[Rule]:
        """Every rule that is waiting or live, each once."""
        return [armed.rule for armed in (*self._requests, *self._frames, *self._verbs)]

    @property
    def watches_frames(self) -> bool:
        """Whether any rule is about stream messages; without one nobody needs to ask."""
        return bool(self._frames)

    @property
    def names_accounts(self) -> bool:
        """Whether a rule about requests asks whose they are, which may be dear to find out."""
        return any(armed.rule.account for armed in self._requests)

    def keeps_snapshots(self) -> bool:
        """Whether answers have to be kept because a rule may want an old one."""
        return any(armed.rule.fault == "stale_snapshot" for armed in self._requests)

    def request(self, ts: int, call: Call) -> RequestFault:
        """What happens to a request that arrives now. Several rules may apply to one."""
        found = PLAIN
        closed = self.live(ts, "maintenance", call.protocol)
        if closed is not None:
            status = int(closed.values.get("status", 503))
            return RequestFault(titles=(closed.title,), executions=0, reply="html", status=status)
        for armed in self._requests:
            rule = armed.rule
            wants = rule.call in ("any", call.kind)
            if rule.fault == "stale_snapshot":
                wants = wants and call.kind in _READS
            if wants and _meets(rule, call) and self._fires(armed, ts):
                self.note(ts, rule, f"{call.kind} {call.endpoint}".strip())
                found = _combine(found, rule)
        for armed in self._verbs:
            if armed.rule.after_calls and armed.rule.call in ("any", call.kind):
                self._count(armed, ts, call)
        return found

    def frame(self, ts: int, frame: Frame) -> Delivery:
        """What happens to a stream message that leaves now."""
        found = DELIVERED
        for armed in self._frames:
            rule = armed.rule
            wants = rule.stream in ("any", frame.stream) and rule.event in ("", frame.event)
            if wants and _meets(rule, frame) and self._fires(armed, ts):
                self.note(ts, rule, f"{frame.stream} {frame.event}".strip())
                found = _deliver(found, rule, armed.ends)
        return found

    def due(self, ts: int) -> list[Rule]:
        """Rules at whose time something is done, once, in the order of time."""
        found = [
            armed
            for armed in self._verbs
            if not armed.fired
            and armed.seen >= armed.rule.after_calls
            and armed.begins <= ts < armed.ends
        ]
        found.sort(key=lambda armed: armed.begins)
        for armed in found:
            armed.fired += 1
        return [armed.rule for armed in found]

    def over(self, ts: int) -> list[Rule]:
        """Rules whose time has passed and whose change has to be taken back, once."""
        found = [
            armed
            for armed in self._verbs
            if armed.fired and not armed.ended and armed.ends <= ts and armed.reverts
        ]
        for armed in found:
            armed.ended = True
        return [armed.rule for armed in found]

    def live(self, ts: int, fault: str, protocol: str) -> Rule | None:
        """The rule of a fault that lasts, while it lasts."""
        for armed in self._verbs:
            rule = armed.rule
            # Once carried out it lasts until what it changed is taken back.
            begun = armed.seen >= rule.after_calls and armed.begins <= ts and not armed.ended
            begun = begun and (ts < armed.ends or armed.fired > 0)
            if rule.fault == fault and rule.protocol in ("", protocol) and begun:
                return rule
        return None

    def lasting(self, ts: int, stream: str, protocol: str, account: str) -> tuple[Rule, int] | None:
        """A rule that closes or freezes streams for a time, and when it ends: for new sockets."""
        frame = Frame(stream=stream, protocol=protocol, account=account)
        for armed in self._verbs:
            rule = armed.rule
            wants = rule.is_timed and rule.lasts and rule.stream in ("any", stream)
            if wants and _meets(rule, frame) and armed.begins <= ts < armed.ends:
                return rule, armed.ends
        return None

    def next_due(self) -> int | None:
        """When the next rule about the venue itself comes due, ns; None when none waits."""
        times = [
            armed.begins
            for armed in self._verbs
            if not armed.fired and armed.seen >= armed.rule.after_calls
        ]
        return min(times, default=None)

    def note(self, ts: int, rule: Rule, on: str, problem: str = "") -> None:
        """Put down that a rule did something, or why it could not."""
        if not problem:
            self.counts[rule.fault] = self.counts.get(rule.fault, 0) + 1
        self.truth.append(Truth(ts=ts, title=rule.title, fault=rule.fault, on=on, problem=problem))

    def _count(self, armed: _Armed, ts: int, call: Call) -> None:
        """A rule about the venue that waits for calls: its time begins with the last of them."""
        if armed.rule.protocol in ("", call.protocol) and armed.seen < armed.rule.after_calls:
            armed.seen += 1
            if armed.seen == armed.rule.after_calls:
                armed.ts_start = ts

    def _fires(self, armed: _Armed, ts: int) -> bool:
        if not armed.is_live(ts):
            return False
        armed.seen += 1
        rule = armed.rule
        if armed.seen <= rule.after_calls:
            return False
        if rule.probability < 1 and self._chance.share() >= rule.probability:
            return False
        armed.fired += 1
        return True


def _meets(rule: Rule, item: Call | Frame) -> bool:
    return (
        rule.account in ("", item.account)
        and rule.instrument in ("", item.instrument)
        and rule.protocol in ("", item.protocol)
    )


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
    return {
        "reply": "given",
        "executions": 1 if values.get("executed", True) else 0,
        "status": int(values["status"]),
        "code": int(values.get("code", 0)),
        "message": values.get("message", ""),
    }


def _deliver(present: Delivery, rule: Rule, ends: int) -> Delivery:
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
            return msgspec.structs.replace(present, delays_ns=(), frozen_until=ends, titles=titles)
        case _:
            return msgspec.structs.replace(present, delays_ns=(), closes=True, titles=titles)
