"""`interlock sweep` as a person runs it: results, refusals, and a kill in the middle."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner, Result

from interlock.cli import main

STRATEGY = """
from interlock.strategy.api import TargetStrategy
from interlock.strategy.indicators.averages import sma
from interlock.strategy.parameters import param


class Trend(TargetStrategy):
    fast: int = param(5, 2, 50)
    slow: int = param(20, 2, 400)

    def features(self, bars):
        if self.fast == 13:
            raise ValueError("thirteen is not a length")
        return {"quick": sma(bars.close, self.fast), "calm": sma(bars.close, self.slow)}

    @staticmethod
    def target(f, position):
        return 1.0 if f.quick > f.calm else -1.0
"""


@pytest.fixture
def strategy(tmp_path: Path) -> Path:
    path = tmp_path / "trend.py"
    path.write_text(STRATEGY)
    return path


def sweep(strategy: Path, *words: str) -> Result:
    results = str(strategy.parent / "results")
    data = ["--data", "synthetic:1d"]
    return CliRunner().invoke(
        main, ["sweep", str(strategy), *data, "--results", results, "--jobs", "2", *words]
    )


def test_a_grid_from_the_command_line(strategy: Path) -> None:
    done = sweep(strategy, "--grid", "fast=3:9:3", "--grid", "slow=20,40", "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["search"]["trials"] == 6
    assert found["top"][0]["agrees"]
    folder = Path(found["folder"])
    assert folder.parent == strategy.parent / "results" / "sweeps"
    names = {"DONE", "report.html", "sweep.json", "trials.jsonl", "trials.parquet"}
    assert names <= {path.name for path in folder.iterdir()}
    assert pl.read_parquet(folder / "trials.parquet").height == 6
    page = (folder / "report.html").read_text()
    assert "Deflated Sharpe" in page and "<script src=" not in page
    again = sweep(strategy, "--grid", "fast=3:9:3", "--grid", "slow=20,40", "--quiet")
    assert again.stdout.strip() == str(folder)


def test_words_for_a_person(strategy: Path) -> None:
    done = sweep(strategy, "--sampler", "random", "--trials", "12", "--top", "2")
    assert done.exit_code == 0, done.output
    assert "12 trials" in done.stdout
    assert "digest equal to the compiled run" in done.stdout
    assert "deflated Sharpe ratio" in done.stdout


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("--grid", "fsat=1:2"), "no parameter 'fsat'"),
        (("--grid", "fast=60"), "outside [2, 50]"),
        (("--grid", "fast=9:3:1"), "holds no value"),
        ((), "--grid length=10:100:10"),
        (("--grid", "fast=13"), "thirteen is not a length"),
        (("--grid", "fast=3", "--cluster", "dask://localhost:1"), "interlock[dask]"),
        (("--grid", "fast=3", "--metric", "luck"), "not one of"),
    ],
)
def test_a_refusal_names_the_value_and_ends_with_an_error(
    strategy: Path, words: tuple[str, ...], text: str
) -> None:
    done = sweep(strategy, *words)
    assert done.exit_code != 0
    assert text in done.output
    assert not list(strategy.parent.glob("results/sweeps/*/DONE"))


def test_a_killed_sweep_resumes(strategy: Path) -> None:
    results = strategy.parent / "results"
    command = [
        sys.executable, "-c", "from interlock.cli import main; main()", "sweep", str(strategy),
        "--data", "synthetic:1h", "--results", str(results), "--jobs", "1",
        "--grid", "fast=2:50", "--grid", "slow=20:200:10", "--quiet",
    ]  # fmt: skip
    with subprocess.Popen(command, env=dict(os.environ)) as process:
        while process.poll() is None:
            journals = list(results.glob("sweeps/*/trials.jsonl"))
            if journals and journals[0].read_bytes().count(b"\n") >= 20:
                process.send_signal(signal.SIGKILL)
                break
    folder = next(results.glob("sweeps/*"))
    assert not (folder / "DONE").exists()
    before = (folder / "trials.jsonl").read_bytes()
    command.remove("--quiet")
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    known = before.count(b"\n")
    assert f"{known} of {49 * 19} trials are there already" in done.stdout
    after = (folder / "trials.jsonl").read_bytes()
    whole = before[: before.rfind(b"\n") + 1]
    assert after.startswith(whole)
    table = pl.read_parquet(folder / "trials.parquet")
    assert table["number"].to_list() == list(range(49 * 19))
    assert (folder / "DONE").exists()


ENDLESS = """
import socket
import threading

from interlock.strategy.api import Strategy
from interlock.strategy.parameters import param

open_doors = []


class Endless(Strategy):
    number: int = param(1, 1, 9)

    def on_start(self):
        open_doors.append(socket.create_connection(("127.0.0.1", {port})))
        threading.Event().wait()
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_workers_end_with_the_sweep_that_was_killed(tmp_path: Path, how: signal.Signals) -> None:
    # Each worker holds a connection for as long as it lives; its trial alone would never end.
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(120)
        path = tmp_path / "endless.py"
        path.write_text(ENDLESS.format(port=server.getsockname()[1]))
        command = [
            sys.executable, "-c", "from interlock.cli import main; main()", "sweep", str(path),
            "--data", "synthetic:1d", "--results", str(tmp_path / "results"), "--jobs", "2",
            "--grid", "number=1,2", "--quiet",
        ]  # fmt: skip
        # What a kill leaves is told by joblib there, and is expected.
        told = subprocess.DEVNULL
        with subprocess.Popen(command, env=dict(os.environ), stderr=told) as process:
            workers = [server.accept()[0] for _ in range(2)]
            process.send_signal(how)
        assert process.returncode == -how
        for worker in workers:
            with worker:
                worker.settimeout(30)
                assert worker.recv(1) == b""
