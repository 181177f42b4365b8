"""The whole exchange on localhost: markets, accounts with keys, both protocols, an admin port."""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import Mapping, Sequence

import msgspec

from interlock.adapters.signing import EthereumSigner
from interlock.model.units import MONEY_SCALE
from interlock.ports import Clock
from interlock.sim.binance_server.server import BinanceServer
from interlock.sim.binance_server.state import ServerOptions
from interlock.sim.faults import Injector, Script
from interlock.sim.hyperliquid_server.state import HYPERLIQUID_RULES
from interlock.sim.venue.core import VenueCore
from interlock.sim.venue.participants import Participants, shape_of
from interlock.sim.venue.state import Flow
from interlock.sim.venue.values import VenueRules
from interlock.venue import listings
from interlock.venue.admin import Admin
from interlock.venue.clock import VenueClock
from interlock.venue.faces import BinanceFace, Face, HyperliquidFace, hyperliquid_server
from interlock.venue.host import Host

PROTOCOLS = ("binance", "hyperliquid")
# The market runs this long before the doors open, so that there is a book and a tape of trades.
WARM_UP_NS = 60 * 10**9


class AccountKeys(msgspec.Struct, frozen=True, kw_only=True):
    """What a client needs to trade one account; made from the name, for a play market only."""

    account: str
    key: str
    secret: str
    wallet_key: str
    wallet: str


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What to open. ``flows`` replaces the synthetic participants of some instruments."""

    protocols: tuple[str, ...] = ("binance",)
    accounts: tuple[str, ...] = ("trader",)
    balance: int = 100_000
    seed: int = 1
    speed: float = 1.0
    ts_start: int = 0
    script: Script = Script()
    is_quiet: bool = False
    flows: Mapping[str, Flow] = {}
    conditional_service: bool = True
    listed: Sequence[listings.Listing] = ()


class Door(msgspec.Struct, frozen=True, kw_only=True):
    """Where one protocol listens."""

    protocol: str
    port: int
    tls_port: int

    @property
    def url(self) -> str:
        """Plain HTTP; the WebSocket is at the same place."""
        return f"http://127.0.0.1:{self.port}"


def keys_of(account: str, seed: int) -> AccountKeys:
    """The keys of an account: always the same for a name and a seed."""
    drawn = hashlib.sha256(f"interlock local exchange:{seed}:{account}".encode()).hexdigest()
    secret = hashlib.sha256(f"{drawn}:secret".encode()).hexdigest()
    wallet_key = "0x" + hashlib.sha256(f"{drawn}:wallet".encode()).hexdigest()
    return AccountKeys(
        account=account,
        key=drawn,
        secret=secret,
        wallet_key=wallet_key,
        wallet=EthereumSigner(wallet_key).address,
    )


class LocalExchange:
    """Made from a plan, opened on loopback, closed again."""

    def __init__(self, plan: Plan, clock: Clock) -> None:
        self.plan = plan
        self.clock = VenueClock(clock, ts_start=plan.ts_start, speed=plan.speed)
        self.injector = Injector(plan.script, ts_start=self.clock.now_ns())
        self.keys = tuple(keys_of(name, plan.seed) for name in plan.accounts)
        self.hosts: dict[str, Host] = {}
        self.doors: dict[str, Door] = {}
        for protocol in plan.protocols:
            if protocol not in PROTOCOLS:
                raise ValueError(
                    f"protocol {protocol!r} is not served; there are: {', '.join(PROTOCOLS)}"
                )
            self.hosts[protocol] = Host(self._face(protocol), self.clock, self.injector)
        self.admin = Admin(self.hosts, self.injector, self.clock)

    async def open(
        self, ports: Mapping[str, int], *, admin_port: int = 0, tls: ssl.SSLContext | None = None
    ) -> None:
        """Listen: each protocol on its port (0: a free one; with TLS on the one above)."""
        for protocol, host in self.hosts.items():
            port = ports.get(protocol, 0)
            tls_port = -1 if tls is None else (port + 1 if port else 0)
            found = await host.start(port, tls_port=tls_port, tls=tls)
            self.doors[protocol] = Door(protocol=protocol, port=found[0], tls_port=found[-1])
        await self.admin.start(admin_port)

    async def close(self) -> None:
        """Stop listening and let everybody go."""
        await self.admin.stop()
        for host in self.hosts.values():
            await host.stop()

    def _face(self, protocol: str) -> Face:
        core = self._core(protocol)
        if protocol == "binance":
            options = ServerOptions(
                conditional_service=self.plan.conditional_service, seed=self.plan.seed
            )
            server = BinanceServer(core, options)
            for held in self.keys:
                server.add_key(held.key, held.secret, held.account)
            return BinanceFace(server)
        users = {held.wallet.lower(): held.account for held in self.keys}
        return HyperliquidFace(hyperliquid_server(core, users), users)

    def _core(self, protocol: str) -> VenueCore:
        plan = self.plan
        known = listings.binance() if protocol == "binance" else listings.hyperliquid()
        listed = [item for item in plan.listed if _is_of(item, protocol)] or list(known)
        rules = VenueRules() if protocol == "binance" else HYPERLIQUID_RULES
        core = VenueCore([item.instrument for item in listed], options=rules, seed=plan.seed)
        asset = listed[0].instrument.quote
        for held in self.keys:
            core.add_account(held.account, {asset: plan.balance * MONEY_SCALE})
        now = self.clock.now_ns()
        start = now - WARM_UP_NS
        core.advance(start)
        for number, item in enumerate(listed):
            core.set_mark(start, item.instrument.id, item.price)
            flow = plan.flows.get(item.instrument.id) or self._synthetic(item, number)
            core.add_flow(item.instrument.id, flow, ts=start)
        core.advance(now)
        core.events.clear()
        return core

    def _synthetic(self, item: listings.Listing, number: int) -> Flow:
        # A quiet market changes less often: it costs less and is easier to follow by eye.
        rates = {"changes_per_second": 20.0, "takers_per_second": 2.0} if self.plan.is_quiet else {}
        shape = shape_of(item.instrument, item.price, **rates)
        return Participants(item.instrument, shape, seed=self.plan.seed * 1_000 + number)


def _is_of(item: listings.Listing, protocol: str) -> bool:
    return item.instrument.id.endswith(f".{protocol.upper()}")
