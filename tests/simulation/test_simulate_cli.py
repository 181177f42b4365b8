"""`interlock simulate` as a person runs it: a sweep, a story, a failure, and what is refused."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import threading
from multiprocessing import active_children
from multiprocessing.process import BaseProcess
from pathlib import Path
from statistics import median

import pytest
from click.testing import CliRunner, Result

from interlock.cli import main
from interlock.runtime.settings import MINUTE
from interlock.simulation import play, sweep
from interlock.simulation.log import line_of, read
from interlock.simulation.page import render
from interlock.simulation.sweep import TWICE, Summary, _deaf
from interlock.world.kinds import ABSENT
from interlock.world.plan import PlanError, drawn, from_json, to_json, with_rates
from interlock.world.world import Verdict


def simulate(*words: str | Path) -> Result:
    return CliRunner().invoke(main, ["simulate", *map(str, words)])


@pytest.fixture(scope="module")
def story() -> list[str]:
    lines: list[str] = []
    plan = with_rates(1, busy_ns=3 * MINUTE, unknown_503=200_000, manual_trade=30)
    assert play(plan, write=lines.append).is_clean
    return lines


def test_a_sweep_leaves_a_page_and_a_line_of_the_log(tmp_path: Path) -> None:
    page, log = tmp_path / "sweep.html", tmp_path / "sweeps.jsonl"
    words = ["--seeds", "3", "--from", str(TWICE - 1), "--minutes", "1", "--jobs", "1"]
    done = simulate(*words, "--page", page, "--log", log)
    assert done.exit_code == 0, done.output
    assert "every invariant held in every seed" in done.output
    assert f"page: {page}" in done.output
    text = page.read_text()
    command = f"interlock simulate --seeds 3 --from {TWICE - 1} --minutes 1"
    assert command in text
    assert "Every invariant held in every seed." in text
    # One of the seeds was played twice.
    assert re.search(r"<th>I19</th>.*?<td class=\"number\">1</td>", text)
    (line,) = read(log)
    assert (line.first, line.seeds, line.clean, line.minutes) == (TWICE - 1, 3, 3, 1)
    assert line.orders > 0
    assert line.hours > 0


def test_the_number_of_processes_changes_no_verdict() -> None:
    def verdicts(jobs: int) -> dict[int, str]:
        found: dict[int, str] = {}
        sweep(1, 10, minutes=1, jobs=jobs, told=lambda v: found.update({v.plan.seed: v.digest}))
        return found

    assert verdicts(1) == verdicts(2)


def test_a_seed_plays_the_same_with_its_story() -> None:
    plain = simulate("--seed", "7", "--minutes", "1")
    told = simulate("--seed", "7", "--minutes", "1", "--trace")
    assert plain.exit_code == told.exit_code == 0
    assert re.search(r"seed 7: 4 min \d+ s simulated, .* 1 life of engines", plain.output)
    assert plain.output.splitlines() == told.output.splitlines()[-3:]
    assert len(told.output.splitlines()) > 50


def test_json_is_one_object_for_programs(tmp_path: Path) -> None:
    seed = json.loads(simulate("--seed", "2", "--minutes", "1", "--json").stdout)
    assert seed["plan"]["seed"] == 2
    assert seed["invariant"] == ""
    words = ["--seeds", "1", "--minutes", "1", "--jobs", "1", "--json"]
    swept = json.loads(simulate(*words, "--page", tmp_path / "sweep.html").stdout)
    assert swept["clean"] == 1


def test_a_story_has_prices_and_sizes_as_the_venue_writes_them(story: list[str]) -> None:
    placed = [line for line in story if "-> venue: place" in line]
    assert placed
    shape = re.compile(
        r" *\d+:\d\d\.\d{3}  first -> venue: place il-\S+ (buy|sell) (\d+|\d+\.\d{1,3}) "
        r"(BTC|ETH)USDT-PERP\.BINANCE (market|limit at \d+(\.\d+)?|stop_market at \d+(\.\d+)?)"
        r"(, reduce-only)?$"
    )
    assert [line for line in placed if not shape.match(line)] == []
    levels = re.findall(r"BTCUSDT\S+ limit at ([\d.]+)", "\n".join(placed))
    # Beside an empty side of the book the strategy asks for a price of its own.
    assert 20_000 < median(map(float, levels)) < 40_000


def test_a_story_follows_an_order_to_its_execution(story: list[str]) -> None:
    text = "\n".join(story)
    trade = re.search(
        r"venue: trade (il-\S+) (buy|sell) (\S+) (\S+): trades (\S+) at (\S+), filled, filled \3",
        text,
    )
    assert trade
    name, side, _, instrument, size, price = trade.groups()
    word = {"buy": "bought", "sell": "sold"}[side]
    assert f"first writes the intent {name}: {side}" in text
    booked = rf"first books trade \d+: {word} {size} {instrument} at {price}, position -?[\d.]+"
    assert re.search(booked, text)


def test_a_story_tells_faults_doubt_and_strangers(story: list[str]) -> None:
    text = "\n".join(story)
    assert "** fault: unknown 503 1" in text
    assert re.search(r"first holds il-\S+ as unknown, filled \S+ \(.+\)", text)
    assert re.search(r"books trade \d+, of no order of ours: (bought|sold) ", text)
    assert "first asks the venue: open orders, positions, balances, payments" in text
    assert "first compared (full): nothing differs" in text
    assert "world the market rests" in text
    assert "books opening: 1000000 USDT" in text
    assert not [line for line in story if line.endswith(" event") or "Query" in line]


# Plays a plan with a rule taken out: an order in doubt blocks nothing any more.
BROKEN = """
import sys
from interlock.cli import main
from interlock.runtime.gate import Gate
from interlock.simulation import sweep as sweeping
from interlock.kernel import limits

