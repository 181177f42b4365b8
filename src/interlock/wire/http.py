"""HTTP requests and responses as values, shared by clients, simulated servers and sockets."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec


class HttpRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What a client sends; header names in lower case, query and body as the bytes on the wire."""

    method: str
    path: str
    query: bytes = b""
    body: bytes = b""
    headers: Mapping[str, str] = {}


class HttpResponse(msgspec.Struct, frozen=True, kw_only=True):
    """What a server answers; header names in lower case."""

    status: int
    body: bytes
    headers: Mapping[str, str] = {}
    content_type: str = "application/json"
