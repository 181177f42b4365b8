"""`interlock backtest`, `new` and `demo` as a user types them."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from interlock.cli import main
from interlock.research import results

HOURLY = ("--data", "synthetic:1h", "--to", "2025-02-01")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("INTERLOCK_HOME", str(tmp_path / "home"))
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    return work


def run(*arguments: str | Path, code: int = 0) -> Result:
    done = CliRunner().invoke(main, [str(item) for item in arguments])
    assert done.exit_code == code, done.output
    return done


def backtest(*arguments: str | Path) -> dict[str, object]:
    found: dict[str, object] = json.loads(run("backtest", *arguments, "--json").stdout)
    return found


def write(folder: Path, body: str, name: str = "mine.py") -> Path:
    path = folder / name
    path.write_text(f"from interlock import Strategy, param\n\n{body}")
    return path


@pytest.mark.capability("S3-011")
def test_a_newcomer_writes_a_strategy_and_gets_a_report(home: Path) -> None:
    run("new", "my_trend")
    shown = run("backtest", "my_trend.py", *HOURLY).output
    for word in ("MyTrend length=50", "744 bars", "Total return", "Sharpe ratio", "SYNTHETIC DATA"):
        assert word in shown
    (folder,) = (home / "results").iterdir()
    assert f"Report   results/{folder.name}/report.html" in shown
    assert "<html" in (folder / "report.html").read_text(encoding="utf-8")[:200].lower()
    assert results.load(folder, verify=True).config["strategy"] == "MyTrend"


@pytest.mark.parametrize("form", ["target", "event"])
def test_a_new_strategy_runs_as_it_is_and_trades(form: str) -> None:
    run("new", "fresh", "--form", form)
    got = backtest("fresh.py", *HOURLY, "--no-save")
    counters = got["counters"]
    assert isinstance(counters, dict)
    assert counters["fills"] > 0
    assert counters["denied"] == counters["rejected"] == 0
    assert got["folder"] is None


def test_without_data_the_run_says_that_it_is_synthetic() -> None:
    shown = run("backtest", "ma_cross", "--to", "2025-01-03", "--no-save").output
    assert "No --data given: this is the SYNTHETIC market" in shown


def test_a_run_file_repeats_the_run_to_the_last_unit(home: Path) -> None:
    run("new", "my_trend")
    options = ("-p", "length=30", "--slippage", "fixed:2bps", "--leverage", "2", "--seed", "5")
    first = backtest("my_trend.py", *HOURLY, *options, "--taker-fee-bps", "3")
    again = backtest(Path(str(first["folder"])) / "run.toml", "--no-report")
    for name in ("result_digest", "journal_digest", "data_digest", "metrics", "parameters"):
        assert again[name] == first[name], name
    assert again["warnings"] == []
    shown = run("backtest", Path(str(first["folder"])) / "run.toml", "--no-save").output
    assert "equal to the recorded one, to the last unit" in shown


@pytest.mark.parametrize("mode", ["cross", "isolated"])
def test_at_leverage_one_nothing_is_liquidated(mode: str) -> None:
    run("new", "my_trend")
    got = backtest("my_trend.py", *HOURLY, "--set", f"margin_mode={mode}", "--no-save")
    counters = got["counters"]
    assert isinstance(counters, dict)
    assert (counters["fills"] > 0, counters["liquidations"]) == (True, 0)


def test_a_flag_changes_what_the_run_file_says(home: Path) -> None:
    run("new", "my_trend")
    first = backtest("my_trend.py", *HOURLY)
    other = backtest(Path(str(first["folder"])) / "run.toml", "-p", "length=10", "--cash", "5000")
    assert other["parameters"] == {"length": 10}
    assert other["result_digest"] != first["result_digest"]
    assert other["warnings"] == []


def test_a_changed_strategy_is_told(home: Path) -> None:
    run("new", "my_trend")
    first = backtest("my_trend.py", *HOURLY)
    source = (home / "my_trend.py").read_text()
    (home / "my_trend.py").write_text(source.replace("1.0 if", "0.5 if"))
    again = backtest(Path(str(first["folder"])) / "run.toml")
    told = " ".join(again["warnings"])  # type: ignore[arg-type]
    assert "my_trend.py was changed since the recorded run" in told
    assert "the run file records" in told


def csv(path: Path, **changes: str) -> Path:
    lines = ["time,open,high,low,close,volume"]
    for row in range(600):
        price = 100 + (row % 50) / 10
        when = f"2024-01-{1 + row // 480:02d}T{row // 20 % 24:02d}:{row % 20:02d}:00Z"
        lines.append(f"{when},{price},{price + 0.1:.1f},{price - 0.1:.1f},{price},250.5")
    for name, text in changes.items():
        lines[int(name.removeprefix("row")) + 1] = text
    path.write_text("\n".join(lines) + "\n")
    return path


def test_changed_data_are_refused_unless_allowed(home: Path) -> None:
    file = csv(home / "BTCUSDT-1m.csv")
    first = backtest("ma_cross", "--data", file, "-p", "fast=5", "-p", "slow=20")
    assert first["synthetic"] is False
    csv(file, row300="2024-01-01T15:00:00Z,100,111,99,110,250.5")
    again = Path(str(first["folder"])) / "run.toml"
    shown = run("backtest", again, code=1).output
    assert "they changed since that run" in shown
    assert "--allow-changed-data" in shown
    assert len(results.list_runs(home / "results")) == 1
    assert backtest(again, "--allow-changed-data")["warnings"]


def test_a_file_says_what_is_assumed_of_it(home: Path) -> None:
    shown = run("backtest", "ma_cross", "--data", csv(home / "BTCUSDT-1m.csv"), "--no-save").output
    assert "BTCUSDT.FILE: 600 bars" in shown
    assert "assumed of BTCUSDT.FILE: tick 0.1" in " ".join(shown.split())


@pytest.mark.parametrize("step", ["", ":1m"])
def test_the_catalog_brings_funding_along(home: Path, step: str) -> None:
    identity = "BTCUSDT-PERP.BINANCE"
    funding = home / "funding.csv"
    rows = [f"2024-01-0{day}T{hour:02d}:00:00Z,0.0001" for day in (1, 2) for hour in (0, 8, 16)]
    funding.write_text("\n".join(["time,funding_rate", *rows]) + "\n")
    known = ("--instrument", identity)
    run("data", "import", csv(home / "bars.csv"), *known, "--tick", "0.1", "--lot", "0.001")
    shown = run("backtest", "ma_cross", "--data", f"{identity}{step}", "--no-save").output
    assert "no funding in the catalog" in shown
    run("data", "import", funding, *known)
    chosen = ("--data", f"{identity}{step}", "--no-save")
    assert "funding comes along from the catalog" in run("backtest", "ma_cross", *chosen).output
    # No funding instant lies in one quiet hour.
    hour = ("--from", "2024-01-01T01:00", "--to", "2024-01-01T02:00")
    shown = run("backtest", "ma_cross", "-p", "fast=2", "-p", "slow=5", *chosen, *hour).output
    assert "no funding in this range: the run pays none" in shown


REFUSALS: dict[str, tuple[tuple[str, ...], int, str]] = {
    "no file": (("nothing.py",), 1, "there is no file"),
    "no such name": (("ma_kross",), 1, "did you mean ma_cross?"),
    "unknown parameter": (("ma_cross", "-p", "fats=3"), 1, "did you mean fast?"),
    "parameter out of range": (("ma_cross", "-p", "fast=1"), 1, r"fast=1 is outside \[2, 500\]"),
    "parameter of a wrong type": (("ma_cross", "-p", "fast=x"), 1, "must be a whole number"),
    "range before the data": (("ma_cross", "--from", "2020-01-01"), 1, "choose a later start"),
    "range turned round": (
        ("ma_cross", "--from", "2025-03-01", "--to", "2025-02-01"), 1, "swap them",
    ),
    "no date": (("ma_cross", "--from", "soon"), 1, "is not an ISO date"),
    "unknown instrument": (("ma_cross", "--data", "X.Y:1m"), 1, "is not in .*data import"),
    "unknown set": (("ma_cross", "--data", "synthetic:zz"), 1, "'zz' is no part of"),
    "missing data file": (("ma_cross", "--data", "no.csv"), 1, "there is no file no.csv"),
    "file without a symbol": (("ma_cross", "--data", "mine.csv"), 1, "--instrument BTCUSDT-PERP"),
    "cash": (("ma_cross", "--cash", "0"), 1, "cash=0.0 must be at least"),
    "slippage": (("ma_cross", "--slippage", "2bps"), 2, "is not none, fixed:2bps"),
    "slippage twice": (
        ("ma_cross", "--slippage", "none", "--slippage-bps", "5"), 2, "leave one away",
    ),
    "cap": (("ma_cross", "--volume-cap-pct", "none"), 1, "'none' is not a number or off"),
    "option": (("ma_cross", "--set", "queeu=x"), 1, "'queeu' is not known; there are: cash"),
    "fee": (("ma_cross", "--taker-fee-bps", "0.001"), 1, "taker_fee_bps=0.001 is finer than"),
    "several instruments": (
        ("ma_cross", "--data", "synthetic:crypto-bars:1d"), 1, "for one instrument",
    ),
    "ticks for a target": (
        ("ma_cross", "--data", "synthetic:crypto-ticks"), 1, "MaCross needs bars",
    ),
    "mixed data": (
        ("ma_cross", "--data", "synthetic", "--data", "X.Y:1m"), 1, "synthetic data stand alone",
    ),
    "run file": (("missing.toml",), 1, "every result folder holds a run.toml"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSALS)
def test_bad_input_gets_one_message_and_leaves_nothing(case: str, home: Path) -> None:
    csv(home / "mine.csv")
    arguments, code, message = REFUSALS[case]
    done = run("backtest", *arguments, code=code)
    assert re.search(message, " ".join(done.output.split())), done.output
    assert "Traceback" not in done.output
    assert not (home / "results").exists()


BAD_FILES = {
    "unknown columns": ("a,b\n1,2\n", "unknown columns a, b"),
    "mixed time zones": (
        "time,open,high,low,close,volume\n2024-01-01T00:00:00Z,1,1,1,1,1\n"
        "2024-01-01T00:01:00+02:00,1,1,1,1,1\n",
        "mixes time zones",
    ),
    "NaN": (
        "time,open,high,low,close,volume\n2024-01-01T00:00:00Z,1,1,1,nan,1\n"
        "2024-01-01T00:01:00Z,1,1,1,1,1\n",
        "close nan in data row 1",
    ),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_a_bad_file_is_refused_with_the_row_or_the_column(case: str, home: Path) -> None:
    text, message = BAD_FILES[case]
    (home / "BTCUSDT.csv").write_text(text)
    shown = " ".join(run("backtest", "ma_cross", "--data", "BTCUSDT.csv", code=1).output.split())
    assert message in shown
    assert not (home / "results").exists()


RAISES = """
class Mine(Strategy):
    gap: int = param(5)

    def on_start(self):
        self.count = 0

    def on_bar(self, bar):
        self.count += 1
        print("seen", self.count)
        if self.count == self.gap:
            self.trade(bar.high - bar.high)

    def trade(self, spread):
        self.market(+1, 100 / spread)
