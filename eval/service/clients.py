"""The kinds of clients of `eval soak`: valid ones, ones that leave early, and faulty ones."""

from __future__ import annotations

import gzip
import json
import socket
import struct
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from .client import (
    ANOTHER,
    BUSY,
    CLOSED,
    END,
    LEFT,
    RESET,
    RIGHT,
    START,
    STREAM,
    Client,
    flac,
    received_status,
)
from .server import HOST, Connection, MultipartForm

QUEUE, MEGABYTES, MOST_SECONDS, UPLOAD_SECONDS = 16, 2, 60, 5
LIMITS = (
    *("--queue", str(QUEUE), "--max-megabytes", str(MEGABYTES)),
    *("--max-seconds", str(MOST_SECONDS), "--upload-seconds", str(UPLOAD_SECONDS)),
)
"""Flags of the server: low limits, so that clients reach them."""
BOMB_SECONDS = 3600  # in some 200 kB of FLAC


@dataclass(frozen=True)
class ClientKind:
    """A kind of client."""

    name: str
    act: Callable[[Client], str]
    """Acts once and returns the outcome."""
    expected: tuple[str, ...]
    """Outcomes that are allowed."""


# Valid clients


def _file(client: Client) -> str:
    return client.transcribe(client.recording())


def _words(client: Client) -> str:
    recording = client.recording()
    form = MultipartForm.of(
        recording.content,
        **{"response_format": "verbose_json", "timestamp_granularities[]": "word"},
    )
    with client.server.connect() as connection:
        response = connection.post(form)
    if response.status != 200:
        return str(response.status)
    found = json.loads(response.body)
    words = " ".join(word["word"] for word in found["words"])
    return RIGHT if found["text"] == words == recording.text else ANOTHER


def _stream(client: Client) -> str:
    from websockets.exceptions import ConnectionClosed

    number = client.random.randrange(len(client.sent))
    recording, samples = client.sent[number], client.speech[number].astype("<f4").tobytes()
    try:
        with client.stream() as connection:
            connection.send(START)
            for start in range(0, len(samples), 64000):
                connection.send(samples[start : start + 64000])
            connection.send(END)
            for message in connection:
                found = json.loads(message)
                if found["type"] == "final":
                    return RIGHT if found["text"] == recording.text else ANOTHER
    except ConnectionClosed as error:
        return BUSY if error.rcvd and error.rcvd.code == 4429 else f"closed {error.rcvd}"
    return "no final result"


# Clients that leave


def _leaves_in_the_head(client: Client) -> str:
    return client.send_and_leave(client.request(client.recording().form)[:60])


def _leaves_during_upload(client: Client) -> str:
    request = client.request(client.recording().form)
    return client.send_and_leave(request[: len(request) // 2])


def _leaves_before_the_answer(client: Client) -> str:
    return client.send_and_leave(client.request(client.recording().form))


def _leaves_in_the_answer(client: Client) -> str:
    with client.connect() as connection:
        connection.sendall(client.request(client.recording().form))
        connection.recv(1)
        reset = struct.pack("ii", 1, 0)  # close by a reset: data in transit is dropped
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
    return LEFT


def _leaves_a_stream(client: Client) -> str:
    with client.stream() as connection:
        connection.send(START)
        connection.send(bytes(64000))
        connection.socket.shutdown(socket.SHUT_RDWR)
    return LEFT


# Clients that send invalid data


def _garbage_body(client: Client) -> str:
    return client.post(
        MultipartForm(client.random.randbytes(20_000), "multipart/form-data; boundary=x")
    )


def _garbage_audio(client: Client) -> str:
    return client.post(MultipartForm.of(client.random.randbytes(20_000)))


def _damaged_audio(client: Client) -> str:
    content = bytearray(client.recording().content)
    for place in client.random.sample(range(64, len(content)), 50):
        content[place] = client.random.randrange(256)
    return client.post(MultipartForm.of(bytes(content)))


def _no_form(client: Client) -> str:
    return client.post(MultipartForm(b'{"file": "speech.wav"}', "application/json"))


def _no_http(client: Client) -> str:
    with client.connect() as connection:
        connection.sendall(client.random.randbytes(2000) + b"\r\n\r\n")
        return received_status(connection)


def _empty_file(client: Client) -> str:
    return client.post(MultipartForm.of(b""))


def _short_audio(client: Client) -> str:
    import numpy as np

    return client.post(MultipartForm.of(flac(np.zeros(100, np.float32))))


def _no_such_model(client: Client) -> str:
    return client.post(MultipartForm.of(client.recording().content, model="no-such-model"))


def _bad_field(client: Client) -> str:
    return client.post(
        MultipartForm.of(client.recording().content, response_format="../../etc/passwd")
    )


def _no_such_path(client: Client) -> str:
    with client.server.connect() as connection:
        return str(connection.get("/v1/../../etc/passwd").status)


def _wrong_key(client: Client) -> str:
    with Connection(client.server.port, f"{client.server.key}?") as connection:
        return str(connection.post(client.recording().form).status)


def _bomb(client: Client) -> str:
    return client.post(MultipartForm.of(client.bomb))


def _compressed_body(client: Client) -> str:
    form = client.recording().form
    compressed = MultipartForm(gzip.compress(form.body), form.content_type)
    with client.connect() as connection:
        connection.sendall(client.request(compressed, "Content-Encoding: gzip\r\n"))
        return received_status(connection)


def _too_large(client: Client) -> str:
    return client.post(MultipartForm.of(bytes(2 * MEGABYTES * 10**6)))


def _endless(client: Client) -> str:
    """Sends a body in chunks that does not end."""
    form = client.recording().form
    head = client.head(form.content_type, "Transfer-Encoding: chunked\r\n")
    start = form.body[:200]  # as far as the file's first bytes
    piece = bytes(50_000)
    with client.connect() as connection:
        connection.sendall(head + b"%x\r\n%s\r\n" % (len(start), start))
        try:
            for _ in range(100 * MEGABYTES):
                connection.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))
        except OSError:
            return CLOSED
        return received_status(connection)


