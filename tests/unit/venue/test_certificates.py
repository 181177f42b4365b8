"""The local authority: names it covers, who may read its key, and a real TLS handshake."""

import datetime
import socket
import ssl
import threading
from pathlib import Path

import pytest

from interlock.venue import certificates

NOW = datetime.datetime.now(datetime.UTC)


def test_made_once_and_made_anew_before_it_expires(tmp_path: Path) -> None:
    first = certificates.ensure(tmp_path / "tls", now=NOW)
    content = first.chain.read_bytes()
    assert certificates.ensure(tmp_path / "tls", now=NOW) == first
    assert first.chain.read_bytes() == content
    certificates.ensure(tmp_path / "tls", now=NOW + datetime.timedelta(days=820))
    assert first.chain.read_bytes() != content


def test_only_the_owner_may_read_the_key(tmp_path: Path) -> None:
    made = certificates.ensure(tmp_path / "tls", now=NOW)
    assert made.key.stat().st_mode & 0o077 == 0
    assert made.key.parent.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("name", ["demo-fapi.localhost", "127.0.0.1", "localhost"])
def test_a_client_that_trusts_the_authority_shakes_hands(tmp_path: Path, name: str) -> None:
    made = certificates.ensure(tmp_path / "tls", now=NOW)
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        raw, _ = listener.accept()
        with made.server_context().wrap_socket(raw, server_side=True) as peer:
            peer.sendall(b"hello")

    thread = threading.Thread(target=serve)
    thread.start()
    raw = socket.create_connection(listener.getsockname(), timeout=5)
    with made.client_context().wrap_socket(raw, server_hostname=name) as client:
        assert client.recv(5) == b"hello"
    thread.join()
    listener.close()


def test_a_client_that_trusts_others_refuses(tmp_path: Path) -> None:
    made = certificates.ensure(tmp_path / "tls", now=NOW)
    other = certificates.ensure(tmp_path / "other", now=NOW)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = other.client_context().wrap_bio(incoming, outgoing, server_hostname="localhost")
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = made.server_context().wrap_bio(to_server, to_client, server_side=True)
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    to_server.write(outgoing.read())
    with pytest.raises(ssl.SSLWantReadError):
        server.do_handshake()
    incoming.write(to_client.read())
    with pytest.raises(ssl.SSLCertVerificationError):
        client.do_handshake()