whole = limits._check_new_risk

def careless(state, slot, order, *, amends):
    held, slot.unknown = slot.unknown, 0
    try:
        return whole(state, slot, order, amends=amends)
    finally:
        slot.unknown = held

limits._check_new_risk = careless
Gate.doubt = lambda self, instrument: ""
sys.exit(main(sys.argv[1:]))
"""


def test_a_failing_plan_ends_with_1_and_names_the_invariant(tmp_path: Path) -> None:
    plan = tmp_path / "plan.json"
    plan.write_bytes(to_json(with_rates(1, busy_ns=2 * MINUTE, unknown_503=300_000)))
    assert simulate("--plan", plan).exit_code == 0
    done = subprocess.run(
        [sys.executable, "-c", BROKEN, "simulate", "--plan", str(plan), "--trace"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    lines = done.stdout.splitlines()
    assert re.match(r"VIOLATED I9: \S", lines[-1])
    assert re.search(r"!! I9 is violated: \S", lines[-4])


def test_a_failure_of_a_sweep_is_told_on_its_page_and_in_its_line() -> None:
    failed = Verdict(plan=drawn(5), digest="d", invariant="I6", text="lost <one>", simulated_ns=10)
    summary = Summary(first=5, minutes=30)
    summary.add(failed)
    page = render(summary, command="interlock simulate", commit="c", date="today")
    assert "1 of 1 seeds violated an invariant." in page
    assert "lost &lt;one&gt;" in page
    assert "interlock simulate --seed 5 --minutes 30 --trace" in page
    line = line_of(summary, commit="c", date="today")
    assert (line.clean, line.violated, line.failed_seeds) == (0, {"I6": 1}, [5])


BAD_PLANS = {
    "{broken": "no plan of the simulator",
    "[]": "Expected `object`, got `array`",
    '{"seed": 1, "rates": {"gremlins": 3}}': "'gremlins' is no kind of fault; known are request_",
    '{"seed": 1, "faults": {}}': "unknown field `faults`",
    '{"seed": 1, "busy_ns": -5}': "a busy time of -5 ns is none",
    '{"seed": 1, "rates": {"kill": -1}}': "kill strikes -1 times; give 0 or more",
    '{"seed": 1, "only": ["gremlins 3"]}': "'gremlins' is no kind of fault",
    '{"rates": {}}': "missing required field `seed`",
    '{"seed": 1, "venue": "bourse"}': "'bourse' is no venue of the world; there are binance, hyp",
    '{"seed": 1, "venue": "hyperliquid", "rates": {"late_fill": 2}}': "late_fill cannot strike on",
    '{"seed": -4}': "a seed of -4 is none; give 0 to 9223372036854775807",
    '{"seed": 99999999999999999999}': "a seed of 99999999999999999999 is none",
    '{"seed": 1, "busy_ns": 9223372036854775807}': "is too long; give 604800000000000 at most",
    '{"seed": 1, "rates": {"answer_lost": 1000001}}': "1000001 of a million occasions; give",
    '{"seed": 1, "rates": {"kill": 1001}}': "kill strikes 1001 times in half an hour; give 1000",
    # Names of other parts of a plan.
    '{"seed": 1, "rates": {"seed": 3}}': "'seed' is no kind of fault",
    '{"seed": 1, "rates": {"busy_ns": 3}}': "'busy_ns' is no kind of fault",
    '{"seed": 1, "only": ["kill"]}': "'kill' names no strike; give a kind and a number",
    '{"seed": 1, "muted": ["kill x"]}': "'kill x' names no strike",
}


@pytest.mark.parametrize("text", BAD_PLANS)
def test_what_is_no_plan_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    path.write_text(text)
    done = simulate("--plan", path)
    assert done.exit_code == 1
    assert done.stderr.startswith(f"Error: {path}: ")
    assert BAD_PLANS[text] in done.stderr
    with pytest.raises(PlanError):
        from_json(text.encode())


REFUSED = {
    "--seed 3 --venue bourse": "'bourse' is not one of 'binance', 'hyperliquid'",
    "--plan nowhere.json": "File 'nowhere.json' does not exist",
    "--plan .": "File '.' is a directory",
    "--minutes -3": "-3 is not in the range 1<=x<=10080",
    "--minutes 0": "0 is not in the range 1<=x<=10080",
    "--minutes 99999999999": "99999999999 is not in the range 1<=x<=10080",
    "--seeds 0": "0 is not in the range x>=1",
    "--jobs -1": "-1 is not in the range x>=0",
    "--seed -4": "-4 is not in the range",
    "--seed 99999999999999999999": "is not in the range",
    "--seed nought": "'nought' is not a valid integer",
    "--trace --seeds 3": "--trace tells the story of one",
    "--trace --json --seed 3": "--trace is for people and --json for programs",
    "--seed 3 --log sweeps.jsonl": "--log is for sweeps",
    "--seed 3 --seeds 100": "--seeds is for sweeps",
    "--seed 3 --from 1": "--from is for sweeps",
    "--show-log": "--show-log needs --log with the file of a log",
    "--show-log --log nowhere.jsonl": "nowhere.jsonl is none",
}


@pytest.mark.parametrize("words", REFUSED)
def test_what_makes_no_sense_is_refused(words: str) -> None:
    done = simulate(*words.split())
    assert done.exit_code == 2
    assert REFUSED[words] in done.stderr


def test_a_plan_carries_its_venue(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    path.write_bytes(to_json(with_rates(1, busy_ns=MINUTE, venue="hyperliquid")))
    told = simulate("--plan", path, "--trace")
    assert told.exit_code == 0, told.output
    assert "USDC" in told.output
    assert "-PERP.HYPERLIQUID" in told.output
    assert "-PERP.BINANCE" not in told.output
    done = simulate("--plan", path, "--venue", "hyperliquid")
    assert done.exit_code == 2
    assert "a plan has a venue of its own" in done.stderr
    done = simulate("--plan", path, "--minutes", "30")
    assert done.exit_code == 2
    assert "a plan has a length of its own" in done.stderr


LINES = {
    '{"a": 1}': "line 2: no sweep is told there: Object missing required field `date`",
    '{"date": "2026-': "line 2: no sweep is told there: Input data was truncated",
    "[[": "line 2: no sweep is told there",
    "\udcff": "line 2: no sweep is told there",
}


@pytest.mark.parametrize("text", LINES)
def test_a_damaged_log_is_refused_by_its_line(text: str, tmp_path: Path) -> None:
    log = tmp_path / "sweeps.jsonl"
    log.write_bytes(b"\n" + text.encode(errors="surrogateescape") + b"\n")
    done = simulate("--show-log", "--log", log)
    assert done.exit_code == 1
    assert f"Error: {log}, {LINES[text]}" in done.stderr
    assert "mend the line, or take it out" in done.stderr


@pytest.mark.parametrize("option", ["--page", "--log"])
def test_what_cannot_be_written_is_said_before_the_first_seed(
    option: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    monkeypatch.setattr("interlock.simulation.sweep", _nobody)
    done = simulate("--seeds", "1", option, tmp_path / "file" / "sweep")
    assert done.exit_code == 1
    assert done.stderr.startswith("Error: ") and "check the path" in done.stderr
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == ["file"]


def _nobody(*given: object, **named: object) -> None:
    raise AssertionError("no seed is played")


def test_kinds_without_a_counterpart_are_in_no_plan_of_a_venue() -> None:
    for seed in range(30):
        plan = drawn(seed, venue="hyperliquid")
        assert not set(plan.rates) & set(ABSENT["hyperliquid"])
        assert not plan.switch_keeps_stops
        other = drawn(seed)
        assert {k: v for k, v in other.rates.items() if k in plan.rates} == plan.rates


def test_a_sweep_tells_its_venue(tmp_path: Path) -> None:
    page, log = tmp_path / "sweep.html", tmp_path / "sweeps.jsonl"
    words = ["--seeds", "1", "--minutes", "1", "--jobs", "1", "--venue", "hyperliquid"]
    done = simulate(*words, "--page", page, "--log", log)
    assert done.exit_code == 0, done.output
    text = page.read_text()
    assert "interlock simulate --seeds 1 --from 1 --minutes 1 --venue hyperliquid" in text
    assert "Hyperliquid&#39;s protocol" in text or "Hyperliquid's protocol" in text
    assert "not at this venue: its user streams hang on no key" in text
    (line,) = read(log)
    assert line.venue == "hyperliquid"


def test_a_seed_and_a_plan_are_not_given_together(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    path.write_bytes(to_json(with_rates(1, busy_ns=MINUTE)))
    done = simulate("--plan", path, "--seed", "3")
    assert done.exit_code == 2
    assert "a plan has a seed of its own" in done.stderr


def test_an_interrupt_ends_the_workers_in_the_middle_of_their_seeds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ended: list[BaseProcess] = []

    def terminate(worker: BaseProcess) -> None:
        ended.append(worker)
        worker.kill()

    def told(verdict: Verdict) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(BaseProcess, "terminate", terminate)
    others = set(active_children())
    with pytest.raises(KeyboardInterrupt):
        sweep(1, 400, minutes=1, jobs=1, told=told)
    assert len(set(ended)) == 1 and not ended[0].is_alive()
    assert set(active_children()) == others


def test_a_worker_that_starts_hears_no_interrupt_of_the_terminal() -> None:
    before = signal.getsignal(signal.SIGINT)
    with _deaf():
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    assert signal.getsignal(signal.SIGINT) is before
    seen = []
    thread = threading.Thread(target=lambda: seen.append(_seen_deaf()))
    thread.start()
    thread.join()
    assert seen == [before]


def _seen_deaf() -> object:
    """Only a main thread may say what signals do."""
    with _deaf():
        return signal.getsignal(signal.SIGINT)
