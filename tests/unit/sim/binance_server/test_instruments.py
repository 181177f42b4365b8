"""Instruments read from the server's own lists are the instruments that it was given."""

from __future__ import annotations

import msgspec
import pytest

from interlock.wire.binance.fault import WireFault
from interlock.wire.binance.instruments import read_catalog, read_fees, read_tiers
from interlock.wire.binance.requests import Draft
from tests.unit.sim.binance_server.binance_desk import Desk
from tests.unit.sim.venue.cases import perpetual


def body(desk: Desk, path: str, *parameters: tuple[str, str]) -> bytes:
    return desk.send(Draft(method="GET", path=path, parameters=parameters)).body


def test_the_catalog_comes_back_as_it_was() -> None:
    desk = Desk()
    tiers = read_tiers(body(desk, "/fapi/v1/leverageBracket"))
    symbol, fees = read_fees(body(desk, "/fapi/v1/commissionRate", ("symbol", "BTCUSDT")))
    info = body(desk, "/fapi/v1/exchangeInfo")
    (listed,) = read_catalog(info, tiers=tiers, fees={symbol: fees}).listed
    given = perpetual(allow_short=True)
    assert listed.status == "TRADING"
    # A last tier without a cap gets the venue's highest number.
    assert listed.instrument.margin_tiers[0] == given.margin_tiers[0]
    assert listed.instrument.margin_tiers[1].amount == given.margin_tiers[1].amount
    assert msgspec.structs.replace(listed.instrument, margin_tiers=given.margin_tiers) == given


def test_what_cannot_be_read_is_left_out_with_its_reason() -> None:
    info = body(Desk(), "/fapi/v1/exchangeInfo")
    assert read_catalog(info, tiers={}, fees={}).left_out == (("BTCUSDT", "no leverage bracket"),)
    broken = info.replace(b'"tickSize":"0.1"', b'"tickSize":""')
    tiers = read_tiers(body(Desk(), "/fapi/v1/leverageBracket"))
    ((symbol, reason),) = read_catalog(broken, tiers=tiers, fees={}).left_out
    assert symbol == "BTCUSDT" and "tickSize" in reason
    with pytest.raises(WireFault):
        read_catalog(b"{}", tiers={}, fees={})
