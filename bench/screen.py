"""What the terminal view costs: CPU of one frame, and the share of a core at its two a second.

``python -m bench.screen`` measures a full screen of 50 positions, 50 orders, 50 fills, 50 streams
and 50 notices, with the decoding that `interlock top` does. The bound is 5 % of a core.
"""

from __future__ import annotations

import io
import time

import msgspec
from rich.console import Console
from rich.live import Live

from interlock.ui.read_model import (
    FillLine,
    NoticeLine,
    OrderLine,
    PositionLine,
    Status,
    StreamLine,
)
from interlock.ui.terminal import Screen
from interlock.ui.terminal.display import HERTZ

FRAMES = 200
LINES = 50
BOUND = 0.05
TS = 1_700_000_000_000_000_000


def full() -> Status:
    """As much as the read model ever holds."""
    names = [f"COIN{number}USDT-PERP.BINANCE" for number in range(LINES)]
    return Status(
        ts=TS,
        account="main",
        venue="binance",
        mode="live",
        state="trading",
        is_trading=True,
        decision_age_ms=100,
        equity="100012.34",
        wallet="100011.09",
        currency="USDT",
        unknown_orders=1,
        rate_left=700,
        rate_capacity=960,
        connection="closed",
        positions=tuple(
            PositionLine(
                instrument=name,
                quantity="0.120",
                entry="65000.1",
                mark="65010.5",
                unrealized="1.25",
                realized="-0.31",
            )
            for name in names
        ),
        orders=_orders(names),
        fills=tuple(
            FillLine(
                ts=TS,
                instrument=name,
                side="sell",
                quantity="0.010",
                price="65000.1",
                fee="0.13 USDT",
                is_maker=True,
                slippage_bps="+0.20",
                source="stream",
            )
            for name in names
        ),
        streams=tuple(
            StreamLine(name=name, state="up", silent_ms=300, budget_ms=10_000) for name in names
        ),
        notices=tuple(
            NoticeLine(ts=TS, level="WARNING", name="ORDER_DOUBT", subject=name, text="no answer")
            for name in names
        ),
    )


def _orders(names: list[str]) -> tuple[OrderLine, ...]:
    return tuple(
        OrderLine(
            client_order_id=f"il-1-8fa1-{number:x}-264e",
            instrument=name,
            strategy="MarketMaker",
            side="buy",
            kind="stop_limit reduce",
            price="65000.1",
            quantity="0.120",
            filled="0.010",
            status="partially_filled" if number else "unknown",
            age_ms=number * 700,
        )
        for number, name in enumerate(names)
    )


def frame_cpu_s(width: int, height: int) -> tuple[float, int]:
    """CPU seconds and characters of one frame."""
    file = io.StringIO()
    console = Console(
        file=file, width=width, height=height, force_terminal=True, color_system="256"
    )
    data = msgspec.json.encode(full())
    with Live(console=console, screen=True, auto_refresh=False) as live:
        start = time.process_time()
        for _ in range(FRAMES):
            live.update(Screen(msgspec.json.decode(data, type=Status)), refresh=True)
        spent = time.process_time() - start
    return spent / FRAMES, len(file.getvalue()) // FRAMES


if __name__ == "__main__":
    for size in ((80, 24), (140, 40), (250, 70)):
        seconds, characters = frame_cpu_s(*size)
        share = seconds * HERTZ
        said = "within" if share <= BOUND else "OVER"
        print(
            f"{size[0]:3}x{size[1]:2}: {seconds * 1e3:5.2f} ms CPU per frame, {share:6.2%} of a "
            f"core at {HERTZ} Hz ({said} {BOUND:.0%}), {characters:,} characters"
        )
