"""States of a live engine as a person may meet them."""

from __future__ import annotations

from interlock.ui.read_model import (
    FillLine,
    NoticeLine,
    OrderLine,
    PositionLine,
    Status,
    StreamLine,
)

TS = 1_700_000_000_000_000_000
SECOND = 1_000_000_000
BTC, ETH, SOL = (f"{name}USDT-PERP.BINANCE" for name in ("BTC", "ETH", "SOL"))


def position(instrument: str, quantity: str = "0.000", **more: object) -> PositionLine:
    values: dict[str, object] = {
        "instrument": instrument,
        "quantity": quantity,
        "entry": "65000.1" if quantity != "0.000" else "",
        "mark": "65010.5",
        "unrealized": "1.25" if quantity != "0.000" else "",
        "realized": "-0.31",
        **more,
    }
    return PositionLine(**values)  # type: ignore[arg-type]


def order(number: int, **more: object) -> OrderLine:
    values: dict[str, object] = {
        "client_order_id": f"il-main-e3-{number:06d}",
        "instrument": BTC,
        "strategy": "MarketMaker",
        "side": "sell" if number % 2 else "buy",
        "kind": "limit",
        "price": f"{65_000 + number}.0",
        "quantity": "0.010",
        "filled": "0.000",
        "status": "accepted",
        "age_ms": 900 * number,
        **more,
    }
    return OrderLine(**values)  # type: ignore[arg-type]


def fill(number: int, **more: object) -> FillLine:
    values: dict[str, object] = {
        "ts": TS - number * 7 * SECOND,
        "instrument": BTC,
        "side": "buy" if number % 2 else "sell",
        "quantity": "0.010",
        "price": f"{65_000 - number}.5",
        "fee": "0.13 USDT",
        "is_maker": number % 3 > 0,
        "slippage_bps": f"{number - 3:+d}.20",
        "source": "stream",
        **more,
    }
    return FillLine(**values)  # type: ignore[arg-type]


def stream(
    name: str, state: str = "up", silent_ms: int = 300, budget_ms: int = 10_000
) -> StreamLine:
    return StreamLine(name=name, state=state, silent_ms=silent_ms, budget_ms=budget_ms)


def notice(number: int, name: str, level: str = "INFO", text: str = "") -> NoticeLine:
    return NoticeLine(ts=TS + number * SECOND, level=level, name=name, subject=BTC, text=text)


def calm(**more: object) -> Status:
    """One instrument, everything as it should be."""
    values: dict[str, object] = {
        "ts": TS,
        "account": "main",
        "venue": "binance",
        "mode": "live",
        "state": "trading",
        "strategies": ("MarketMaker",),
        "is_trading": True,
        "epoch": 3,
        "uptime_ms": 3_725_000,
        "decision_age_ms": 180,
        "decisions": 12_345,
        "lag_p99_ms": 3.24,
        "step_p99_us": 120.0,
        "commit_p99_ms": 4.21,
        "send_p99_ms": 5.1,
        "equity": "100012.34",
        "wallet": "100011.09",
        "currency": "USDT",
        "ledger_seq": 48_211,
        "rate_left": 900,
        "rate_capacity": 960,
        "connection": "closed",
        "positions": (position(BTC, "0.120"),),
        "orders": (order(1), order(2, kind="stop_market reduce", side="sell")),
        "fills": (fill(2), fill(1)),
        "streams": (stream(BTC), stream("user", silent_ms=4_000, budget_ms=30_000)),
        "notices": (notice(-60, "RECOVERED"), notice(-3, "PROTECTED")),
        **more,
    }
    return Status(**values)  # type: ignore[arg-type]


def busy() -> Status:
    """More of everything than a small screen can hold, and much of it wrong."""
    return calm(
        strategies=("MarketMaker", "TrendFollower", "FundingCarry"),
        decision_age_ms=4_200,
        unknown_orders=2,
        connection="half_open",
        silent_until_ms=12_000,
        rate_left=120,
        positions=(
            position(SOL, realized="12.00", is_paused=True),
            position(BTC, "0.120"),
            position(ETH, "-4.500", unrealized="-13.70", is_protected=False, external="-1.500"),
            *(position(f"COIN{number}USDT-PERP.BINANCE") for number in range(9)),
        ),
        orders=(
            *(order(number) for number in range(12)),
            order(20, status="unknown", instrument=ETH, age_ms=6_400),
            order(21, status="unknown", instrument=ETH, age_ms=61_000),
            order(22, status="partially_filled", filled="0.004"),
            order(23, status="pending_cancel", kind="stop_limit reduce"),
        ),
        fills=tuple(fill(number) for number in range(12, 0, -1)),
        streams=(
            stream(BTC),
            stream(ETH, "stale", 14_000),
            stream(SOL, "down", 31_000),
            stream("user", silent_ms=12_000, budget_ms=30_000),
        ),
        notices=(
            notice(-90, "RECOVERED"),
            notice(-30, "ORDER_DOUBT", "WARNING", "the answer was cut off after 17 bytes"),
            notice(-14, "STREAM_STALE", "WARNING", "silent for 10004 ms"),
            notice(-4, "POSITION_UNPROTECTED", "CRITICAL", "1.500 of 4.500 without a stop"),
            *(notice(-3, "RATE_LIMIT_THROTTLE", "WARNING") for _ in range(6)),
        ),
    )


def emergency() -> Status:
    """The strongest verb in progress."""
    return calm(
        state="emergency",
        reason="fat finger on the desk",
        positions=(position(BTC, "0.120", is_protected=False),),
        orders=(order(9, kind="market reduce", status="submitted", price="market"),),
    )


def empty() -> Status:
    """A start that has heard nothing yet."""
    return Status(ts=TS, account="main", venue="binance", mode="paper", state="")


STATES = {
    "calm": calm(),
    "busy": busy(),
    "emergency": emergency(),
    "paused": calm(state="paused", reason="lunch", decision_age_ms=15_000),
    "empty": empty(),
}
