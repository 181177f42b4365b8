"""Kept runs do to this day what they did: every fill, and every byte of the journal."""

from __future__ import annotations

import pytest

from tests.replay.kept import FOLDER, SCENARIOS, text


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_kept_run_repeats(name: str) -> None:
    kept = (FOLDER / f"{name}.txt").read_text().splitlines()
    # Line by line, so that a failure shows which fills have changed and not only that some have.
    assert text(SCENARIOS[name]).splitlines() == kept, (
        f"{name} has changed; if it should have: .venv/bin/python -m tests.replay.kept {name}"
    )


def test_every_file_belongs_to_a_scenario() -> None:
    assert {path.stem for path in FOLDER.glob("*")} == set(SCENARIOS)


def test_every_scenario_trades() -> None:
    for name in SCENARIOS:
        kept = (FOLDER / f"{name}.txt").read_text()
        assert kept.count(" @ ") >= 2, name
