"""The command line as a whole: quick help, commands imported on use, and `interlock new`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from interlock.cli import _COMMANDS, main
from interlock.research.loading import load_strategy


def test_help_lists_every_command_and_imports_none_of_the_heavy_parts() -> None:
    code = (
        "import sys\n"
        "from interlock.cli import main\n"
        "main(['--help'], standalone_mode=False)\n"
        "heavy = {'numpy', 'polars', 'rich', 'ccxt', 'bokeh', 'numba'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for name in _COMMANDS:
        assert f"\n  {name} " in done.stdout


@pytest.mark.parametrize("name", _COMMANDS)
def test_every_command_has_help(name: str) -> None:
    done = CliRunner().invoke(main, [name, "--help"])
    assert done.exit_code == 0, done.output
    assert "Usage:" in done.output


def test_download_belongs_to_data() -> None:
    done = CliRunner().invoke(main, ["data", "--help"])
    assert "download" in done.output


def test_an_unknown_command_is_a_usage_error() -> None:
    done = CliRunner().invoke(main, ["backtset"])
    assert done.exit_code == 2
    assert "No such command" in done.output


@pytest.mark.parametrize("form", ["target", "event"])
def test_a_new_strategy_loads_and_is_short(
    form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, ["new", "my_trend", "--form", form])
    assert done.exit_code == 0, done.output
    assert "next: interlock backtest my_trend.py" in done.output
    loaded = load_strategy("my_trend.py")
    assert loaded.kind.__name__ == "MyTrend"
    assert loaded.is_target is (form == "target")
    assert len(loaded.source.splitlines()) <= 30
    again = CliRunner().invoke(main, ["new", "my_trend"])
    assert again.exit_code == 1
    assert "is not overwritten" in again.output
    assert (tmp_path / "my_trend.py").read_text() == loaded.source


@pytest.mark.parametrize("name", ["2fast", "my-trend", "class"])
def test_a_name_that_python_cannot_import_is_refused(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, ["new", name])
    assert done.exit_code == 1
    assert "letters, digits and underscores" in done.output
    assert not list(tmp_path.iterdir())


def test_commands_are_click_commands() -> None:
    context = click.Context(main)
    for name in main.list_commands(context):
        assert isinstance(main.get_command(context, name), click.Command)
