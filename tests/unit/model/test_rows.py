"""Ledger rows: every kind comes back as it was, and its bytes are the same in every process."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys

import msgspec
import pytest

from interlock.model import rows
from interlock.model.facts import DenialCode, OrderDenied
from interlock.model.order import OrderSpec
from tests.ledger_rows import every_kind

_BOUND = (1 << 63) - 1


def test_every_kind_comes_back() -> None:
    samples = every_kind()
    assert {type(row) for row in samples} == set(rows.ROWS)
    for row in samples:
        stored = rows.encode_row(row)
        assert stored.kind in rows.KINDS
        assert stored.key == row.key
        assert rows.decode_row(stored) == row


def test_bytes_do_not_depend_on_the_process() -> None:
    code = (
        "import hashlib; from tests.ledger_rows import every_kind;"
        "from interlock.model.rows import encode_row;"
        "print(hashlib.sha256(b''.join(encode_row(r).body for r in every_kind())).hexdigest())"
    )
    here = hashlib.sha256(b"".join(rows.encode_row(row).body for row in every_kind())).hexdigest()
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        said = subprocess.run(
            [sys.executable, "-c", code],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        assert said.stdout.strip() == here


def test_a_number_beyond_64_bits_becomes_the_nearest_bound() -> None:
    spec = OrderSpec("BTCUSDT-PERP.BINANCE", 1, 5)
    fact = OrderDenied(1, "s", "c", spec, DenialCode.ORDER_NOTIONAL, 1 << 70, 5, "too large")
    row = rows.decode_row(rows.encode_row(rows.FactRow(ts_event=1, fact=fact)))
    assert isinstance(row, rows.FactRow)
    assert isinstance(row.fact, OrderDenied)
    assert row.fact.value == _BOUND


def test_a_field_of_a_later_version_is_passed_over() -> None:
    stored = rows.encode_row(rows.StateRow(ts_event=7, state="paused"))
    later = msgspec.msgpack.encode({**msgspec.msgpack.decode(stored.body), "mood": "good"})
    assert rows.decode_row(msgspec.structs.replace(stored, body=later)) == rows.StateRow(
        ts_event=7, state="paused"
    )


def test_what_is_no_row_is_refused() -> None:
    stored = rows.encode_row(rows.StateRow(ts_event=7, state="paused"))
    with pytest.raises(rows.RowError, match="unknown to this version"):
        rows.decode_row(msgspec.structs.replace(stored, kind="mood"))
    with pytest.raises(rows.RowError, match="cannot be read"):
        rows.decode_row(msgspec.structs.replace(stored, body=stored.body[:-3]))
