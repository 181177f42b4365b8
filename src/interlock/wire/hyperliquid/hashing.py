"""What Hyperliquid signs: digests of actions by msgpack, Keccak-256 and EIP-712.

Hashing bytes is pure computation; the signature itself is made by whoever holds the key. Two ways
exist. An L1 action (orders, cancels, leverage) is hashed as msgpack in the order of its keys and
signed as the connection id of an agent. A user-signed action (approvals, transfers) is signed field
by field under its own type.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import msgspec
from Crypto.Hash import keccak

from interlock.wire.hyperliquid.text import WireFault

MAINNET_SOURCE = "a"
TESTNET_SOURCE = "b"
_ZERO_ADDRESS = "0x" + "00" * 20
_DOMAIN = "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
_ADDRESS_BYTES = 20
_UINT64_MAX = 2**64 - 1

Fields = tuple[tuple[str, str], ...]

_CHAIN = ("hyperliquidChain", "string")
_NONCE = ("nonce", "uint64")
# Type of an action -> (name under which it is signed, its fields in the order of signing).
USER_SIGNED: dict[str, tuple[str, Fields]] = {
    "approveAgent": (
        "ApproveAgent",
        (_CHAIN, ("agentAddress", "address"), ("agentName", "string"), _NONCE),
    ),
    "approveBuilderFee": (
        "ApproveBuilderFee",
        (_CHAIN, ("maxFeeRate", "string"), ("builder", "address"), _NONCE),
    ),
    "usdSend": (
        "UsdSend",
        (_CHAIN, ("destination", "string"), ("amount", "string"), ("time", "uint64")),
    ),
    "withdraw3": (
        "Withdraw",
        (_CHAIN, ("destination", "string"), ("amount", "string"), ("time", "uint64")),
    ),
    "usdClassTransfer": (
        "UsdClassTransfer",
        (_CHAIN, ("amount", "string"), ("toPerp", "bool"), _NONCE),
    ),
    "userSetAbstraction": (
        "UserSetAbstraction",
        (_CHAIN, ("user", "address"), ("abstraction", "string"), _NONCE),
    ),
    "userDexAbstraction": (
        "UserDexAbstraction",
        (_CHAIN, ("user", "address"), ("enabled", "bool"), _NONCE),
    ),
}


def keccak256(data: bytes) -> bytes:
    """Keccak-256 as Ethereum uses it, in C."""
    return keccak.new(data=data, digest_bits=256).digest()


def address_bytes(address: str) -> bytes:
    """The 20 bytes of an address with or without 0x."""
    try:
        data = bytes.fromhex(address.removeprefix("0x"))
    except ValueError:
        raise WireFault(f"address {address!r} is not hexadecimal") from None
    if len(data) != _ADDRESS_BYTES:
        raise WireFault(f"address {address!r} has {len(data)} bytes instead of 20")
    return data


def address_of(public_key: bytes) -> str:
    """The address of an uncompressed public key: 64 bytes, or 65 with its leading 4."""
    return "0x" + keccak256(public_key[-64:])[-_ADDRESS_BYTES:].hex()


def connection_id(
    action: object, *, nonce: int, vault: str | None = None, expires_ms: int | None = None
) -> bytes:
    """The hash of an L1 action; the order of its keys is part of it."""
    try:
        data = msgspec.msgpack.encode(action) + _uint64(nonce)
    except (OverflowError, TypeError, UnicodeError) as error:
        raise WireFault(f"the action cannot be hashed: {error}") from None
    data += b"\x00" if vault is None else b"\x01" + address_bytes(vault)
    if expires_ms is not None:
        data += b"\x00" + _uint64(expires_ms)
    return keccak256(data)


def l1_digest(connection: bytes, source: str) -> bytes:
    """The 32 bytes to sign for an L1 action; ``source`` is "a" on mainnet, "b" elsewhere."""
    struct = keccak256(
        _type_hash("Agent(string source,bytes32 connectionId)") + _text_hash(source) + connection
    )
    return _typed(_domain("Exchange", 1337), struct)


def user_digest(action: Mapping[str, object]) -> bytes:
    """The 32 bytes to sign for a user-signed action, with the chain that it names itself."""
    kind = action.get("type")
    if not isinstance(kind, str) or kind not in USER_SIGNED:
        raise WireFault(f"action {kind!r} is not signed field by field")
    name, fields = USER_SIGNED[kind]
    text = ",".join(f"{type_} {field}" for field, type_ in fields)
    data = _type_hash(f"HyperliquidTransaction:{name}({text})")
    for field, type_ in fields:
        data += _encoded(action.get(field, _default(type_)), type_)
    return _typed(_domain("HyperliquidSignTransaction", _chain_of(action)), keccak256(data))


def _chain_of(action: Mapping[str, object]) -> int:
    chain = action.get("signatureChainId")
    try:
        number = int(chain, 16) if isinstance(chain, str) else -1
    except ValueError:
        number = -1
    if not 0 <= number <= _UINT64_MAX:
        raise WireFault(f"signatureChainId {chain!r} is no hexadecimal chain")
    return number


def _default(type_: str) -> object:
    # A nameless agent leaves the name out of the message, but signs the empty one.
    return "" if type_ == "string" else None


def _encoded(value: object, type_: str) -> bytes:
    """One field in 32 bytes."""
    if type_ == "string" and isinstance(value, str):
        return _text_hash(value)
    if type_ == "address" and isinstance(value, str):
        return address_bytes(value).rjust(32, b"\x00")
    if type_ == "bool" and isinstance(value, bool):
        return int(value).to_bytes(32, "big")
    if type_ == "uint64" and isinstance(value, int) and not isinstance(value, bool):
        return _uint64(value).rjust(32, b"\x00")
    raise WireFault(f"{value!r} is no {type_}")


def _uint64(value: int) -> bytes:
    if not 0 <= value <= _UINT64_MAX:
        raise WireFault(f"{value} does not fit 64 bits")
    return value.to_bytes(8, "big")


def _typed(domain: bytes, struct: bytes) -> bytes:
    return keccak256(b"\x19\x01" + domain + struct)


@lru_cache(maxsize=64)
def _type_hash(text: str) -> bytes:
    return keccak256(text.encode())


@lru_cache(maxsize=64)
def _text_hash(text: str) -> bytes:
    return keccak256(text.encode())


@lru_cache(maxsize=64)
def _domain(name: str, chain: int) -> bytes:
    return keccak256(
        _type_hash(_DOMAIN)
        + keccak256(name.encode())
        + keccak256(b"1")
        + chain.to_bytes(32, "big")
        + address_bytes(_ZERO_ADDRESS).rjust(32, b"\x00")
    )
