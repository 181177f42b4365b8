"""The complaints suite from the command line: a quick share of it, run for real."""

from __future__ import annotations

import json
import subprocess
import sys

from click.testing import CliRunner

from interlock.cli import main

# One of each kind: a lost answer, a crash, a stop, two engines, the last way out; two of those that
# are different on the other protocol.
QUICK = (
    "duplicate-after-timeout",
    "kill-9-in-flight",
    "stop-vanished",
    "second-engine",
    "emergency-stop",
    "hyperliquid-duplicate-after-timeout",
    "hyperliquid-dead-man-stops",
)
# A reach, stated with a margin: processes start slowly on a busy machine.
LIMIT_S = 360


def test_a_quick_share_of_the_complaints_ends_with_equal_books() -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "from interlock.cli import main; main()",
            *("scenario", "run", *QUICK, "--json", "--jobs", "3", "--seed", "7"),
        ],
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    rows = {row["name"]: row for row in map(json.loads, done.stdout.splitlines())}
    problems = {name: row["problem"] for name, row in rows.items() if not row["passed"]}
    assert problems == {}, done.stderr
    assert done.returncode == 0
    assert sorted(rows) == sorted(QUICK)
    for row in rows.values():
        assert row["seed"] == 7
        assert row["measured"]["duplicates"] == "0"
        assert row["measured"]["lost"] == "0"
        assert int(row["measured"]["intents"]) > 0
    assert float(rows["duplicate-after-timeout"]["measured"]["unknown_s"]) > 0
    assert float(rows["stop-vanished"]["measured"]["naked_s"]) <= 3.0
    assert float(rows["emergency-stop"]["measured"]["last_risk_s"]) <= 1.0


def test_the_list_names_every_complaint() -> None:
    done = CliRunner().invoke(main, ["scenario", "list", "--json"])
    assert done.exit_code == 0, done.output
    rows = json.loads(done.output)
    told = {row["complaint"] for row in rows}
    assert told == {*range(1, 9), 10, 15, 16, 17, 19, 20, 21, 22, 23, 24}
    assert set(QUICK) <= {row["name"] for row in rows}
    shown = CliRunner().invoke(main, ["scenario", "list"]).output
    assert all(row["name"] in shown for row in rows)


def test_what_cannot_be_run_is_refused_with_the_way_on() -> None:
    done = CliRunner().invoke(main, ["scenario", "run", "no-such"])
    assert done.exit_code == 1
    assert "scenario 'no-such' is unknown" in done.output
    assert "interlock scenario list" in done.output
    assert CliRunner().invoke(main, ["scenario", "run"]).exit_code == 2
