"""Where trials run: threads for compiled ones, processes for the rest, or a cluster by address."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import joblib

from interlock.adapters.system import end_with
from interlock.research import compiled
from interlock.research.sweep.space import Parameters, SweepError
from interlock.research.sweep.trial import Shared, Task, Trial, run_trial
from interlock.strategy.api import TargetStrategy
from interlock.strategy.indicators.memo import ColumnMemo

MEMO_BYTES = 256 * 1024 * 1024
Numbered = tuple[int, Parameters]


class Workers:
    """Runs trials side by side and gives their results in the order they were asked for."""

    def __init__(self, task: Task, *, jobs: int, cluster: str = "") -> None:
        if jobs < 1:
            raise SweepError(f"jobs={jobs} must be at least 1")
        self.task = task
        self.jobs = jobs
        self.cluster = cluster
        self.reason = ""
        self.shared = self._prepare()

    def _prepare(self) -> Shared | None:
        """The compiled path's market, or None with the reason why trials need the kernel."""
        if not issubclass(self.task.strategy, TargetStrategy):
            self.reason = "the strategy has callbacks"
            return None
        try:
            market = compiled.prepare(self.task.dataset, self.task.options)
        except compiled.NeedsKernel as needed:
            self.reason = str(needed)
            return None
        return Shared(market, ColumnMemo(MEMO_BYTES))

    def trials(self, wanted: Sequence[Numbered]) -> Iterator[Trial]:
        """Run trials; they come in the order of ``wanted``."""
        if not wanted:
            return
        rest = list(wanted)
        shared = self.shared
        if shared is not None and not self.cluster:
            # The first one alone: it compiles, and it tells whether the kernel is needed.
            first = run_trial(*rest.pop(0), self.task, shared=shared)
            yield first
            if first.path == "kernel":
                self.reason = first.reason.removeprefix("kernel: ")
                shared = self.shared = None
        if not rest:
            return
        with self._backend(threads=shared is not None) as parallel:
            calls = (
                joblib.delayed(run_trial)(number, values, self.task, shared=shared)
                for number, values in rest
            )
            yield from parallel(calls)

    @contextmanager
    def _backend(self, *, threads: bool) -> Iterator[Any]:
        options: dict[str, Any] = {"n_jobs": self.jobs, "return_as": "generator"}
        if self.cluster:
            _ship_by_value(self.task.strategy)
            with _cluster(self.cluster):
                yield joblib.Parallel(n_jobs=-1)
        elif threads:
            yield joblib.Parallel(
                **options, prefer="threads", batch_size=4, pre_dispatch="4*n_jobs"
            )
        else:
            _ship_by_value(self.task.strategy)
            # A killed sweep cannot end its workers, and theirs may be a trial of hours.
            ending = {"initializer": end_with, "initargs": (os.getpid(),)}
            yield joblib.Parallel(**options, **ending, prefer="processes")


def _ship_by_value(strategy: type) -> None:
    """Let workers have a class of a file that they cannot import by name."""
    module = sys.modules.get(strategy.__module__)
    top = strategy.__module__.partition(".")[0]
    if module is not None and top not in ("interlock", "__main__"):
        import cloudpickle  # type: ignore[import-untyped]

        cloudpickle.register_pickle_by_value(module)


@contextmanager
def _cluster(address: str) -> Iterator[None]:
    """joblib's backend of a Dask or Ray cluster, by address."""
    kind, found, place = address.partition("://")
    if not found or kind not in ("dask", "ray") or not place:
        raise SweepError(
            f"cluster {address!r} must read dask://HOST:PORT or ray://HOST:PORT (ray://local)"
        )
    if kind == "dask":
        with _dask(place):
            yield
    else:
        with _ray(address if place != "local" else "local"):
            yield


@contextmanager
def _dask(place: str) -> Iterator[None]:
    try:
        from distributed import Client
    except ImportError:
        raise SweepError("a dask:// cluster needs Dask: pip install 'interlock[dask]'") from None
    try:
        client = Client(f"tcp://{place}", timeout="20s")
    except (OSError, TimeoutError) as error:
        raise SweepError(f"no Dask scheduler answers at {place}: {error}") from None
    with client, joblib.parallel_config(backend="dask"):
        yield


@contextmanager
def _ray(address: str) -> Iterator[None]:
    try:
        import ray
        from ray.util.joblib import register_ray
    except ImportError:
        raise SweepError("a ray:// cluster needs Ray: pip install 'interlock[ray]'") from None
    try:
        ray.init(address=address, ignore_reinit_error=True)
    except (ConnectionError, OSError) as error:
        raise SweepError(f"no Ray cluster answers at {address}: {error}") from None
    register_ray()
    try:
        with joblib.parallel_config(backend="ray"):
            yield
    finally:
        ray.shutdown()
