"""Start one runner in a fresh process and read its JSON line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from bench.comparisons import FLOOR, INTERLOCK, Job
from bench.setup import PEERS

REPOSITORY = Path(__file__).resolve().parent.parent
HOME = REPOSITORY / "bench" / ".data" / "home"
TIME_LIMIT_SECONDS = 480
NOT_INSTALLED = "not installed: make bench-peers"
NOT_WRITTEN = "no runner yet"

Line = dict[str, Any]


def missing(job: Job) -> str | None:
    """Why this job cannot start here, or None when it can."""
    if job.owner == INTERLOCK:
        return None if find_spec(job.module) else NOT_WRITTEN
    if job.owner == FLOOR:
        return None
    return None if _peer(job).is_installed() else NOT_INSTALLED


def _peer(job: Job) -> Any:
    return next(peer for peer in PEERS if peer.name == job.owner)


def run(job: Job) -> Line:
    """The runner's JSON line plus process_seconds, or {"error": text}."""
    with tempfile.TemporaryDirectory(prefix="bench-") as empty:
        return _run(job, _environment(job, Path(empty)))


def _environment(job: Job, empty: Path) -> Mapping[str, str]:
    values = dict(os.environ)
    # The user's own catalog and caches are neither read nor grown.
    values["INTERLOCK_HOME"] = str(empty if job.is_cold else HOME)
    if job.is_cold:
        values["NUMBA_CACHE_DIR"] = str(empty / "numba")
    return values


def _run(job: Job, environment: Mapping[str, str]) -> Line:
    ours = job.owner in (INTERLOCK, FLOOR)
    python = sys.executable if ours else str(_peer(job).interpreter)
    command = [python, "-m", job.module, *job.arguments]
    started = time.perf_counter()
    try:
        done = subprocess.run(
            command,
            cwd=REPOSITORY,
            env=environment,
            capture_output=True,
            text=True,
            timeout=TIME_LIMIT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return {"error": f"still running after {TIME_LIMIT_SECONDS} s"}
    line = _last_json(done.stdout)
    if done.returncode != 0 or line is None:
        return {"error": (done.stderr or done.stdout).strip()[-600:] or "printed no JSON line"}
    line["process_seconds"] = time.perf_counter() - started
    if job.oracle is not None:
        line["is_right"] = job.oracle.accepts(line["fills"], line["profit"])
    return line


def _last_json(output: str) -> Line | None:
    for text in reversed(output.splitlines()):
        if text.startswith("{"):
            line: Line = json.loads(text)
            return line
    return None