"""


def test_a_strategy_that_raises_shows_its_line_and_the_moment(home: Path) -> None:
    write(home, RAISES)
    shown = run("backtest", "mine.py", *HOURLY, code=1).output
    assert "seen 5" in shown
    assert "the strategy raised ZeroDivisionError in mine.py, line 17" in shown
    assert "self.market(+1, 100 / spread)" in shown
    assert "the bar of BTCUSDT-PERP.SYNTHETIC that closed at 2025-01-01T05:00:00Z" in shown
    assert "src/interlock" not in shown
    assert not (home / "results").exists()


def test_a_rule_broken_inside_a_callback_shows_its_line_too(home: Path) -> None:
    body = "class Mine(Strategy):\n    def on_bar(self, bar):\n        self.limit(1, 1, 9, tg=1)\n"
    write(home, body)
    shown = run("backtest", "mine.py", *HOURLY, code=1).output
    assert "mine.py, line 5" in shown
    assert "'tg' is no order option" in shown


def program(
    *arguments: str, keys: bytes = b"", before: str = ""
) -> subprocess.CompletedProcess[bytes]:
    call = [sys.executable, "-c", f"{before}from interlock.cli import main; main()", *arguments]
    return subprocess.run(call, input=keys, capture_output=True, check=False)


def test_a_breakpoint_and_pdb_reach_the_user(home: Path) -> None:
    write(home, RAISES.replace("self.count += 1", "self.count += 1; breakpoint()"), "stop.py")
    done = program("backtest", "stop.py", *HOURLY, keys=b"p self.count + 40\nq\n")
    assert b"41" in done.stdout
    assert b"left the debugger" in done.stderr
    assert b"Traceback" not in done.stderr
    write(home, RAISES)
    done = program("backtest", "mine.py", *HOURLY, "--pdb", keys=b"p spread\nq\n")
    assert b"mine.py(17)trade()" in done.stdout
    assert b"0.0" in done.stdout
    assert done.returncode == 1


def test_an_interrupt_keeps_nothing_and_exits_130(home: Path) -> None:
    body = (
        "import os, signal\n\nclass Mine(Strategy):\n    def on_bar(self, bar):\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n"
    )
    write(home, body)
    done = program("backtest", "mine.py", *HOURLY, "--journal", "journal.bin")
    assert done.returncode == 130
    assert b"interrupted" in done.stderr
    assert [path.name for path in home.iterdir()] == ["mine.py"]


def test_the_journal_is_written_whole(home: Path) -> None:
    got = backtest("ma_cross", *HOURLY, "--journal", "journal.bin", "--no-save")
    counters = got["counters"]
    assert isinstance(counters, dict)
    assert counters["journal_rows"] > 0
    assert (home / "journal.bin").stat().st_size > 0
    assert [path.name for path in home.iterdir()] == ["journal.bin"]


def test_results_that_cannot_be_written_leave_nothing(home: Path) -> None:
    (home / "blocked").write_text("a file where the folder should be")
    shown = run("backtest", "ma_cross", *HOURLY, "--results", "blocked/inside", code=1).output
    assert "cannot write the result folder" in shown
    assert [path.name for path in home.iterdir()] == ["blocked"]


def test_a_disk_that_fills_up_leaves_no_result(home: Path) -> None:
    # The report is larger than a file may be here, so that its write fails in the middle.
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000)); "
    done = program("backtest", "ma_cross", *HOURLY, before=limit)
    assert done.returncode == 1
    assert b"cannot write the result folder" in done.stderr
    assert b"free some space" in done.stderr
    assert b"Traceback" not in done.stderr
    assert not list((home / "results").iterdir())


def test_a_strategy_on_data_it_cannot_hear_is_told() -> None:
    shown = run("backtest", "market_maker", *HOURLY, "--no-save").output
    assert "MarketMaker has on_quote, the data have nothing for it" in " ".join(shown.split())


def on_terminal(*arguments: str) -> str:
    """What a terminal of 100 columns shows."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
    call = [sys.executable, "-c", "from interlock.cli import main; main()", *arguments]
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "100"}
    with subprocess.Popen(call, stdin=slave, stdout=slave, stderr=slave, env=environment):
        os.close(slave)
        shown = bytearray()
        while True:
            try:
                data = os.read(master, 65_536)
            except OSError:  # Linux says so when the last writer has gone.
                break
            if not data:
                break
            shown += data
    os.close(master)
    return shown.decode()


def test_a_terminal_shows_progress_with_prints_above_it(home: Path) -> None:
    body = (
        "class Mine(Strategy):\n    count = 0\n    def on_bar(self, bar):\n"
        "        self.count += 1\n"
        "        if self.count % 30_000 == 0:\n            print('seen', self.count)\n"
    )
    write(home, body)
    shown = on_terminal("backtest", "mine.py", "--data", "synthetic", "--no-save")
    assert "rows/s" in shown
    assert "%" in shown
    assert re.search(r"seen 30000\r?\n", shown)
    assert shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l"), "the cursor comes back"


def test_the_backtests_of_the_demo_end_by_themselves_with_reports(home: Path) -> None:
    done = program("demo", "--backtest")
    assert done.returncode == 0, done.stderr
    shown = done.stdout.decode()
    assert "\x1b" not in shown
    assert "SYNTHETIC DATA" in shown
    assert "Buy and hold" in shown
    paths = re.findall(r"Report of \w+ +(\S+)", shown)
    assert len(paths) == 2
    assert all((home / path).stat().st_size > 100_000 for path in paths)
