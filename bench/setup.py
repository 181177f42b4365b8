"""Make one virtual environment per peer engine under bench/.venvs, with pinned versions.

    python -m bench.setup              all peers
    python -m bench.setup vectorbt     only the named ones

A second call returns at once: an environment is complete when its stamp names the same pins.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
import venv
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENVS = ROOT / ".venvs"
STAMP = "peer-complete"


@dataclass(frozen=True)
class Peer:
    """One engine we compare with: its environment's name, pins and the Python it needs."""

    name: str
    pins: tuple[str, ...]
    python: str = ""  # "3.11" when no other version has a wheel; empty = the running one

    @property
    def folder(self) -> Path:
        return VENVS / self.name

    @property
    def interpreter(self) -> Path:
        return self.folder / "bin" / "python"

    @property
    def stamp_text(self) -> str:
        return "\n".join(self.pins) + "\n"

    def is_installed(self) -> bool:
        stamp = self.folder / STAMP
        return stamp.is_file() and stamp.read_text() == self.stamp_text


PEERS = (
    Peer("backtesting_py", ("backtesting==0.6.6",)),
    Peer("hftbacktest", ("hftbacktest==2.4.4",)),
    # Both kernels of vectorbt live in one environment; the runner names the one it measures.
    Peer("vectorbt", ("vectorbt==1.2.0", "vectorbt-rust==1.2.0")),
    # 1.221.0 is the newest with a wheel for Python 3.11; its wranglers fail with pandas 3.
    Peer("nautilus", ("nautilus_trader==1.221.0", "pandas<3"), python="3.11"),
)


def interpreter_for(peer: Peer) -> str | None:
    """The Python that builds this peer's environment, or None when the machine has none."""
    running = f"{sys.version_info.major}.{sys.version_info.minor}"
    if peer.python in ("", running):
        return sys.executable
    return shutil.which(f"python{peer.python}")


def install(peer: Peer) -> bool:
    """Build one environment; say what happens; return whether it is ready."""
    if peer.is_installed():
        print(f"{peer.name}: ready", flush=True)
        return True
    python = interpreter_for(peer)
    if python is None:
        print(f"{peer.name}: needs python{peer.python} on PATH; skipped", flush=True)
        return False
    print(f"{peer.name}: installing {', '.join(peer.pins)} ...", flush=True)
    started = time.perf_counter()
    shutil.rmtree(peer.folder, ignore_errors=True)
    if python == sys.executable:
        venv.create(peer.folder, with_pip=True)
    else:
        subprocess.run([python, "-m", "venv", str(peer.folder)], check=True)
    command = [str(peer.interpreter), "-m", "pip", "install", "-qq", *peer.pins]
    if subprocess.run(command, check=False).returncode != 0:
        print(f"{peer.name}: pip failed (its message is above); run this command again", flush=True)
        return False
    (peer.folder / STAMP).write_text(peer.stamp_text)
    print(f"{peer.name}: ready after {time.perf_counter() - started:.0f} s", flush=True)
    return True


def main(names: list[str]) -> int:
    known = {peer.name: peer for peer in PEERS}
    unknown = [name for name in names if name not in known]
    if unknown:
        print(f"unknown peer {unknown[0]!r}: choose from {', '.join(known)}", file=sys.stderr)
        return 2
    results = [install(known[name]) for name in (names or list(known))]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
