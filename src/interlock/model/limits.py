"""What decisions are judged by: the pre-trade limits of an account."""

from __future__ import annotations

import msgspec


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Pre-trade limits of the account; None switches one off. Money units, ratios of 1e-6."""

    order_notional_max: int | None = None
    position_notional_max: int | None = None
    leverage_max_ratio: int | None = 1_000_000
    orders_per_window_max: int | None = None
    window_ns: int = 1_000_000_000
    open_orders_max: int | None = None
