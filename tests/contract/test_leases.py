"""The contract of leases: one holder, epochs that only grow, also between processes."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from interlock.adapters.storage import SqlLeases

MINUTE = 60 * 10**9

_RACER = """
import sys
from interlock.adapters.storage import SqlLeases
leases = SqlLeases(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
won = [
    lease.epoch
    for turn in range(20)
    if (lease := leases.acquire(f"account-{turn}", sys.argv[2], ts=0, ttl_ns=10**12))
]
taken = [
    leases.acquire("shared", "same", ts=0, ttl_ns=10**12).epoch
    for _ in range(20)
]
print(won, taken, sep=";")
"""


def test_one_holder_at_a_time(store: str) -> None:
    leases = SqlLeases(store)
    first = leases.acquire("main", "one", ts=0, ttl_ns=MINUTE)
    assert first is not None
    assert (first.epoch, first.ts_expires) == (1, MINUTE)
    assert leases.acquire("main", "two", ts=MINUTE - 1, ttl_ns=MINUTE) is None
    assert leases.current("main") == first
    other = leases.acquire("spare", "two", ts=0, ttl_ns=MINUTE)
    assert other is not None
    assert other.epoch == 1


def test_an_expired_lease_is_taken_over_under_a_later_epoch(store: str) -> None:
    leases = SqlLeases(store)
    first = leases.acquire("main", "one", ts=0, ttl_ns=MINUTE)
    assert first is not None
    second = leases.acquire("main", "two", ts=MINUTE, ttl_ns=MINUTE)
    assert second is not None
    assert second.epoch == 2
    assert leases.renew(first, ts=MINUTE, ttl_ns=MINUTE) is None
    renewed = leases.renew(second, ts=2 * MINUTE, ttl_ns=MINUTE)
    assert renewed is not None
    assert (renewed.epoch, renewed.ts_expires) == (2, 3 * MINUTE)


def test_a_release_lets_others_in_but_its_epoch_is_spent(store: str) -> None:
    leases = SqlLeases(store)
    first = leases.acquire("main", "one", ts=0, ttl_ns=MINUTE)
    assert first is not None
    leases.release(first)
    second = leases.acquire("main", "two", ts=1, ttl_ns=MINUTE)
    assert second is not None
    assert second.epoch == 2
    leases.release(first)
    assert leases.current("main") == second


def test_a_holder_that_comes_back_ends_its_own_earlier_epoch(store: str) -> None:
    leases = SqlLeases(store)
    first = leases.acquire("main", "one", ts=0, ttl_ns=MINUTE)
    again = leases.acquire("main", "one", ts=1, ttl_ns=MINUTE)
    assert first is not None
    assert again is not None
    assert again.epoch == 2
    assert leases.renew(first, ts=2, ttl_ns=MINUTE) is None


def test_epochs_continue_above_what_ids_carry(store: str) -> None:
    leases = SqlLeases(store)
    assert leases.current("main") is None
    leases.raise_epoch("main", 41)
    leases.raise_epoch("main", 7)
    lease = leases.acquire("main", "one", ts=0, ttl_ns=MINUTE)
    assert lease is not None
    assert lease.epoch == 42


@pytest.mark.parametrize("count", [2])
def test_processes_that_race_get_one_holder_and_no_epoch_twice(store: str, count: int) -> None:
    SqlLeases(store)
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", _RACER, store, f"engine-{number}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(count)
    ]
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    said = []
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("\n")
        racer.stdin.flush()
    for racer in racers:
        out, _ = racer.communicate(timeout=60)
        assert racer.returncode == 0
        said.append([json.loads(part) for part in out.split(";")])
    assert [epoch for won, _ in said for epoch in won] == [1] * 20
    assert sorted(epoch for _, taken in said for epoch in taken) == list(range(1, 20 * count + 1))
