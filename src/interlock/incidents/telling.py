"""An incident and its replay in lines that a trader can read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from interlock.incidents.contents import Incident
from interlock.incidents.decisions import Decision, Kind
from interlock.incidents.replay import Difference, Outcome
from interlock.incidents.running import Counts, Verdict
from interlock.model.facts import OrderDenied
from interlock.model.order import OrderSpec
from interlock.model.units import MONEY_EXPONENT, format_units
from interlock.research.catalog import iso

_SHOWN = 12
_NAMES = {
    Kind.PLACE: "orders sent",
    Kind.HELD: "orders held back by the live core",
    Kind.DENIED: "orders denied by a limit",
    Kind.AMEND: "amendments",
    Kind.CANCEL: "cancels",
    Kind.NOTED: "reports noted",
    Kind.RAISED: "errors of a strategy",
}


def contents_lines(found: Incident, path: Path) -> Iterator[str]:
    """What is in a file."""
    manifest, terms = found.manifest, found.terms
    size = path.stat().st_size
    yield f"{'File':<12} {path}, {size / 1024:,.0f} KiB, {len(manifest.members)} members intact"
    yield f"{'Seal':<12} {found.seal}"
    yield f"{'Run':<12} account {manifest.account}, {manifest.mode}, start {_epochs(found)}"
    since = f" (asked for from {manifest.asked} on)" if manifest.asked > manifest.first else ""
    yield f"{'Rows':<12} {manifest.first} to {manifest.last}{since}, the chain holds"
    yield f"{'':<12} {_kinds(found)}"
    yield f"{'Time':<12} {iso(manifest.ts_first)} to {iso(manifest.ts_last)}"
    kept = f"snapshot of row {manifest.first - 1}" if manifest.has_snapshot else "the first row"
    yield f"{'From':<12} {kept}"
    yield f"{'Market':<12} {manifest.market} events of {_instruments(found)}"
    for member in terms.members:
        values = ", ".join(f"{name}={value}" for name, value in member.parameters.items())
        sealed = (
            f"source {member.source_sha256[:12]}" if member.source else "source not in the file"
        )
        yield f"{'Strategy':<12} {member.name}: {member.reference}, {sealed}"
        cash = f"{_money(member.capital)} {terms.currency}"
        yield f"{'':<12} cash {cash}; {values or 'no parameters'}"
    yield f"{'Limits':<12} {_limits(found)}"
    versions = ", ".join(f"{name} {terms.versions[name]}" for name in ("interlock", "python"))
    yield f"{'Versions':<12} {versions}, {len(terms.versions) - 2} libraries"
    for text in manifest.lacking:
        yield f"{'Lacking':<12} {text}"


def verdict_lines(found: Incident, verdict: Verdict, *, everything: bool = False) -> Iterator[str]:
    """What a replay found."""
    unchanged, changed = verdict.unchanged, verdict.changed
    if unchanged is not None:
        yield from _record_lines(found, unchanged, has_changes=changed is not None)
    if changed is not None:
        yield f"{'With changes':<12} {changed.replayed}"
    asked = verdict.asked
    if asked.differences:
        yield from _difference("First", found, asked.differences[0])
        for difference in asked.differences[1:] if everything else ():
            yield from _difference("Then", found, difference)
        yield from _counts(verdict.counts)
    elif changed is not None:
        yield f"{'':<12} nothing would have been decided otherwise in this window"
    for text in asked.faults[:_SHOWN]:
        yield f"{'Raised':<12} {text}"
    for text in verdict.notes:
        yield f"{'Note':<12} {text}"
    if changed is not None and asked.differences:
        yield f"{'Note':<12} executions stay those of the record: orders that only the changed run"
        yield f"{'':<12} wants find no market, and profit cannot be read off this"


def _record_lines(found: Incident, unchanged: Outcome, *, has_changes: bool) -> Iterator[str]:
    yield f"{'Recorded':<12} {unchanged.recorded}"
    same = "equal" if unchanged.is_equal else "DIFFERENT"
    yield f"{'Replayed':<12} {unchanged.replayed}  {same}"
    yield f"{'':<12} {_sum(unchanged)} decisions as recorded{_unjudged(unchanged)}"
    if unchanged.differences and has_changes:
        yield from _difference("Differs", found, unchanged.differences[0])
        yield f"{'':<12} the record itself is not reproduced: what follows mixes both"


def now_then(found: Incident, difference: Difference) -> dict[str, Any]:
    """A difference as plain values, for machines."""
    return {
        "row": difference.row,
        "ts": difference.ts,
        "time": iso(difference.ts),
        "then": _plain(found, difference.then),
        "now": _plain(found, difference.now),
    }


def _plain(found: Incident, decision: Decision | None) -> dict[str, Any] | None:
    if decision is None:
        return None
    return {
        "kind": decision.kind.value,
        "strategy": decision.strategy,
        "client_order_id": decision.client_order_id,
        "text": _said(found, decision),
        "order": None if decision.spec is None else msgspec.structs.asdict(decision.spec),
    }


def _difference(title: str, found: Incident, difference: Difference) -> Iterator[str]:
    yield f"{title:<12} row {difference.row}, {iso(difference.ts)}"
    yield f"{'  then':<12} {_said(found, difference.then)}"
    yield f"{'  now':<12} {_said(found, difference.now)}"


def _said(found: Incident, decision: Decision | None) -> str:
    if decision is None:
        return "nothing"
    order = "" if decision.spec is None else f" {_order(found, decision.spec)}"
    match decision.kind:
        case Kind.PLACE:
            return f"{decision.strategy}:{order}, {decision.client_order_id}"
        case Kind.HELD:
            return f"{decision.strategy}:{order} not let out: {decision.text or 'by the record'}"
        case Kind.DENIED:
            code = decision.fact.code if isinstance(decision.fact, OrderDenied) else ""
            return f"{decision.strategy}:{order} denied, {code}: {decision.text}"
        case Kind.AMEND:
            return f"{decision.strategy}: change {decision.client_order_id} to{order}"
        case Kind.CANCEL:
            return f"{decision.strategy}: cancel {decision.client_order_id}"
        case Kind.RAISED:
            return f"{decision.strategy} raised {decision.text}"
        case Kind.NOTED:
            return f"{type(decision.fact).__name__} {decision.fact}"


def _order(found: Incident, spec: OrderSpec) -> str:
    """An instruction in the instrument's own units; sizes alone where the ledger has no more."""
    instruments = {item.id: item for item in found.terms.instruments}
    instrument = instruments.get(spec.instrument)
    if instrument is None:
        return f"order of {spec.quantity} units"
    side = "buy" if spec.side > 0 else "sell"
    words = [side, instrument.quantity_text(spec.quantity), spec.instrument, spec.type.value]
    for name, value in (("at", spec.price), ("trigger", spec.trigger)):
        if value:
            words += [name, format_units(value, instrument.price_exponent)]
    if spec.reduce_only:
        words.append("reduce-only")
    if spec.tag:
        words.append(f"[{spec.tag}]")
    return " ".join(words)