def _slow_sender(client: Client) -> str:
    """Sends the start of a body, and then one byte at a time."""
    request = client.request(client.recording().form)
    with client.connect() as connection:
        connection.sendall(request[:1000])
        connection.settimeout(UPLOAD_SECONDS / 4)
        for place in range(1000, 1000 + 20 * UPLOAD_SECONDS):
            try:
                connection.sendall(request[place : place + 1])
                return received_status(connection)
            except TimeoutError:
                continue  # no answer yet
            except OSError:
                return CLOSED
    return "no answer"


def _bad_start(client: Client) -> str:
    return client.stream_of(["no JSON at all"])


def _no_start(client: Client) -> str:
    return client.stream_of([bytes(1000)])


def _incomplete_sample(client: Client) -> str:
    return client.stream_of([START, bytes(401), END])


def _large_message(client: Client) -> str:
    """Sends a message beyond the server's limit."""
    return client.stream_of([START, bytes(5_000_000)])


def _bad_frames(client: Client) -> str:
    return client.stream_of([], b"\xff" + client.random.randbytes(200))


def _pings(client: Client) -> str:
    """Sends pings and reads no pong, until the server stops reading."""
    with client.connect() as connection:
        connection.sendall(
            f"GET {STREAM} HTTP/1.1\r\nHost: {HOST}\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
        )
        connection.settimeout(1.0)
        ping = b"\x89\xfd" + bytes(4 + 125)
        try:
            for _ in range(64 * MEGABYTES):
                connection.sendall(ping * (1_000_000 // len(ping)))
        except OSError:
            return "waits"
    return "all was read"


def _foreign_page(client: Client) -> str:
    """Sends what a browser would for a page of another site."""
    with client.connect() as connection:
        origin = "Origin: https://page.example\r\n"
        connection.sendall(client.request(client.recording().form, origin))
        return received_status(connection)


def _burst(client: Client) -> str:
    """Sends more at once than the queue takes; returns the worst outcome."""
    count = QUEUE + 8
    with ThreadPoolExecutor(count) as pool:
        outcomes = list(pool.map(client.transcribe, client.recordings(count)))
    others = [each for each in outcomes if each not in (RIGHT, BUSY)]
    return (others or [BUSY if BUSY in outcomes else RIGHT])[0]


KINDS = (
    ClientKind("transcription", _file, (RIGHT, BUSY)),
    ClientKind("words", _words, (RIGHT, BUSY)),
    ClientKind("stream", _stream, (RIGHT, BUSY)),
    ClientKind("more at once than the queue holds", _burst, (RIGHT, BUSY)),
    ClientKind("disconnects before the body", _leaves_in_the_head, (LEFT,)),
    ClientKind("disconnects during the upload", _leaves_during_upload, (LEFT,)),
    ClientKind("disconnects before the response", _leaves_before_the_answer, (LEFT,)),
    ClientKind("disconnects during the response", _leaves_in_the_answer, (LEFT,)),
    ClientKind("disconnects a stream", _leaves_a_stream, (LEFT,)),
    ClientKind("random bytes as body", _garbage_body, ("400", BUSY)),
    ClientKind("random bytes as file", _garbage_audio, ("400", BUSY)),
    ClientKind("damaged audio", _damaged_audio, ("200", "400", BUSY)),
    ClientKind("not a form", _no_form, ("400", BUSY)),
    ClientKind("not HTTP", _no_http, ("400", CLOSED)),
    ClientKind("an empty file", _empty_file, ("400", BUSY)),
    ClientKind("shorter than one frame", _short_audio, ("400", BUSY)),
    ClientKind("unknown model", _no_such_model, ("404", BUSY)),
    ClientKind("invalid value", _bad_field, ("400", BUSY)),
    ClientKind("unknown path", _no_such_path, ("404",)),
    ClientKind("a wrong key", _wrong_key, ("401",)),
    ClientKind("an hour in 200 kB", _bomb, ("413", BUSY)),
    ClientKind("a compressed body", _compressed_body, ("400", "415", BUSY)),
    ClientKind("file too large", _too_large, ("413", "408", BUSY)),
    ClientKind("endless body", _endless, ("413", "408", CLOSED, BUSY)),
    ClientKind("one byte at a time", _slow_sender, ("408", CLOSED, BUSY)),
    ClientKind("stream without JSON start", _bad_start, ("closed 4400", "closed 4429")),
    ClientKind("stream that starts with samples", _no_start, ("closed 4400", "closed 4429")),
    ClientKind(
        "stream with incomplete samples", _incomplete_sample, ("closed 4400", "closed 4429")
    ),
    ClientKind(  # the connection may be reset before the reason is read
        "stream with a message of 5 MB",
        _large_message,
        ("closed 1009", "closed 4429", RESET),
    ),
    ClientKind("stream with invalid frames", _bad_frames, ("closed 1002",)),
    ClientKind("pings without reading", _pings, ("waits",)),
    ClientKind("a page of another site", _foreign_page, ("403",)),
)
VALID = KINDS[:3]
