"""I2, I4 and I25 when all is quiet: equal books, no orphan, and trading or a stated reason."""

from __future__ import annotations

from interlock.model.order import OrderStatus
from interlock.model.venue import PlaceRequest, Request
from interlock.runtime.engine import Engine
from interlock.world.judging import Judge
from interlock.world.plan import AFTERMATH
from interlock.world.process import Process
from interlock.world.scene import Scene
from interlock.world.truth import Violation

# So many refused decisions, and none that left, are an engine that has not come back.
DECISIONS_LEAST = 3


class Liveness(Judge):
    """Asks the engine what it believes: that is what these invariants are about."""

    invariants = ("I2", "I4", "I25")

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._sent_again = 0
        self._refused: dict[str, int] = {}

    def leaves(self, process: Process, request: Request) -> None:
        """Orders that leave after the faults are over."""
        if isinstance(request, PlaceRequest) and self._is_calm():
            self._sent_again += 1

    def told(self, process: Process, fact: object) -> None:
        """Orders that were held back after the faults are over, and by what."""
        if getattr(fact, "name", "") == "ORDER_REFUSED" and self._is_calm():
            code = str(getattr(fact, "fields", {}).get("code", ""))
            self._refused[code] = self._refused.get(code, 0) + 1

    def _is_calm(self) -> bool:
        scene = self.scene
        return scene.ts_calm + AFTERMATH <= scene.timeline.ts < scene.ts_trades

    def quiet(self) -> None:
        """An engine runs, agrees with the venue in everything, and holds nothing back unsaid."""
        running = [process for process in self.scene.processes if process.loop is not None]
        if not running:
            why = self.scene.first.why_down
            raise Violation("I25", f"no engine runs after the faults are over: {why}")
        self.demand("I25", len(running) == 1, f"{len(running)} engines run")
        loop = running[0].loop
        assert loop is not None
        engine = loop.engine
        self._trades(engine)
        self._orders(engine)
        self._positions(engine)

    def _trades(self, engine: Engine) -> None:
        gate = engine.gate
        self.demand("I25", engine.startup.is_trading, "the core has not come back to trading")
        for name in engine.desk.state.instruments:
            held = {
                "recovering": gate.is_recovering,
                "not compared since the reconnect": gate.is_resyncing,
                gate.doubt(name): bool(gate.doubt(name)),
                gate.suspects.get(name, ""): name in gate.suspects,
                gate.missing_fills.get(name, ""): name in gate.missing_fills,
                "a decision in flight": bool(gate.flow.holds(name)),
                "the user stream": not gate.freshness.user.is_up or gate.freshness.user.is_stale,
                "the market stream": not gate.freshness.market[name].is_up,
            }
            why = ", ".join(text for text, is_so in held.items() if is_so)
            self.demand("I25", not why, f"{name} takes no orders: {why}")
            closed = gate.closed(name, "")
            text = f"{name} is closed and nobody says why: {closed}"
            self.demand("I25", closed is None or not closed.text.endswith(": "), text)
        codes = ", ".join(sorted(self._refused))
        is_stated = all(code in _STATED for code in self._refused)
        text = f"since the faults are over nothing was sent and all was refused: {codes}"
        # One decision or two may have met what a comparison lifts; what holds now is asked above.
        is_little = sum(self._refused.values()) < DECISIONS_LEAST
        self.demand("I25", bool(self._sent_again) or is_stated or is_little, text)

    def _orders(self, engine: Engine) -> None:
        state = engine.desk.state
        theirs = {}
        for order in self.scene.exchange.open_orders():
            # What a trigger made goes by the name of its stop, and may be smaller: the venue makes
            # it no larger than the position.
            name = self.record.name_of_order(order)
            known = state.open.get(name) if order.conditional_id else None
            quantity = order.quantity if known is None else known.spec.quantity
            if name in self.record.orders:
                theirs[name] = (order.symbol, order.side, quantity, order.filled)
        ours = {
            name: (o.spec.instrument, o.spec.side, o.spec.quantity, o.filled)
            for name, o in state.open.items()
        }
        orphans = sorted(set(theirs) - set(ours))
        self.demand("I4", not orphans, f"open at the venue and not here: {', '.join(orphans)}")
        gone = sorted(set(ours) - set(theirs))
        self.demand("I2", not gone, f"open here and not at the venue: {', '.join(gone)}")
        differ = [f"{name}: {ours[name]} {theirs[name]}" for name in ours if ours != theirs]
        self.demand("I2", ours == theirs, f"orders differ, ours and theirs: {'; '.join(differ)}")
        unknown = [n for n, order in state.open.items() if order.status is OrderStatus.UNKNOWN]
        self.demand("I25", not unknown, f"still unknown: {', '.join(unknown)}")

    def _positions(self, engine: Engine) -> None:
        exchange = self.scene.exchange
        for name, ours in engine.positions.items():
            theirs = exchange.position(name)
            self.demand("I2", ours == theirs, f"{name}: {ours} here, {theirs} at the venue")
        ours, theirs = engine.desk.state.wallet, exchange.wallet
        self.demand("I2", ours == theirs, f"wallet: {ours} here, {theirs} at the venue")


# Refusals that a trader is told the reason of and that he or the market ends.
_STATED = frozenset({"PAUSED", "HALTED", "FLAT", "EMERGENCY", "STOPPING", "PRICE_OUTLIER"})
