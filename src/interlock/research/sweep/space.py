"""The parameters a sweep tries: grids written out, or samplers asked in fixed batches."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from interlock.strategy.parameters import Parameter, ParameterError, parse_parameter

Parameters = dict[str, Any]
TRIALS_MAX = 1_000_000
SAMPLERS = ("tpe", "random", "cmaes", "qmc")


class SweepError(ValueError):
    """A sweep that cannot be made as asked."""


def parse_grid(owner: type, texts: Iterable[str]) -> dict[str, list[Any]]:
    """Grids from a command line: ``fast=5:50:5`` (end included) or ``slow=60,80,100``."""
    grid: dict[str, list[Any]] = {}
    for text in texts:
        name, found, values = text.partition("=")
        if not found or not values:
            raise SweepError(
                f"--grid {text!r} must read NAME=FIRST:LAST:STEP or NAME=VALUE,VALUE,..."
            )
        if name in grid:
            raise SweepError(f"--grid names {name!r} twice; give all its values at once")
        item = _declared(owner, name)
        if ":" in values:
            grid[name] = _steps(item, values)
        else:
            grid[name] = [parse_parameter(item, value) for value in values.split(",")]
    return grid


def check_grid(owner: type, grid: Mapping[str, Iterable[Any]]) -> dict[str, list[Any]]:
    """The grid with every value checked against its declaration and no value twice."""
    checked: dict[str, list[Any]] = {}
    for name, values in grid.items():
        item = _declared(owner, name)
        found = [item.check(owner.__name__, _plain(value)) for value in values]
        if not found:
            raise SweepError(f"the grid of {name!r} is empty; give at least one value")
        checked[name] = list(dict.fromkeys(found))
    return checked


def combinations(grid: Mapping[str, Sequence[Any]]) -> list[Parameters]:
    """Every combination of a checked grid, the last parameter moving fastest."""
    if not grid:
        raise SweepError(
            "the grid is empty; name at least one parameter with its values, such as "
            "--grid length=10:100:10 (from:to:step) or {'length': [10, 20]}"
        )
    total = math.prod(len(values) for values in grid.values())
    if total > TRIALS_MAX:
        raise SweepError(
            f"the grid has {total} combinations, at most {TRIALS_MAX} are run; use a larger step "
            "or a sampler"
        )
    names = list(grid)
    return [dict(zip(names, row, strict=True)) for row in itertools.product(*grid.values())]


class Asked:
    """A sampler that is asked in batches and told in trial order, so that a sweep repeats."""

    def __init__(self, owner: type, grid: Mapping[str, Sequence[Any]], sampler: str, seed: int):
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._optuna = optuna
        self._space = _distributions(owner, grid)
        self._study = optuna.create_study(sampler=_sampler(sampler, seed), direction="maximize")
        self._open: list[Any] = []

    def ask(self, count: int) -> list[Parameters]:
        """The next parameters."""
        self._open = [self._study.ask(self._space) for _ in range(count)]
        return [dict(trial.params) for trial in self._open]

    def tell(self, scores: Sequence[float | None]) -> None:
        """The scores of the batch (larger is better; None where a trial has none)."""
        failed = self._optuna.trial.TrialState.FAIL
        for trial, score in zip(self._open, scores, strict=True):
            if score is None:
                self._study.tell(trial, state=failed)
            else:
                self._study.tell(trial, score)


def _sampler(name: str, seed: int) -> Any:
    from optuna import samplers

    if name not in SAMPLERS:
        raise SweepError(f"sampler {name!r} is not one of grid, {', '.join(SAMPLERS)}")
    if name == "cmaes":
        try:
            import cmaes  # type: ignore[import-not-found,unused-ignore]  # noqa: F401
        except ImportError:
            raise SweepError("sampler 'cmaes' needs a package: pip install cmaes") from None
        return samplers.CmaEsSampler(seed=seed)
    if name == "qmc":
        try:
            import scipy  # type: ignore[import-untyped,unused-ignore]  # noqa: F401
        except ImportError:
            raise SweepError("sampler 'qmc' needs a package: pip install scipy") from None
        return samplers.QMCSampler(seed=seed)
    made = {"tpe": samplers.TPESampler, "random": samplers.RandomSampler}[name]
    return made(seed=seed)


def _distributions(owner: type, grid: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    from optuna import distributions

    if grid:
        return {name: _from_values(values) for name, values in grid.items()}
    found: dict[str, Any] = {}
    declared: Mapping[str, Parameter] = getattr(owner, "parameters", {})
    for name, item in declared.items():
        if item.choices is not None or item.type is bool:
            found[name] = distributions.CategoricalDistribution(item.choices or (False, True))
        elif item.low is None or item.high is None or item.type is str:
            raise SweepError(
                f"parameter {name!r} of {owner.__name__} has no bounds to sample from; declare "
                f"param(default, low, high) or name its values: --grid {name}=..."
            )
        elif item.type is int:
            found[name] = distributions.IntDistribution(item.low, item.high)
        else:
            found[name] = distributions.FloatDistribution(item.low, item.high)
    if not found:
        raise SweepError(f"{owner.__name__} declares no parameters; there is nothing to sweep")
    return found


def _from_values(values: Sequence[Any]) -> Any:
    """Evenly spaced numbers are a range to a sampler, anything else a choice."""
    from optuna import distributions

    gaps = {b - a for a, b in itertools.pairwise(values)} if type(values[0]) is int else set()
    if len(gaps) == 1 and (gap := gaps.pop()) > 0:
        return distributions.IntDistribution(values[0], values[-1], step=gap)
    return distributions.CategoricalDistribution(tuple(values))


def _declared(owner: type, name: str) -> Parameter:
    declared: Mapping[str, Parameter] = getattr(owner, "parameters", {})
    if name not in declared:
        known = ", ".join(declared) or "none"
        raise ParameterError(f"{owner.__name__} has no parameter {name!r}; it has: {known}")
    return declared[name]


def _steps(item: Parameter, text: str) -> list[Any]:
    parts = text.split(":")
    if len(parts) not in (2, 3) or item.type not in (int, float):
        raise SweepError(f"{item.name}={text!r} must read FIRST:LAST:STEP with numbers")
    if len(parts) == 2:
        parts.append("1")
    first, last, step = (parse_parameter(item, part) for part in parts)
    if not step > 0 or last < first:
        raise SweepError(
            f"{item.name}={text!r} holds no value: the step must be above 0 and "
            "the last value not below the first"
        )
    count = math.floor((last - first) / step + 1e-9) + 1
    if count > TRIALS_MAX:
        raise SweepError(f"{item.name}={text!r} has {count} values, at most {TRIALS_MAX} are run")
    if item.type is int:
        return [first + step * k for k in range(count)]
    # Through decimal text, so that 0.1:0.5:0.1 gives 0.3 and not 0.30000000000000004.
    return [float(f"{first + step * k:.12g}") for k in range(count)]


def _plain(value: Any) -> Any:
    """A numpy scalar as the Python number it stands for."""
    return value.item() if hasattr(value, "item") else value
