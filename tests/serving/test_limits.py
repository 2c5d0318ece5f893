"""Clients that send or hold more than they may: memory and time of the server are bounded."""

from __future__ import annotations

import json
import logging
import os
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import httpx
import numpy as np
import pytest
from websockets.sync.client import connect

from eval.machine import process_status
from tests.support.paths import CORPUS
from tests.support.raw_http import (
    BINARY,
    CONTINUATION,
    PING,
    TEXT,
    ends,
    frame,
    received,
    socket_to,
    upgrade,
    websocket_to,
)
from tests.support.server import PATIENCE, Running, serving, wait_until
from tests.tools import fuzz_websocket
from wav2vec2_tf.serving import http_connection, peer, streaming
from wav2vec2_tf.serving import server as http_server
from wav2vec2_tf.serving.addresses import bind_sockets
from wav2vec2_tf.serving.app import create_app
from wav2vec2_tf.serving.models import SpeechModel
from wav2vec2_tf.serving.options import ServeOptions
from wav2vec2_tf.transcription.recognizer import Recognizer
from wav2vec2_tf.utils.errors import UserError

FILE = CORPUS / "1003" / "1" / "1003-1-0012.flac"
START = frame(TEXT, b'{"sample_rate": 16000, "encoding": "pcm_s16le"}')
SMALL_BUFFER = 2**14
HEALTH = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture(scope="module")
def server(bundled_recognizer: Recognizer) -> Iterator[Running]:
    with serving(bundled_recognizer, ServeOptions(streams=2, idle_seconds=60)) as running:
        yield running


def ready(running: Running) -> bool:
    return httpx.get(f"{running.url}/health", timeout=PATIENCE).status_code == 200


def resident() -> int:
    """The memory of this process, in bytes."""
    return 1000 * process_status(os.getpid(), "VmRSS")


def sent_until_it_blocks(connection: socket.socket, data: bytes, most: int) -> int:
    """Sends `data` again and again until the server stops reading or `most` bytes are sent."""
    connection.settimeout(1.0)
    total = 0
    with suppress(OSError):
        while total < most:
            total += connection.send(data)
    return total


