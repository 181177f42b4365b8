"""What a session records of its course stays small, however long it lasts."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from interlock.live.record import HELD_MOST, SAMPLES_MOST, Record


class Clock:
    def __init__(self) -> None:
        self.ts = 0

    def now_ns(self) -> int:
        self.ts += 1
        return self.ts


def _driver(instruments: int) -> Any:
    slot = SimpleNamespace(net=SimpleNamespace(quantity=1, realized=2), mark=3)
    state = SimpleNamespace(
        instruments={str(number): slot for number in range(instruments)}, equity=lambda: 5
    )
    engine = SimpleNamespace(
        startup=SimpleNamespace(is_trading=True), desk=SimpleNamespace(state=state)
    )
    return SimpleNamespace(engine=engine, doors=SimpleNamespace(clock=Clock()))


@pytest.mark.parametrize("instruments", [1, 50])
def test_samples_are_thinned_by_what_they_hold(instruments: int) -> None:
    record, driver = Record(), _driver(instruments)
    for _ in range(3 * SAMPLES_MOST):
        record.look(driver)
    most = min(SAMPLES_MOST, HELD_MOST // instruments)
    assert most // 2 <= len(record.samples) <= most
    times = [sample.ts for sample in record.samples]
    assert times == sorted(times)
    assert len(record.samples[-1].held) == instruments
