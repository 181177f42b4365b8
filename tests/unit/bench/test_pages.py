"""The table of a measurement: every page that shows it gets it."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import run, table


def test_the_table_goes_into_every_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pages = [tmp_path / name for name in ("one.md", "two.md", "bare.md")]
    for page in pages[:2]:
        page.write_text(f"before\n{table.BEGIN}\nold\n{table.END}\nafter\n", encoding="utf-8")
    pages[2].write_text("nothing\n", encoding="utf-8")
    run.write_pages(pages, "new\n")
    for page in pages[:2]:
        expected = f"before\n{table.BEGIN}\nnew\n{table.END}\nafter\n"
        assert page.read_text(encoding="utf-8") == expected
    assert f"{pages[2]} has no {table.BEGIN}" in capsys.readouterr().out


def test_the_pages_have_their_markers() -> None:
    for page in run.PAGES:
        content = page.read_text(encoding="utf-8")
        assert content.index(table.BEGIN) < content.index(table.END)
