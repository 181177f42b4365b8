"""The documentation holds: its commands run as pasted, its code runs, its tables are complete."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import interlock
from interlock.research.metrics import DEFINITIONS
from interlock.strategy.indicators import INDICATORS
from interlock.strategy.parameters import Parametrized

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "examples" / "README.md", *sorted(ROOT.glob("docs/*.md"))]
MARKED = re.compile(r"<!-- run -->\n```sh\n(.*?)```", re.DOTALL)
PYTHON = re.compile(r"```python\n(.*?)```", re.DOTALL)
LINK = re.compile(r"\]\(([^)#]+)(?:#[^)]*)?\)|<img src=\"([^\"]+)\"")
CALLBACKS = {
    name for name in vars(interlock.Strategy) if not name.startswith("_") and name.islower()
}


def blocks(page: str, form: re.Pattern[str]) -> list[str]:
    return form.findall((ROOT / page).read_text(encoding="utf-8"))


def strategies(page: str) -> Iterator[Any]:
    """The strategy classes that the Python blocks of a page define."""
    for code in blocks(page, PYTHON):
        if "class " not in code or "from interlock" not in code:
            continue
        space: dict[str, Any] = {"__name__": "documented"}
        exec(compile(code, page, "exec"), space)
        kinds = (interlock.Strategy, interlock.TargetStrategy)
        for value in space.values():
            if isinstance(value, type) and issubclass(value, Parametrized) and value not in kinds:
                yield value


def test_the_ten_minutes_of_the_readme_run_as_pasted(tmp_path: Path) -> None:
    script = "set -euo pipefail\n" + "\n".join(blocks("README.md", MARKED))
    folder = Path(sys.executable).parent
    environment = {
        **os.environ,
        "INTERLOCK_HOME": str(tmp_path / "home"),
        "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}",
    }
    done = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "No use of the future was found." in done.stdout
    assert "10 trials: 10 completed" in done.stdout
    assert (tmp_path / "trend.html").stat().st_size < 5_000_000
    assert len([path for path in (tmp_path / "results").glob("MyTrend-*/DONE")]) == 2
    assert not list(tmp_path.glob("results/*/report.html.partial"))


def test_the_strategy_of_the_readme_is_what_new_writes(tmp_path: Path) -> None:
    command = [str(Path(sys.executable).parent / "interlock"), "new", "my_trend"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    written = (tmp_path / "my_trend.py").read_text(encoding="utf-8")
    shown = blocks("README.md", PYTHON)[0]
    assert shown.strip() in written


@pytest.mark.parametrize("page", ["docs/strategies.md", "docs/coming-from.md"])
def test_documented_strategies_trade(page: str) -> None:
    data = interlock.synthetic.dataset(days=60, symbols=["BTCUSDT-PERP"], step="1h")
    made = list(strategies(page))
    assert made
    for kind in made:
        result = interlock.backtest(kind, data)
        assert result.counters["fills"], f"{kind.__name__} of {page} never traded"


def test_every_method_of_a_strategy_is_documented() -> None:
    text = (ROOT / "docs" / "strategies.md").read_text(encoding="utf-8")
    internal = {"scan", "snapshot", "restore", "view", "parameters", "parameter_values"}
    absent = {name for name in CALLBACKS - internal if f"{name}(" not in text and name not in text}
    assert not absent


def test_every_indicator_is_documented() -> None:
    text = (ROOT / "docs" / "strategies.md").read_text(encoding="utf-8")
    assert not [name for name in INDICATORS if f"`{name}`" not in text]


def test_every_metric_is_documented_as_it_is_defined() -> None:
    text = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    rows = [
        f"| {item.title} | `{item.name}` | {item.formula} | {item.reference} |"
        for item in DEFINITIONS.values()
    ]
    assert not [row for row in rows if row not in text]


def test_links_lead_somewhere() -> None:
    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in PAGES
        for found in LINK.findall(page.read_text(encoding="utf-8"))
        for target in [found[0] or found[1]]
        if "://" not in target and not (page.parent / target).exists()
    ]
    assert not broken
