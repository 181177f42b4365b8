"""Changes of a captured run: what would have been decided otherwise, and what cannot be changed."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from interlock.incidents.capture import Window, capture
from interlock.incidents.contents import Incident, IncidentError, open_incident
from interlock.incidents.decisions import Kind
from interlock.incidents.running import Verdict, replay
from interlock.incidents.telling import verdict_lines
from interlock.live.terms import TermsError
from interlock.model.facts import DenialCode, OrderDenied
from interlock.research.loading import LoadingError
from interlock.strategy.parameters import ParameterError
from tests.incident_run import MEMBER, SOURCE, play
from tests.toy_players import LOT, SECOND


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("run")
    play(made, seed=5)
    return made


@pytest.fixture(scope="module")
def whole(folder: Path) -> Incident:
    return open_incident(capture(folder, folder / "whole.incident", Window()).path)


def first(verdict: Verdict) -> tuple[object, object]:
    assert verdict.first is not None
    return verdict.first.then, verdict.first.now


def text(found: Incident, verdict: Verdict) -> str:
    return "\n".join(verdict_lines(found, verdict))


def test_a_changed_size_shows_at_the_first_entry_and_keeps_the_rest(whole: Incident) -> None:
    verdict = replay(whole, ["size=3"])
    assert verdict.is_reproduced
    assert verdict.first is not None
    then, now = verdict.first.then, verdict.first.now
    assert then is not None and then.spec is not None and then.spec.quantity == 2 * LOT
    assert now is not None and now.spec is not None and now.spec.quantity == 3 * LOT
    recorded = next(row for row in whole.rows if row.row.kind == "intent")
    assert verdict.first.row == then.row == recorded.seq
    orders = verdict.counts[Kind.PLACE]
    entries = orders.changed
    assert entries >= 2
    # Every order of the record has its twin: the account is the recorded one, so is what follows.
    assert (orders.then, orders.now, orders.only_then) == (orders.now, orders.then, 0)
    assert "the record" in text(whole, verdict)


def test_the_digest_with_a_change_is_another_and_repeats(whole: Incident) -> None:
    one, two = (replay(whole, ["hold=3"]) for _ in range(2))
    assert one.changed is not None and two.changed is not None
    assert one.unchanged is not None
    assert one.changed.replayed == two.changed.replayed != one.unchanged.replayed


def test_a_shorter_patience_leaves_earlier(whole: Incident) -> None:
    verdict = replay(whole, ["toy.hold=3"])
    then, now = first(verdict)
    assert then is None
    assert now.kind is Kind.PLACE and now.spec.reduce_only and now.spec.tag == "time"  # type: ignore[attr-defined]
    assert verdict.counts[Kind.PLACE].only_now >= 1


def test_a_limit_denies_what_was_sent(whole: Incident) -> None:
    verdict = replay(whole, ["limits.order_notional_max=150"])
    assert verdict.first is not None
    then, now = verdict.first.then, verdict.first.now
    assert then is not None and then.kind is Kind.PLACE
    assert now is not None and isinstance(now.fact, OrderDenied)
    assert now.fact.code is DenialCode.ORDER_NOTIONAL
    assert now.fact.limit == 150 * 10**8
    entries = sum(1 for row in whole.rows if row.row.kind == "intent" and b"entry" in row.row.body)
    assert verdict.counts[Kind.PLACE].only_then >= entries > 0
    assert "above the limit 150" in text(whole, verdict)


def test_a_change_that_means_nothing_says_so(whole: Incident) -> None:
    verdict = replay(whole, ["limits.open_orders_max=1000", "limits.leverage_max_ratio=1"])
    assert verdict.changed is not None and verdict.unchanged is not None
    assert verdict.changed.replayed == verdict.unchanged.replayed
    assert verdict.first is None
    assert "nothing would have been decided otherwise" in text(whole, verdict)


def test_cash_counts_from_the_first_row_on_only(tmp_path: Path) -> None:
    by_equity = SOURCE.replace("1, self.size,", "1, self.size * self.view.equity / 990_000,")
    play(tmp_path / "run", seed=7, source=by_equity)
    found = open_incident(capture(tmp_path / "run", tmp_path / "x", Window()).path)
    verdict = replay(found, ["cash=2000000"])
    assert verdict.is_reproduced
    then, now = first(verdict)
    assert now.spec.quantity == 2 * then.spec.quantity  # type: ignore[attr-defined]
    late = capture(tmp_path / "run", tmp_path / "y", Window(span=40 * SECOND))
    with pytest.raises(IncidentError, match="capture the run with --from-start"):
        replay(open_incident(late.path), ["cash=100"])


def test_from_a_snapshot_a_changed_parameter_counts_and_the_memory_stays(folder: Path) -> None:
    made = folder / "kept"
    play(made, seed=7)
    found = open_incident(capture(made, folder / "kept.incident", Window(span=40 * SECOND)).path)
    assert found.snapshot is not None
    verdict = replay(found, ["size=4"])
    assert verdict.is_reproduced
    assert verdict.counts[Kind.PLACE].changed > 0
    assert any("remembered at the snapshot" in note for note in verdict.notes)


def test_a_fix_takes_the_place_of_the_sealed_code(whole: Incident, tmp_path: Path) -> None:
    fix = tmp_path / "fixed.py"
    fix.write_text(SOURCE.replace("target=quote.bid + 0.4", "target=quote.bid + 0.5"))
    verdict = replay(whole, strategy=str(fix))
    then, now = first(verdict)
    assert then.spec.tag == now.spec.tag == "target"  # type: ignore[attr-defined]
    assert now.spec.price == then.spec.price + 10  # type: ignore[attr-defined]
    same = tmp_path / "same.py"
    same.write_text(SOURCE + "\n# Only a comment.\n")
    assert replay(whole, strategy=str(same)).first is None


def test_a_strategy_that_raises_is_told_of(whole: Incident, tmp_path: Path) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text(SOURCE.replace("self.heard.append", "self.missing.append"))
    verdict = replay(whole, strategy=str(broken))
    assert verdict.changed is not None
    assert verdict.counts[Kind.RAISED].only_now >= 1
    assert "AttributeError" in verdict.changed.faults[0]


def test_an_error_of_the_record_is_reproduced_and_a_fix_has_none(tmp_path: Path) -> None:
    wrong = SOURCE + ('        if len(self.heard) > 2:\n            raise KeyError("lost")\n')
    play(tmp_path / "run", seed=5, source=wrong)
    found = open_incident(capture(tmp_path / "run", tmp_path / "x", Window()).path)
    verdict = replay(found)
    assert verdict.is_reproduced
    assert verdict.counts[Kind.RAISED].same == 1
    fixed = tmp_path / "fixed.py"
    fixed.write_text(SOURCE)
    better = replay(found, strategy=str(fixed))
    assert better.counts[Kind.RAISED].only_then == 1
    assert better.first is not None and better.first.then is not None
    assert better.first.then.kind is Kind.RAISED and better.first.now is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("size", "is not NAME=VALUE"),
        ("=3", "is not NAME=VALUE"),
        ("sise=3", "did you mean size"),
        ("other.size=3", "there is no 'other.size' to change"),
        ("limits.most=3", "there is no limit 'most'"),
        ("limits.order_notional_max=many", "limits.order_notional_max='many'"),
        ("limits.order_notional_max=-5", "must not be below zero"),
        ("limits.window_ns=0", "must not be below zero"),
        ("cash=lots", "must be a whole number of USDT"),
        ("attempt_ns=5", "which a replay takes from the record"),
        ("settings.answer_ns=5", "which a replay takes from the record"),
        ("symbol_locks=perhaps", "a replay can lift the lock"),
    ],
)
def test_a_change_that_cannot_be_made_is_refused(whole: Incident, change: str, said: str) -> None:
    with pytest.raises(IncidentError, match=said):
        replay(whole, [change])


def test_a_parameter_keeps_its_own_rules(whole: Incident) -> None:
    with pytest.raises(ParameterError, match="must be a number"):
        replay(whole, ["size=big"])
    with pytest.raises(ParameterError, match=r"outside \[1\.0, 100\.0\]"):
        replay(whole, ["size=0.5"])
    with pytest.raises(ParameterError, match="given twice"):
        replay(whole, ["size=3", f"{MEMBER}.size=4"])


def test_another_form_of_strategy_and_no_strategy_are_refused(whole: Incident) -> None:
    with pytest.raises(IncidentError, match="compare strategies of one form"):
        replay(whole, strategy="ma_cross")
    with pytest.raises(LoadingError, match="names no strategy"):
        replay(whole, strategy="nowhere")


def test_a_run_without_its_terms_says_what_helps(tmp_path: Path) -> None:
    play(tmp_path / "run", seed=5)
    (tmp_path / "run" / "terms" / "00000001.json").unlink()
    with pytest.raises(TermsError, match="start the engine once more"):
        capture(tmp_path / "run", tmp_path / "x", Window())


def test_cancels_that_a_change_no_longer_asks_for_are_counted_once(tmp_path: Path) -> None:
    patient = SOURCE.replace(
        "        elif not self.view.open_orders()",
        "        elif self.view.open_orders():\n"
        "            if now - self.since > self.hold * SECOND:\n"
        "                self.cancel(self.entry)\n"
        "        elif not self.view.open_orders()",
    ).replace("1, self.size, stop", "1, self.size, entry=quote.bid - 0.2, stop")
    play(tmp_path / "run", seed=5, source=patient)
    found = open_incident(capture(tmp_path / "run", tmp_path / "x", Window()).path)
    asked = replay(found).counts[Kind.CANCEL]
    assert asked.then == asked.same > 0
    longer = replay(found, ["hold=60"])
    assert longer.is_reproduced
    counts = longer.counts[Kind.CANCEL]
    assert counts.then == asked.then
    assert counts.only_then > 0
    assert longer.first is not None and longer.first.then is not None
    assert longer.first.then.kind is Kind.CANCEL
    shorter = replay(found, ["hold=1"])
    assert shorter.first is not None and shorter.first.now is not None
    assert (shorter.first.then, shorter.first.now.kind) == (None, Kind.CANCEL)


def test_a_run_without_its_source_is_replayed_with_another_one_only(
    whole: Incident, tmp_path: Path
) -> None:
    bare = msgspec.structs.replace(whole.terms.members[0], source="", source_sha256="")
    found = msgspec.structs.replace(
        whole, terms=msgspec.structs.replace(whole.terms, members=(bare,))
    )
    with pytest.raises(IncidentError, match="name it with --strategy"):
        replay(found)
    same = tmp_path / "same.py"
    same.write_text(SOURCE)
    verdict = replay(found, strategy=str(same))
    assert verdict.is_reproduced is None
    assert verdict.first is None
    assert "the run itself was not replayed" in text(found, verdict)
