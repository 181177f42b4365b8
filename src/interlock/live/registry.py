"""The registry of client order ids as a file: `state/coid_registry.json`, one id per line.

An export of the ledger, written anew at intervals; nothing reads it back.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from interlock.adapters.storage.queries import Reader
from interlock.adapters.system import write_atomically

NAME = "coid_registry.json"


def write_registry(ledger: str, folder: Path) -> int:
    """Write every id that was ever given out; returns how many. For a thread that may wait."""
    reader = Reader(ledger)
    try:
        lines = [
            msgspec.json.encode(name) + b": " + msgspec.json.encode(entry)
            for name, entry in reader.registry()
        ]
    finally:
        reader.close()
    place = folder / "state"
    place.mkdir(parents=True, exist_ok=True)
    write_atomically(place / NAME, b"{" + b",\n".join(lines) + b"}\n")
    return len(lines)
