"""Clients of `wav2vec2-tf serve`: good ones, and every kind of bad one, for `eval soak`.

A kind is a function that acts once and says what came of it, and what may come of it.
"""

from __future__ import annotations

import errno
import gzip
import io
import json
import random
import socket
import struct
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .load import Recording
from .serving import ANSWER_SECONDS, HOST, TRANSCRIPTIONS, Answer, Connection, Form, Server

if TYPE_CHECKING:
    import numpy as np
    from websockets.sync.client import ClientConnection

STREAM = "/v1/audio/stream"
START = json.dumps({"sample_rate": 16000, "encoding": "pcm_f32le"})
END = json.dumps({"type": "end"})
QUEUE, MEGABYTES, MOST_SECONDS, UPLOAD_SECONDS = 16, 2, 60, 5
LIMITS = (
    *("--queue", str(QUEUE), "--max-megabytes", str(MEGABYTES)),
    *("--max-seconds", str(MOST_SECONDS), "--upload-seconds", str(UPLOAD_SECONDS)),
)
"""Of the server: low, so that they are met."""
BOMB_SECONDS = 3600  # in some 200 kB of FLAC

RIGHT, ANOTHER, BUSY, LEFT, CLOSED = "right", "another text", "429", "left", "closed"
RESET = "reset"
RESETS = {errno.ECONNRESET, errno.EPIPE, errno.ENOTCONN, errno.EBADF}  # of one's own end as well


@dataclass(frozen=True)
class Scene:
    """What clients act with."""

    server: Server
    sent: Sequence[Recording]
    speech: Sequence[np.ndarray]
    """Of each of `sent`."""
    bomb: bytes
    random: random.Random

    def any(self) -> Recording:
        return self.random.choice(self.sent)

    def several(self, count: int) -> list[Recording]:
        return [self.any() for _ in range(count)]


@dataclass(frozen=True)
class Kind:
    """A kind of client."""

    name: str
    act: Callable[[Scene], str]
    """Gives what came of it."""
    expected: tuple[str, ...]


# Good clients


def file(scene: Scene) -> str:
    return _right(scene, scene.any())


def words(scene: Scene) -> str:
    recording = scene.any()
    form = Form.of(
        recording.content,
        **{"response_format": "verbose_json", "timestamp_granularities[]": "word"},
    )
    with scene.server.connect() as connection:
        answer = connection.post(form)
    if answer.status != 200:
        return str(answer.status)
    found = json.loads(answer.body)
    said = " ".join(word["word"] for word in found["words"])
    return RIGHT if found["text"] == said == recording.text else ANOTHER


def stream(scene: Scene) -> str:
    from websockets.exceptions import ConnectionClosed

    number = scene.random.randrange(len(scene.sent))
    recording, samples = scene.sent[number], scene.speech[number].astype("<f4").tobytes()
    try:
        with _stream(scene) as connection:
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


def _right(scene: Scene, recording: Recording) -> str:
    """Ask for the text of a recording."""
    with scene.server.connect() as connection:
        return judged(connection.post(recording.form), recording)


def judged(answer: Answer, recording: Recording) -> str:
    """What an answer in JSON is to who sent this recording."""
    if answer.status != 200:
        return str(answer.status)
    return RIGHT if answer.text == recording.text else ANOTHER


# Clients that leave


def leaves_in_the_head(scene: Scene) -> str:
    return _send_and_leave(scene, _request(scene, scene.any().form)[:60])


