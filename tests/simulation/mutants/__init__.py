"""Bugs that are planted for the simulator to find: one rule of the engine removed by each.

The rules are named as in docs/simulation-mutants.md, which has every bug and what it took to find.
"""

from __future__ import annotations

from tests.simulation.mutants import (
    answers,
    books,
    doubt,
    executions,
    looking,
    risk,
    sending,
    starting,
    switch,
)
from tests.simulation.mutants.planting import MUTANTS, Mutant, Patch, by_name, planted

FAMILIES = (sending, answers, doubt, executions, looking, risk, starting, books, switch)

__all__ = ["FAMILIES", "MUTANTS", "Mutant", "Patch", "by_name", "planted"]
