"""What befalls the world at a time: one method for each kind of fault that is counted.

What each does is said where the kinds are listed.
"""

from __future__ import annotations

from typing import Any

import msgspec

from interlock.model.instrument import FixedTick
from interlock.model.limits import Limits
from interlock.model.order import OrderType
from interlock.runtime.settings import MS, SECOND
from interlock.sim.venue.values import Order, OrderTicket, Refused
from interlock.world.exchange import ACCOUNT, CASH, MONEY
from interlock.world.scene import Scene


class Family:
    """The strikes of one area; a method for each kind, by its name."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._dice = scene.dice
        self._line = scene.timeline

    def _matters(self, name: str) -> None:
        self._dice.matters(name)

    def _if_runs(self, name: str) -> None:
        """It matters where an engine runs."""
        if self._scene.running is not None:
            self._matters(name)

    def _met(self, name: str, symbol: str) -> None:
        """It matters where a position is held or an order of ours is open."""
        exchange = self._scene.exchange
        if exchange.position(symbol) or any(o.symbol == symbol for o in exchange.open_orders()):
            self._matters(name)

    def _length(self, name: str, low_ms: int, high_ms: int) -> int:
        return self._dice.between(name, low_ms, high_ms) * MS

    def _symbol(self, name: str) -> str:
        instruments = self._scene.exchange.instruments
        return instruments[self._dice.between(name, 0, len(instruments) - 1)].id


class OnTheNetwork(Family):
    """Lines and sockets."""

    def names_lost(self) -> None:
        network = self._scene.network
        network.nameless_until = self._line.ts + self._length("names_lost", 1_000, 60_000)

    def partition(self) -> None:
        self._scene.network.partition(self._line.ts + self._length("partition", 1_000, 60_000))

    def stream_silent(self) -> None:
        network = self._scene.network
        if network.sockets:
            count = len(network.sockets) - 1
            socket = network.sockets[self._dice.between("stream_silent", 0, count)]
            until = self._line.ts + self._length("stream_silent", 10_000, 300_000)
            network.freeze(socket, until)

    def stream_closed(self) -> None:
        network = self._scene.network
        if network.sockets:
            self._matters("stream_closed")
            if self._dice.coin("stream_closed"):
                length = self._length("stream_closed", 1_000, 60_000)
                network.socketless_until = self._line.ts + length
            network.close_all("the venue went away")

    def listen_key_expired(self) -> None:
        for _ in range(self._scene.exchange.server.expire_keys(self._line.ts)):
            self._matters("listen_key_expired")


class AtTheVenue(Family):
    """The venue and its symbols."""

    def maintenance(self) -> None:
        network = self._scene.network
        network.closed_until = self._line.ts + self._length("maintenance", 10_000, 180_000)
        network.close_all("maintenance")

    def key_refused(self) -> None:
        network = self._scene.network
        network.refused_until = self._line.ts + self._length("key_refused", 1_000, 40_000)

    def history_down(self) -> None:
        network = self._scene.network
        network.tradeless_until = self._line.ts + self._length("history_down", 10_000, 120_000)

    def skew(self) -> None:
        length = self._length("skew", 100, 5_000)
        self._scene.exchange.server.shift_clock(length if self._dice.coin("skew") else -length)
        self._if_runs("skew")

    def price_gap(self) -> None:
        symbol = self._symbol("price_gap")
        parts = self._dice.between("price_gap", 10, 60)
        ratio = 1 + parts / 1_000 if self._dice.coin("price_gap") else 1 - parts / 1_000
        self._met("price_gap", symbol)
        self._scene.exchange.core.gap(self._line.ts, symbol, ratio)

    def symbol_halt(self) -> None:
        symbol, core = self._symbol("symbol_halt"), self._scene.exchange.core
        core.halt(self._line.ts, symbol)
        self._met("symbol_halt", symbol)
        self._line.after(self._length("symbol_halt", 5_000, 60_000), self._resume, symbol)

    def _resume(self, symbol: str) -> None:
        self._scene.exchange.core.resume(self._line.ts, symbol)
        self._scene.network.turn()

    def filter_change(self) -> None:
        symbol, core = self._symbol("filter_change"), self._scene.exchange.core
        old = core.instrument(symbol)
        changed = msgspec.structs.replace(old, price_rule=FixedTick(5))
        core.change_filters(self._line.ts, symbol, changed)
        self._met("filter_change", symbol)


class OnTheAccount(Family):
    """Our account, by others than us."""

    def liquidation(self) -> None:
        self._forced("liquidation", self._scene.exchange.core.liquidate)

    def deleveraging(self) -> None:
        self._forced("deleveraging", self._scene.exchange.core.deleverage)

    def _forced(self, name: str, verb: Any) -> None:
        symbol = self._symbol(name)
        if not isinstance(verb(self._line.ts, ACCOUNT, symbol), Refused):
            self._matters(name)
            self._scene.truth.touched(symbol)

    def manual_trade(self) -> None:
        self._by_hand("manual_trade")

    def trade_untold(self) -> None:
        found = self._by_hand("trade_untold")
        if found is not None:
            self._scene.truth.untold(found)
            self._scene.network.untold.add(found.order_id)

    def _by_hand(self, name: str) -> Order | None:
        symbol = self._symbol(name)
        clip = self._scene.exchange.listed[symbol].clip
        side = 1 if self._dice.coin(name) else -1
        quantity = clip * self._dice.between(name, 5, 30)
        ticket = OrderTicket(symbol=symbol, side=side, quantity=quantity, type=OrderType.MARKET)
        found = self._scene.exchange.core.manual_trade(self._line.ts, ACCOUNT, ticket)
        if isinstance(found, Refused):
            return None
        self._matters(name)
        self._scene.truth.touched(symbol)
        return found

    def late_fill(self) -> None:
        symbol = self._symbol("late_fill")
        exchange, core = self._scene.exchange, self._scene.exchange.core
        quantity = exchange.listed[symbol].clip * self._dice.between("late_fill", 1, 20)
        if not isinstance(core.fill_late(self._line.ts, ACCOUNT, symbol, quantity), Refused):
            self._matters("late_fill")

    def manual_cancel(self) -> None:
        orders = self._scene.exchange.open_orders()
        if not orders:
            return
        order = orders[self._dice.between("manual_cancel", 0, len(orders) - 1)]
        self._matters("manual_cancel")
        self._scene.exchange.core.cancel(
            self._line.ts,
            ACCOUNT,
            order.symbol,
            order_id=order.order_id,
            conditional=order.is_conditional,
        )

    def leverage_change(self) -> None:
        symbol = self._symbol("leverage_change")
        leverage = self._dice.between("leverage_change", 5, 50)
        core = self._scene.exchange.core
        if core.set_leverage(self._line.ts, ACCOUNT, symbol, leverage) is None:
            self._matters("leverage_change")

    def transfer(self) -> None:
        amount = self._dice.between("transfer", 1, 1_000) * MONEY
        amount = amount if self._dice.coin("transfer") else -amount
        core, asset = self._scene.exchange.core, self._scene.exchange.line.currency
        if not isinstance(core.transfer(self._line.ts, ACCOUNT, asset, amount), Refused):
            self._matters("transfer")


class InTheProcess(Family):
    """Processes and strategies."""

    def kill(self) -> None:
        process = self._scene.first
        if process.loop is not None:
            self._matters("kill")
            process.kill()

    def kill_after_snapshot(self) -> None:
        if self._scene.first.loop is not None:
            self._matters("kill_after_snapshot")
            delay = self._length("kill_after_snapshot", 20, 3_000)
            self._scene.first.kill_after_snapshot(delay, at_order=True)

    def pause(self) -> None:
        if self._scene.first.loop is not None:
            self._matters("pause")
            self._scene.first.pause(self._length("pause", 1_000, 120_000))

    def strategy_fault(self) -> None:
        # The strategy knows when by itself, so that it raises in a replay too.
        if self._scene.first.loop is not None:
            self._matters("strategy_fault")

    def stall(self) -> None:
        if self._scene.first.loop is not None:
            self._matters("stall")
            self._scene.first.pause(self._length("stall", 50, 3_000))

    def second_engine(self) -> None:
        self._matters("second_engine")
        self._scene.invite_second(self._length("second_engine", 30_000, 240_000))


class OnDiskAndClock(Family):
    """The disk, the lease store, our clock."""

    def disk_full(self) -> None:
        files = self._scene.files
        files.full_until = self._line.ts + self._length("disk_full", 1_000, 60_000)

    def disk_fault(self) -> None:
        self._scene.files.faults_due += 1

    def bit_flip(self) -> None:
        files = self._scene.files
        if not files.rows:
            return
        self._matters("bit_flip")
        place = self._dice.between("bit_flip", 0, len(files.rows) - 1)
        whole = files.rows[place]
        body = bytearray(whole.row.body)
        body[self._dice.between("bit_flip", 0, len(body) - 1)] ^= 1
        broken = msgspec.structs.replace(whole.row, body=bytes(body))
        files.rows[place] = msgspec.structs.replace(whole, row=broken)
        self._scene.truth.flipped(place)
        self._line.after(20 * SECOND + self._length("bit_flip", 0, 60_000), self._restore, place)

    def _restore(self, place: int) -> None:
        """The operator puts the whole row back from the mirror."""
        self._scene.truth.restore(place)

    def lease_unreachable(self) -> None:
        files = self._scene.files
        files.unreachable_until = self._line.ts + self._length("lease_unreachable", 1_000, 40_000)

    def clock_step(self) -> None:
        length = self._length("clock_step", 100, 30_000)
        self._scene.first.machine.skew_ns += length if self._dice.coin("clock_step") else -length
        self._if_runs("clock_step")

    def clock_drift(self) -> None:
        self._scene.first.machine.drift(self._dice.between("clock_drift", -500, 500))
        self._if_runs("clock_drift")


class ByOperators(Family):
    """What operators do: verbs that they give, and terms that they edit."""

    def terms_changed(self) -> None:
        name, first = "terms_changed", self._scene.first
        position = CASH // (20, 60, 250, 1_000)[self._dice.between(name, 0, 3)]
        order = (None, position // 2, position // 8)[self._dice.between(name, 0, 2)]
        self._scene.limits = Limits(position_notional_max=position, order_notional_max=order)
        self._scene.cash = CASH // self._dice.between(name, 1, 2)
        if self._dice.coin(name):
            self._scene.turn_switch()
        if first.loop is None:
            return
        self._matters(name)
        if self._dice.coin(name):
            self._scene.order("shutdown")
        else:
            first.kill("restarted on other terms")

    def operator(self) -> None:
        verbs = ("pause", "halt", "emergency-stop", "shutdown", "pause", "halt")
        verb = verbs[self._dice.between("operator", 0, len(verbs) - 1)]
        if self._scene.first.loop is None:
            return
        self._matters("operator")
        self._scene.order(verb, twice=self._dice.coin("operator"))
        self._line.after(self._length("operator", 5_000, 90_000), self._scene.lift)

    def stop_and_kill(self) -> None:
        name, first = "stop_and_kill", self._scene.first
        verb = ("pause", "halt", "emergency-stop")[self._dice.between(name, 0, 2)]
        is_whole = verb == "emergency-stop" or self._dice.coin(name)
        if first.loop is None:
            return
        self._matters(name)
        self._scene.order(verb, scope="" if is_whole else self._symbol(name))
        delay = self._length(name, 100, 10_000)
        if self._dice.coin(name):
            self._line.after(delay, first.kill_after_snapshot, self._length(name, 20, 1_000))
        else:
            self._line.after(delay, first.kill, "killed under a verb")
        # An emergency is lifted in two steps.
        lifted = delay + self._length(name, 25_000, 60_000)
        for after in (lifted, lifted + 3 * SECOND):
            self._line.after(after, self._scene.lift)


class Trouble:
    """Plans the counted faults of a plan on the world's timeline and carries them out."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._families = [family(scene) for family in FAMILIES]

    def plan(self) -> None:
        """Put every strike on the timeline."""
        for name, times in self._scene.times.items():
            for ts in times:
                self._scene.timeline.at(ts, self._strike, name)

    def _strike(self, name: str) -> None:
        dice = self._scene.dice
        if dice.is_calm or not dice.count(name):
            return
        family = next(item for item in self._families if hasattr(item, name))
        getattr(family, name)()
        # What it did at the venue is told at once, and not at the next request.
        self._scene.exchange.server.advance(self._scene.timeline.ts)
        self._scene.network.turn()


FAMILIES: tuple[type[Family], ...] = (
    OnTheNetwork,
    AtTheVenue,
    OnTheAccount,
    InTheProcess,
    OnDiskAndClock,
    ByOperators,
)