def test_pings_of_a_client_that_does_not_read_are_bounded(
    bundled_recognizer: Recognizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It grew by what the client sent, and the stop took 24 s."""
    monkeypatch.setattr(peer, "WRITE_SECONDS", 1.5)
    before, most = resident(), 200 * 2**20
    with (
        serving(bundled_recognizer) as running,
        websocket_to(running.url, receive_buffer=SMALL_BUFFER) as socket,
    ):
        socket.sendall(START)
        assert sent_until_it_blocks(socket, frame(PING, bytes(125)) * 5000, most) < most / 2
        assert resident() - before < 50e6
        assert ready(running)
        wait_until(lambda: running.context.streams == 0)  # it is disconnected
        assert ends(socket)


def test_a_stop_does_not_wait_for_clients_that_do_not_read(
    bundled_recognizer: Recognizer,
) -> None:
    with ExitStack() as clients:
        with serving(bundled_recognizer, drain_seconds=0.5) as running:
            socket = websocket_to(running.url, receive_buffer=SMALL_BUFFER)
            clients.enter_context(socket).sendall(START)
            sent_until_it_blocks(socket, frame(PING, bytes(125)) * 5000, 200 * 2**20)
            start = time.monotonic()
        assert time.monotonic() - start < 0.5 + 3 + 5  # drain, closing, and a slow machine
        assert ends(socket)


@pytest.mark.parametrize("message", [b"", b"\1\0"], ids=["empty", "of one sample"])
def test_short_messages_do_not_hold_the_loop(server: Running, message: bytes) -> None:
    """40,000 of them took 51 s, in which nothing else was answered."""
    with websocket_to(server.url) as socket:
        socket.sendall(START)
        content = frame(BINARY, message) * 1000
        longest = 0.0
        for _ in range(40):
            socket.sendall(content)
            start = time.monotonic()
            assert ready(server)
            longest = max(longest, time.monotonic() - start)
        assert longest < 5
        socket.sendall(frame(TEXT, b'{"type": "end"}'))
        assert ends(socket)
    wait_until(lambda: server.context.streams == 0)


def test_silent_sockets_hold_no_place(
    bundled_recognizer: Recognizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streaming, "START_SECONDS", 3.0)
    options = ServeOptions(streams=1, api_keys=("right",))
    url = "/v1/audio/stream"
    with serving(bundled_recognizer, options) as running, ExitStack() as clients:
        silent = [clients.enter_context(websocket_to(running.url)) for _ in range(4)]
        with connect(running.url.replace("http", "ws") + url, open_timeout=PATIENCE) as socket:
            start = {"sample_rate": 16000, "encoding": "pcm_s16le", "api_key": "right"}
            socket.send(json.dumps(start))
            wait_until(lambda: running.context.streams == 1)
            socket.send(np.zeros(16000, np.int16).tobytes())
            socket.send(json.dumps({"type": "end"}))
            *_, last = map(json.loads, socket)
        assert last["type"] == "final"
        assert all(map(ends, silent))


def test_every_request_of_a_connection_has_a_time_limit(
    bundled_recognizer: Recognizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_connection, "HEAD_SECONDS", 1.0)
    monkeypatch.setattr(http_connection, "SKIP_SECONDS", 0.5)
    with serving(bundled_recognizer) as running:
        for rest in (b"", b"GET /health HT", HEALTH.replace(b"\r\n\r\n", b"\r\nContent-Length: 9")):
            with socket_to(running.url) as socket:
                socket.sendall(HEALTH + HEALTH + rest)
                assert ends(socket)
        with socket_to(running.url) as socket:  # a body that does not arrive
            socket.sendall(HEALTH.replace(b"\r\n\r\n", b"\r\nContent-Length: 9\r\n\r\n"))
            assert b"200" in socket.recv(99)
            assert ends(socket)


def test_a_client_that_does_not_read_is_disconnected(
    bundled_recognizer: Recognizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peer, "WRITE_SECONDS", 0.5)
    request = b"GET /page/page.js HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with (
        serving(bundled_recognizer, ServeOptions(ui=True)) as running,
        socket_to(running.url, receive_buffer=SMALL_BUFFER) as socket,
    ):
        most = 50 * 2**20
        assert sent_until_it_blocks(socket, request * 1000, most) < most
        wait_until(lambda: running.context.metrics.active == 0)
        assert ends(socket)
        assert ready(running)


def test_pipelined_requests_are_answered_in_order(server: Running) -> None:
    with socket_to(server.url) as socket:
        missing = HEALTH.replace(b"health", b"nothing")
        last = HEALTH.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
        socket.sendall(HEALTH + missing + last)
        answer = received(socket)
    statuses = [part.split()[0] for part in answer.split(b"HTTP/1.1 ")[1:]]
    assert statuses == [b"200", b"404", b"200"]


def test_the_longest_idle_connection_makes_room(
    bundled_recognizer: Recognizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_server, "MAX_CONNECTIONS", 3)
    monkeypatch.setattr(http_connection, "HEAD_SECONDS", PATIENCE)
    with serving(bundled_recognizer) as running, ExitStack() as clients:
        silent = []
        for _ in range(3):
            silent.append(clients.enter_context(socket_to(running.url)))
            time.sleep(0.1)
        assert ready(running)
        assert ends(silent[0])
        silent[2].sendall(HEALTH)
        assert b"200" in silent[2].recv(99)


@pytest.mark.parametrize(
    "content",
    [
        frame(TEXT, b" " * 5000),
        frame(TEXT, length=2**20) + bytes(20_000),
        frame(TEXT, b" " * 3000, final=False) + frame(CONTINUATION, b" " * 3000, final=False),
    ],
    ids=["whole", "of which a part arrives", "fragments"],
)
def test_a_first_message_is_short(server: Running, content: bytes) -> None:
    """It has the key: what others send takes little memory, and ends soon."""
    with websocket_to(server.url) as socket:
        socket.sendall(content)
        answer = socket.recv(2**16)
        assert answer[0] == 0x88 and int.from_bytes(answer[2:4], "big") == 1009
        assert ends(socket)


def test_speech_that_arrives_with_the_first_message(server: Running) -> None:
    with websocket_to(server.url) as socket:
        socket.sendall(START + frame(BINARY, bytes(60_000)) + frame(TEXT, b'{"type": "end"}'))
        answer = received(socket)
    assert b'"type":"final"' in answer


def test_long_messages_are_refused(server: Running) -> None:
    piece = frame(CONTINUATION, bytes(2**16 - 1), final=False)
    long = (
        frame(BINARY, length=2**40),
        frame(BINARY, bytes(2**16 - 1), final=False) + 16 * piece,
    )
    for content in long:
        with websocket_to(server.url) as socket:
            socket.sendall(START)
            with suppress(OSError):
                socket.sendall(content)
            answer = socket.recv(2**16)
            assert answer[0] == 0x88 and int.from_bytes(answer[2:4], "big") == 1009
            before = resident()
            sent_until_it_blocks(socket, bytes(2**20), 100 * 2**20)
            assert resident() - before < 50e6
    wait_until(lambda: server.context.streams == 0)


def test_messages_of_many_fragments(server: Running) -> None:
    """Empty fragments take no memory, and a message in pieces is the same message."""
    before = resident()
    start = b'{"sample_rate": 16000, "encoding": "opus"}'
    with websocket_to(server.url) as socket:
        socket.sendall(frame(TEXT, start[:9], final=False))
        for _ in range(20):
            socket.sendall(frame(CONTINUATION, final=False) * 5000)
        socket.sendall(frame(PING) + frame(CONTINUATION, start[9:]))
        answer = b""
        while b"encoding" not in answer:
            answer += socket.recv(2**16)
        assert b"\x8a\0" in answer  # the pong
    assert resident() - before < 50e6


def test_a_stream_on_disk_is_bounded_by_its_duration(server: Running) -> None:
    """At 384 kHz of 4 bytes, an hour was 5.5 GB."""
    rate, seconds = 384_000, 2
    with websocket_to(server.url) as socket:
        socket.sendall(frame(TEXT, b'{"sample_rate": 384000, "encoding": "pcm_f32le"}'))
        for _ in range(10 * seconds):
            socket.sendall(frame(BINARY, bytes(4 * rate // 10)))
        wait_until(lambda: server.context.streams == 1)
        (file,) = server.context.folder.iterdir()
        most = 4 * 16000 * seconds
        wait_until(lambda: file.stat().st_size > 0.9 * most)
        assert file.stat().st_size < 1.1 * most
    wait_until(lambda: server.context.streams == 0)


INVALID = {
    "text that is not UTF-8": (frame(TEXT, b"\xff\xfe\xfd\xfc\xfb\xfa\xf9\xf8"), 1007),
    "an unknown opcode": (frame(3, b"12345678"), 1002),
    "no mask": (b"\x82\x0c123456789012", 1002),
    "a continuation of nothing": (frame(CONTINUATION, b"12345678"), 1002),
    "a long ping": (frame(PING, bytes(126)), 1002),
    "a reserved bit": (b"\xf1" + frame(TEXT, b"12345678")[1:], 1002),
}


@pytest.mark.parametrize("name", INVALID)
def test_an_invalid_frame_is_one_line_of_the_log(
    server: Running, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    """14 bytes made three tracebacks."""
    content, code = INVALID[name]
    with websocket_to(server.url) as socket:
        socket.sendall(content)
        answer = socket.recv(2**16)
        assert answer[0] == 0x88 and int.from_bytes(answer[2:4], "big") == code
        assert ends(socket)
    wait_until(lambda: server.context.metrics.active == 0)
    (record,) = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert "\n" not in record.getMessage() and record.exc_info is None
    assert ready(server)


def test_invalid_http_is_one_line_of_the_log(
    server: Running, caplog: pytest.LogCaptureFixture
) -> None:
    for content in (
        b"\x16\x03\x01\0\xff\xff nonsense\r\n\r\n",
        b"GET /health HTTP/1.1\r\n\r\n",  # no host
        b"GET / HTTP/1.1\r\nHost: a\r\nA: " + b"b" * 20_000,
        upgrade().replace(b"13", b"12"),
        upgrade().replace(b"\r\n\r\n", b"\r\nContent-Length: 2\r\n\r\nab"),
    ):
        caplog.clear()
        with socket_to(server.url) as socket:
            socket.sendall(content)
            assert ends(socket)
        wait_until(lambda: server.context.metrics.active == 0)
        records = [record for record in caplog.records if record.levelno >= logging.WARNING]
        assert len(records) <= 1 and not any(record.exc_info for record in records)


@pytest.mark.parametrize(
    ("charset", "status"),
    [
        *((name, 400) for name in ("idna", "punycode", "undefined", "utf-16\0", "rot13", "none")),
        *((name, 200) for name in ("utf-8", '"UTF8"', "us-ascii", "ISO-8859-1")),
    ],
)
def test_charsets_of_forms(server: Running, charset: str, status: int) -> None:
    body = b'--x\r\nContent-Disposition: form-data; name="model"\r\n\r\nbundled\r\n--x\r\n'
    body += b'Content-Disposition: form-data; name="file"; filename="\xff.flac"\r\n\r\n'
    body += FILE.read_bytes() + b"\r\n--x--\r\n"
    head = (
        "POST /v1/audio/transcriptions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        f"Content-Type: multipart/form-data; boundary=x; charset={charset}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    with socket_to(server.url) as socket:
        socket.sendall(head.encode() + body)
        assert socket.recv(2**16).split()[1] == b"%d" % status


def test_a_server_for_other_machines_without_keys_warns(
    bundled_recognizer: Recognizer, caplog: pytest.LogCaptureFixture
) -> None:
    models = [SpeechModel("bundled", {None: bundled_recognizer})]
    for host, keys, warnings in (
        ("0.0.0.0", (), 1),
        ("::", (), 1),
        ("0.0.0.0", ("key",), 0),
        ("127.0.0.1", (), 0),
        ("::1", (), 0),
    ):
        caplog.clear()
        app = create_app(ServeOptions(api_keys=keys), models)
        try:
            listeners = bind_sockets(host, 0)
        except UserError:
            continue  # no IPv6 here
        http_server.warn_without_keys(app, listeners)
        for listener in listeners:
            listener.close()
        app.state.context.scheduler.close()
        assert len(caplog.records) == warnings, host


@pytest.mark.slow
def test_random_websockets(capsys: pytest.CaptureFixture[str]) -> None:
    """Runs the fuzzer for some seconds, on a server in a process of its own."""
    fuzz_websocket.main(["10", "1"])
    assert "with status 0" in capsys.readouterr().out
