"""`interlock results open` on a machine that cannot show anything."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from interlock.cli.results import results as commands
from interlock.research import results
from tests.unit.research.demo_result import demo_result

WHEN = 1_767_268_800_000_000_000


@pytest.mark.parametrize("browser", ["", "/nowhere/browser", "/bin/false"])
def test_without_a_display_the_path_is_printed(
    browser: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = results.save(demo_result(rows=200), tmp_path, when_ns=WHEN)
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("BROWSER", browser)
    done = CliRunner().invoke(commands, ["open", "--results", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert done.output.strip() == str(folder / "report.html")
