"""A client of `wav2vec2-tf serve` that can also send what no HTTP library would."""

from __future__ import annotations

import errno
import io
import json
import random
import socket
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .recordings import KnownRecording
from .server import ANSWER_SECONDS, HOST, TRANSCRIPTIONS, MultipartForm, Response, Server

if TYPE_CHECKING:
    import numpy as np
    from websockets.sync.client import ClientConnection

STREAM = "/v1/audio/stream"
START = json.dumps({"sample_rate": 16000, "encoding": "pcm_f32le"})
END = json.dumps({"type": "end"})

RIGHT, ANOTHER, BUSY, LEFT, CLOSED = "right", "another text", "429", "left", "closed"
RESET = "reset"
"""Outcomes of a request, besides status codes."""
RESETS = {errno.ECONNRESET, errno.EPIPE, errno.ENOTCONN, errno.EBADF}  # by either side


@dataclass(frozen=True)
class Client:
    """A client with the recordings that it may send."""

    server: Server
    sent: Sequence[KnownRecording]
    speech: Sequence[np.ndarray]
    """(samples,) of each of `sent`."""
    bomb: bytes
    """A small file that decodes to very long audio."""
    random: random.Random

    def recording(self) -> KnownRecording:
        """Draws a recording."""
        return self.random.choice(self.sent)

    def recordings(self, count: int) -> list[KnownRecording]:
        """Draws several recordings."""
        return [self.recording() for _ in range(count)]

    def post(self, form: MultipartForm) -> str:
        """Sends a form and returns the status."""
        with self.server.connect() as connection:
            return str(connection.post(form).status)

    def transcribe(self, recording: KnownRecording) -> str:
        """Sends a recording and returns the outcome."""
        with self.server.connect() as connection:
            return compared(connection.post(recording.form), recording)

    def connect(self) -> Any:
        """Opens a TCP connection."""
        return closing(socket.create_connection((HOST, self.server.port), ANSWER_SECONDS))

    def head(self, content_type: str, more: str) -> bytes:
        """Returns the head of a POST request, with `more` header lines."""
        return (
            f"POST {TRANSCRIPTIONS} HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: {content_type}\r\n"
            f"Authorization: Bearer {self.server.key}\r\nConnection: close\r\n{more}\r\n"
        ).encode()

    def request(self, form: MultipartForm, more: str = "") -> bytes:
        """Returns a whole POST request, with `more` header lines."""
        length = f"{more}Content-Length: {len(form.body)}\r\n"
        return self.head(form.content_type, length) + form.body

    def send_and_leave(self, content: bytes) -> str:
        """Sends bytes and closes the connection."""
        with self.connect() as connection:
            connection.sendall(content)
        return LEFT

    def stream(self) -> ClientConnection:
        """Opens a WebSocket."""
        from websockets.sync.client import connect

        return connect(
            f"ws://{HOST}:{self.server.port}{STREAM}",
            additional_headers={"Authorization": f"Bearer {self.server.key}"},
            open_timeout=ANSWER_SECONDS,
            ping_interval=None,
        )

    def stream_of(self, messages: Sequence[str | bytes], raw: bytes = b"") -> str:
        """Sends messages and then raw bytes on a WebSocket; returns how the server closes it."""
        from websockets.exceptions import ConnectionClosed

        connection = self.stream()
        try:
            with connection:
                for message in messages:
                    connection.send(message)
                connection.socket.sendall(raw)
                while True:
                    connection.recv(ANSWER_SECONDS)
        except ConnectionClosed as error:
            return f"closed {error.rcvd.code if error.rcvd else 'without a code'}"
        except OSError as error:
            if error.errno in RESETS:
                return RESET
            raise


def compared(response: Response, recording: KnownRecording) -> str:
    """Returns the outcome of a request for the text of a recording."""
    if response.status != 200:
        return str(response.status)
    return RIGHT if response.text == recording.text else ANOTHER


def received_status(connection: socket.socket) -> str:
    """Receives the status of a response; `CLOSED` if there is none."""
    try:
        line = connection.recv(100).split()
    except ConnectionError:
        return CLOSED
    return line[1].decode() if len(line) > 1 else CLOSED


def flac(samples: np.ndarray) -> bytes:
    """Encodes (samples,) speech at 16 kHz."""
    import soundfile

    content = io.BytesIO()
    soundfile.write(content, samples, 16000, format="FLAC")
    return content.getvalue()
