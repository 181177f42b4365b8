"""The tape: what was written comes back, also what was written before a crash or some damage."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from interlock.adapters.tape import FolderTape, TapeReader, merged
from interlock.adapters.tape.blocks import RUN_BYTES
from interlock.model.events import BarsClosed, FundingPaid
from interlock.model.market import Bar, Book, Quote, Trade
from interlock.model.order import OrderStatus, OrderType
from interlock.model.venue import (
    Answer,
    FillSeen,
    OrderSeen,
    Stream,
    StreamChanged,
    VenueFill,
    VenueOrder,
    VenuePosition,
    Verdict,
)
from interlock.ports import TapeFault
from tests.ledger_rows import BTC, INSTRUMENT, NOON, SECOND, filled, intent


class Clock:
    """Time that moves when it is told to."""

    def __init__(self) -> None:
        self.ts = 0

    def now_ns(self) -> int:
        return self.ts


class Woken(msgspec.Struct, frozen=True):
    """An input of a runtime that the tape is told of."""

    ts_event: int


def _tape(folder: Path, **options: Any) -> FolderTape:
    return FolderTape(folder, clock=Clock(), extra=(Woken,), **options)


def _quote(number: int) -> Quote:
    return Quote.of(INSTRUMENT, NOON + number, 4_200_000 - number, 5, 4_200_010 + number, 7)


def _order() -> VenueOrder:
    return VenueOrder(
        instrument=BTC, client_order_id="c", venue_order_id="7", side=1, type=OrderType.LIMIT,
        status=OrderStatus.ACCEPTED, quantity=5, price=4_200_000,
    )  # fmt: skip


def _answers() -> list[Answer]:
    fill: VenueFill = filled(intent(1)).fill
    contents: list[Any] = [
        None, 17, _order(), (), (_order(), _order()), (fill,),
        (VenuePosition(instrument=BTC, quantity=-3),),
    ]  # fmt: skip
    return [
        Answer(request_id=n, ts_event=NOON, verdict=Verdict.ACCEPTED, content=content)
        for n, content in enumerate(contents)
    ]


def _plain(event: Any) -> Any:
    """What of an event can be compared."""
    if isinstance(event, Book):
        return (event.ts_event, event.bids, event.asks, event.bid_units, event.ask_units)
    if isinstance(event, BarsClosed):
        return (event.ts_event, [_plain(bar) for bar in event.bars])
    if isinstance(event, Bar):
        return (event.instrument, event.values(), event.step_ns, event.ts_event)
    if isinstance(event, Quote | Trade):
        return (type(event), event.instrument, event.values())
    return event


def test_every_kind_of_event_comes_back(tmp_path: Path) -> None:
    bar = Bar.of(INSTRUMENT, NOON, 1, 4, 1, 3, 900)
    bar.step_ns = SECOND
    late = bar.arriving(NOON + 2 * SECOND)
    events: list[Any] = [
        _quote(1),
        Trade.of(INSTRUMENT, NOON, 4_200_000, 3, -1),
        late,
        BarsClosed(NOON + SECOND, (late,)),
        *_answers(),
        OrderSeen(ts_event=NOON, order=_order()),
        FillSeen(ts_event=NOON, fill=filled(intent(2)).fill),
        StreamChanged(ts_event=NOON, stream=Stream.USER, is_up=False, reason="closed"),
        FundingPaid(NOON, BTC, 10, 4_200_000, -12),
        Woken(NOON),
    ]
    tape = _tape(tmp_path)
    for number, event in enumerate(events):
        tape.write(number // 3, event)
        if number % 4 == 0:
            tape.flush()
    tape.close()
    found = list(tape.read())
    assert [seq for seq, _ in found] == [number // 3 for number in range(len(events))]
    assert [_plain(event) for _, event in found] == [_plain(event) for event in events]
    assert [seq for seq, _ in tape.read(after=3)] == [seq for seq, _ in found if seq >= 3]


def test_a_cursor_is_kept_as_it_was_when_it_was_written(tmp_path: Path) -> None:
    tape = _tape(tmp_path)
    book = Book(INSTRUMENT)
    states = []
    for number in range(40):
        book.set_level(1, 100 + number % 7, quantity=number % 3)
        book.set_level(-1, 200 - number % 5, quantity=number % 4)
        book.ts_event = NOON + number
        tape.write(number, book)
        states.append(_plain(book.copy()))
        if number % 3 == 0:
            tape.flush()
    tape.close()
    assert [_plain(event) for _, event in tape.read()] == states


def test_a_reader_that_starts_in_a_later_segment_has_whole_books(tmp_path: Path) -> None:
    tape = _tape(tmp_path, segment_bytes=400)
    book = Book(INSTRUMENT)
    states = {}
    for number in range(200):
        book.set_level(1, 100 + number, quantity=1 + number)
        tape.write(number, book)
        states[number] = _plain(book.copy())
        tape.flush()
    tape.close()
    assert len(list(tmp_path.glob("*.seg"))) > 3
    found = {seq: _plain(event) for seq, event in tape.read(after=150)}
    assert found == {number: states[number] for number in range(150, 200)}


def test_a_new_tape_goes_on_after_the_old_one(tmp_path: Path) -> None:
    for start in (0, 5):
        tape = _tape(tmp_path)
        for number in range(start, start + 5):
            tape.write(number, _quote(number))
        tape.close()
    assert [seq for seq, _ in TapeReader(tmp_path).read()] == list(range(10))


def test_what_came_after_rows_that_a_crash_took_never_was(tmp_path: Path) -> None:
    # Rows 4 and 5 of the first run never became durable; the second begins after row 3.
    for seqs in ((1, 2, 3, 4, 5), (3, 4, 6)):
        tape = _tape(tmp_path)
        for seq in seqs:
            tape.write(seq, _quote(seq + 100 * seqs[0]))
        tape.close()
    assert [seq for seq, _ in TapeReader(tmp_path).read()] == [1, 2, 3, 3, 4, 6]


def test_a_block_cut_by_a_crash_is_left_out_and_told(tmp_path: Path) -> None:
    tape = _tape(tmp_path)
    for number in range(5):
        tape.write(number, _quote(number))
        tape.flush()
    tape.close()
    (segment,) = tmp_path.glob("*.seg")
    whole = segment.read_bytes()
    for cut in range(1, 30):
        segment.write_bytes(whole[:-cut])
        reader = TapeReader(tmp_path)
        assert [seq for seq, _ in reader.read()] == [0, 1, 2, 3]
        (said,) = reader.findings
        assert f"{segment} ends in a block that was not finished" in said


def test_damage_costs_the_rest_of_its_run_and_is_told(tmp_path: Path) -> None:
    tape = _tape(tmp_path)
    count = 8
    for number in range(count):
        for offset in range(RUN_BYTES // 64):
            tape.write(number, _quote(number * 1_000_003 + offset * offset * 7_919))
        tape.flush()
    tape.close()
    (segment,) = tmp_path.glob("*.seg")
    data = bytearray(segment.read_bytes())
    data[len(data) // 2] ^= 0xFF
    segment.write_bytes(data)
    reader = TapeReader(tmp_path)
    found = {seq for seq, _ in reader.read()}
    assert 0 in found
    assert count - 1 in found
    assert len(found) < count
    (said,) = reader.findings
    assert "the tape goes on at byte" in said


def test_a_file_that_is_no_segment_is_told(tmp_path: Path) -> None:
    (tmp_path / "tape-00000001-0000000000000000.seg").write_bytes(b"something else")
    reader = TapeReader(tmp_path)
    assert list(reader.read()) == []
    assert "is no tape segment" in reader.findings[0]


def test_an_unknown_input_is_refused_by_name(tmp_path: Path) -> None:
    tape = FolderTape(tmp_path, clock=Clock())
    with pytest.raises(TapeFault, match="does not know Woken"):
        tape.write(0, Woken(1))
    tape.close()


def test_rows_and_events_make_one_journal() -> None:
    rows = [(1, "row 1"), (2, "row 2"), (3, "row 3")]
    events = [(0, "a"), (1, "b"), (1, "c"), (2, "d")]
    assert [value for _, value in merged(rows, events)] == [
        "a", "row 1", "b", "c", "row 2", "d", "row 3",
    ]  # fmt: skip


def test_what_cannot_be_written_is_counted_and_the_next_flush_goes_on(tmp_path: Path) -> None:
    folder = tmp_path / "tape"
    tape = _tape(folder)
    book = Book(INSTRUMENT)
    book.set_level(1, 100, quantity=3)
    folder.rmdir()
    tape.write(1, book)
    tape.write(1, _quote(1))
    with pytest.raises(TapeFault, match="2 events are missing from it"):
        tape.flush()
    folder.mkdir()
    book.set_level(-1, 101, quantity=4)
    tape.write(2, book)
    tape.close()
    assert tape.dropped == 2
    assert [(seq, _plain(event)) for seq, event in tape.read()] == [(2, _plain(book))]


def test_the_disk_is_waited_for_once_a_second(tmp_path: Path) -> None:
    clock = Clock()
    tape = FolderTape(tmp_path, clock=clock)
    for number in range(20):
        clock.ts += SECOND // 4
        tape.write(number, _quote(number))
        tape.flush()
    tape.close()
    assert [seq for seq, _ in tape.read()] == list(range(20))
