"""The whole exchange on localhost: markets, accounts with keys, both protocols, an admin port."""

from __future__ import annotations

import asyncio
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
from interlock.sim.venue.values import VenueRules
from interlock.venue import listings
from interlock.venue.admin import Admin
from interlock.venue.binance_face import BinanceFace
from interlock.venue.clock import VenueClock
from interlock.venue.faces import Face
from interlock.venue.host import Host
from interlock.venue.hyperliquid_face import HyperliquidFace, hyperliquid_server
from interlock.venue.pace import Pace
from interlock.venue.recorded import Recorded, shift_of

PROTOCOLS = ("binance", "hyperliquid")
# The names under which each protocol is reached over TLS: some clients judge errors by them.
TLS_NAMES = {"binance": "demo-fapi.localhost", "hyperliquid": "api.hyperliquid.localhost"}
# The market runs this long before the doors open, so that there is a book and a tape of trades.
WARM_UP_NS = 60 * 10**9
SECOND_NS = 10**9


class AccountKeys(msgspec.Struct, frozen=True, kw_only=True):
    """What a client needs to trade one account; made from the name, for a play market only."""

    account: str
    key: str
    secret: str
    wallet_key: str
    wallet: str


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What to open. ``recorded`` takes the place of the synthetic market of its protocol."""

    protocols: tuple[str, ...] = ("binance",)
    accounts: tuple[str, ...] = ("trader",)
    balance: int = 100_000
    seed: int = 1
    speed: float = 1.0
    ts_start: int = 0
    script: Script = Script()
    is_quiet: bool = False
    conditional_service: bool = True
    listed: Sequence[listings.Listing] = ()
    recorded: Sequence[Recorded] = ()


class Door(msgspec.Struct, frozen=True, kw_only=True):
    """Where one protocol listens."""

    protocol: str
    port: int
    tls_port: int

    @property
    def url(self) -> str:
        """Plain HTTP; the WebSocket is at the same place."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def tls_url(self) -> str:
        """The same over TLS under a name of the certificate; empty without TLS."""
        return f"https://{TLS_NAMES[self.protocol]}:{self.tls_port}" if self.tls_port else ""


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
        self.pace = Pace(self.hosts, self.clock, self.injector)
        self.admin = Admin(self.hosts, self.injector, self.clock, self.pace)
        self._running: asyncio.Task[None] | None = None

    async def open(
        self, ports: Mapping[str, int], *, admin_port: int = 0, tls: ssl.SSLContext | None = None
    ) -> None:
        """Listen: each protocol on its port (0: a free one; with TLS on the one above)."""
        for protocol, host in self.hosts.items():
            port = ports.get(protocol, 0)
            tls_port = port + 1 if port else 0
            plain, secure = await host.start(port, tls_port=tls_port, tls=tls)
            self.doors[protocol] = Door(protocol=protocol, port=plain, tls_port=secure)
        await self.admin.start(admin_port)
        self._running = asyncio.create_task(self.pace.run())

    async def wait(self) -> None:
        """Until somebody asks the admin port to stop; raises what ended the exchange's time."""
        if self._running is None:
            raise RuntimeError("the exchange is not open; call open() first")
        asked = asyncio.create_task(self.admin.stopped.wait())
        await asyncio.wait([asked, self._running], return_when=asyncio.FIRST_COMPLETED)
        asked.cancel()
        if self._running.done():
            self._running.result()

    async def close(self) -> None:
        """Stop listening and let everybody go."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait([self._running])
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
        return HyperliquidFace(hyperliquid_server(core, users))

    def _core(self, protocol: str) -> VenueCore:
        plan = self.plan
        known = listings.binance() if protocol == "binance" else listings.hyperliquid()
        given = [*(item.listing for item in plan.recorded), *plan.listed]
        listed = [item for item in given if _is_of(item, protocol)] or list(known)
        rules = VenueRules() if protocol == "binance" else HYPERLIQUID_RULES
        core = VenueCore([item.instrument for item in listed], options=rules, seed=plan.seed)
        asset = listed[0].instrument.quote
        for held in self.keys:
            core.add_account(held.account, {asset: plan.balance * MONEY_SCALE})
        now = self.clock.now_ns()
        start = now - WARM_UP_NS
        core.advance(start)
        shift = shift_of(plan.recorded, start) if plan.recorded else 0
        flows = {item.listing.instrument.id: item.flow(shift) for item in plan.recorded}
        for number, item in enumerate(listed):
            name = item.instrument.id
            # Until somebody quotes, the mark is what the listing says.
            core.set_mark(start, name, item.price)
            core.add_flow(name, flows.get(name) or self._synthetic(item, number), ts=start)
        core.advance(start + SECOND_NS)
        for item in listed:
            core.set_mark(core.now, item.instrument.id, 0)
        core.advance(now)
        core.events.clear()
        return core

    def _synthetic(self, item: listings.Listing, number: int) -> Participants:
        # A quiet market changes less often: it costs less and is easier to follow by eye.
        rates = {"changes_per_second": 20.0, "takers_per_second": 2.0} if self.plan.is_quiet else {}
        shape = shape_of(item.instrument, item.price, **rates)
        return Participants(item.instrument, shape, seed=self.plan.seed * 1_000 + number)


def _is_of(item: listings.Listing, protocol: str) -> bool:
    return item.instrument.id.endswith(f".{protocol.upper()}")
