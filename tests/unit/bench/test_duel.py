"""The duel's judge: when an exchange and a bot agree, and for how long they did not."""

from __future__ import annotations

from decimal import Decimal

from bench.duel import page
from bench.duel.judge import Books, Doubt, Order, Sample, compare, doubt, told, unrecorded

ONE = Decimal("0.01")


def books(*orders: tuple[str, bool], held: Decimal = Decimal(0)) -> Books:
    return Books(
        tuple(Order(frozenset(ids.split()), open_) for ids, open_ in orders), {"BTC": held}
    )


def test_the_same_order_under_the_id_that_the_bot_kept_is_no_difference() -> None:
    venue = books(("77 abc", True), ("78 abd", False), held=ONE)
    by_venue_id = books(("77", True), ("78", False), held=Decimal("0.010"))
    by_client_id = books(("abc", True), ("abd", False), held=ONE)
    assert compare(0.0, venue, by_venue_id).differences == ()
    assert compare(0.0, venue, by_client_id).differences == ()


def test_every_kind_of_difference_is_named() -> None:
    venue = books(("77 abc", True), ("78 abd", False), held=ONE)
    believed = books(("99", True))
    assert unrecorded(venue, believed) == 2
    assert compare(0.0, venue, believed).differences == (
        "position 0.01 BTC, believed flat",
        "2 orders unrecorded",
        "1 open at the venue only",
        "1 open in the bot only",
    )


def test_an_order_that_the_bot_holds_for_over_is_open_at_the_venue_only() -> None:
    found = compare(0.0, books(("77 abc", True)), books(("77", False)))
    assert found.differences == ("1 open at the venue only",)


def seen(*differs: bool) -> list[Sample]:
    return [
        Sample(float(at), Books(), Books(), ("position",) if is_so else ())
        for at, is_so in enumerate(differs)
    ]


def test_the_longest_difference_counts_and_earlier_ones_do_not() -> None:
    samples = seen(True, True, False, True, True, True, False, True, False)
    assert doubt(samples, since=2.0) == Doubt(3.0, is_over=True)


def test_a_difference_at_the_first_sample_began_with_the_fault() -> None:
    assert doubt(seen(False, False, True, False), since=1.5) == Doubt(1.5, is_over=True)


def test_a_difference_that_lasts_has_no_end() -> None:
    assert doubt(seen(False, True, True, True), since=0.5) == Doubt(2.5, is_over=False)


def test_positions_are_told_without_zeros() -> None:
    positions = {"SOL": Decimal("-2.00"), "BTC": Decimal("0.010"), "ETH": Decimal(0)}
    assert told(positions) == "0.01 BTC, -2 SOL"
    assert told({}) == "flat"


def test_a_cell_that_could_not_be_measured_says_why() -> None:
    line = {"script": "c", "bot": "nautilus", "not_measured": "not installed"}
    told_row = page.row(line)
    assert told_row.startswith("| c | nautilus | not measured: not installed |")
    assert told_row.count("|") == page.head().splitlines()[0].count("|")


def test_a_belief_that_stays_wrong_is_never_a_number_of_seconds() -> None:
    line = {
        "script": "c",
        "bot": "freqtrade",
        "faults": 1,
        "orders_at_venue": 3,
        "decisions": 3,
        "unrecorded": 1,
        "position": "0.011 BTC",
        "believed": "flat",
        "most_held": "0.022",
        "seconds_to_truth": 59.8,
        "is_over": False,
        "watched_s": 60.1,
        "orders_after": None,
    }
    assert page.row(line).endswith("| 0.011 BTC / flat | 0.022 | never within 60 | none |")


def test_the_page_has_its_markers() -> None:
    content = page.PAGE.read_text(encoding="utf-8")
    for begin, end in page.MARKS.values():
        assert content.index(begin) < content.index(end)
