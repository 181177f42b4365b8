"""Client order ids: who sent an order, under which lease, for which strategy, and a check.

An id reads ``tag-epoch-strategy-ref-check``: the engine's tag, then hexadecimal numbers. The epoch
is the lease's and is never given twice, the ref is the strategy's own number and never repeats
under an epoch, so an id is never drawn twice, over restarts and restored ledgers too. The check
keeps a cut or foreign text from being read as ours. The same content fits in 128 bits.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from enum import StrEnum

import msgspec

LENGTH_MAX = 36
EPOCH_BITS, STRATEGY_BITS, REF_BITS, CHECK_BITS = 32, 16, 40, 16
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
    """What a registry says about an id and a payload."""

    NEW = "new"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"


class Registry:
    """Every id that was ever given out with its payload's hash: one id, one payload, one send."""

    def __init__(self, payloads: dict[str, tuple[bytes, int]]) -> None:
        self._payloads = payloads
        self.duplicates = 0

    def __len__(self) -> int:
        return len(self._payloads)

    def standing(self, client_order_id: str, payload: bytes) -> Standing:
        """Whether the id may be sent with this payload: only a new one may."""
        known = self._payloads.get(client_order_id)
        if known is None:
            return Standing.NEW
        self.duplicates += 1
        return Standing.DUPLICATE if known[0] == payload else Standing.CONFLICT

    def add(self, client_order_id: str, payload: bytes, ts: int) -> None:
        """Remember an id; the first payload stays."""
        self._payloads.setdefault(client_order_id, (payload, ts))

    def clean(self, ts_before: int, *, keep_epoch: int) -> int:
        """Forget ids of earlier epochs given out before a time; returns how many went."""
        old = [
            name
            for name, (_, ts) in self._payloads.items()
            if ts < ts_before and ((part := parse(name)) is None or part.epoch < keep_epoch)
        ]
        for name in old:
            del self._payloads[name]
        return len(old)

    def entries(self) -> Iterator[tuple[str, str, int]]:
        """(id, payload hash in hexadecimal, when it was given out), oldest first."""
        for name, (payload, ts) in self._payloads.items():
            yield name, payload.hex(), ts
