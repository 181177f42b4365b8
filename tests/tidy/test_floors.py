"""The import contracts and the banned calls of pyproject.toml find what is planted for them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.tidy.checker import ROOT

BIN = Path(sys.executable).parent
SETTINGS = str(ROOT / "pyproject.toml")
MODULES = (
    "model/order", "strategy/api", "strategy/indicators", "kernel/engine", "kernel/orders",
    "ports", "config", "sim/matching", "adapters/system", "research/catalog", "cli",
)  # fmt: skip


def broken_contracts(folder: Path, planted: dict[str, str]) -> set[str]:
    """Build a small package with planted lines and return the names of the contracts it breaks."""
    package = folder / "interlock"
    for name in {*MODULES, *planted}:
        path = package / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        (path.parent / "__init__.py").touch()
        path.write_text(planted.get(name, ""), encoding="utf-8")
    command = [BIN / "lint-imports", "--config", SETTINGS, "--no-cache", "--no-logo"]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert "Contracts:" in run.stdout, run.stdout + run.stderr
    return {line.split(":")[0] for line in run.stdout.splitlines() if line.endswith(" BROKEN")}


@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        ("kernel/engine", "import time", "pure"),
        ("kernel/engine", "def f():\n    import os.path", "pure"),
        ("model/order", "from random import Random", "pure"),
        ("sim/matching", "import asyncio", "pure"),
        ("strategy/api", "from pathlib import Path", "pure"),
        ("kernel/engine", "def f():\n    from interlock.adapters import system", "floors"),
        ("strategy/api", "from interlock.kernel import engine", "floors"),
        ("sim/matching", "from interlock.adapters import system", "floors"),
        ("research/catalog", "import interlock.cli", "floors"),
        ("utilities", "x = 1", "floors"),
        ("kernel/orders", "import numpy", "integers"),
        ("model/order", "from decimal import Decimal\nimport polars", "integers"),
        ("research/catalog", "import numba", "compiler"),
    ],
)
def test_a_planted_import_breaks_its_contract(
    tmp_path: Path, module: str, line: str, contract: str
) -> None:
    assert broken_contracts(tmp_path, {module: line}) == {contract}


def test_neighbors_that_import_each_other_break_the_siblings(tmp_path: Path) -> None:
    planted = {
        "kernel/engine": "from interlock.kernel import orders",
        "kernel/orders": "from interlock.kernel import engine",
    }
    assert broken_contracts(tmp_path, planted) == {"siblings"}


def test_imports_that_go_down_keep_every_contract(tmp_path: Path) -> None:
    planted = {
        "cli": "from interlock.research import catalog",
        "research/catalog": "import pathlib, polars\nfrom interlock.sim import matching",
        "kernel/engine": "from interlock.kernel import orders\nfrom interlock.strategy import api",
        "strategy/api": "import numpy\nfrom interlock.model import order",
        "strategy/indicators": "import numba",
        "adapters/system": "import time, random, os",
    }
    assert broken_contracts(tmp_path, planted) == set()


def lint_codes(path: str, text: str) -> set[str]:
    command = [BIN / "ruff", "check", "--config", SETTINGS, "--output-format", "concise"]
    command += ["--no-cache", "--stdin-filename", str(ROOT / path), "-"]
    run = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    lines = [line for line in run.stdout.splitlines() if line.count(":") > 2]
    return {line.split(": ")[1].split()[0] for line in lines}


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("import time\n\ntime.time()\n", "TID251"),
        ("import time\n\ntime.monotonic()\n", "TID251"),
        ("from time import sleep\n\nsleep(1)\n", "TID251"),
        ("import uuid\n\nuuid.uuid4()\n", "TID251"),
        ("import random\n\nrandom.random()\n", "TID251"),
        ("import os\n\nhome = os.environ\n", "TID251"),
        ("from datetime import UTC, datetime\n\ndatetime.now(UTC)\n", "TID251"),
        ("print(1)\n", "T201"),
        ("try:\n    f = 1\nexcept Exception:\n    f = 2\n", "BLE001"),
        ("def f(a, b, c, d, e, g, h): ...\n", "PLR0913"),
    ],
)
def test_a_banned_call_is_found(line: str, code: str) -> None:
    assert lint_codes("src/interlock/research/planted.py", line) == {code}


def test_the_clock_and_the_environment_have_one_home_each() -> None:
    clock = "import time\n\ntime.time_ns()\n"
    assert lint_codes("src/interlock/adapters/system.py", clock) == set()
    environment = "import os\n\nhome = os.environ\n"
    assert lint_codes("src/interlock/config.py", environment) == set()
