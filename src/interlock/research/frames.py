"""Orders and fills of a run as frames, in quote and base units beside their integers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from interlock.kernel.state import Order
from interlock.model.instrument import Instrument
from interlock.model.units import MONEY_SCALE
from interlock.sim.record import FillRow

_FILL_SCHEMA: dict[str, Any] = {
    "seq": pl.Int64,
    "ts": pl.Int64,
    "instrument": pl.String,
    "strategy": pl.String,
    "client_order_id": pl.String,
    "side": pl.Int64,
    "quantity": pl.Float64,
    "price": pl.Float64,
    "quantity_units": pl.Int64,
    "price_units": pl.Int64,
    "notional": pl.Float64,
    "fee": pl.Float64,
    "fee_units": pl.Int64,
    "fee_asset": pl.String,
    "liquidity": pl.String,
    "realized": pl.Float64,
    "slippage": pl.Float64,
    "position_after": pl.Float64,
    "tag": pl.String,
}


def fills_frame(rows: Sequence[FillRow], instruments: Mapping[str, Instrument]) -> pl.DataFrame:
    """Fills in quote and base units, beside their integers."""
    made = []
    for row in rows:
        instrument = instruments[row.instrument]
        notional = instrument.notional(row.price, row.quantity)
        worse = (row.price - row.reference) * row.side
        slipped = instrument.notional(abs(worse), row.quantity) * (1 if worse >= 0 else -1)
        size = 10**instrument.quantity_exponent
        if row.fee_asset == instrument.base:
            fee = instrument.notional(row.price, row.fee) / MONEY_SCALE
        else:
            fee = row.fee / MONEY_SCALE
        made.append(
            (
                row.seq,
                row.ts,
                row.instrument,
                row.strategy,
                row.client_order_id,
                row.side,
                row.quantity / size,
                row.price / 10**instrument.price_exponent,
                row.quantity,
                row.price,
                notional / MONEY_SCALE,
                fee,
                row.fee,
                row.fee_asset,
                "maker" if row.is_maker else "taker",
                row.realized / MONEY_SCALE,
                slipped / MONEY_SCALE,
                row.position_after / size,
                row.tag,
            )
        )
    return pl.DataFrame(made, schema=_FILL_SCHEMA, orient="row")


def orders_frame(orders: Sequence[Order], instruments: Mapping[str, Instrument]) -> pl.DataFrame:
    """Orders in quote and base units."""
    specs = [order.spec for order in orders]
    prices = {key: 10.0**item.price_exponent for key, item in instruments.items()}
    sizes = {key: 10.0**item.quantity_exponent for key, item in instruments.items()}
    names = [spec.instrument for spec in specs]
    price_scale = np.fromiter((prices[name] for name in names), np.float64, len(names))
    size_scale = np.fromiter((sizes[name] for name in names), np.float64, len(names))

    def whole(values: Iterable[int]) -> NDArray[np.int64]:
        return np.fromiter(values, np.int64, len(names))

    return pl.DataFrame(
        {
            "client_order_id": [order.client_order_id for order in orders],
            "strategy": [order.owner.name for order in orders],
            "instrument": names,
            "type": [str(spec.type) for spec in specs],
            "side": whole(spec.side for spec in specs),
            "quantity": whole(spec.quantity for spec in specs) / size_scale,
            "price": whole(spec.price for spec in specs) / price_scale,
            "trigger": whole(spec.trigger for spec in specs) / price_scale,
            "time_in_force": [str(spec.time_in_force) for spec in specs],
            "reduce_only": [spec.reduce_only for spec in specs],
            "post_only": [spec.post_only for spec in specs],
            "status": [str(order.status) for order in orders],
            "filled": whole(order.filled for order in orders) / size_scale,
            "filled_notional": whole(order.notional for order in orders) / MONEY_SCALE,
            "ts_submitted": whole(order.ts_submitted for order in orders),
            "ts_closed": whole(order.ts_closed for order in orders),
            "tag": [spec.tag for spec in specs],
        },
        schema_overrides={name: pl.String for name in _ORDER_TEXT}
        | {name: pl.Boolean for name in ("reduce_only", "post_only")},
    )


_ORDER_TEXT = (
    "client_order_id",
    "strategy",
    "instrument",
    "type",
    "time_in_force",
    "status",
    "tag",
)
