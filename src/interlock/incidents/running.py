"""An incident replayed: as it was, and with changes where they are asked for."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from interlock.incidents.account import Account
from interlock.incidents.changes import Changes, impose, parse_changes, setup_of
from interlock.incidents.contents import Incident, IncidentError
from interlock.incidents.decisions import Decision, Kind
from interlock.incidents.replay import Difference, Known, Outcome, Replay
from interlock.incidents.strategies import Code, codes
from interlock.kernel.snapshot import SnapshotError
from interlock.live.terms import versions
from interlock.runtime.recovery import recover

# What unpickling the state of a strategy raises when its code is another one.
_FOREIGN_STATE = (SnapshotError, AttributeError, ImportError, TypeError, KeyError, ValueError)


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """Decisions of one kind in the whole window: then and now, and what became of each."""

    then: int = 0
    now: int = 0
    same: int = 0
    only_then: int = 0
    only_now: int = 0
    changed: int = 0


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What a replay found. ``counts`` are by kind; ``changed`` is None without changes.

    ``unchanged`` is None where the run's own source is not in the file. ``notes`` say what a reader
    must know to believe it.
    """

    unchanged: Outcome | None
    changed: Outcome | None
    counts: dict[str, Counts]
    notes: tuple[str, ...]

    @property
    def is_reproduced(self) -> bool | None:
        """Whether the unchanged replay decided as the record; None where there was none."""
        return None if self.unchanged is None else self.unchanged.is_equal

    @property
    def asked(self) -> Outcome:
        """The replay that was asked for."""
        found = self.changed or self.unchanged
        assert found is not None
        return found

    @property
    def first(self) -> Difference | None:
        """Where the replay that was asked for parts from the record."""
        return self.asked.differences[0] if self.asked.differences else None


def replay(incident: Incident, texts: Sequence[str] = (), strategy: str = "") -> Verdict:
    """Replay as it was; with changes (``NAME=VALUE``) or another strategy once more with them.

    Raises IncidentError, and what the strategies' own modules raise when they are loaded.
    """
    notes = list(_notes(incident))
    unchanged = None
    if strategy and not all(member.source for member in incident.terms.members):
        notes.append("the run itself was not replayed: its source is not in the file")
    else:
        with codes(incident.terms) as sealed:
            unchanged = _run(incident, sealed, None, None)[0]
    if unchanged is not None and unchanged.known.lost and unchanged.differences:
        notes.append(
            "a crash took market events that the strategies had heard, and what they remembered of "
            "them; capture a window that begins after it"
        )
    if unchanged is not None and not texts and not strategy:
        return Verdict(
            unchanged=unchanged, changed=None, counts=_counts(unchanged), notes=tuple(notes)
        )
    with codes(incident.terms, strategy) as found:
        changes = parse_changes(incident, found, texts)
        known = Known() if unchanged is None else unchanged.known
        changed, said = _run(incident, found, changes, known)
    return Verdict(
        unchanged=unchanged,
        changed=changed,
        counts=_counts(changed),
        notes=(*notes, *said),
    )


def _run(
    incident: Incident, found: Sequence[Code], changes: Changes | None, known: Known | None
) -> tuple[Outcome, tuple[str, ...]]:
    setup = setup_of(incident, found, changes)
    try:
        recovered = recover(setup, kept=incident.snapshot)
    except _FOREIGN_STATE as error:
        raise IncidentError(
            f"the state of a strategy in the snapshot does not fit its code: {error}; keep the "
            "names of classes, or capture the run with --from-start, which has no snapshot"
        ) from error
    said: tuple[str, ...] = ()
    if changes is not None and incident.snapshot is not None:
        said = impose(recovered.state, found, changes)
    keeps = changes is not None and (
        changes.cash is not None or changes.limits != incident.terms.limits
    )
    account = Account(recovered, setup.settings, keeps_policy=keeps)
    lets_out = changes.lets_out if changes is not None else frozenset[str]()
    ran = Replay(account, judged=incident.manifest.judged, known=known, lets_out=lets_out)
    return ran.run(incident.rows, incident.tape), said


def _notes(incident: Incident) -> list[str]:
    manifest, here = incident.manifest, versions()
    notes = []
    other = [
        f"{name} {version} there, {here.get(name, 'none')} here"
        for name, version in incident.terms.versions.items()
        if here.get(name) != version
    ]
    if other:
        notes.append(f"other versions than the run's: {', '.join(other)}")
    return [*notes, *manifest.lacking]


def _counts(outcome: Outcome) -> dict[str, Counts]:
    found: dict[str, Counts] = {}
    for kind in Kind:
        same = outcome.same.get(kind, 0)
        pairs = outcome.differences
        then = [pair for pair in pairs if _is(pair.then, kind)]
        now = [pair for pair in pairs if _is(pair.now, kind)]
        both = sum(1 for pair in then if _is(pair.now, kind))
        if same or then or now:
            found[kind] = Counts(
                then=same + len(then),
                now=same + len(now),
                same=same,
                only_then=len(then) - both,
                only_now=len(now) - both,
                changed=both,
            )
    return found


def _is(decision: Decision | None, kind: Kind) -> bool:
    return decision is not None and decision.kind is kind
