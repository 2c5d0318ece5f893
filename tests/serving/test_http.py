"""Requests as few clients send them, but HTTP/1.1 (RFC 9110, RFC 9112) and WebSockets allow."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import httpx
import pytest

from tests.support.raw_http import ends, received, socket_to, upgrade
from tests.support.server import Running, serving
from wav2vec2_tf.serving.models import SpeechModel

UPLOAD = (
    b"POST %s HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n"
    b"Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 9000000\r\n\r\n"
)
CHUNKED = (
    b"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: localhost\r\n"
    b"Content-Type: multipart/form-data; boundary=b\r\nTransfer-Encoding: chunked\r\n\r\n"
)


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with serving(models=[SpeechModel("none", {})]) as running:
        yield running


def first_line(server: Running, request: bytes) -> bytes:
    with socket_to(server.url) as socket:
        socket.sendall(request)
        return socket.recv(2**16).split(b"\r\n")[0]


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (b"/v1/audio/transcriptions", b"HTTP/1.1 100 Continue"),
        (b"/v1/x", b"HTTP/1.1 404 Not Found"),
    ],
)
def test_a_client_that_waits_to_send(server: Running, path: bytes, line: bytes) -> None:
    """A body is only asked for if it is read (RFC 9110, section 10.1.1)."""
    assert first_line(server, UPLOAD % path) == line


def test_a_body_that_is_not_http(server: Running, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING), socket_to(server.url) as socket:
        socket.sendall(CHUNKED + b"no length\r\n")
        assert socket.recv(2**16).startswith(b"HTTP/1.1 400 Bad Request\r\n")
        assert ends(socket)
    (record,) = caplog.records
    assert "invalid HTTP: illegal chunk header" in record.getMessage()


def test_methods(server: Running) -> None:
    for path in ("health", "v1/models", "metrics"):
        answer = httpx.head(f"{server.url}/{path}")
        assert (answer.status_code, answer.content) == (200, b"")
        assert int(answer.headers["content-length"]) > 0
    for method, path, allowed in (
        ("GET", "v1/audio/transcriptions", "POST"),
        ("HEAD", "v1/audio/transcriptions", "POST"),
        ("PUT", "health", "GET, HEAD"),
    ):
        answer = httpx.request(method, f"{server.url}/{path}")
        assert (answer.status_code, answer.headers["allow"]) == (405, allowed)


def test_no_redirects(server: Running) -> None:
    """One to the address by which a proxy with TLS reaches the server would be wrong."""
    for path in ("/health/", "/v1/audio/transcriptions/"):
        answer = httpx.post(f"{server.url}{path}")
        assert answer.status_code == 404 and "location" not in answer.headers
        assert answer.json()["error"]["message"] == f"Not Found: POST {path}"


def test_a_body_that_would_be_too_large_is_not_asked_for(server: Running) -> None:
    large = UPLOAD.replace(b"9000000", b"90000000") % b"/v1/audio/transcriptions"
    assert first_line(server, large).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize("empty", [b"\r\n", b"\n\r\n\r\n"])
def test_empty_lines_before_a_request(server: Running, empty: bytes) -> None:
    """RFC 9112, section 2.2: some clients send one after a body."""
    get = b"GET /health HTTP/1.1\r\nHost: localhost\r\n"
    with socket_to(server.url) as socket:
        socket.sendall(empty)
        socket.sendall(get + b"\r\n" + empty + get + b"Connection: close\r\n\r\n")
        answer = received(socket)
    assert answer.count(b"HTTP/1.1 200 OK\r\n") == 2


def test_a_response_without_a_body_is_the_only_one(server: Running) -> None:
    with socket_to(server.url) as socket:
        socket.sendall(b"HEAD /health HTTP/1.1\r\nHost: localhost\r\n\r\nnonsense\r\n\r\n")
        answer = received(socket)
    assert answer.count(b"HTTP/1.1 ") == 2
    assert answer.endswith(b"\r\n\r\ninvalid HTTP: illegal request line\n")


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"POST /health HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked", 400),
        (b"POST /health HTTP/1.0\r\nTransfer-Encoding: chunked", 400),
        (b"POST /health HTTP/1.1\r\nTransfer-Encoding: gzip, chunked", 501),
        (b"POST /health HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6", 400),
        (b"GET /health HTTP/1.1\r\nAuthorization : Bearer secret", 400),
        (b"GET /health HTTP/1.1\r\nA: " + b"a" * 2**14, 431),
        (b"HEAD /health HTTP/2.0", 505),
        (b"PRI * HTTP/2.0\r\n\r\nSM", 505),
    ],
)
def test_refused_heads(
    server: Running, caplog: pytest.LogCaptureFixture, head: bytes, status: int
) -> None:
    """Two lengths of one body are two requests to one server, and one to another (smuggling)."""
    line, _, headers = head.partition(b"\r\n")
    head = b"\r\n".join((line, b"Host: localhost", headers or b"A: b"))
    with socket_to(server.url) as socket:
        socket.sendall(head + b"\r\n\r\n0\r\n\r\n")
        answer = received(socket)
    assert answer.startswith(b"HTTP/1.1 %d " % status) and answer.count(b"HTTP/1.1") == 1
    assert b"secret" not in answer and "secret" not in caplog.text


@pytest.mark.parametrize(
    ("request_", "line"),
    [
        (b"GET http://localhost/health HTTP/1.1\r\nHost: localhost\r\n\r\n", b"HTTP/1.1 200 OK"),
        (
            upgrade(headers="Connection: keep-alive\r\n"),
            b"HTTP/1.1 101 Switching Protocols",
        ),
    ],
    ids=["absolute form", "two headers Connection"],
)
def test_forms_of_requests(server: Running, request_: bytes, line: bytes) -> None:
    assert first_line(server, request_) == line
