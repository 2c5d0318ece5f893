"""Requests as few clients send them, but HTTP/1.1 (RFC 9110, RFC 9112) and WebSockets allow."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import httpx
import pytest

from tests.support.raw_http import ends, socket_to, upgrade
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
    answer = httpx.head(f"{server.url}/health")
    assert (answer.status_code, answer.content) == (200, b"")
    answer = httpx.get(f"{server.url}/v1/audio/transcriptions")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


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
