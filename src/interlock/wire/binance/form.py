"""Parameters as ``name=value&...`` bytes: written for signing, read for serving."""

from __future__ import annotations

import re
from collections.abc import Iterable

_PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~")
_is_plain = re.compile(r"[A-Za-z0-9_.~-]*").fullmatch
_HEX = {ord(digit): int(digit, 16) for digit in "0123456789abcdefABCDEF"}


def write(parameters: Iterable[tuple[str, str]]) -> bytes:
    """Percent-encoded parameters in the order given: the very bytes that are signed."""
    return "&".join([f"{_quote(name)}={_quote(value)}" for name, value in parameters]).encode()


def read(raw: bytes) -> list[tuple[str, str]]:
    """Decoded parameters in order; a value that is no UTF-8 is shown with replacement marks."""
    if b"%" not in raw and b"+" not in raw:
        # As nearly every call: there is nothing to be decoded.
        parts = [part.partition("=") for part in raw.decode("utf-8", "replace").split("&") if part]
        return [(name, value) for name, _, value in parts]
    pairs = []
    for part in raw.split(b"&"):
        if part:
            name, _, value = part.partition(b"=")
            pairs.append((_unquote(name), _unquote(value)))
    return pairs


def _quote(text: str) -> str:
    if _is_plain(text):
        return text
    return "".join(chr(byte) if byte in _PLAIN else f"%{byte:02X}" for byte in text.encode())


def _unquote(raw: bytes) -> str:
    raw = raw.replace(b"+", b" ")
    if b"%" not in raw:
        return raw.decode("utf-8", "replace")
    out = bytearray()
    at = 0
    while at < len(raw):
        byte = raw[at]
        pair = raw[at + 1 : at + 3]
        if byte == 0x25 and len(pair) == 2 and pair[0] in _HEX and pair[1] in _HEX:
            out.append(_HEX[pair[0]] * 16 + _HEX[pair[1]])
            at += 3
        else:
            out.append(byte)
            at += 1
    return out.decode("utf-8", "replace")
