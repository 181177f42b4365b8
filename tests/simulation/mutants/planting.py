"""How a bug is planted: one function of the product is replaced for a while, and its calls counted.

A bug whose function nobody calls any more would pass for one that cannot be found. So every
replacement counts, and a hunt without a single call is a defect of the mutant.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from interlock.model.venue import Verdict
from interlock.wire.binance import verdicts


class Patch:
    """Attributes replaced until the end. ``calls`` counts, by name, how often each was reached.

    ``replaced`` has (class, module or table; name or key; what it was).
    """

    def __init__(self) -> None:
        self.calls: dict[str, int] = {}
        self.replaced: list[tuple[Any, Any, Any]] = []

    def set(self, owner: Any, name: str, value: Any) -> Any:
        """Replace an attribute of a class or a module; returns what it was."""
        before = vars(owner)[name]
        setattr(owner, name, self._counted(f"{owner.__name__}.{name}", value))
        self.replaced.append((owner, name, before))
        return before

    def item(self, table: Any, key: Any, value: Any) -> None:
        """Replace a function in a table."""
        before = table[key]
        table[key] = self._counted(f"entry {key!r}", value)
        self.replaced.append((table, key, before))

    def row(self, code: int, verdict: Verdict) -> None:
        """Give one code of the answer classifier another verdict, whatever was asked."""
        name, before = f"row {code}", verdicts.ROWS[code]
        self.calls[name] = 0
        calls = self.calls

        class Swapped(verdicts.Row, frozen=True):
            """A row that says the same to everything."""

            def judge(self, asked: str, status: int) -> Verdict:
                calls[name] += 1
                return verdict

        table: Any = verdicts.ROWS
        table[code] = Swapped(before.name, verdict, before.reason, (), before.status)
        self.replaced.append((table, code, before))

    def end(self) -> None:
        """Put everything back."""
        while self.replaced:
            owner, name, before = self.replaced.pop()
            if isinstance(owner, dict):
                owner[name] = before
            else:
                setattr(owner, name, before)

    def _counted(self, name: str, value: Any) -> Any:
        self.calls.setdefault(name, 0)
        if isinstance(value, property):
            return property(self._counted(name, value.fget))

        @functools.wraps(value)
        def counted(*given: Any, **named: Any) -> Any:
            self.calls[name] += 1
            return value(*given, **named)

        return counted


class Mutant(NamedTuple):
    """One planted bug: of which rule, what goes wrong, and how.

    ``harmless`` says why nobody is hurt by it; an empty text stands for a bug that must be found.
    """

    name: str
    rule: str
    text: str
    plant: Callable[[Patch], None]
    harmless: str = ""


MUTANTS: list[Mutant] = []


def mutant(
    rule: str, text: str, *, harmless: str = ""
) -> Callable[[Callable[[Patch], None]], Callable[[Patch], None]]:
    """Register a function that plants a bug."""

    def register(plant: Callable[[Patch], None]) -> Callable[[Patch], None]:
        MUTANTS.append(Mutant(plant.__name__.replace("_", " "), rule, text, plant, harmless))
        return plant

    return register


@contextmanager
def planted(found: Mutant) -> Iterator[Patch]:
    """With this bug in the engine."""
    patch = Patch()
    try:
        found.plant(patch)
        yield patch
    finally:
        patch.end()


def by_name(name: str) -> Mutant:
    """The mutant of a name."""
    return next(item for item in MUTANTS if item.name == name)
