"""What is signed and where the signature stands.

The venue signs the query string followed by the body, as bytes and without the signature itself.
The signature is the last parameter of whichever of the two carries the parameters.
"""

from __future__ import annotations

import hmac

_TAIL = b"signature="


def hmac_signature(secret: bytes, message: bytes) -> str:
    """HMAC-SHA256 in lower-case hex."""
    return hmac.digest(secret, message, "sha256").hex()


def sign(parameters: bytes, signature: str) -> bytes:
    """The parameters with their signature at the end."""
    tail = _TAIL + signature.encode()
    return parameters + b"&" + tail if parameters else tail


def signed_part(query: bytes, body: bytes) -> tuple[bytes, str]:
    """The bytes that a client signed and its signature, empty when there is none.

    Over raw bytes, before any decoding: some clients send JSON in a form body as it is.
    """
    query_rest, query_signature = _cut(query)
    body_rest, body_signature = _cut(body)
    return query_rest + body_rest, body_signature or query_signature


def is_signed_by(secret: bytes, message: bytes, signature: str) -> bool:
    """Whether this secret made the signature, compared in constant time."""
    return hmac.compare_digest(hmac_signature(secret, message).encode(), signature.encode())


def _cut(raw: bytes) -> tuple[bytes, str]:
    kept, found = [], b""
    for part in raw.split(b"&"):
        if part.startswith(_TAIL):
            found = part.removeprefix(_TAIL)
        else:
            kept.append(part)
    return b"&".join(kept), found.decode("ascii", "replace")
