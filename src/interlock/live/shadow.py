"""Shadow trading: were the decisions of a live run those of its shadow, and how well were they met?

A shadow runs the same strategy on the same live market and sends nothing. Decisions are paired by
cause: strategy, instrument, side and tag within a window of time, each with one other at most. What
has no twin, a twin of another size or one of the other side counts against the alignment, and the
rate is judged by its lower bound: 95 of 100 are no proof of 95 %.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from decimal import Decimal
from pathlib import Path

import msgspec

from interlock.adapters.storage import Database, read_rows
from interlock.adapters.storage.migrations import require_newest
from interlock.model.rows import AnswerRow, FillRow, IntentRow

MS = 1_000_000
CONFIDENCE = 0.95
ALIGNMENT = 0.95
MISALIGNED = "Shadow trading alignment below 95%"


class ShadowError(ValueError):
    """A comparison that cannot be made; names the value, the rule and the remedy."""


class ShadowTradingConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What counts as the same decision, and when a live run halts.

    ``signal_tolerance_pct`` and ``execution_quality_threshold`` are shares: 0.05 is 5 %. A decision
    waits ``grace_ms`` for its twin. After ``max_misalignment_count`` misaligned decisions in a row
    the live side halts; a decision of the other direction halts it at once.
    """

    enabled: bool = True
    signal_tolerance_pct: Decimal = Decimal("0.05")
    max_misalignment_count: int = 3
    execution_quality_threshold: Decimal = Decimal("0.90")
    track_slippage: bool = True
    track_latency: bool = True
    grace_ms: int = 2_000

    def __post_init__(self) -> None:
        for name in ("signal_tolerance_pct", "execution_quality_threshold"):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise ShadowError(f"{name} {value} is no share; 0.05 means 5 %")
        if self.max_misalignment_count < 1 or self.grace_ms < 1:
            raise ShadowError(
                f"max_misalignment_count {self.max_misalignment_count} and grace_ms "
                f"{self.grace_ms} must be at least 1"
            )

    def agrees(self, first: int, second: int) -> bool:
        """Whether two quantities are one decision."""
        return abs(first - second) <= self.signal_tolerance_pct * max(first, second)


class Decision(msgspec.Struct):
    """One order that a side decided on, and what became of it.

    ``slippage`` is the sum of bps times quantity over its executions, ``priced`` that quantity.
    """

    strategy: str
    instrument: str
    side: int
    tag: str
    ts: int
    quantity: int
    price: int = 0
    name: str = ""
    filled: int = 0
    answered_ns: int = 0
    slippage: float = 0.0
    priced: int = 0

    @property
    def place(self) -> tuple[str, str, str]:
        """What a twin must share besides side and time."""
        return (self.strategy, self.instrument, self.tag)


class Record(msgspec.Struct):
    """The decisions of one side, and the time for which its ledger speaks, ns."""

    decisions: list[Decision]
    ts_from: int = 0
    ts_to: int = 0


class Pairs(msgspec.Struct):
    """Decisions with their twins. ``opposed`` met one of the other side at the same place."""

    same: list[tuple[Decision, Decision]]
    opposed: list[tuple[Decision, Decision]]
    only_live: list[Decision]
    only_shadow: list[Decision]


class ShadowReport(msgspec.Struct, frozen=True, kw_only=True):
    """How a live run and its shadow compare. Rates are shares; NaN where there is nothing to tell.

    ``alignment_bound`` is the Clopper-Pearson lower bound of ``alignment_rate`` at 95 %, one-sided,
    over ``decisions``. ``execution_quality`` is the mean filled share of live decisions that have a
    twin, ``shadow_execution_quality`` that of the twins. Latency is decision to the venue's answer.
    """

    decisions: int
    aligned: int
    other_size: int
    other_direction: int
    only_live: int
    only_shadow: int
    alignment_rate: float
    alignment_bound: float
    execution_quality: float
    shadow_execution_quality: float
    avg_slippage_bps: float
    shadow_slippage_bps: float
    avg_latency_ms: float
    time_difference_ms: float
    price_difference_bps: float
    is_well_executed: bool

    @property
    def is_aligned(self) -> bool:
        """Whether the bound proves an alignment of 95 %."""
        return self.alignment_bound >= ALIGNMENT


