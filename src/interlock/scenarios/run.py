"""Runs scenarios: each in its own folder, under its deadline, a few side by side."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from pathlib import Path

import aiohttp
import msgspec

from interlock.live.control import NotRunning
from interlock.ports import LedgerFault
from interlock.scenarios import (
    accounts,
    answers,
    limits,
    outages,
    restarts,
    stops,
    streams,
    switches,
    upkeep,
)
from interlock.scenarios.exchange import ExchangeError
from interlock.scenarios.processes import StartFault
from interlock.scenarios.registry import SCENARIOS, Scenario, ScenarioError
from interlock.scenarios.stage import Failed, Stage

# Importing a module of scenarios registers them; the order here is the order of the list.
THEMES = (answers, outages, restarts, switches, stops, streams, limits, accounts, upkeep)
CLOSE_S = 30.0
_FAULTS = (Failed, StartFault, ExchangeError, LedgerFault, NotRunning, aiohttp.ClientError)


class Row(msgspec.Struct, kw_only=True):
    """How one scenario ended."""

    name: str
    complaint: int
    fault: str
    passed: bool
    seconds: float
    seed: int
    measured: dict[str, str]
    problem: str = ""


def chosen(names: Sequence[str]) -> list[Scenario]:
    """The scenarios of these names, all without any. Raises ScenarioError."""
    for name in names:
        if name not in SCENARIOS:
            raise ScenarioError(
                f"scenario {name!r} is unknown; `interlock scenario list` shows them"
            )
    return [SCENARIOS[name] for name in names] if names else list(SCENARIOS.values())


async def run_all(
    scenarios: Sequence[Scenario], folder: Path, *, seed: int, side_by_side: int, keeps: bool
) -> AsyncIterator[Row]:
    """Run them and give each row as soon as it is there."""
    places = asyncio.Semaphore(max(1, side_by_side))

    async def run(item: Scenario) -> Row:
        async with places:
            return await run_one(item, folder / item.name, seed=seed, keeps=keeps)

    tasks = [asyncio.create_task(run(item)) for item in scenarios]
    try:
        for done in asyncio.as_completed(tasks):
            yield await done
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def run_one(item: Scenario, folder: Path, *, seed: int, keeps: bool) -> Row:
    """Run one to its end, or to its deadline."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    stage = Stage(folder, seed, item.protocol)
    start, problem = stage.now(), ""
    try:
        async with asyncio.timeout(item.deadline) as limit:
            await item.run(stage)
    except TimeoutError:
        problem = "the exchange's admin port did not answer in time"
        if limit.expired():
            problem = f"not over after its deadline of {item.deadline:g} s"
    except _FAULTS as error:
        problem = (
            f"{type(error).__name__}: {error}" if not isinstance(error, Failed) else str(error)
        )
    finally:
        seconds = stage.now() - start
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(stage.close()), CLOSE_S)
    if not keeps and not problem:
        shutil.rmtree(folder, ignore_errors=True)
    return Row(
        name=item.name,
        complaint=item.complaint,
        fault=item.fault,
        passed=not problem,
        seconds=round(seconds, 1),
        seed=seed,
        measured=stage.measured,
        problem=problem,
    )
