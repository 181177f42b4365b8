"""The composition root: which adapters stand behind the ports of a run. No logic of its own."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from interlock.adapters.binance import BinanceVenue, Endpoints, Feeds, Keys, Network
from interlock.adapters.ccxt_venue import CcxtConfig, CcxtVenue
from interlock.adapters.hyperliquid import Endpoints as HyperliquidEndpoints
from interlock.adapters.hyperliquid import HyperliquidVenue, Wallet
from interlock.adapters.signing import EthereumSigner, HmacSigner
from interlock.adapters.storage import Database
from interlock.adapters.storage.queries import Reader
from interlock.config import Secrets
from interlock.live.paper import PaperTerms, PaperVenue
from interlock.live.past import LookBack
from interlock.live.start import Entry, Plan
from interlock.live.targets import LiveTarget, look_back
from interlock.model.units import MONEY_SCALE
from interlock.ports import Clock, Venue
from interlock.research.loading import Loaded, load_strategy, make, parse_parameters
from interlock.runtime.budget import Rate
from interlock.runtime.modes import mode_of
from interlock.runtime.settings import Settings
from interlock.strategy.api import STEPS, Strategy, TargetStrategy
from interlock.wire.hyperliquid import weights
from interlock.wire.hyperliquid.actions import Identity

BINANCE_TESTNET = Endpoints("https://testnet.binancefuture.com", "wss://fstream.binancefuture.com")
HYPERLIQUID_TESTNET = HyperliquidEndpoints(
    "https://api.hyperliquid-testnet.xyz", "wss://api.hyperliquid-testnet.xyz/ws"
)
# Steps for which the venue has closed bars of its own; shorter ones are made from trades.
_VENUE_STEPS = ("1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d")


class WiringError(ValueError):
    """A run that cannot be put together; names the value, the rule and the remedy."""


class VenueChoice(msgspec.Struct, frozen=True, kw_only=True):
    """A venue by name, or a local one by its address (``http://127.0.0.1:PORT``).

    ``client_order_ids`` are those of earlier runs, for a venue that knows orders by a digest of
    their ids only; ``ids_in`` reads them from a ledger.
    """

    name: str = "binance"
    url: str = ""
    authority: Path | None = None
    conditional_path: bool = True
    client_order_ids: tuple[str, ...] = ()


def venue_of(
    choice: VenueChoice, secrets: Secrets, feeds: Feeds, *, clock: Clock, mode: str = "live"
) -> Venue:
    """The adapter of a choice, with keys from the environment; paper needs none on Binance."""
    sends = mode_of(mode).sends
    if choice.name in ("binance", "binance-testnet"):
        if sends and not (secrets.key and secrets.secret):
            raise WiringError(
                "no keys for Binance: set INTERLOCK_KEY and INTERLOCK_SECRET in the environment; "
                "`interlock venue` prints those of a local account, --mode paper needs none"
            )
        return _binance(choice, secrets, feeds, clock)
    if choice.name in ("hyperliquid", "hyperliquid-testnet"):
        if not secrets.wallet_key:
            raise WiringError(
                "no key for Hyperliquid: set INTERLOCK_WALLET_KEY in the environment; "
                "`interlock venue --protocol hyperliquid` prints that of a local account"
            )
        return _hyperliquid(choice, secrets, feeds, clock)
    if choice.name.startswith("ccxt:"):
        config = CcxtConfig(
            exchange_id=choice.name.removeprefix("ccxt:"), key=secrets.key, secret=secrets.secret
        )
        return CcxtVenue(config, feeds, clock=clock, network=Network(_context(choice.authority)))
    raise WiringError(
        f"venue {choice.name!r} is not known; there are: binance, binance-testnet, hyperliquid, "
        "hyperliquid-testnet, ccxt:ID"
    )


def ids_in(where: str) -> tuple[str, ...]:
    """Every client order id that a ledger knows, none where there is no ledger yet."""
    if not Database(where).exists:
        return ()
    reader = Reader(where)
    try:
        return tuple(name for name, _ in reader.registry())
    finally:
        reader.close()


def in_mode(mode: str, venue: Venue, *, cash: int, clock: Clock) -> Venue:
    """The venue as a mode sees it: itself, or its market with an exchange in memory behind it."""
    if mode_of(mode).sends:
        return venue
    return PaperVenue(venue, PaperTerms(cash=cash * MONEY_SCALE), clock)


def _binance(choice: VenueChoice, secrets: Secrets, feeds: Feeds, clock: Clock) -> BinanceVenue:
    endpoints = BINANCE_TESTNET if choice.name == "binance-testnet" else Endpoints()
    if choice.url:
        plain = choice.url.rstrip("/")
        endpoints = Endpoints(plain, "ws" + plain.removeprefix("http"), choice.conditional_path)
    return BinanceVenue(
        endpoints,
        Keys(secrets.key, HmacSigner(secrets.secret)) if secrets.key and secrets.secret else None,
        feeds,
        clock=clock,
        network=Network(_context(choice.authority)),
    )


def _hyperliquid(
    choice: VenueChoice, secrets: Secrets, feeds: Feeds, clock: Clock
) -> HyperliquidVenue:
    signer = EthereumSigner(secrets.wallet_key)
    is_mainnet = choice.name == "hyperliquid" and not choice.url
    endpoints = HyperliquidEndpoints() if is_mainnet else HYPERLIQUID_TESTNET
    if choice.url:
        plain = choice.url.rstrip("/")
        endpoints = HyperliquidEndpoints(plain, "ws" + plain.removeprefix("http") + "/ws")
    wallet = Wallet(
        identity=Identity(address=signer.address, is_mainnet=is_mainnet),
        signer=signer,
        client_order_ids=choice.client_order_ids,
    )
    network = Network(_context(choice.authority))
    return HyperliquidVenue(endpoints, wallet, feeds, clock=clock, network=network)


def _context(authority: Path | None) -> ssl.SSLContext | None:
    if authority is None:
        return None
    if not authority.exists():
        raise WiringError(f"authority {authority} does not exist; `interlock venue --tls` makes it")
    return ssl.create_default_context(cafile=str(authority))


def feeds_of(instruments: Sequence[str], timeframe: str, *, books: bool = False) -> Feeds:
    """The streams that a strategy on these instruments and this time frame needs."""
    bars = (timeframe,) if timeframe in _VENUE_STEPS else ()
    return Feeds(instruments=tuple(instruments), books=books, bars=bars)


class StrategyChoice(msgspec.Struct, frozen=True, kw_only=True):
    """A strategy by its reference, its parameters, and ``cash``: its share, in whole units."""

    reference: str
    assignments: tuple[str, ...] = ()
    cash: int = 10_000
    timeframe: str = ""
    currency: str = "USDT"


def rate_of(venue: str) -> Rate:
    """What a venue lets an address spend, by the name of a choice."""
    if venue.startswith("hyperliquid"):
        return Rate(weight=weights.PER_MINUTE, weights=weights.BY_REQUEST)
    return Rate()


def plan_of(
    choice: StrategyChoice,
    *,
    folder: Path,
    ledger: str = "",
    settings: Settings | None = None,
    rate: Rate | None = None,
) -> Plan:
    """The plan of one strategy in a folder."""
    loaded = load_strategy(choice.reference)
    values = parse_parameters(loaded.kind, choice.assignments)
    timeframe = choice.timeframe
    steps = () if not timeframe or timeframe in _VENUE_STEPS else (_step(timeframe),)
    return Plan(
        folder=folder,
        entries=(
            Entry(
                _name(loaded),
                _maker(loaded, values, timeframe=timeframe),
                choice.cash * MONEY_SCALE,
            ),
        ),
        currency=choice.currency,
        ledger=ledger,
        settings=settings or Settings(),
        rate=rate or Rate(),
        bar_steps=steps,
        # Of steps that the venue has no bars of, it has no past ones either.
        look_back=_look_back(loaded, values, timeframe) if timeframe in _VENUE_STEPS else None,
    )


def _look_back(loaded: Loaded, values: Mapping[str, Any], timeframe: str) -> LookBack | None:
    made = make(loaded.kind, values) if loaded.is_target else None
    if not isinstance(made, TargetStrategy):
        return None
    return LookBack(count=look_back(made), step_ns=_step(timeframe))


def _maker(loaded: Loaded, values: Mapping[str, Any], *, timeframe: str) -> Callable[[], Strategy]:
    if loaded.is_target and not timeframe:
        raise WiringError(
            f"{loaded.kind.__name__} decides on bars; say which: --timeframe 1m (or another of "
            f"{', '.join(STEPS)})"
        )
    step_ns = _step(timeframe) if timeframe else 0

    def build() -> Strategy:
        made = make(loaded.kind, values)
        return made if isinstance(made, Strategy) else LiveTarget(made, step_ns=step_ns)

    return build


def _name(loaded: Loaded) -> str:
    return loaded.kind.__name__


def _step(timeframe: str) -> int:
    if timeframe not in STEPS:
        raise WiringError(f"time frame {timeframe!r} is not one of {', '.join(STEPS)}")
    return STEPS[timeframe]
