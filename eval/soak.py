"""Good clients and every kind of bad one at a server at once, for as long as is asked for, and then
what became of it: no answer lost or another's, no file left, memory, threads and descriptors as
they were, health, and a stop in which nothing is lost. The exit status is 1 where any is not so.
"""

from __future__ import annotations

import argparse
import gzip
import io
import json
import random
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wav2vec2_tf.errors import UserError
from wav2vec2_tf.files import BUNDLED_MODEL
from wav2vec2_tf.programs import positive

from .load import DATA, Recording, recordings
from .serving import HOST, TRANSCRIPTIONS, Form, Server, serving, wait_until

if TYPE_CHECKING:
    import numpy as np

STREAM = "/v1/audio/stream"
START = json.dumps({"sample_rate": 16000, "encoding": "pcm_f32le"})
END = json.dumps({"type": "end"})
KEY = "the-key-of-the-soak"
QUEUE, MEGABYTES, MOST_SECONDS, UPLOAD_SECONDS = 16, 2, 60, 2
LIMITS = (
    *("--queue", str(QUEUE), "--max-megabytes", str(MEGABYTES)),
    *("--max-seconds", str(MOST_SECONDS), "--upload-seconds", str(UPLOAD_SECONDS)),
)
"""Of the server: low, so that they are met."""
BOMB_SECONDS = 3600  # in some 200 kB of FLAC
PAUSE_SECONDS = 0.3  # between two faults of a kind
BUSY_SECONDS = 0.2  # after which who was turned away asks again
GROWTH_BYTES = 200e6  # of memory: what allocators keep of the largest batches at once
SPARE_THREADS = 16  # of pools that grow to a fixed size: TensorFlow's and asyncio's
IN_WORK = ("recordings", "uploads", "streams")
LAST = 8  # requests in flight when it is told to stop

RIGHT, ANOTHER, BUSY, LEFT, CLOSED = "right", "another text", "429", "left", "closed"


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


@dataclass(frozen=True)
class Kind:
    """A kind of client."""

    name: str
    act: Callable[[Scene], str]
    """Gives what came of it."""
    expected: tuple[str, ...]


@dataclass
class Report:
    """What came of it all."""

    seconds: float = 0.0
    came: dict[str, Counter[str]] = field(default_factory=dict)
    """By kind."""
    memory: list[int] = field(default_factory=list)
    """Bytes resident, once a second; the first before the soak, the last after it."""
    threads: tuple[int, int] = (0, 0)
    """Before and after."""
    descriptors: tuple[int, int] = (0, 0)
    temporary_files: int = 0
    tracebacks: int = 0
    health: int = 0
    at_stop: Counter[str] = field(default_factory=Counter)
    """What became of requests in flight when the server was told to stop."""
    exit_status: int | None = None


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
    from websockets.sync.client import connect

    number = scene.random.randrange(len(scene.sent))
    recording, samples = scene.sent[number], scene.speech[number].astype("<f4").tobytes()
    try:
        with connect(_address(scene), additional_headers=_authorization()) as connection:
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
        answer = connection.post(recording.form)
    if answer.status != 200:
        return str(answer.status)
    return RIGHT if answer.text == recording.text else ANOTHER


# Clients that leave


def leaves_in_the_head(scene: Scene) -> str:
    return _send_and_leave(scene, _request(scene.any().form)[:60])


