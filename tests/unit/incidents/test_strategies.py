"""Strategies made again from their sealed source, and what they take over from a snapshot."""

from __future__ import annotations

import hashlib
import math
import sys
import traceback
from typing import Any

import msgspec
import pytest

from interlock.incidents.changes import Changes, impose, setup_of
from interlock.incidents.contents import FORMAT, VERSION, Incident, IncidentError, Manifest
from interlock.incidents.strategies import codes
from interlock.kernel.engine import step
from interlock.live.targets import LiveTarget
from interlock.live.terms import MemberTerms, Terms, terms_of
from interlock.model.events import Started
from interlock.model.limits import Limits
from interlock.model.market import Bar
from interlock.research.loading import load_strategy
from interlock.runtime.books import Books
from interlock.runtime.recovery import Member, Setup, fresh, pack, recover
from interlock.runtime.settings import Settings
from interlock.strategy.api import Strategy
from interlock.strategy.parameters import ParameterError, param
from tests.scenario import PERPETUAL

MINUTE = 60 * 10**9
ENDLESS = """
import math
from interlock import Strategy
from interlock.strategy.parameters import param

class Mine(Strategy):
    most: float = param(3.0)
"""
SCRIPT = """
from interlock import Strategy
import sys

class Mine(Strategy):
    helper: "Note"

    def on_start(self):
        self.note = Note(3)

class Note:
    def __init__(self, value):
        self.value = value

    def fail(self):
        raise RuntimeError("seen")

if __name__ == "__main__":
    sys.exit("a script must not run")
"""


def member(source: str = SCRIPT, **fields: Any) -> MemberTerms:
    plain: dict[str, Any] = {
        "name": "mine",
        "capital": 10**12,
        "reference": "bot.py:Mine",
        "module": "bot",
        "kind": "Mine",
        "source": source,
        "source_sha256": hashlib.sha256(source.encode()).hexdigest(),
    }
    return MemberTerms(**plain | fields)


def terms(*members: MemberTerms) -> Terms:
    return Terms(
        version=1,
        epoch=1,
        ts=0,
        currency="USDT",
        limits=Limits(),
        settings=Settings(),
        instruments=(PERPETUAL,),
        members=members,
        versions={},
    )


def incident(held: Terms, snapshot: bytes | None) -> Incident:
    manifest = Manifest(
        format=FORMAT,
        version=VERSION,
        written_by="0",
        account="main",
        mode="paper",
        first=2,
        last=1,
        judged=2,
        asked=2,
        ts_first=0,
        ts_last=0,
        before="",
        after="",
        market=0,
        has_snapshot=snapshot is not None,
        is_whole=False,
        epochs=(1,),
        lacking=(),
    )
    return Incident(manifest=manifest, terms=held, rows=(), tape=(), snapshot=snapshot, seal="")


@pytest.mark.parametrize("module", ["bot", "__main__", "somewhere.else"])
def test_sealed_source_runs_as_a_module_and_leaves_nothing_behind(module: str) -> None:
    before = sys.modules.get(module)
    with codes(terms(member(module=module))) as (code,):
        assert code.kind.__name__ == "Mine"
        assert code.is_sealed
        assert sys.modules[module].Note is code.module.Note  # type: ignore[attr-defined]
    assert sys.modules.get(module) is before
    assert not [name for name in sys.modules if name.startswith("interlock_incident")]


def test_an_infinite_parameter_comes_back() -> None:
    with codes(terms(member(ENDLESS, parameters={"most": "inf"}))) as (code,):
        assert code.made({}).parameter_values() == {"most": math.inf}


def test_a_recorded_value_of_another_type_is_refused_by_its_parameter() -> None:
    """The code that takes the place of the sealed one may want a number where it had a word."""
    held = terms(member(ENDLESS, parameters={"most": "fast"}))
    with pytest.raises(ParameterError, match="parameter most='fast'"), codes(held) as (code,):
        code.made({})


def test_a_byte_order_mark_is_no_difference() -> None:
    digest = hashlib.sha256(SCRIPT.encode("utf-8-sig")).hexdigest()
    with codes(terms(member(source_sha256=digest))) as (code,):
        assert code.is_sealed


