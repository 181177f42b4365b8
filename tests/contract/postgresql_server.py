"""A real PostgreSQL for the tests: own folder, own loopback port, gone at the end."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_NOBODY = 65534
_FOLDERS = (Path("/usr/lib/postgresql"), Path("/usr/local/lib/postgresql"))


class NoServerError(RuntimeError):
    """There are no server programs on this machine."""


@contextmanager
def postgresql_server() -> Iterator[str]:
    """The URL of a running server; ``{}`` stands for the database's name."""
    initdb, server = _program("initdb"), _program("pg_ctl")
    folder = Path(tempfile.mkdtemp(prefix="interlock-pg-"))
    data = folder / "data"
    as_owner = _owner(folder)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    try:
        _run([*as_owner, initdb, "-D", str(data), "-U", "postgres", "-A", "trust", "--no-sync"])
        options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c max_connections=40"
        log = str(folder / "log")
        _run([*as_owner, server, "-D", str(data), "-o", options, "-l", log, "-w", "start"])
        try:
            yield f"postgresql://postgres@127.0.0.1:{port}/{{}}"
        finally:
            _run([*as_owner, server, "-D", str(data), "-m", "immediate", "-w", "stop"])
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _program(name: str) -> str:
    found = shutil.which(name)
    for folder in _FOLDERS:
        for place in sorted(folder.glob(f"*/bin/{name}"), reverse=True):
            found = found or str(place)
    if found is None:
        raise NoServerError(f"{name} is not installed; install PostgreSQL's server to run this")
    return found


def _owner(folder: Path) -> list[str]:
    """The server refuses to run as root; it then runs as nobody."""
    if os.geteuid() != 0:
        return []
    os.chown(folder, _NOBODY, _NOBODY)
    return ["setpriv", f"--reuid={_NOBODY}", f"--regid={_NOBODY}", "--clear-groups"]


def _run(command: list[str]) -> None:
    # Not captured: the server would keep the pipe open after its starter has ended.
    environment = {**os.environ, "LC_ALL": "C.UTF-8"}
    subprocess.run(
        command, check=True, env=environment, stdout=subprocess.DEVNULL, timeout=60, cwd="/"
    )