def leaves_during_upload(scene: Scene) -> str:
    request = _request(scene.any().form)
    return _send_and_leave(scene, request[: len(request) // 2])


def leaves_before_the_answer(scene: Scene) -> str:
    return _send_and_leave(scene, _request(scene.any().form))


def leaves_in_the_answer(scene: Scene) -> str:
    with _connected(scene) as connection:
        connection.sendall(_request(scene.any().form))
        connection.recv(1)
        reset = struct.pack("ii", 1, 0)  # close by a reset: what is on its way is thrown away
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
    return LEFT


def leaves_a_stream(scene: Scene) -> str:
    from websockets.sync.client import connect

    with connect(_address(scene), additional_headers=_authorization()) as connection:
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

    return _post(scene, Form.of(_flac(np.zeros(100, np.float32))))


def no_such_model(scene: Scene) -> str:
    return _post(scene, Form.of(scene.any().content, model="no-such-model"))


def bad_field(scene: Scene) -> str:
    return _post(scene, Form.of(scene.any().content, response_format="../../etc/passwd"))


def no_such_path(scene: Scene) -> str:
    with scene.server.connect() as connection:
        return str(connection.get("/v1/../../etc/passwd").status)


def wrong_key(scene: Scene) -> str:
    from .serving import Connection

    with Connection(scene.server.port, f"{KEY}?") as connection:
        return str(connection.post(scene.any().form).status)


def bomb(scene: Scene) -> str:
    return _post(scene, Form.of(scene.bomb))


def compressed_body(scene: Scene) -> str:
    form = scene.any().form
    return _raw(scene, _request(form, gzip.compress(form.body), "Content-Encoding: gzip\r\n"))


def too_large(scene: Scene) -> str:
    return _post(scene, Form.of(bytes(2 * MEGABYTES * 10**6)))


def endless(scene: Scene) -> str:
    """A body in chunks that does not end."""
    form = scene.any().form
    head = _head(form.content_type, "Transfer-Encoding: chunked\r\n")
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
    request = _request(scene.any().form)
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
        came = list(pool.map(lambda recording: _right(scene, recording), _several(scene, count)))
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
    Kind("too large a file", too_large, ("413", BUSY)),
    Kind("a body without end", endless, ("413", CLOSED, BUSY)),
    Kind("a byte at a time", slow_sender, ("408", CLOSED, BUSY)),
    Kind("a stream that starts with no JSON", bad_start, ("closed 4400", "closed 4429")),
    Kind("a stream that starts with samples", no_start, ("closed 4400", "closed 4429")),
    Kind("a stream of broken samples", half_a_sample, ("closed 4400", "closed 4429")),
    Kind("a stream of 5 MB in a message", large_message, ("closed 1009", "closed 4429")),
    Kind("a stream of broken frames", bad_frames, ("closed 1002",)),
)
GOOD = KINDS[:3]


# HTTP by hand


def _connected(scene: Scene) -> Any:
    return closing(socket.create_connection((HOST, scene.server.port), timeout=60))


def _authorization() -> dict[str, str]:
    return {"Authorization": f"Bearer {KEY}"}


def _address(scene: Scene) -> str:
    return f"ws://{HOST}:{scene.server.port}{STREAM}"


def _head(content_type: str, more: str) -> bytes:
    return (
        f"POST {TRANSCRIPTIONS} HTTP/1.1\r\nHost: {HOST}\r\nAuthorization: Bearer {KEY}\r\n"
        f"Content-Type: {content_type}\r\nConnection: close\r\n{more}\r\n"
    ).encode()


def _request(form: Form, body: bytes | None = None, more: str = "") -> bytes:
    body = form.body if body is None else body
    return _head(form.content_type, f"{more}Content-Length: {len(body)}\r\n") + body


def _raw(scene: Scene, request: bytes) -> str:
    with _connected(scene) as connection:
        connection.sendall(request)
        return _status(connection)


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
    from websockets.sync.client import connect

    with connect(_address(scene), additional_headers=_authorization()) as connection:
        try:
            for message in messages:
                connection.send(message)
            connection.socket.sendall(raw)
            while True:
                connection.recv(60)
        except ConnectionClosed as error:
            return f"closed {error.rcvd.code if error.rcvd else 'without a word'}"


def _several(scene: Scene, count: int) -> list[Recording]:
    return [scene.any() for _ in range(count)]


def _flac(samples: np.ndarray) -> bytes:
    import soundfile

    content = io.BytesIO()
    soundfile.write(content, samples, 16000, format="FLAC")
    return content.getvalue()


# The soak


def soak(server: Server, sent: Sequence[Recording], seconds: float, clients: int) -> Report:
    """All kinds at once for so many seconds, after one of each; the server is stopped at the end.

    Args:
        clients: good ones of each kind.
    """
    import numpy as np

    from wav2vec2_tf.audio import load

    from .measure import say

    speech = [load(recording.content) for recording in sent]
    hour = _flac(np.zeros(BOMB_SECONDS * 16000, np.int16))
    report = Report(seconds, {kind.name: Counter() for kind in KINDS})

    def scene(seed: int) -> Scene:
        return Scene(server, sent, speech, hour, random.Random(seed))

    lock = threading.Lock()

    def act(kind: Kind, scene: Scene) -> str:
        try:
            came = kind.act(scene)
        except Exception as error:  # whatever a client meets is counted
            came = f"no answer: {type(error).__name__}"
        with lock:
            report.came[kind.name][came] += 1
        return came

    say("one of each")
    for kind in KINDS:
        act(kind, scene(0))
    _idle(server)
    report.memory.append(server.memory_bytes)
    threads, descriptors = server.threads, server.descriptors

    end = time.monotonic() + seconds

    def client(kind: Kind, seed: int) -> None:
        own = scene(seed)
        while time.monotonic() < end:
            came = act(kind, own)
            time.sleep(BUSY_SECONDS if came == BUSY else 0 if kind in GOOD else PAUSE_SECONDS)

    crowd = [kind for kind in KINDS for _ in range(clients if kind in GOOD else 1)]
    say(f"{len(crowd)} clients for {seconds:g} s")
    running = [threading.Thread(target=client, args=(k, n)) for n, k in enumerate(crowd, start=1)]
    for thread in running:
        thread.start()
    while any(thread.is_alive() for thread in running):
        time.sleep(1)
        report.memory.append(server.memory_bytes)
    _idle(server)
    report.memory.append(server.memory_bytes)
    wait_until(lambda: server.descriptors <= descriptors, 20)
    report.threads = threads, server.threads
    report.descriptors = descriptors, server.descriptors
    report.temporary_files = len(server.temporary_files)
    with server.connect() as connection:
        report.health = connection.get("/health").status
    say("stops, with requests in flight")
    _stop(server, scene(0), report)
    report.tracebacks = sum("Traceback" in line for line in server.log)
    report.temporary_files += len(server.temporary_files)
    return report


def _idle(server: Server) -> None:
    """Until nothing is in work any more."""

    def idle() -> bool:
        counters = server.metrics()
        return not any(counters[f"wav2vec2_tf_{name}"] for name in IN_WORK)

    wait_until(idle)


def _stop(server: Server, scene: Scene, report: Report) -> None:
    """Tell it to, while it has requests."""
    with ThreadPoolExecutor(LAST) as pool:
        asked = [pool.submit(_right, scene, recording) for recording in _several(scene, LAST)]
        wait_until(lambda: server.metrics()["wav2vec2_tf_recordings"] > 0, 5)
        report.exit_status = server.stop()
        for future in asked:
            error = future.exception()
            report.at_stop[f"no answer ({error})" if error else future.result()] += 1


def faults(report: Report) -> list[str]:
    """What is not as it is to be."""
    found = []
    expected = {kind.name: kind.expected for kind in KINDS}
    for name, came in report.came.items():
        for outcome, count in came.items():
            if outcome not in expected[name]:
                found.append(f"{name}: {count} times {outcome}")
    for kind in GOOD:
        if not report.came[kind.name][RIGHT]:
            found.append(f"{kind.name}: never right")
    growth = report.memory[-1] - report.memory[0]
    if growth > GROWTH_BYTES:
        found.append(f"memory grew by {growth / 1e6:.0f} MB")
    if report.threads[1] > report.threads[0] + SPARE_THREADS:
        found.append(f"threads: {report.threads[0]} before, {report.threads[1]} after")
    if report.descriptors[1] > report.descriptors[0]:
        found.append(f"descriptors: {report.descriptors[0]} before, {report.descriptors[1]} after")
    for count, what in (
        (report.temporary_files, "temporary files left"),
        (report.tracebacks, "tracebacks in the log"),
    ):
        if count:
            found.append(f"{count} {what}")
    if report.health != 200:
        found.append(f"/health says {report.health}")
    for outcome in set(report.at_stop) - {RIGHT, BUSY, "503"}:
        found.append(f"at the stop: {report.at_stop[outcome]} times {outcome}")
    if report.exit_status is None:
        found.append("did not end")
    elif report.exit_status:
        found.append(f"exit status {report.exit_status}")
    return found


def table(report: Report) -> str:
    """Markdown."""
    rows = [["client", "times", "expected", "came"], ["---", "---:", "---", "---"]]
    for kind in KINDS:
        came = report.came[kind.name]
        counts = ", ".join(f"{outcome} {count}" for outcome, count in came.most_common())
        rows.append([kind.name, str(came.total()), " or ".join(kind.expected), counts])
    return "".join("| " + " | ".join(row) + " |\n" for row in rows)


def summary(report: Report) -> str:
    first, last = report.memory[0] / 1e6, report.memory[-1] / 1e6
    at_stop = ", ".join(f"{outcome} {count}" for outcome, count in report.at_stop.items())
    return (
        f"{report.seconds:g} s. Memory {first:.0f} MB before, {max(report.memory) / 1e6:.0f} MB at "
        f"most, {last:.0f} MB after; threads {report.threads[0]} and {report.threads[1]}, "
        f"descriptors {report.descriptors[0]} and {report.descriptors[1]}; temporary files "
        f"{report.temporary_files}, tracebacks {report.tracebacks}; /health {report.health}; "
        f"requests in flight at the stop: {at_stop}; exit status {report.exit_status}.\n"
    )


def to_json(report: Report) -> dict[str, Any]:
    return {
        "seconds": report.seconds,
        "clients": {
            kind.name: {"expected": kind.expected, "came": dict(report.came[kind.name])}
            for kind in KINDS
        },
        "memory_bytes": report.memory,
        "threads": report.threads,
        "descriptors": report.descriptors,
        "temporary_files": report.temporary_files,
        "tracebacks": report.tracebacks,
        "health": report.health,
        "at_stop": dict(report.at_stop),
        "exit_status": report.exit_status,
        "faults": faults(report),
    }


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seconds", type=positive, default=600, help="default: %(default)s")
    parser.add_argument(
        "--clients", type=positive, default=2, help="good ones of each kind (default: %(default)s)"
    )
    parser.add_argument("--model", default=str(BUNDLED_MODEL), help="default: the bundled one")
    parser.add_argument("--data", default=DATA, help="a folder of audio (default: %(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all counts")
    parser.add_argument("--table", type=Path, metavar="FILE", help="write the table (Markdown)")


def run(args: argparse.Namespace) -> int:
    """Runs `eval soak`."""
    from wav2vec2_tf.files import write_whole

    sent = [each for each in recordings(args.data, args.model) if each.seconds <= MOST_SECONDS]
    with serving(["--model", f"model={args.model}", *LIMITS], key=KEY) as (server,):
        report = soak(server, sent, args.seconds, args.clients)
    text = f"{table(report)}\n{summary(report)}"
    print(text)
    if args.json:
        write_whole(args.json, json.dumps(to_json(report), indent=2) + "\n")
    if args.table:
        write_whole(args.table, text)
    if found := faults(report):
        raise UserError("; ".join(found))
    return 0