def test_a_traceback_shows_the_sealed_lines() -> None:
    with codes(terms(member())) as (code,):
        note = code.module.Note(1)  # type: ignore[attr-defined]
        with pytest.raises(RuntimeError) as caught:
            note.fail()
    assert 'raise RuntimeError("seen")' in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    ("held", "said"),
    [
        (member(source="", source_sha256=""), "name it with --strategy"),
        (member(source_sha256="0" * 64), "does not match its SHA-256"),
        (member(kind="make.<locals>.Mine"), "made within a function"),
        (member("import nowhere_at_all\n"), "imports what is not here: No module named"),
    ],
)
def test_source_that_cannot_be_used_says_why(held: MemberTerms, said: str) -> None:
    with pytest.raises(IncidentError, match=said), codes(terms(held)):
        pass


def test_two_strategies_of_one_file_share_its_module() -> None:
    with codes(terms(member(), member(name="other"))) as (one, other):
        assert one.module is other.module
        assert one.kind is other.kind


def test_one_strategy_cannot_replace_two() -> None:
    two = terms(member(), member(name="other"))
    with pytest.raises(IncidentError, match="the run has 2: mine, other"), codes(two, "pulse"):
        pass


def test_what_a_script_kept_in_a_snapshot_is_found_again() -> None:
    held = terms(member(module="__main__"))
    with codes(held) as found:
        setup = setup_of(incident(held, None), found, None)
        state = fresh(setup)
        # As the script itself would have named it.
        found[0].module.Note.__module__ = "__main__"  # type: ignore[attr-defined]
        step(state, Started(0))
        kept = pack(state, Books(), 1)
    with codes(held) as found:
        again = recover(setup_of(incident(held, kept), found, None), kept=kept)
        strategy: Any = again.state.strategies["mine"].strategy
        assert type(strategy.note) is found[0].module.Note  # type: ignore[attr-defined]
        assert strategy.note.value == 3


def test_a_target_takes_its_new_parameters_to_the_window_of_the_snapshot() -> None:
    kind = load_strategy("ma_cross").kind
    target = LiveTarget(kind(fast=2, slow=4), step_ns=MINUTE)  # type: ignore[arg-type]
    setup = Setup(
        instruments=[PERPETUAL], members=[Member("cross", target, 10**12)], currency="USDT"
    )
    state = fresh(setup)
    step(state, Started(0))
    for number, price in enumerate((100, 101, 103, 106, 110, 109)):
        step(state, bar(number, price))
    held = terms_of(setup, 1, 0)
    assert held.members[0].parameters == {"fast": 2, "slow": 4}
    kept = pack(state, Books(), 1)
    wanted = []
    for values in ({}, {"fast": 5, "slow": 6}):
        with codes(held) as found:
            captured = incident(held, kept)
            changes = Changes(parameters={"cross": values}, limits=held.limits)
            again = recover(setup_of(captured, found, changes), kept=kept)
            assert impose(again.state, found, changes) == ()
            strategy = again.state.strategies["cross"].strategy
            assert isinstance(strategy, LiveTarget)
            assert strategy.window.count == 6
            assert strategy.subject.parameter_values() == {"fast": 2, "slow": 4} | values
            wish = strategy.on_bar(bar(6, 104))
            wanted.append(None if wish is None else wish.exposure)
    # Over two and four bars the price has turned, over five and six it has not.
    assert wanted == [None, 1_000_000]


def alone(strategy: Strategy) -> Setup:
    return Setup(instruments=[PERPETUAL], members=[Member("one", strategy, 1)], currency="USDT")


def bar(number: int, price: int) -> Bar:
    made = Bar.of(PERPETUAL, number * MINUTE, *(price * 100 for _ in range(4)), 1_000)
    made.step_ns = MINUTE
    return made


def test_terms_say_what_a_start_was_given() -> None:
    kind = load_strategy("pulse").kind

    class Patient(kind):  # type: ignore[misc, valid-type]
        most: float = param(math.inf)

    assert terms_of(alone(Patient()), 1, 0).members[0].parameters["most"] == "inf"
    setup = Setup(
        instruments=[PERPETUAL],
        members=[Member("Pulse", kind(share=0.5), 10**12)],  # type: ignore[arg-type]
        currency="USDT",
        limits=Limits(open_orders_max=4),
    )
    found = terms_of(setup, 3, 5)
    again = msgspec.json.decode(msgspec.json.encode(found), type=Terms)
    assert again == found
    assert found.members[0].reference == "pulse.py:Pulse"
    assert found.members[0].parameters["share"] == 0.5
    digest = hashlib.sha256(found.members[0].source.encode()).hexdigest()
    assert found.members[0].source_sha256 == digest
    assert {"python", "interlock", "msgspec", "numpy"} <= found.versions.keys()
