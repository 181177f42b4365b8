"""Load on the live engine, with floors in the same run; ends with 1 when a reach was missed.

python -m bench.live.load                 50 instruments, 5,000 messages/s, 50 orders/s, 60 s
python -m bench.live.load --minutes 10
python -m bench.live.load --json          all figures, for a program
python -m bench.live.load --messages 50 --instruments 1 --orders 5       latency, hardly loaded
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench.live.table import rows, text

ROOT = Path(__file__).resolve().parents[2]


def module(name: str, *arguments: str) -> subprocess.Popen[str]:
    """A part of the run as a process."""
    return subprocess.Popen(
        [sys.executable, "-m", f"bench.live.{name}", *arguments],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def read_line(process: subprocess.Popen[str]) -> Any:
    """The next line of JSON; ends the run when the process has nothing to say."""
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise SystemExit(f"{process.args} ended without a word; its error stands above")
    return json.loads(line)


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """One run: its figures and the floors beside it."""
    seconds = arguments.minutes * 60 if arguments.minutes else arguments.seconds
    running: list[subprocess.Popen[str]] = []
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        try:
            exchange = module("exchange", str(arguments.instruments), str(arguments.messages))
            running.append(exchange)
            ready = read_line(exchange)
            floors = module("floors", ready["url"], ready["key"], ready["secret"], folder)
            running.append(floors)
            engine = module("engine")
            running.append(engine)
            job = {
                "url": ready["url"], "key": ready["key"], "secret": ready["secret"],
                "instruments": ready["instruments"], "folder": str(Path(folder) / "live"),
                "seconds": seconds, "orders_per_second": arguments.orders,
                "switch_interval_s": arguments.switch_interval,
                "profile": arguments.profile,
            }  # fmt: skip
            assert engine.stdin is not None and floors.stdin is not None
            engine.stdin.write(json.dumps(job) + "\n")
            engine.stdin.flush()
            found = read_line(engine)
            floors.stdin.close()
            found["floors_ms"] = read_line(floors)
            return found
        finally:
            for process in running:
                process.terminate()
                process.wait(10)


def options() -> argparse.ArgumentParser:
    """What can be chosen."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--instruments", type=int, default=50)
    parser.add_argument("--messages", type=float, default=5_000.0, help="per second, in all")
    parser.add_argument("--orders", type=float, default=50.0, help="per second, in all")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--minutes", type=float, default=0.0)
    parser.add_argument("--folder", default=None, help="where the ledger lies; its disk counts")
    parser.add_argument("--switch-interval", type=float, default=0.0, help="seconds; 0: Python's")
    parser.add_argument("--profile", default="", help="file for cProfile's figures of the steps")
    parser.add_argument("--json", action="store_true", help="all figures, for a program")
    return parser


def main() -> int:
    """Run, print; 1 when a row of the table was not reached."""
    arguments = options().parse_args()
    found = run(arguments)
    table = rows(found, arguments.messages, arguments.orders)
    print(json.dumps(found, indent=1) if arguments.json else text(table))
    return int(any(row.reached is False for row in table))


if __name__ == "__main__":
    sys.exit(main())
