"""Signers: the only place that holds keys, behind the port that never shows them."""

from __future__ import annotations

import hashlib
import hmac

from coincurve import PrivateKey, PublicKey

from interlock.wire.hyperliquid.hashing import address_of

_DIGEST_BYTES = 32
_SIGNATURE_BYTES = 65


class KeyFault(ValueError):
    """A key that cannot sign; the text never contains it."""


class EthereumSigner:
    """Recoverable secp256k1 signatures of 32-byte digests, by libsecp256k1.

    A signature is 0x and 130 hex digits: r, s and the recovery id. It is deterministic (RFC 6979):
    the same digest gives the same text.
    """

    def __init__(self, private_key: str) -> None:
        try:
            secret = bytes.fromhex(private_key.strip().removeprefix("0x"))
            self._key = PrivateKey(secret)
        except ValueError:
            raise KeyFault("the private key must be 64 hex digits of a secp256k1 key") from None
        if len(secret) != _DIGEST_BYTES:
            raise KeyFault("the private key must be 64 hex digits of a secp256k1 key")
        self.address = address_of(self._key.public_key.format(compressed=False))

    def sign(self, message: bytes) -> str:
        """Sign a digest of 32 bytes."""
        if len(message) != _DIGEST_BYTES:
            raise KeyFault(f"a digest has 32 bytes, not {len(message)}; hash the message first")
        return f"0x{self._key.sign_recoverable(message, hasher=None).hex()}"

    def __repr__(self) -> str:
        return f"EthereumSigner({self.address})"


class HmacSigner:
    """HMAC-SHA256 of the bytes that a request signs, in hexadecimal."""

    def __init__(self, secret: str) -> None:
        if not secret:
            raise KeyFault("the secret is empty; pass the one that belongs to the API key")
        self._state = hmac.new(secret.encode(), digestmod=hashlib.sha256)

    def sign(self, message: bytes) -> str:
        """Sign the bytes as they are."""
        state = self._state.copy()
        state.update(message)
        return state.hexdigest()

    def __repr__(self) -> str:
        return "HmacSigner(...)"


def recover_address(digest: bytes, signature: bytes) -> str | None:
    """The address whose key made this signature (r, s, recovery id 0 or 1); None when none did."""
    if len(digest) != _DIGEST_BYTES or len(signature) != _SIGNATURE_BYTES:
        return None
    try:
        key = PublicKey.from_signature_and_message(signature, digest, hasher=None)
    except ValueError:
        return None
    return address_of(key.format(compressed=False))