def read_record(where: str | Path) -> Record:
    """The decisions in a ledger: a folder of live trading, a file or a database URL."""
    place: str | Path = where
    if "://" not in str(where):
        path = Path(where)
        place = path / "ledger.sqlite" if path.is_dir() else path
        if not Path(place).is_file():
            raise ShadowError(f"{place} does not exist; name the --state folder of a live run")
    database = Database(place)
    require_newest(database)
    found: dict[str, Decision] = {}
    record = Record([])
    for _, row in read_rows(database):
        record.ts_from = record.ts_from or row.ts_event
        record.ts_to = max(record.ts_to, row.ts_event)
        if isinstance(row, IntentRow):
            spec = row.spec
            found[row.client_order_id] = Decision(
                strategy=row.strategy,
                instrument=spec.instrument,
                side=spec.side,
                tag=spec.tag,
                ts=row.ts_event,
                quantity=spec.quantity,
                price=spec.price or spec.trigger,
                name=row.client_order_id,
            )
        elif isinstance(row, AnswerRow) and row.attempt == "place":
            _answered(found.get(row.client_order_id), row)
        elif isinstance(row, FillRow):
            _filled(found.get(row.client_order_id), row)
    record.decisions = list(found.values())
    return record


def _answered(decision: Decision | None, row: AnswerRow) -> None:
    if decision is not None and not decision.answered_ns:
        decision.answered_ns = row.ts_event - decision.ts


def _filled(decision: Decision | None, row: FillRow) -> None:
    if decision is None:
        return
    fill = row.fill
    decision.filled += fill.quantity
    if row.reference:
        worse = (fill.price - row.reference) * fill.side * 10_000 / row.reference
        decision.slippage += worse * fill.quantity
        decision.priced += fill.quantity


def pair(live: Sequence[Decision], shadow: Sequence[Decision], *, window_ns: int) -> Pairs:
    """Give each decision its twin: the same place and side, the nearest in order of time."""
    found = Pairs([], [], [], [])
    lives, shadows = _by_place(live), _by_place(shadow)
    for place in sorted({*lives, *shadows}):
        ours, theirs = lives.get(place, []), shadows.get(place, [])
        rest_ours: list[Decision] = []
        rest_theirs: list[Decision] = []
        for side in (1, -1):
            twins, left, right = _merge(
                [item for item in ours if item.side == side],
                [item for item in theirs if item.side == side],
                window_ns,
            )
            found.same += twins
            rest_ours += left
            rest_theirs += right
        rest_ours.sort(key=_time)
        rest_theirs.sort(key=_time)
        # What is left of one place within the window can only be of opposite sides.
        opposed, left, right = _merge(rest_ours, rest_theirs, window_ns)
        found.opposed += opposed
        found.only_live += left
        found.only_shadow += right
    return found