def leaves_during_upload(scene: Scene) -> str:
    request = _request(scene, scene.any().form)
    return _send_and_leave(scene, request[: len(request) // 2])


def leaves_before_the_answer(scene: Scene) -> str:
    return _send_and_leave(scene, _request(scene, scene.any().form))


def leaves_in_the_answer(scene: Scene) -> str:
    with _connected(scene) as connection:
        connection.sendall(_request(scene, scene.any().form))
        connection.recv(1)
        reset = struct.pack("ii", 1, 0)  # close by a reset: what is on its way is thrown away
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
    return LEFT


def leaves_a_stream(scene: Scene) -> str:
    with _stream(scene) as connection:
        connection.send(START)
        connection.send(bytes(64000))
        connection.socket.shutdown(socket.SHUT_RDWR)
    return LEFT


def _send_and_leave(scene: Scene, content: bytes) -> str:
    with _connected(scene) as connection:
        connection.sendall(content)
    return LEFT


# Clients that send what is no good


def garbage_body(scene: Scene) -> str:
    return _post(scene, Form(scene.random.randbytes(20_000), "multipart/form-data; boundary=x"))


def garbage_audio(scene: Scene) -> str:
    return _post(scene, Form.of(scene.random.randbytes(20_000)))


def damaged_audio(scene: Scene) -> str:
    content = bytearray(scene.any().content)
    for place in scene.random.sample(range(64, len(content)), 50):
        content[place] = scene.random.randrange(256)
    return _post(scene, Form.of(bytes(content)))


def no_form(scene: Scene) -> str:
    return _post(scene, Form(b'{"file": "speech.wav"}', "application/json"))


def no_http(scene: Scene) -> str:
    with _connected(scene) as connection:
        connection.sendall(scene.random.randbytes(2000) + b"\r\n\r\n")
        return _status(connection)


def empty_file(scene: Scene) -> str:
    return _post(scene, Form.of(b""))


def short_audio(scene: Scene) -> str:
    import numpy as np

    return _post(scene, Form.of(flac(np.zeros(100, np.float32))))


def no_such_model(scene: Scene) -> str:
    return _post(scene, Form.of(scene.any().content, model="no-such-model"))


def bad_field(scene: Scene) -> str:
    return _post(scene, Form.of(scene.any().content, response_format="../../etc/passwd"))


def no_such_path(scene: Scene) -> str:
    with scene.server.connect() as connection:
        return str(connection.get("/v1/../../etc/passwd").status)


def wrong_key(scene: Scene) -> str:
    with Connection(scene.server.port, f"{scene.server.key}?") as connection:
        return str(connection.post(scene.any().form).status)


def bomb(scene: Scene) -> str:
    return _post(scene, Form.of(scene.bomb))


def compressed_body(scene: Scene) -> str:
    form = scene.any().form
    compressed = Form(gzip.compress(form.body), form.content_type)
    with _connected(scene) as connection:
        connection.sendall(_request(scene, compressed, "Content-Encoding: gzip\r\n"))
        return _status(connection)


def too_large(scene: Scene) -> str:
    return _post(scene, Form.of(bytes(2 * MEGABYTES * 10**6)))


def endless(scene: Scene) -> str:
    """A body in chunks that does not end."""
    form = scene.any().form
    head = _head(scene, form.content_type, "Transfer-Encoding: chunked\r\n")
    start = form.body[:200]  # as far as the file's first bytes
    piece = bytes(50_000)
    with _connected(scene) as connection:
        connection.sendall(head + b"%x\r\n%s\r\n" % (len(start), start))
        try:
            for _ in range(100 * MEGABYTES):
                connection.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))
        except OSError:
            return CLOSED
        return _status(connection)


def slow_sender(scene: Scene) -> str:
    """Some bytes of a body, and then one at a time."""
    request = _request(scene, scene.any().form)
    with _connected(scene) as connection:
        connection.sendall(request[:1000])
        connection.settimeout(UPLOAD_SECONDS / 4)
        for place in range(1000, 1000 + 20 * UPLOAD_SECONDS):
            try:
                connection.sendall(request[place : place + 1])
                return _status(connection)
            except TimeoutError:
                continue  # no answer yet
            except OSError:
                return CLOSED
    return "no answer"


def bad_start(scene: Scene) -> str:
    return _stream_of(scene, ["no JSON at all"])


def no_start(scene: Scene) -> str:
    return _stream_of(scene, [bytes(1000)])


def half_a_sample(scene: Scene) -> str:
    return _stream_of(scene, [START, bytes(401), END])


def large_message(scene: Scene) -> str:
    """Of few bytes, since a WebSocket compresses them."""
    return _stream_of(scene, [START, bytes(5_000_000)])


def bad_frames(scene: Scene) -> str:
    return _stream_of(scene, [], b"\xff" + scene.random.randbytes(200))


def burst(scene: Scene) -> str:
    """More at once than the queue takes: what comes of the worst of them."""
    count = QUEUE + 8
    with ThreadPoolExecutor(count) as pool:
        came = list(pool.map(lambda recording: _right(scene, recording), scene.several(count)))
    others = [each for each in came if each not in (RIGHT, BUSY)]
    return (others or [BUSY if BUSY in came else RIGHT])[0]


