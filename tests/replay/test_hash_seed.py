"""One run in processes with different hash seeds leaves the same journal and the same result."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.conftest import ROOT

PROGRAM = """
from tests.replay.kept import SCENARIOS, result
for name in ("bracket", "rotation", "two_strategies", "quoting", "depth", "shared_margin"):
    found = result(SCENARIOS[name])
    print(name, found.journal_digest, found.result_digest)
"""


def digests(seed: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, "PYTHONHASHSEED": seed},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_the_hash_seed_changes_no_digest() -> None:
    first, second, third = map(digests, ("0", "1", "random"))
    assert len(first.split()) == 18
    assert first == second == third
