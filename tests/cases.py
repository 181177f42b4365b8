"""Scenario files: named tables with their settings, read, checked and written anew.

A case is a block of ``tests/scenarios/*.txt``::

    == name: a sentence that says what the table shows
    settings, one line, may be absent: spot cash=100 v.fill=same_close l.open_orders_max=1
    the table

Settings: ``perpetual``, ``spot``, ``equity`` (several for several instruments), ``cash=``,
``funding=ROW:RATE``, ``protection``, and fields of the instrument (``i.``), of the venue (``v.``),
of its latency in ms (``t.``), of the limits (``l.``), ``slippage=KIND:RATE``, ``ambiguous=COUNT``.

``python -m tests.cases [FILE ...]`` plays the cases and writes the files anew; ``git diff`` then
shows which rows a change of the code has changed.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from interlock.sim.bars import BarMarket
from interlock.sim.costs import FixedSlippage, Latency, SquareRootSlippage, VolumeShareSlippage
from tests.scenario import EQUITY, FREE, NO_CAP, PERPETUAL, SPOT, Outcome, play

FOLDER = Path(__file__).parent / "scenarios"
KINDS = {"perpetual": PERPETUAL, "spot": SPOT, "equity": EQUITY}
SLIPPAGE = {
    "fixed": FixedSlippage,
    "volume_share": VolumeShareSlippage,
    "square_root": SquareRootSlippage,
}


@dataclass(frozen=True)
class Case:
    """One named scenario."""

    name: str
    sentence: str
    settings: str
    table: str

    def play(self) -> Outcome:
        """Run it with its settings."""
        return play(self.table, **_setup(self.settings))

    def check(self) -> Outcome:
        """Run it and compare every cell and the count of ambiguous bars."""
        outcome = self.play()
        met = outcome.text.splitlines()
        wanted = self.table.splitlines()
        differing = [
            f"- {old}\n+ {new}"
            for old, new in zip(wanted, met, strict=True)
            if old.split() != new.split()
        ]
        assert not differing, f"{self.name}: {self.sentence}\n" + "\n".join(differing)
        told = _words(self.settings).get("ambiguous", "0")
        assert ambiguous(outcome) == int(told), "bars where stop and target both lie inside"
        return outcome


def load(name: str) -> list[Case]:
    """The cases of a file."""
    return list(_read((FOLDER / f"{name}.txt").read_text()))


def every() -> list[Case]:
    """The cases of all files, in a fixed order."""
    return [case for path in sorted(FOLDER.glob("*.txt")) for case in load(path.stem)]


def ambiguous(outcome: Outcome) -> int:
    """How many bars held a stop and a target of one position."""
    markets = outcome.session.exchange.markets.values()
    return sum(market.ambiguous for market in markets if isinstance(market, BarMarket))


def _read(text: str) -> Iterator[Case]:
    for block in text.split("\n== ")[1:]:
        head, *lines = block.strip().splitlines()
        name, _, sentence = head.partition(": ")
        settings = "" if "|" in lines[0] else lines.pop(0)
        yield Case(name, sentence, settings, "\n".join(lines))


def _words(settings: str) -> dict[str, str]:
    return {key: value for key, _, value in (word.partition("=") for word in settings.split())}


def _value(text: str) -> Any:
    if text == "none":
        return None
    return int(text) if text.lstrip("-").isdigit() else text


def _setup(settings: str) -> dict[str, Any]:
    words = _words(settings)
    groups: dict[str, dict[str, Any]] = {"i": {}, "v": {}, "t": {}, "l": {}}
    given: dict[str, Any] = {}
    kinds = [KINDS[word] for word in words if word in KINDS] or [PERPETUAL]
    for word, value in words.items():
        group, dot, name = word.partition(".")
        if dot:
            groups[group][name] = _value(value)
        elif word == "protection":
            given[word] = True
        elif word == "cash":
            given[word] = value
        elif word == "funding":
            given[word] = dict(_rates(value))
        elif word == "slippage":
            kind, _, rate = value.partition(":")
            groups["v"]["slippage"] = SLIPPAGE[kind](int(rate))
    if "allow_short" in groups["i"]:
        groups["i"]["allow_short"] = bool(groups["i"]["allow_short"])
    if groups["t"]:
        groups["v"]["latency"] = Latency(**{k: v * 10**6 for k, v in groups["t"].items()})
    return {
        "instruments": tuple(msgspec.structs.replace(item, **groups["i"]) for item in kinds),
        "venue": msgspec.structs.replace(NO_CAP, **groups["v"]),
        "limits": msgspec.structs.replace(FREE, **groups["l"]),
        **given,
    }


def _rates(text: str) -> Iterator[tuple[int, str]]:
    for pair in text.split(","):
        row, _, rate = pair.partition(":")
        yield int(row), rate


def rewrite(path: Path) -> None:
    """Play the cases of a file and write their tables as they went."""
    text = path.read_text()
    blocks = [text.split("\n== ")[0].rstrip()]
    for case in _read(text):
        lines = [f"== {case.name}: {case.sentence}", case.settings, case.play().text]
        blocks.append("\n".join(line for line in lines if line))
    path.write_text("\n\n".join(blocks) + "\n")


if __name__ == "__main__":
    for file in sorted(FOLDER.glob("*.txt")):
        if not sys.argv[1:] or file.stem in sys.argv[1:]:
            rewrite(file)
