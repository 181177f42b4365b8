"""One sweep from its definition to its result: every trial recorded, the best run again."""

from __future__ import annotations

import hashlib
import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import msgspec
import numpy as np

import interlock
from interlock.research import compiled
from interlock.research.backtest import Extras
from interlock.research.backtest import run as run_kernel
from interlock.research.metrics import Search
from interlock.research.options import RunOptions
from interlock.research.sweep.folder import SweepFolder, trials_frame
from interlock.research.sweep.page import page
from interlock.research.sweep.result import SweepResult, Verified
from interlock.research.sweep.space import Asked, Parameters, SweepError, check_grid, combinations
from interlock.research.sweep.trial import METRICS, Task, Trial, blame, kernel_metrics, score
from interlock.research.sweep.workers import Workers
from interlock.strategy.api import Strategy, TargetStrategy
from interlock.strategy.columns import Dataset

Progress = Callable[[int, int], None]
# Fixed, and not a multiple of jobs: what a sampler has been told when it is asked must not depend
# on how many workers there are.
BATCH = 10


class SweepOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How a sweep searches.

    ``sampler`` is "grid" (every combination) or one of tpe, random, cmaes, qmc; ``trials`` counts
    for samplers only. ``jobs`` 0 means every core. The best ``top`` trials run again in the kernel.
    """

    sampler: str = "grid"
    trials: int = 100
    metric: str = "sharpe"
    seed: int = 1
    jobs: int = 0
    cluster: str = ""
    top: int = 1

    def __post_init__(self) -> None:
        if self.metric not in METRICS:
            raise SweepError(f"metric {self.metric!r} is not one of {', '.join(METRICS)}")
        for name, least in (("trials", 1), ("jobs", 0), ("top", 1), ("seed", 0)):
            value = getattr(self, name)
            if type(value) is not int or value < least:
                raise SweepError(f"{name}={value!r} must be a whole number of at least {least}")


def sweep(
    strategy: Any,
    dataset: Dataset,
    grid: Mapping[str, Any] | None = None,
    *,
    options: RunOptions | None = None,
    folder: Path | str | None = None,
    progress: Progress | None = None,
    **settings: Any,
) -> SweepResult:
    """Try parameters of a strategy (a class, or an instance whose values stay) on a dataset.

    ``settings`` are the fields of SweepOptions. With ``folder`` every trial is recorded there and
    an interrupted sweep takes up where it stopped. Raises SweepError or ParameterError before
    anything runs; a strategy that raises makes failed trials.
    """
    try:
        chosen = SweepOptions(**settings)
    except TypeError as error:
        raise SweepError(
            f"{error}; settings are {', '.join(SweepOptions.__struct_fields__)}"
        ) from None
    task = _task(strategy, dataset, options or RunOptions(), chosen.metric)
    plan = Plan(task, check_grid(task.strategy, grid or {}), chosen)
    found = SweepFolder(Path(folder)) if folder is not None else None
    if found is not None and found.is_done:
        found.begin(plan.definition)
        return load_sweep(found.path)
    with ExitStack() as stack:
        if found is not None:
            found.begin(plan.definition)
            stack.enter_context(found.lock())
        return _run(plan, found, progress or (lambda done, total: None))


@dataclass(frozen=True)
class Plan:
    """What a sweep will try, checked."""

    task: Task
    grid: dict[str, list[Any]]
    settings: SweepOptions

    def __post_init__(self) -> None:
        if self.settings.sampler == "grid":
            combinations(self.grid)
        else:
            Asked(self.task.strategy, self.grid, self.settings.sampler, self.settings.seed)

    @property
    def definition(self) -> dict[str, Any]:
        """Everything the trials depend on: two sweeps with equal definitions are the same."""
        kind = self.task.strategy
        settings = msgspec.to_builtins(self.settings)
        for name in ("jobs", "cluster", "top"):
            settings.pop(name)
        if self.settings.sampler == "grid":
            settings.pop("trials")
            settings.pop("seed")
        return {
            "interlock": interlock.__version__,
            "strategy": kind.__name__,
            "source_sha256": _source_digest(kind),
            "fixed": dict(self.task.fixed),
            "grid": self.grid,
            "data": {"name": self.task.dataset.name, "digest": self.task.dataset.digest},
            "options": msgspec.to_builtins(self.task.options),
            "settings": settings,
        }

    @property
    def total(self) -> int:
        """How many trials there will be."""
        if self.settings.sampler != "grid":
            return self.settings.trials
        return math.prod(len(values) for values in self.grid.values())

    @property
    def name(self) -> str:
        """A folder name that equal definitions share."""
        content = msgspec.json.encode(self.definition)
        return f"{self.task.strategy.__name__}-{hashlib.sha256(content).hexdigest()[:12]}"


def plan_sweep(
    strategy: Any,
    dataset: Dataset,
    grid: Mapping[str, Any],
    *,
    options: RunOptions,
    settings: SweepOptions,
) -> Plan:
    """The checked plan of a sweep, for those who need its name before it runs."""
    task = _task(strategy, dataset, options, settings.metric)
    return Plan(task, check_grid(task.strategy, grid), settings)


def load_sweep(folder: Path | str) -> SweepResult:
    """A complete sweep from its folder."""
    found = SweepFolder(Path(folder))
    if not found.is_done:
        raise SweepError(f"{found.path} holds no complete sweep; run it again to finish it")
    summary = found.summary()
    recorded = found.recorded()
    return SweepResult(
        metric=summary["metric"],
        trials=trials_frame([recorded[number] for number in sorted(recorded)]),
        top=tuple(Verified(**item) for item in summary["top"]),
        search=summary["search"],
        config=summary["config"],
        folder=found.path,
    )


def _task(strategy: Any, dataset: Dataset, options: RunOptions, metric: str) -> Task:
    kind, fixed = strategy, {}
    if isinstance(strategy, Strategy | TargetStrategy):
        kind, fixed = type(strategy), strategy.parameter_values()
    if not (isinstance(kind, type) and issubclass(kind, Strategy | TargetStrategy)):
        raise SweepError(f"{strategy!r} is no strategy; pass a class of Strategy or TargetStrategy")
    return Task(kind, fixed, dataset, options, metric)


def _source_digest(kind: type) -> str:
    try:
        text = inspect.getsource(kind)
    except (OSError, TypeError):
        text = kind.__qualname__
    return hashlib.sha256(text.encode()).hexdigest()


def _run(plan: Plan, folder: SweepFolder | None, progress: Progress) -> SweepResult:
    settings = plan.settings
    jobs = settings.jobs or joblib.cpu_count()
    workers = Workers(plan.task, jobs=jobs, cluster=settings.cluster)
    recorded = folder.recorded() if folder is not None else {}
    total = plan.total
    book = _Book(folder, recorded, workers, lambda done: progress(done, total))
    if settings.sampler == "grid":
        trials = book.take(list(enumerate(combinations(plan.grid))))
    else:
        trials = _sampled(plan, book)
    _check_any(trials)
    search = search_of(trials, plan.task)
    top = tuple(_verify(trial, plan.task, search, workers) for trial in _best(trials, settings))
    config = {**plan.definition, "jobs": jobs, "kernel_reason": workers.reason}
    result = SweepResult(
        metric=settings.metric,
        trials=trials_frame(trials),
        top=top,
        search={"trials": search.trials, "sharpe_variance": search.sharpe_variance},
        config=config,
        folder=folder.path if folder is not None else None,
    )
    if folder is not None:
        summary = {
            "metric": settings.metric,
            "search": result.search,
            "config": config,
            "top": [
                {
                    "number": item.number,
                    "parameters": item.parameters,
                    "metrics": item.metrics,
                    "result_digest": item.result_digest,
                    "agrees": item.agrees,
                }
                for item in top
            ],
        }
        folder.finish(trials, summary, page(result))
    return result


class _Book:
    """Gives trials in order, from the journal where they are recorded, and records the others."""

    def __init__(
        self,
        folder: SweepFolder | None,
        recorded: dict[int, Trial],
        workers: Workers,
        progress: Callable[[int], None],
    ) -> None:
        self._folder = folder
        self._known = recorded
        self._workers = workers
        self._progress = progress
        self._done = 0

    def take(self, wanted: Sequence[tuple[int, Parameters]]) -> list[Trial]:
        """The trials of ``wanted``, in its order."""
        known = self._known
        for number, parameters in wanted:
            if number in known and known[number].parameters != parameters:
                raise SweepError(
                    f"trial {number} was recorded with {known[number].parameters}, this sweep "
                    f"asks for {parameters}; delete the folder and run the sweep again"
                )
        missing = [item for item in wanted if item[0] not in known]
        self._count(len(wanted) - len(missing))
        for trial in self._workers.trials(missing):
            if self._folder is not None:
                self._folder.append(trial)
            known[trial.number] = trial
            self._count(1)
        return [known[number] for number, _ in wanted]

    def _count(self, trials: int) -> None:
        if trials:
            self._done += trials
            self._progress(self._done)


def _sampled(plan: Plan, book: _Book) -> list[Trial]:
    settings = plan.settings
    asked = Asked(plan.task.strategy, plan.grid, settings.sampler, settings.seed)
    trials: list[Trial] = []
    while len(trials) < settings.trials:
        count = min(BATCH, settings.trials - len(trials))
        first = len(trials)
        batch = book.take(list(enumerate(asked.ask(count), first)))
        asked.tell([score(trial, settings.metric) for trial in batch])
        trials += batch
    return trials


def _check_any(trials: Sequence[Trial]) -> None:
    """A sweep without one run that worked has nothing to say but the reason."""
    if all(trial.state == "failed" for trial in trials):
        raise SweepError(
            f"all {len(trials)} trials failed; the first one: {trials[0].reason or 'no reason'}"
        )


def search_of(trials: Sequence[Trial], task: Task) -> Search:
    """The number of trials and the variance of their daily Sharpe ratios."""
    calendars = {item.calendar for item in task.dataset.instruments()}
    year = 365 if calendars == {"24/7"} else 252
    ratios = [trial.metrics.get("sharpe") for trial in trials]
    daily = np.array([value / math.sqrt(year) for value in ratios if value is not None])
    variance = float(np.var(daily, ddof=1)) if daily.size > 1 else 0.0
    return Search(len(trials), variance)


def _best(trials: Sequence[Trial], settings: SweepOptions) -> list[Trial]:
    """The best trials; of equal ones the earlier is better."""
    scored = [(score(trial, settings.metric), trial) for trial in trials]
    known = [(value, trial) for value, trial in scored if value is not None]
    known.sort(key=lambda item: (-item[0], item[1].number))
    return [trial for _, trial in known[: settings.top]]


def _verify(trial: Trial, task: Task, search: Search, workers: Workers) -> Verified:
    """Run a trial again through the kernel and compare the digests."""
    try:
        result = run_kernel(
            task.build(trial.parameters), task.dataset, task.options, extras=Extras(search=search)
        )
    except Exception as error:  # noqa: BLE001 - the author's code may raise anything
        raise SweepError(f"trial {trial.number} failed in the kernel: {blame(error)}") from error
    agrees = trial.digest == result.result_digest
    if trial.path == "compiled":
        market = (
            workers.shared.market
            if workers.shared
            else compiled.prepare(task.dataset, task.options)
        )
        strategy = task.build(trial.parameters)
        assert isinstance(strategy, TargetStrategy)
        outcome = compiled.run(strategy, market)
        agrees = compiled.digest(outcome, market) == result.result_digest
    return Verified(
        trial.number,
        trial.parameters,
        {**result.metrics, **kernel_metrics(result)},
        result.result_digest,
        agrees,
        result,
    )
