"""The pages about modes and answers say what the code says."""

from __future__ import annotations

from pathlib import Path

from interlock.model.venue import Verdict
from interlock.runtime.modes import MODES
from interlock.wire.binance import verdicts
from interlock.wire.hyperliquid import errors
from tools import answers

DOCS = Path(__file__).parents[3] / "docs"


def test_the_page_of_answers_is_written_from_the_tables() -> None:
    assert answers.PAGE.read_text(encoding="utf-8") == answers.page()


def test_the_tables_say_what_the_classifiers_do() -> None:
    page = answers.page()
    for code, row in verdicts.ROWS.items():
        (line,) = [line for line in page.splitlines() if line.startswith(f"| {code} | {row.name}")]
        status = row.status or 400
        assert f"| {verdicts.verdict(verdicts.PLACE, status, code, '')}" in line
        assert verdicts.verdict(verdicts.PLACE, 200, code, "") is Verdict.UNKNOWN
    for line in errors.table().splitlines()[2:-1]:
        text, code, verdict = (part.strip() for part in line.strip("|").split(" | "))
        found = errors.meaning_of(text)
        assert (found.code, found.is_refusal) == (code, verdict == "rejected")


def test_the_page_of_modes_has_every_mode_as_the_table_has_it() -> None:
    page = (DOCS / "modes.md").read_text(encoding="utf-8")
    for mode in MODES.values():
        words = {True: "yes", False: "no"}
        assert mode.is_durable is mode.needs_lease
        line = (
            f"| {mode.name} | {mode.events} | {mode.venue} | {words[mode.sends]} | "
            f"{words[mode.is_durable]} |"
        )
        assert line in page, line
