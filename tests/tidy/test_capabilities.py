"""Every capability mark names a promise of the list, and the list itself is well formed."""

from __future__ import annotations

import pytest

from tools import capabilities


def test_every_mark_names_a_known_promise() -> None:
    known = capabilities.read_capabilities()
    unknown = capabilities.unknown_marks(capabilities.collect_marks(), known)
    assert not unknown, "\n".join(unknown)


def test_the_list_has_one_full_row_per_promise() -> None:
    known = capabilities.read_capabilities()
    rows = len(capabilities.LIST.read_text(encoding="utf-8").splitlines()) - 1
    assert len(known) == rows
    assert all(promise.section and promise.name for promise in known.values())


@pytest.mark.parametrize(
    "source",
    [
        "@pytest.mark.capability('S9-999')\ndef test_it(): ...",
        "pytestmark = pytest.mark.capability('S9-999')",
        "@pytest.mark.capability(f'S0-{1}')\ndef test_it(): ...",
        "@pytest.mark.capability()\ndef test_it(): ...",
    ],
)
def test_an_unknown_mark_is_refused(source: str) -> None:
    known = capabilities.read_capabilities()
    marks = capabilities.marks_in(source, place="tests/unit/test_planted.py")
    (message,) = capabilities.unknown_marks(marks, known)
    assert message.startswith("tests/unit/test_planted.py:1: capability")


def test_the_table_counts_proved_promises_once() -> None:
    known = {
        "S0-001": capabilities.Capability("S0-001", "First", "a"),
        "S0-002": capabilities.Capability("S0-002", "First", "b"),
        "S1-001": capabilities.Capability("S1-001", "Second", "c"),
    }
    lines = [line.split() for line in capabilities.table(known, {"S0-001"}).splitlines()]
    assert ["First", "1", "/", "2", "50", "%"] in lines
    assert lines[-1] == ["all", "1", "/", "3", "33", "%"]
