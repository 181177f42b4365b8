"""How many seeds the simulator needs for each planted bug, and which invariant finds it.

python -m tests.simulation.mutation --seeds 2000
python -m tests.simulation.mutation --only "skip the write ahead" --minutes 30
python -m tests.simulation.mutation --results hunt.json --markdown docs/simulation-mutants.md
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import msgspec

from interlock.adapters.system import end_with
from interlock.runtime.settings import MINUTE
from interlock.world.invariants import MEANINGS, OPEN_INVARIANTS
from interlock.world.judges import JUDGES
from interlock.world.judging import Judge
from interlock.world.plan import Plan, drawn
from interlock.world.scene import Scene
from interlock.world.truth import Violation
from interlock.world.world import World
from tests.simulation.mutants import FAMILIES, MUTANTS, Mutant, by_name, planted

# After the first find a few more seeds say which invariants see the bug too.
MORE = 3
CRASH = "crash"
BEGIN, END = "<!-- table -->", "<!-- end of table -->"

Makes = Callable[[Scene], Judge]


class Found(msgspec.Struct, kw_only=True):
    """What came of one mutant: the first seed that found it (0: none), and by what.

    ``alone`` counts, by invariant, the finding seeds that are clean when it is not judged.
    """

    name: str
    first: int = 0
    tried: int = 0
    invariants: dict[str, int] = {}
    alone: dict[str, int] = {}
    text: str = ""
    calls: dict[str, int] = {}
    minutes: int = 0
    commit: str = ""
    date: str = ""

    @property
    def is_dead(self) -> bool:
        """Whether nothing that it replaces was ever called: then it is no bug at all."""
        return not any(self.calls.values())


def hunt(name: str, seeds: int, minutes: int, more: int = MORE) -> Found:
    """Play seeds from 1 on with a planted bug until one finds it, and ``more`` after that."""
    found = Found(name=name, minutes=minutes)
    seen: Counter[str] = Counter()
    alone: Counter[str] = Counter()
    with planted(by_name(name)) as patch:
        for seed in range(1, seeds + 1):
            found.tried += 1
            plan = drawn(seed, busy_ns=minutes * MINUTE)
            invariant, said = play(plan, name)
            if invariant:
                seen[invariant] += 1
                alone[invariant] += is_alone(plan, invariant)
                if not found.first:
                    found.first, found.text = found.tried, said
            if found.first and found.tried >= found.first + more:
                break
        found.calls = dict(patch.calls)
    found.invariants, found.alone = dict(seen), {k: n for k, n in alone.items() if n}
    return found


def play(plan: Plan, name: str = "") -> tuple[str, str]:
    """The invariant that a plan violates, and what was seen; empty when all held."""
    try:
        verdict = World(plan, JUDGES).run()
        if not verdict.invariant and "R17" in (by_name(name).rule if name else ""):
            # What depends on the machine shows when a plan is played again.
            again = World(plan, JUDGES).run()
            if again.digest != verdict.digest:
                return "I19", "the same plan gave another digest"
    except Exception as error:  # noqa: BLE001 - a planted bug may break anything at all
        return CRASH, f"{type(error).__name__}: {error}"
    return verdict.invariant, verdict.text


def is_alone(plan: Plan, invariant: str) -> bool:
    """Whether no other invariant sees what this one found in a plan."""
    if invariant not in MEANINGS:
        return False
    if invariant == "I19":
        # Found by playing twice, when every judge had seen nothing.
        return True
    try:
        return World(plan, blind(invariant)).run().is_clean
    except Exception:  # noqa: BLE001 - what breaks the run is seen without this invariant too
        return False


def blind(invariant: str) -> list[Makes]:
    """The judges, with what one invariant finds passed over."""
    return [_blinded(judge, invariant) for judge in JUDGES]


def _blinded(judge: type[Judge], invariant: str) -> Makes:
    if invariant not in judge.invariants:
        return judge
    names = [
        name for name in vars(Judge) if not name.startswith("_") and callable(vars(Judge)[name])
    ]
    own = {name: getattr(judge, name) for name in names if hasattr(judge, name)}
    hooks = {n: _passing(f, invariant) for n, f in own.items() if f is not getattr(Judge, n)}

    def demand(self: Judge, name: str, is_held: bool, text: str) -> None:
        judge.demand(self, name, is_held or name == invariant, text)

    return type(judge.__name__, (judge,), {**hooks, "demand": demand})


def _passing(look: Callable[..., None], invariant: str) -> Callable[..., None]:
    def passing(*given: Any) -> None:
        try:
            look(*given)
        except Violation as violation:
            if violation.invariant != invariant:
                raise

    return passing


# The page.
def table(found: Sequence[Found]) -> str:
    """The results as a table of Markdown, family by family."""
    lines = ["| planted bug | rule | seeds to find | found by | only it |", "|---|---|---|---|---|"]
    for item in found:
        mutant = by_name(item.name)
        by = ", ".join(f"{k} {v}" for k, v in sorted(item.invariants.items(), key=lambda p: -p[1]))
        only = ", ".join(f"{k} {v}" for k, v in sorted(item.alone.items(), key=lambda p: -p[1]))
        count = str(item.first) if item.first else f"not in {item.tried}"
        if item.is_dead:
            count += ", never reached"
        if mutant.harmless:
            count += f" (harmless: {mutant.harmless})"
        lines.append(f"| {mutant.text} | {mutant.rule} | {count} | {by} | {only} |")
    return "\n".join(lines)


def alone_table(found: Sequence[Found]) -> str:
    """For every invariant the bugs that nothing else finds."""
    lines = ["| invariant | says | found by it alone |", "|---|---|---|"]
    for name, meaning in MEANINGS.items():
        if name in OPEN_INVARIANTS:
            lines.append(f"| {name} | {meaning} | open: {OPEN_INVARIANTS[name]} |")
            continue
        best = sorted((item for item in found if item.alone.get(name)),
                      key=lambda item: -item.alone[name])  # fmt: skip
        texts = [f"{by_name(item.name).text} ({item.alone[name]} seeds)" for item in best[:2]]
        lines.append(f"| {name} | {meaning} | {'; '.join(texts) or 'none yet'} |")
    return "\n".join(lines)


def lonely(found: Sequence[Found]) -> list[str]:
    """Invariants that no planted bug needs."""
    needed = {name for item in found for name in item.alone}
    return [name for name in MEANINGS if name not in needed and name not in OPEN_INVARIANTS]


def write_page(path: Path, found: Sequence[Found]) -> None:
    """Put the tables into the page, between its marks."""
    page = path.read_text(encoding="utf-8")
    before, rest = page.split(BEGIN)
    after = rest.split(END)[1]
    harmless = sum(bool(by_name(item.name).harmless) for item in found)
    open_ = sum(not item.first and not by_name(item.name).harmless for item in found)
    numbers = sorted(item.first for item in found if item.first)
    minutes = sorted({item.minutes for item in found})
    commits = ", ".join(sorted({item.commit for item in found}))
    middle = numbers[len(numbers) // 2] if numbers else 0
    said = (
        f"{len(found)} bugs, {harmless} of them harmless; {len(numbers)} found, half of them "
        f"within {middle} seeds, the last after {numbers[-1] if numbers else 0}; {open_} that "
        f"should be found were not in the seeds that their lines name. Plans with "
        f"{', '.join(map(str, minutes))} busy minutes, played at {commits} until "
        f"{max(item.date for item in found)}."
    )
    tables = [said, table(found), alone_table(found)]
    path.write_text(before + "\n\n".join([BEGIN, *tables, END]) + after, encoding="utf-8")


# The command.
def _hunts(given: argparse.Namespace, names: Sequence[str]) -> list[Found]:
    done: list[Found] = []
    context = get_context("spawn")
    commit = _git("rev-parse", "--short=9", "HEAD")
    with ProcessPoolExecutor(
        given.jobs, mp_context=context, initializer=end_with, initargs=(os.getpid(),)
    ) as pool:
        running = [
            pool.submit(hunt, name, given.seeds, given.minutes, given.more) for name in names
        ]
        for future in as_completed(running):
            item = future.result()
            item.commit, item.date = commit, f"{datetime.now(UTC):%Y-%m-%d}"
            done.append(item)
            dead = " DEAD: nothing that it replaces was called" if item.is_dead else ""
            sys.stderr.write(f"{len(done):3d}/{len(names)} {item.name}: {item.first} of "
                             f"{item.tried} {item.invariants} alone {item.alone}{dead} "
                             f"{item.text[:90]}\n")  # fmt: skip
            if given.results:
                _keep(given.results, [item])
    return done


def _git(*words: str) -> str:
    return subprocess.run(
        ["git", *words], capture_output=True, text=True, check=True
    ).stdout.strip()


def _kept(path: Path) -> dict[str, Found]:
    if not path.exists():
        return {}
    return msgspec.json.decode(path.read_bytes(), type=dict[str, Found])


def _keep(path: Path, found: Sequence[Found]) -> None:
    kept = _kept(path)
    kept.update({item.name: item for item in found})
    path.write_bytes(msgspec.json.format(msgspec.json.encode(kept)))


def in_order(found: dict[str, Found]) -> list[Found]:
    """Results in the order of the families; what is no mutant any more is left out."""
    return [found[item.name] for item in MUTANTS if item.name in found]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=2_000)
    parser.add_argument("--minutes", type=int, default=5)
    parser.add_argument("--more", type=int, default=MORE, help="seeds after the first that finds")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", action="append", default=[], help="the name of a bug")
    files = ", ".join(map(_family, FAMILIES))
    parser.add_argument("--family", action="append", default=[], help=f"a file of bugs: {files}")
    parser.add_argument("--results", type=Path, help="JSON that keeps what slices found")
    parser.add_argument("--missing", action="store_true", help="only what --results lacks")
    parser.add_argument("--markdown", type=Path, help="put the tables of --results into a page")
    return parser.parse_args()


def _family(module: Any) -> str:
    return str(module.__name__).rpartition(".")[2]


def _named(given: argparse.Namespace) -> list[str]:
    chosen: list[Mutant] = [
        item for item in MUTANTS
        if not given.family or item.plant.__module__.rpartition(".")[2] in given.family
    ]  # fmt: skip
    names = given.only or [item.name for item in chosen]
    if given.missing and given.results:
        kept = _kept(given.results)
        names = [name for name in names if name not in kept]
    return names


def main() -> int:
    """The command."""
    given = _arguments()
    if given.markdown and given.results:
        write_page(given.markdown, in_order(_kept(given.results)))
        return 0
    done = in_order({item.name: item for item in _hunts(given, _named(given))})
    sys.stdout.write(table(done) + "\n")
    missed = [item.name for item in done if not item.first and not by_name(item.name).harmless]
    false = [item.name for item in done if item.first and by_name(item.name).harmless]
    dead = [item.name for item in done if item.is_dead]
    for text, names in (("missed", missed), ("found although harmless", false), ("dead", dead)):
        sys.stdout.write(f"{text}: {', '.join(names) or 'none'}\n")
    return 1 if missed or false or dead else 0


if __name__ == "__main__":
    sys.exit(main())
