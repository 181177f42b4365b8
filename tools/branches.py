"""Measures which branches of the order path the tests and the simulator reach, file by file.

The files stand under [tool.coverage.run] of pyproject.toml. Two runs are put together: the tests
of the order path, and a fixed range of seeds under the judges. Exit 1 when a branch is missing.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT / ".cache" / "coverage"
# Tests that reach the order path; the rest of the suite is about what stands on it.
TESTS = (
    "tests/unit/kernel",
    "tests/unit/model",
    "tests/unit/runtime",
    "tests/unit/sim",
    "tests/contract/test_leases.py",
    "tests/property/test_positions.py",
    "tests/property/test_runtime_recovery.py",
    "tests/property/test_runtime_totals.py",
    "tests/property/test_transitions.py",
    "tests/property/test_units.py",
)
MINUTE_NS = 60 * 10**9


def play(first: int, count: int, minutes: int) -> int:
    """Play seeds of the simulator under every judge; the number that violated an invariant."""
    from interlock.world.judges import JUDGES
    from interlock.world.plan import drawn
    from interlock.world.world import World

    violated = 0
    for seed in range(first, first + count):
        verdict = World(drawn(seed, busy_ns=minutes * MINUTE_NS), JUDGES).run()
        if not verdict.is_clean:
            print(f"seed {seed}: {verdict.invariant}: {verdict.text}", file=sys.stderr)
            violated += 1
    return violated


def _coverage(*words: str) -> int:
    command = [sys.executable, "-m", "coverage", *words]
    return subprocess.run(command, cwd=ROOT, check=False).returncode


def measure(first: int, count: int, minutes: int) -> int:
    """Run tests and seeds; 0 when all of them passed."""
    shutil.rmtree(DATA, ignore_errors=True)
    DATA.mkdir(parents=True)
    tests = _coverage("run", "-m", "pytest", "-q", "-p", "no:xdist", *TESTS)
    script, seeds = str(Path(__file__)), (str(first), str(count))
    world = _coverage("run", script, "--play", *seeds, "--minutes", str(minutes))
    _coverage("combine", "-q")
    return tests or world


def report() -> int:
    """Print the table; 0 when every branch was reached."""
    kept = DATA / "branches.json"
    _coverage("json", "-q", "-o", str(kept))
    files = json.loads(kept.read_text(encoding="utf-8"))["files"]
    width = max(map(len, files))
    reached = total = 0
    for path, found in sorted(files.items()):
        figures = found["summary"]
        reached += figures["covered_branches"]
        total += figures["num_branches"]
        missing = ", ".join(_arc(*pair) for pair in found["missing_branches"])
        print(
            f"{path:<{width}}  {figures['covered_branches']:>4}/{figures['num_branches']:<4}"
            f"  {missing}".rstrip()
        )
    print(f"{'branches':<{width}}  {reached:>4}/{total:<4}")
    return int(reached < total)


def _arc(start: int, end: int) -> str:
    return f"{start}->{end}" if end > 0 else f"{start}->exit"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--first", type=int, default=0, help="first seed")
    parser.add_argument("--seeds", type=int, default=150, help="how many seeds")
    parser.add_argument("--minutes", type=int, default=10, help="busy minutes of a seed")
    parser.add_argument("--report", action="store_true", help="print the last run's table again")
    parser.add_argument("--play", type=int, nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.play:
        return int(play(*given.play, given.minutes) > 0)
    failed = 0 if given.report else measure(given.first, given.seeds, given.minutes)
    return report() or failed


if __name__ == "__main__":
    sys.exit(main())