def compare(live: Record, shadow: Record, config: ShadowTradingConfig) -> ShadowReport:
    """Compare two records over the time for which both speak."""
    window = config.grace_ms * MS
    start, end = max(live.ts_from, shadow.ts_from), min(live.ts_to, shadow.ts_to)
    low, high = start - window, end + window
    ours, theirs = (
        [item for item in record.decisions if low <= item.ts <= high] for record in (live, shadow)
    )
    pairs = pair(ours, theirs, window_ns=window)
    # At the edges the twin may lie outside of what the other side has told.
    inner = [
        [item for item in alone if start + window <= item.ts <= end - window]
        for alone in (pairs.only_live, pairs.only_shadow)
    ]
    aligned = [two for two in pairs.same if config.agrees(two[0].quantity, two[1].quantity)]
    count = len(pairs.same) + len(pairs.opposed) + len(inner[0]) + len(inner[1])
    measured = pairs.same if config.track_slippage else []
    timed = [mine for mine, _ in pairs.same] if config.track_latency else []
    quality = _mean(_share(mine) for mine, _ in pairs.same)
    return ShadowReport(
        decisions=count,
        aligned=len(aligned),
        other_size=len(pairs.same) - len(aligned),
        other_direction=len(pairs.opposed),
        only_live=len(inner[0]),
        only_shadow=len(inner[1]),
        alignment_rate=len(aligned) / count if count else math.nan,
        alignment_bound=lower_bound(len(aligned), count),
        execution_quality=quality,
        shadow_execution_quality=_mean(_share(theirs) for _, theirs in pairs.same),
        avg_slippage_bps=_slippage([mine for mine, _ in measured]),
        shadow_slippage_bps=_slippage([theirs for _, theirs in measured]),
        avg_latency_ms=_mean(item.answered_ns / MS for item in timed if item.answered_ns),
        time_difference_ms=_mean(abs(ours.ts - theirs.ts) / MS for ours, theirs in pairs.same),
        price_difference_bps=_mean(
            abs(ours.price - theirs.price) * 10_000 / theirs.price
            for ours, theirs in pairs.same
            if ours.price and theirs.price
        ),
        is_well_executed=quality >= float(config.execution_quality_threshold),
    )


def lower_bound(hits: int, count: int, confidence: float = CONFIDENCE) -> float:
    """The one-sided Clopper-Pearson lower bound of a share: the p at which so many are rare."""
    if not hits:
        return 0.0
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        if _at_least(hits, count, middle) < 1.0 - confidence:
            low = middle
        else:
            high = middle
    return low


def _at_least(hits: int, count: int, share: float) -> float:
    """The probability of ``hits`` or more among ``count``."""
    if share <= 0.0 or share >= 1.0:
        return 0.0 if share <= 0.0 else 1.0
    log_share, log_rest = math.log(share), math.log1p(-share)
    whole = math.lgamma(count + 1)
    total = 0.0
    for number in range(hits, count + 1):
        ways = whole - math.lgamma(number + 1) - math.lgamma(count - number + 1)
        total += math.exp(ways + number * log_share + (count - number) * log_rest)
    return total


def _by_place(decisions: Iterable[Decision]) -> dict[tuple[str, str, str], list[Decision]]:
    found: dict[tuple[str, str, str], list[Decision]] = defaultdict(list)
    for item in sorted(decisions, key=_time):
        found[item.place].append(item)
    return found


def _merge(
    ours: Sequence[Decision], theirs: Sequence[Decision], window_ns: int
) -> tuple[list[tuple[Decision, Decision]], list[Decision], list[Decision]]:
    """Twins in order of time, and what is left of both; both sides are sorted."""
    twins: list[tuple[Decision, Decision]] = []
    left: list[Decision] = []
    right: list[Decision] = []
    first = second = 0
    while first < len(ours) and second < len(theirs):
        distance = ours[first].ts - theirs[second].ts
        if abs(distance) <= window_ns:
            twins.append((ours[first], theirs[second]))
            first += 1
            second += 1
        elif distance < 0:
            left.append(ours[first])
            first += 1
        else:
            right.append(theirs[second])
            second += 1
    return twins, left + list(ours[first:]), right + list(theirs[second:])


def _time(decision: Decision) -> int:
    return decision.ts


def _share(decision: Decision) -> float:
    return min(1.0, decision.filled / decision.quantity)


def _slippage(decisions: Sequence[Decision]) -> float:
    priced = sum(item.priced for item in decisions)
    return sum(item.slippage for item in decisions) / priced if priced else math.nan


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return sum(found) / len(found) if found else math.nan
