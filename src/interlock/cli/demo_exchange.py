"""The exchange of the demonstration: a process of its own, which outlives a killed run for a while.

It does not hear the Ctrl-C of the terminal, because it must not vanish under a strategy that shuts
down. When the run that started it is gone for a minute it ends by itself; a run that is started
before that finds it and goes on from its books.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
from asyncio.subprocess import Process
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from interlock.adapters.system import LockHeldError, SystemClock, exclusive_lock, write_atomically

ACCOUNT = "demo"
GRACE_S = 60.0
_LOOK_S = 1.0
_READY_S = 30.0
_END_S = 5.0
_ASK_S = 5.0
_LOCK, _FACTS, _LOG = "lock", "exchange.json", "exchange.log"
# Runs whose ledgers and reports stay; the folder of a run is named by its moment.
RUNS_KEPT = 10
_RUN = "[0-9]" * 8 + "-" + "[0-9]" * 6


class DemoError(RuntimeError):
    """The demonstration cannot begin; the text says why and what to do."""


class DemoPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What to show. ``seconds`` 0: until somebody ends it."""

    folder: Path
    seconds: float
    has_faults: bool = True
    seed: int = 1


class Exchange(msgspec.Struct, kw_only=True):
    """Where the exchange is, and the folder of the run that trades on it."""

    pid: int
    run: str
    facts: dict[str, Any]
    is_found: bool = False

    @property
    def url(self) -> str:
        """Its protocol."""
        return str(self.facts["venues"]["binance"]["url"])

    @property
    def admin(self) -> str:
        """Its books and its faults."""
        return str(self.facts["admin"])

    @property
    def account(self) -> dict[str, str]:
        """Name, key and secret."""
        found: dict[str, str] = self.facts["accounts"][0]
        return found


async def find(folder: Path) -> Exchange | None:
    """The exchange that a killed run left in a folder, if it still answers."""
    try:
        kept = msgspec.json.decode((folder / _FACTS).read_bytes(), type=Exchange)
        await ask(kept.admin, "/status")
    except (OSError, msgspec.DecodeError, aiohttp.ClientError, TimeoutError):
        return None
    kept.is_found = True
    return kept


def prune(folder: Path) -> None:
    """Remove the oldest runs, so that with the one to come as many stay as are kept."""
    for run in sorted(folder.glob(_RUN))[: 1 - RUNS_KEPT]:
        shutil.rmtree(run, ignore_errors=True)


async def launch(folder: Path, *, seed: int) -> Process:
    """Start the process of the exchange, on free ports."""
    options = ["--json", "--quiet", "--port", "0", "--admin-port", "0"]
    command = [sys.executable, "-c", _CHILD, str(folder / _LOCK), "venue", *options]
    with (folder / _LOG).open("ab") as errors:
        return await asyncio.create_subprocess_exec(
            *command,
            *("--account", ACCOUNT, "--seed", str(seed)),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
        )


async def ready(folder: Path, child: Process, run: str) -> Exchange:
    """Wait until the exchange says where it is."""
    assert child.stdout is not None
    try:
        line = await asyncio.wait_for(child.stdout.readline(), _READY_S)
        facts = msgspec.json.decode(line)
    except (TimeoutError, msgspec.DecodeError):
        end(child)
        log = folder / _LOG
        last = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
        said = last[0] if last else "it said nothing"
        raise DemoError(f"the exchange did not start: {said}; more is in {log}") from None
    made = Exchange(pid=child.pid, run=run, facts=facts)
    write_atomically(folder / _FACTS, msgspec.json.encode(made))
    return made


def end(child: Process) -> None:
    """End a process that nobody trades on yet."""
    with contextlib.suppress(ProcessLookupError):
        child.kill()


async def close_exchange(folder: Path, exchange: Exchange) -> None:
    """Ask it to end, and wait for that."""
    with contextlib.suppress(aiohttp.ClientError, TimeoutError, OSError):
        await ask(exchange.admin, "/stop", {})
    (folder / _FACTS).unlink(missing_ok=True)
    clock = SystemClock()
    end = clock.now_ns() + int(_END_S * 1e9)
    while _lives(exchange.pid) and clock.now_ns() < end:
        await asyncio.sleep(0.02)


async def ask(admin: str, path: str, content: Any = None, *, method: str = "") -> Any:
    """One answer of the admin port."""
    timeout = aiohttp.ClientTimeout(total=_ASK_S)
    async with (
        aiohttp.ClientSession(timeout=timeout) as client,
        client.request(
            method or ("GET" if content is None else "POST"), admin + path, json=content
        ) as answer,
    ):
        return msgspec.json.decode(await answer.read())


@contextlib.contextmanager
def held(folder: Path) -> Any:
    """Hold the folder of the demonstration: one run at a time, and the exchange sees it alive."""
    folder.mkdir(parents=True, exist_ok=True)
    clock = SystemClock()
    with contextlib.ExitStack() as stack:
        for left in (4, 3, 2, 1, 0):
            try:
                stack.enter_context(exclusive_lock(folder / _LOCK))
                break
            except LockHeldError:
                # The exchange of a killed run looks at the lock for an instant, too.
                if not left:
                    raise DemoError(
                        f"another demonstration runs in {folder}; end it, or name another folder "
                        "with --state"
                    ) from None
                clock.wait(0.05)
        yield


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # A child of ours that has ended and was not waited for yet has no command line any more.
    try:
        return bool(Path(f"/proc/{pid}/cmdline").read_bytes())
    except OSError:
        return not Path("/proc").is_dir()


# In the process of the exchange.
_CHILD = "from interlock.cli.demo_exchange import serve; serve()"


def serve() -> None:
    """Run `interlock venue`, until it is told to end or its run has been gone for a minute."""
    from interlock.cli import main

    lock, arguments = Path(sys.argv[1]), sys.argv[2:]
    threading.Thread(target=_watch, args=(lock,), daemon=True).start()
    main(arguments, prog_name="interlock")


def _watch(lock: Path) -> None:
    clock = SystemClock()
    alone = 0.0
    while alone < GRACE_S:
        clock.wait(_LOOK_S)
        try:
            with exclusive_lock(lock):
                alone += _LOOK_S
        except LockHeldError:
            alone = 0.0
        except OSError:
            # The folder is gone: nobody can come back to it.
            break
    os.kill(os.getpid(), signal.SIGTERM)
