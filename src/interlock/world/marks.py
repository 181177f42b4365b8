"""What must happen sometimes: branches of recovery, doubt and defense, counted as they are met.

Nothing here judges. A mark that a sweep never reaches says what the sweep did not try. Marks are
read from durable rows and from what an engine says of itself, so that a branch counts by its
result.
"""

from __future__ import annotations

from typing import Any

from interlock.kernel.restore import BASIS
from interlock.model.order import Change, OrderStatus
from interlock.model.rows import (
    AnswerRow,
    AnyRow,
    EventRow,
    FillRow,
    PaymentRow,
    RequestRow,
    TransitionRow,
)
from interlock.model.venue import DeadManRequest, Verdict
from interlock.runtime.startup import ENDED, NEVER_DURABLE, RUNNING
from interlock.sim.venue.values import EndReason, OrderEvent
from interlock.world.judging import Judge
from interlock.world.process import Process
from interlock.world.scene import Scene

_EVENTS = {
    "COID_DUPLICATE": "id held by the venue already",
    "ORDER_VANISHED": "order vanished",
    "ORDER_CHANGED_BY_OTHERS": "order changed by others",
    "POSITION_UNPROTECTED": "position unprotected",
    "STOP_NOT_FILLED": "stop triggered and not filled",
    "EMERGENCY_FLAT": "emergency stop ended flat",
}
_NOTICES = {
    "LEASE_LOST": "lease lost",
    "POSITION_UNEXPLAINED": "position unexplained",
    "STOP_REPAIR": "stop placed again",
    "RATE_LIMIT_THROTTLE": "held back by the rate",
    "CONNECTION_OPEN": "venue does not answer",
    "DEAD_MAN_FAILED": "venue's switch not armed or taken off",
}
_PAYMENTS = {
    "funding_fee": "funding",
    "funding": "funding",
    "transfer": "transfer",
    "insurance_clear": "fee of a liquidation",
    "cash_unexplained": "cash unexplained",
    "cash_rounding": "cash rounded",
    BASIS: "cash by the cost of a position",
}
_ENDS = {
    "LedgerFull": "ended: disk full",
    "LedgerFault": "ended: disk fault",
    "StaleLease": "ended: a later epoch",
    "stopped": "ended: stopped",
}
_KILLED = "ended: killed"
_ENDED = "unanswered at a restart"
_VERDICTS = {verdict: verdict.value.replace("_", " ") for verdict in Verdict}
_ATTEMPTS = ("place", "cancel", "amend")
# The venue's switch for a silent engine.
_SWITCH = {
    "armed": "venue's switch armed",
    "off": "venue's switch taken off",
    "struck": "entries taken by the venue's switch",
}

# What no fault of the world gives a reason for; counted when it happens, and not looked for. The
# money of the world's venue comes to the last unit, so that nothing is left to be rounded.
ALARMS = frozenset(
    {
        "cash rounded",
        "id held by the venue already",
        "order vanished",
        "external fill: own order no longer in memory",
    }
)
_EVERY: tuple[str, ...] = (
    "started on an empty ledger",
    "started from a snapshot",
    "started from rows alone",
    "snapshot passed over",
    "intents adopted",
    "order never left",
    "request never left",
    *(f"{attempt} {_ENDED}" for attempt in _ATTEMPTS),
    "switch kept over a restart",
    "start refused: lease held",
    "start refused: leases unreachable",
    "start refused: ledger broken",
    *_ENDS.values(),
    _KILLED,
    *(f"{attempt} {word}" for attempt in _ATTEMPTS for word in _VERDICTS.values()),
    *(
        f"doubt ended by {evidence}"
        for evidence in ("fill", "stream", "answer", "query", "deadline")
    ),
    "cancel settled by evidence",
    "amend settled by evidence",
    "late fill",
    "fill told by a query",
    *(f"external fill: {cause}" for cause in ("manual", "liquidation", "adl")),
    *_PAYMENTS.values(),
    *_EVENTS.values(),
    *_NOTICES.values(),
    *_SWITCH.values(),
)
# The marks that a sweep should reach, in the order of an engine's life.
MARKS = tuple(mark for mark in _EVERY if mark not in ALARMS)


_SETTLED = frozenset({"cancel settled", "amend settled"})
_NEVER_LEFT = {
    Change.REJECT: "order never left",
    Change.UPDATE_REJECT: "request never left",
}


class Marks(Judge):
    """Counts what happened to the engines of a world."""

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._doubtful: dict[str, None] = {}

    def started(self, process: Process) -> None:
        loop = process.loop
        switches = {} if loop is None else loop.engine.desk.books.switches
        if any(state not in RUNNING for state, _ in switches.values()):
            self._mark("switch kept over a restart")

    def ended(self, process: Process, why: str) -> None:
        self._mark(_ENDS.get(why.partition(":")[0], _KILLED))

    def told(self, process: Process, fact: Any) -> None:
        self._mark(_NOTICES.get(getattr(fact, "name", ""), ""))

    def saw(self, event: Any) -> None:
        if isinstance(event, OrderEvent) and event.order.reason == EndReason.DEAD_MAN:
            self._mark(_SWITCH["struck"])

    def wrote(self, process: Process, row: AnyRow) -> None:
        match row:
            case AnswerRow():
                self._answer(row)
            case TransitionRow():
                self._transition(row)
            case FillRow():
                self._fill(row)
            case PaymentRow():
                self._mark(_PAYMENTS.get(row.payment.kind.lower(), ""))
            case RequestRow(request=DeadManRequest(delay_ms=delay)):
                self._mark(_SWITCH["armed" if delay else "off"])
            case EventRow(name="EXTERNAL_FILL"):
                self._mark(f"external fill: {row.fields['cause']}")
            case EventRow():
                self._mark(_EVENTS.get(row.name, ""))

    def _mark(self, name: str) -> None:
        if name:
            self.scene.dice.tally.marks[name] += 1

    def _answer(self, row: AnswerRow) -> None:
        if row.attempt in _SETTLED:
            self._mark(f"{row.attempt} by evidence")
        elif row.attempt in _ATTEMPTS:
            word = _ENDED if row.reason == ENDED else _VERDICTS[row.verdict]
            self._mark(f"{row.attempt} {word}")

    def _transition(self, row: TransitionRow) -> None:
        name = row.client_order_id
        if row.after is OrderStatus.UNKNOWN:
            self._doubtful[name] = None
        elif name in self._doubtful:
            del self._doubtful[name]
            self._mark(f"doubt ended by {row.evidence}")
        if row.reason.startswith(NEVER_DURABLE):
            self._mark(_NEVER_LEFT.get(row.change, ""))

    def _fill(self, row: FillRow) -> None:
        if row.client_order_id in self._doubtful:
            del self._doubtful[row.client_order_id]
            self._mark("doubt ended by fill")
        if row.is_late:
            self._mark("late fill")
        if row.source == "query":
            self._mark("fill told by a query")
