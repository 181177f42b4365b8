"""Which adapter stands behind a name, and what is refused before anything is opened."""

from pathlib import Path

import pytest

from interlock.adapters.binance import BinanceVenue
from interlock.adapters.ccxt_venue import CcxtVenue
from interlock.adapters.hyperliquid import HyperliquidVenue
from interlock.adapters.system import SystemClock
from interlock.config import Secrets
from interlock.wiring import VenueChoice, WiringError, feeds_of, ids_in, rate_of, venue_of

NO_KEYS = Secrets("", "", "")
KEYS = Secrets("name", "secret", "0x" + "11" * 32)
FEEDS = feeds_of(("BTCUSDT-PERP.BINANCE",), "1m")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("binance", BinanceVenue),
        ("binance-testnet", BinanceVenue),
        ("hyperliquid", HyperliquidVenue),
        ("hyperliquid-testnet", HyperliquidVenue),
        ("ccxt:kraken", CcxtVenue),
    ],
)
def test_a_name_leads_to_its_adapter(name: str, kind: type) -> None:
    made = venue_of(VenueChoice(name=name), KEYS, FEEDS, clock=SystemClock())
    assert isinstance(made, kind)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("binance", "INTERLOCK_KEY and INTERLOCK_SECRET"),
        ("hyperliquid", "INTERLOCK_WALLET_KEY"),
        ("kraken", "there are: binance"),
    ],
)
def test_what_cannot_be_put_together_says_the_remedy(name: str, words: str) -> None:
    with pytest.raises(WiringError, match=words):
        venue_of(VenueChoice(name=name), NO_KEYS, FEEDS, clock=SystemClock())


def test_paper_on_binance_needs_no_keys() -> None:
    made = venue_of(VenueChoice(), NO_KEYS, FEEDS, clock=SystemClock(), mode="paper")
    assert isinstance(made, BinanceVenue)


def test_a_missing_authority_is_named(tmp_path: Path) -> None:
    choice = VenueChoice(authority=tmp_path / "none.pem")
    with pytest.raises(WiringError, match="none.pem does not exist"):
        venue_of(choice, KEYS, FEEDS, clock=SystemClock())


def test_bars_that_the_venue_streams_are_asked_for_and_others_are_not() -> None:
    assert feeds_of(("A.B",), "1m").bars == ("1m",)
    assert feeds_of(("A.B",), "5s").bars == ()


def test_a_ledger_that_is_not_there_has_no_ids(tmp_path: Path) -> None:
    assert ids_in(str(tmp_path / "ledger.sqlite")) == ()
    assert not (tmp_path / "ledger.sqlite").exists()


def test_keys_are_never_shown() -> None:
    assert "secret, wallet_key set" in repr(KEYS)
    assert "11" not in repr(KEYS)


def test_the_rate_is_that_of_the_venue() -> None:
    assert rate_of("binance").weight == 2_400
    for name in ("hyperliquid", "hyperliquid-testnet"):
        rate = rate_of(name)
        assert rate.weight == 1_200
        # A list of executions is dear there, a switch is cheap.
        assert rate.weights["FillsQuery"] > rate.weights["DeadManRequest"]
