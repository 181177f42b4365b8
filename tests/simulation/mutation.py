"""How many seeds the simulator needs for each planted bug, and which invariant finds it.

python -m tests.simulation.mutation --seeds 2000
python -m tests.simulation.mutation --only "skip the write ahead" --minutes 30
"""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from typing import NamedTuple

from interlock.adapters.system import end_with
from interlock.world.judges import JUDGES
from interlock.world.plan import MINUTE, drawn
from interlock.world.world import World
from tests.simulation.mutants import MUTANTS, by_name, planted

# After the first find a few more seeds say which invariants see the bug too.
MORE = 12
CRASH = "crash"


class Found(NamedTuple):
    """What came of one mutant: the first seed that found it (0: none), and by what."""

    name: str
    first: int
    tried: int
    invariants: dict[str, int]
    text: str


def hunt(name: str, seeds: int, minutes: int, first: int = 1) -> Found:
    """Play seeds with a planted bug until one finds it, and a few more."""
    seen: Counter[str] = Counter()
    found, text, tried = 0, "", 0
    with planted(by_name(name)):
        for seed in range(first, first + seeds):
            tried += 1
            invariant, said = _play(seed, minutes, name)
            if invariant:
                seen[invariant] += 1
                if not found:
                    found, text = tried, said
            if found and tried >= found + MORE:
                break
    return Found(name, found, tried, dict(seen), text)


def _play(seed: int, minutes: int, name: str) -> tuple[str, str]:
    """The invariant that a seed violates, and what was seen; empty when all held."""
    plan = drawn(seed, busy_ns=minutes * MINUTE)
    try:
        verdict = World(plan, JUDGES).run()
        if not verdict.invariant and "memory" in by_name(name).text:
            # What depends on the machine shows when a plan is played again.
            again = World(plan, JUDGES).run()
            if again.digest != verdict.digest:
                return "I19", "the same plan gave another digest"
    except Exception as error:  # noqa: BLE001 - a planted bug may break anything at all
        return CRASH, f"{type(error).__name__}: {error}"
    return verdict.invariant, verdict.text


def table(found: Sequence[Found]) -> str:
    """The results as a table of Markdown."""
    lines = ["| planted bug | rule | seeds to find | found by |", "|---|---|---|---|"]
    for item in found:
        mutant = by_name(item.name)
        by = ", ".join(f"{k} {v}" for k, v in sorted(item.invariants.items(), key=lambda p: -p[1]))
        count = str(item.first) if item.first else f"not in {item.tried}"
        if mutant.harmless:
            count += " (harmless)"
        lines.append(f"| {mutant.text} | {mutant.rule} | {count} | {by} |")
    return "\n".join(lines)


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=2_000)
    parser.add_argument("--minutes", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", action="append", default=[])
    given = parser.parse_args()
    names = given.only or [item.name for item in MUTANTS]
    done: dict[str, Found] = {}
    context = get_context("spawn")
    with ProcessPoolExecutor(
        given.jobs, mp_context=context, initializer=end_with, initargs=(os.getpid(),)
    ) as pool:
        running = [pool.submit(hunt, name, given.seeds, given.minutes) for name in names]
        for future in as_completed(running):
            item = future.result()
            done[item.name] = item
            sys.stderr.write(f"{len(done):3d}/{len(names)} {item.name}: {item.first} "
                             f"{item.invariants} {item.text[:90]}\n")  # fmt: skip
    sys.stdout.write(table([done[name] for name in names]) + "\n")
    missed = [n for n in names if not done[n].first and not by_name(n).harmless]
    false = [n for n in names if done[n].first and by_name(n).harmless]
    sys.stdout.write(f"\nmissed: {', '.join(missed) or 'none'}\nfound although harmless: "
                     f"{', '.join(false) or 'none'}\n")  # fmt: skip
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