KINDS = (
    Kind("transcription", file, (RIGHT, BUSY)),
    Kind("words", words, (RIGHT, BUSY)),
    Kind("stream", stream, (RIGHT, BUSY)),
    Kind("more at once than the queue takes", burst, (RIGHT, BUSY)),
    Kind("leaves before the body", leaves_in_the_head, (LEFT,)),
    Kind("leaves during the upload", leaves_during_upload, (LEFT,)),
    Kind("leaves before the answer", leaves_before_the_answer, (LEFT,)),
    Kind("leaves in the answer", leaves_in_the_answer, (LEFT,)),
    Kind("leaves a stream", leaves_a_stream, (LEFT,)),
    Kind("a body of garbage", garbage_body, ("400", BUSY)),
    Kind("a file of garbage", garbage_audio, ("400", BUSY)),
    Kind("damaged audio", damaged_audio, ("200", "400", BUSY)),
    Kind("no form", no_form, ("400", BUSY)),
    Kind("no HTTP", no_http, ("400", CLOSED)),
    Kind("an empty file", empty_file, ("400", BUSY)),
    Kind("less than a frame", short_audio, ("400", BUSY)),
    Kind("no such model", no_such_model, ("404", BUSY)),
    Kind("a value that is none", bad_field, ("400", BUSY)),
    Kind("no such path", no_such_path, ("404",)),
    Kind("a wrong key", wrong_key, ("401",)),
    Kind("an hour in 200 kB", bomb, ("413", BUSY)),
    Kind("a compressed body", compressed_body, ("400", "415", BUSY)),
    Kind("too large a file", too_large, ("413", "408", BUSY)),
    Kind("a body without end", endless, ("413", CLOSED, BUSY)),
    Kind("a byte at a time", slow_sender, ("408", CLOSED, BUSY)),
    Kind("a stream that starts with no JSON", bad_start, ("closed 4400", "closed 4429")),
    Kind("a stream that starts with samples", no_start, ("closed 4400", "closed 4429")),
    Kind("a stream of broken samples", half_a_sample, ("closed 4400", "closed 4429")),
    Kind(  # its connection may be reset before it has read why
        "a stream of 5 MB in a message",
        large_message,
        ("closed 1009", "closed 4429", RESET),
    ),
    Kind("a stream of broken frames", bad_frames, ("closed 1002",)),
)
GOOD = KINDS[:3]


# HTTP by hand


def _connected(scene: Scene) -> Any:
    return closing(socket.create_connection((HOST, scene.server.port), ANSWER_SECONDS))


def _stream(scene: Scene) -> ClientConnection:
    from websockets.sync.client import connect

    return connect(
        f"ws://{HOST}:{scene.server.port}{STREAM}",
        additional_headers={"Authorization": f"Bearer {scene.server.key}"},
        open_timeout=ANSWER_SECONDS,
        ping_interval=None,
    )


def _head(scene: Scene, content_type: str, more: str) -> bytes:
    return (
        f"POST {TRANSCRIPTIONS} HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: {content_type}\r\n"
        f"Authorization: Bearer {scene.server.key}\r\nConnection: close\r\n{more}\r\n"
    ).encode()


def _request(scene: Scene, form: Form, more: str = "") -> bytes:
    length = f"{more}Content-Length: {len(form.body)}\r\n"
    return _head(scene, form.content_type, length) + form.body


def _status(connection: socket.socket) -> str:
    """Of an answer; closed, where there is none."""
    try:
        line = connection.recv(100).split()
    except ConnectionError:
        return CLOSED
    return line[1].decode() if len(line) > 1 else CLOSED


def _post(scene: Scene, form: Form) -> str:
    with scene.server.connect() as connection:
        return str(connection.post(form).status)


def _stream_of(scene: Scene, messages: Sequence[str | bytes], raw: bytes = b"") -> str:
    """How the server closes a stream of these messages, and then bytes that are none."""
    from websockets.exceptions import ConnectionClosed

    connection = _stream(scene)
    try:
        with connection:
            for message in messages:
                connection.send(message)
            connection.socket.sendall(raw)
            while True:
                connection.recv(ANSWER_SECONDS)
    except ConnectionClosed as error:
        return f"closed {error.rcvd.code if error.rcvd else 'without a word'}"
    except OSError as error:
        if error.errno in RESETS:
            return RESET
        raise


def flac(samples: np.ndarray) -> bytes:
    import soundfile

    content = io.BytesIO()
    soundfile.write(content, samples, 16000, format="FLAC")
    return content.getvalue()
