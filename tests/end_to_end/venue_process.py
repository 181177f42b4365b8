"""`interlock venue` as a process of its own, the way a person starts it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

PATIENCE_S = 30
COMMAND = [sys.executable, "-c", "from interlock.cli import main; main()", "venue"]


class VenueProcess:
    """A running exchange: what it said when it was ready, and how to end it."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        self.process = process
        line = process.stdout.readline()
        assert line, f"the exchange did not open: {process.communicate()[1]}"
        self.facts: dict[str, Any] = json.loads(line)
        self.account = self.facts["accounts"][0]
        self.admin: str = self.facts["admin"]

    def url(self, protocol: str = "binance") -> str:
        """Where a protocol is spoken."""
        return str(self.facts["venues"][protocol]["url"])

    def ended(self) -> tuple[int, dict[str, Any], str]:
        """Exit code, summary and complaints, once it has ended."""
        out, err = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode, json.loads(out)["summary"] if out else {}, err


@contextmanager
def venue_process(*words: str) -> Iterator[VenueProcess]:
    """Start it on free ports; whatever happens, nothing is left behind."""
    process = subprocess.Popen(
        [*COMMAND, "--json", "--port", "0", "--admin-port", "0", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONWARNINGS": "error"},
    )
    try:
        yield VenueProcess(process)
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()