def _counts(counts: dict[str, Counts]) -> Iterator[str]:
    yield f"{'To the end':<12} {'':<34} {'then':>6} {'now':>6} {'same':>6} {'only then':>10} " + (
        f"{'only now':>9} {'other size':>11}"
    )
    for kind, found in counts.items():
        yield (
            f"{'':<12} {_NAMES[Kind(kind)]:<34} {found.then:>6} {found.now:>6} {found.same:>6} "
            f"{found.only_then:>10} {found.only_now:>9} {found.changed:>11}"
        )


def _sum(outcome: Outcome) -> int:
    return sum(outcome.same.values())


def _unjudged(outcome: Outcome) -> str:
    lost = len(outcome.known.lost)
    return f"; {lost} not judged, a crash took the market they were made on" if lost else ""


def _epochs(found: Incident) -> str:
    return ", ".join(str(epoch) for epoch in found.manifest.epochs)


def _instruments(found: Incident) -> str:
    return ", ".join(item.id for item in found.terms.instruments)


def _kinds(found: Incident) -> str:
    """How many rows of each kind, the most frequent first."""
    counts = Counter(stored.row.kind for stored in found.rows)
    return ", ".join(f"{count} {kind}" for kind, count in counts.most_common())


def _limits(found: Incident) -> str:
    limits = found.terms.limits
    held = [
        f"{name}={value}"
        for name in limits.__struct_fields__
        if (value := getattr(limits, name)) is not None
    ]
    return ", ".join(held)


def _money(units: int) -> str:
    return format_units(units, MONEY_EXPONENT)
