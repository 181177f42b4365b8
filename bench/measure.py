"""What every runner shares: a stopwatch, the memory peak and the one JSON line it prints.

Runs inside each peer's environment, so it imports the standard library only.
"""

from __future__ import annotations

import json
import platform
import resource
import time
from pathlib import Path
from types import TracebackType


class Stopwatch:
    """Wall and processor seconds of a `with` block; entering it again adds to them."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.cpu_seconds = 0.0

    def __enter__(self) -> Stopwatch:
        self._cpu = time.process_time()
        self._wall = time.perf_counter()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.seconds += time.perf_counter() - self._wall
        self.cpu_seconds += time.process_time() - self._cpu


def peak_rss_mb() -> float:
    """Highest resident memory of this process so far, in 10^6 bytes."""
    status = Path("/proc/self/status")
    if status.exists():
        # ru_maxrss would also count the parent's memory at the moment of the fork.
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024 / 1e6
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if platform.system() == "Darwin" else peak * 1024 / 1e6


def emit(engine: str, mode: str, watch: Stopwatch, **values: object) -> None:
    """Print the runner's line; bench/README.md lists the fields that values may name."""
    line: dict[str, object] = {
        "engine": engine,
        "mode": mode,
        "seconds": watch.seconds,
        "cpu_seconds": watch.cpu_seconds,
        "peak_rss_mb": peak_rss_mb(),
        "python": platform.python_version(),
    }
    line.update(values)
    print(json.dumps(line), flush=True)
