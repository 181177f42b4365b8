"""The read-only view that the kernel gives a strategy."""

from __future__ import annotations

from interlock.kernel.state import Order, State, StrategySlot, money
from interlock.model.instrument import Instrument
from interlock.strategy.api import StrategyError
from interlock.strategy.view import PositionView


class KernelView:
    """What one strategy may read: its own positions and orders, prices, and its equity."""

    __slots__ = ("_first", "_owner", "_state")

    def __init__(self, state: State, owner: StrategySlot) -> None:
        self._state = state
        self._owner = owner
        self._first = next(iter(state.instruments), "")

    @property
    def ts_event(self) -> int:
        """Time of the present event, ns."""
        return self._state.ts_event

    @property
    def equity(self) -> float:
        """The strategy's equity in the account currency; NaN while a held position has no mark."""
        equity = self._state.strategy_equity(self._owner)
        return float("nan") if equity is None else money(equity)

    @property
    def cash(self) -> float:
        """The strategy's capital plus realized profit, fees and funding, without open profit."""
        return money(self._owner.wallet)

    def instrument(self, instrument_id: str = "") -> Instrument:
        """An instrument of the run; the first one when no id is given."""
        slot = self._state.instruments.get(instrument_id or self._first)
        if slot is None:
            known = ", ".join(self._state.instruments)
            raise StrategyError(f"{instrument_id} is not traded in this run; there are: {known}")
        return slot.instrument

    def instruments(self) -> tuple[Instrument, ...]:
        """All instruments of the run, ordered by id."""
        return tuple(slot.instrument for slot in self._state.instruments.values())

    def mark(self, instrument_id: str = "") -> float:
        """The latest mark in quote units; NaN before the first market event."""
        slot = self._state.instruments[instrument_id or self._first]
        mark = slot.mark
        return mark / 10**slot.instrument.price_exponent if mark else float("nan")

    def position_units(self, instrument_id: str = "") -> int:
        """The strategy's signed position in quantity units."""
        held = self._owner.positions.get(instrument_id or self._first)
        return held.quantity if held is not None else 0

    def position(self, instrument_id: str = "") -> PositionView:
        """The strategy's position with its profit so far."""
        slot = self._state.instruments[instrument_id or self._first]
        held = self._owner.position(slot)
        mark = slot.mark
        return PositionView(
            held.quantity / 10**slot.instrument.quantity_exponent,
            held.quantity,
            held.average_price(),
            money(held.unrealized(mark)) if mark else 0.0,
            money(held.realized),
            money(held.fees),
            money(held.funding),
        )

    def exposure(self, instrument_id: str = "") -> float:
        """The strategy's signed position value as a share of its equity."""
        slot = self._state.instruments[instrument_id or self._first]
        held = self._owner.positions.get(slot.instrument.id)
        equity = self._state.strategy_equity(self._owner)
        if held is None or not held.quantity or not equity:
            return 0.0
        # Both sides as floats first: the compiled path has no wider integers to divide.
        return float(held.value(slot.mark)) / float(equity)

    def equity_beside(self, instrument_id: str = "") -> int | None:
        """The strategy's equity without the market value of one position, in money units.

        None while a held position has no mark.
        """
        slot = self._state.instruments[instrument_id or self._first]
        held = self._owner.positions.get(slot.instrument.id)
        equity = self._state.strategy_equity(self._owner)
        if equity is None or held is None or not held.quantity:
            return equity
        return equity - held.value(slot.mark)

    def order(self, ref: int) -> Order | None:
        """An open order by its reference, or None when it is over."""
        return self._owner.orders.get(ref)

    def is_open(self, ref: int) -> bool:
        """Whether an order can still trade or waits for its parent."""
        return ref in self._owner.orders

    def open_orders(self, instrument_id: str = "") -> tuple[int, ...]:
        """References of the strategy's open orders, oldest first."""
        return tuple(
            ref
            for ref, order in self._owner.orders.items()
            if not instrument_id or order.spec.instrument == instrument_id
        )
