"""Client order ids: who sent an order, under which lease, for which strategy, and a check.

An id reads ``tag-epoch-strategy-ref-check``: the engine's tag, then hexadecimal numbers. The epoch
is the lease's and is never given twice, the ref is the strategy's own number and never repeats
under an epoch, so an id is never drawn twice, over restarts and restored ledgers too. The check
keeps a cut or foreign text from being read as ours. The same content fits in 128 bits.
"""

from __future__ import annotations

import hashlib
import re
from enum import StrEnum

import msgspec

LENGTH_MAX = 36
EPOCH_BITS, STRATEGY_BITS, REF_BITS, CHECK_BITS = 32, 16, 40, 16
# References in one page of a registry: the bits of one number.
PAGE = 64
_TAG = re.compile(r"[a-z][a-z0-9]{0,3}")
_TEXT = re.compile(
    r"([a-z][a-z0-9]{0,3})-([1-9a-f][0-9a-f]{0,7})-(0|[1-9a-f][0-9a-f]{0,3})"
    r"-([1-9a-f][0-9a-f]{0,9})-([0-9a-f]{4})"
)
_CLOID = re.compile(r"0x([0-9a-f]{32})")
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


class IdError(ValueError):
    """Parts that no id can hold."""


class OrderId(msgspec.Struct, frozen=True, gc=False):
    """The parts of an id; ``text`` is its form for venues that take text."""

    tag: str
    epoch: int
    strategy: int
    ref: int

    def __post_init__(self) -> None:
        if not _TAG.fullmatch(self.tag):
            raise IdError(f"tag {self.tag!r} must be 1 to 4 of a-z, 0-9 and start with a letter")
        for name, value, bits in (
            ("epoch", self.epoch, EPOCH_BITS),
            ("strategy number", self.strategy, STRATEGY_BITS),
            ("reference", self.ref, REF_BITS),
        ):
            low = 0 if bits == STRATEGY_BITS else 1
            if not low <= value < 1 << bits:
                raise IdError(f"{name} {value} does not fit {bits} bits; it starts at {low}")

    @property
    def text(self) -> str:
        """At most 36 characters of ``a-z0-9-``."""
        return seal(f"{prefix(self.tag, self.epoch, self.strategy)}{self.ref:x}")

    @property
    def cloid(self) -> str:
        """The 128-bit form, as 0x and 32 hexadecimal digits."""
        value = int(self.tag, 36)
        value = value << EPOCH_BITS | self.epoch
        value = value << STRATEGY_BITS | self.strategy
        value = value << REF_BITS | self.ref
        value = value << CHECK_BITS | int(self.text[-4:], 16)
        return f"0x{value:032x}"


def prefix(tag: str, epoch: int, strategy: int) -> str:
    """What stands before the reference in every id of one strategy under one lease."""
    return f"{tag}-{epoch:x}-{strategy:x}-"


def seal(body: str) -> str:
    """The body with its check."""
    return f"{body}-{hashlib.sha256(body.encode()).hexdigest()[:4]}"


def parse(text: str) -> OrderId | None:
    """The parts of an id of any engine of this kind, or None for any other text."""
    found = _TEXT.fullmatch(text)
    if found is None or seal(text[:-5]) != text:
        return None
    tag, epoch, strategy, ref, _ = found.groups()
    return OrderId(tag, int(epoch, 16), int(strategy, 16), int(ref, 16))


def from_cloid(cloid: str) -> str | None:
    """The text form of a 128-bit id, or None when it is none of this kind."""
    found = _CLOID.fullmatch(cloid.lower())
    if found is None:
        return None
    value = int(found.group(1), 16)
    check = value & (1 << CHECK_BITS) - 1
    value >>= CHECK_BITS
    ref = value & (1 << REF_BITS) - 1
    value >>= REF_BITS
    strategy = value & (1 << STRATEGY_BITS) - 1
    value >>= STRATEGY_BITS
    epoch = value & (1 << EPOCH_BITS) - 1
    tag = _base36(value >> EPOCH_BITS)
    if not _TAG.fullmatch(tag) or not epoch or not ref:
        return None
    text = OrderId(tag, epoch, strategy, ref).text
    return text if int(text[-4:], 16) == check else None


def to_cloid(text: str) -> str:
    """The 128-bit form of an id of ours."""
    found = parse(text)
    if found is None:
        raise IdError(f"{text!r} is no order id of this engine; only those have a 128-bit form")
    return found.cloid


def _base36(value: int) -> str:
    digits = ""
    while value:
        value, digit = divmod(value, 36)
        digits = _DIGITS[digit] + digits
    return digits


def strategy_number(name: str) -> int:
    """A strategy's number in its ids: 16 bits of its name's digest."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:2])


class Standing(StrEnum):
    """What the books say about an id and a payload."""

    NEW = "new"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"


class Registry(msgspec.Struct, array_like=True):
    """Every id that was given out; for one of ours that is a bit, by engine, epoch and strategy.

    ``pages`` hold 64 references each, ``ts_given`` when the newest of an epoch and strategy was
    given out, ``others`` the ids of another form with their times.
    """

    pages: dict[str, dict[int, int]] = {}
    ts_given: dict[str, int] = {}
    others: dict[str, int] = {}

    def __contains__(self, client_order_id: object) -> bool:
        if not isinstance(client_order_id, str):
            return False
        part = parse(client_order_id)
        if part is None:
            return client_order_id in self.others
        page, bit = divmod(part.ref, PAGE)
        return bool(self.pages.get(_family(part), {}).get(page, 0) >> bit & 1)

    def __len__(self) -> int:
        bits = sum(mask.bit_count() for pages in self.pages.values() for mask in pages.values())
        return bits + len(self.others)

    def add(self, client_order_id: str, ts: int) -> None:
        """Remember an id that is given out at a time, ns."""
        part = parse(client_order_id)
        if part is None:
            self.others.setdefault(client_order_id, ts)
            return
        family, (page, bit) = _family(part), divmod(part.ref, PAGE)
        pages = self.pages.setdefault(family, {})
        pages[page] = pages.get(page, 0) | 1 << bit
        self.ts_given[family] = max(ts, self.ts_given.get(family, 0))

    def clean(self, ts_before: int, *, keep_epoch: int) -> None:
        """Forget earlier epochs whose newest id was given out before a time, and others as old."""
        for family in [family for family, ts in self.ts_given.items() if ts < ts_before]:
            if int(family.split("-")[1], 16) < keep_epoch:
                del self.pages[family], self.ts_given[family]
        for name in [name for name, ts in self.others.items() if ts < ts_before]:
            del self.others[name]


def _family(part: OrderId) -> str:
    return f"{part.tag}-{part.epoch:x}-{part.strategy:x}"
