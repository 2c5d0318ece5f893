"""A server to measure: `wav2vec2-tf serve` in a process of its own, observed from outside."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from wav2vec2_tf.utils.errors import UserError

from ..machine import process_busy_seconds, process_status

HOST = "127.0.0.1"
TRANSCRIPTIONS = "/v1/audio/transcriptions"
START_SECONDS = 600.0  # to load a model on a busy machine
STOP_SECONDS = 120.0
ANSWER_SECONDS = 120.0
LISTENING = re.compile(r"listening on http://[\d.]+:(\d+)")


@dataclass(frozen=True)
class MultipartForm:
    """The body of a request: a file and other fields."""

    body: bytes
    content_type: str

    @classmethod
    def of(cls, content: bytes, **fields: str) -> MultipartForm:
        """Encodes the content of a file and the fields."""
        boundary = os.urandom(16).hex()
        parts = [
            f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
            for name, value in fields.items()
        ]
        file = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="speech"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n"
        )
        body = "".join([*parts, file]).encode() + content + f"\r\n--{boundary}--\r\n".encode()
        return cls(body, f"multipart/form-data; boundary={boundary}")


@dataclass(frozen=True)
class Response:
    """A response of the server."""

    status: int
    body: bytes

    @property
    def text(self) -> str:
        """The text of a transcription in JSON."""
        return str(json.loads(self.body)["text"])


class Connection:
    """The connection of one client, kept open from request to request."""

    def __init__(self, port: int, key: str = "") -> None:
        """Prepares a connection; `key` is an API key."""
        from http.client import HTTPConnection

        self._connection = HTTPConnection(HOST, port, timeout=ANSWER_SECONDS)
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}

    def __enter__(self) -> Connection:
        """Returns itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Closes the connection."""
        self._connection.close()

    def get(self, path: str) -> Response:
        """Sends a GET request. Raises `OSError` if there is no response."""
        self._connection.request("GET", path, headers=self._headers)
        return self.receive()

    def post(self, form: MultipartForm) -> Response:
        """Sends a form and returns the response. Raises `OSError` if there is none."""
        try:
            self.send(form)
            return self.receive()
        except OSError:
            self._connection.close()  # the next request opens it again
            raise

    def send(self, form: MultipartForm) -> None:
        """Sends a form; `receive` returns the response."""
        headers = {**self._headers, "Content-Type": form.content_type}
        self._connection.request("POST", TRANSCRIPTIONS, form.body, headers)

    def receive(self) -> Response:
        """Returns the response to what was sent. Raises `OSError` if there is none."""
        from http.client import HTTPException

        try:
            response = self._connection.getresponse()
            return Response(response.status, response.read())
        except HTTPException as error:
            raise ConnectionError(str(error) or type(error).__name__) from None


class Server:
    """A server process that is starting, listening, or has ended."""

    def __init__(self, options: Sequence[str], scratch: Path, key: str = "") -> None:
        """Starts the server; its temporary files are in `scratch`."""
        self.key, self.scratch, self.port = key, scratch, 0
        self.log: list[str] = []
        self.process = subprocess.Popen(
            [sys.executable, "-m", "wav2vec2_tf.cli", "serve", "--port", "0", *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={**os.environ, "TMPDIR": str(scratch), "WAV2VEC2_TF_API_KEYS": key},
            text=True,
            errors="replace",
        )
        self._listening = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        with self.process.stderr as lines:
            for line in lines:
                self.log.append(line.rstrip())
                if found := LISTENING.search(line):
                    self.port = int(found[1])
                    self._listening.set()
        self._listening.set()  # the process ended: `wait` must return

    def wait(self) -> None:
        """Waits until it listens. Raises `UserError` if it does not."""
        self._listening.wait(START_SECONDS)
        if not self.port:
            raise UserError(f"the server did not start: {self._last_line}")

    def require_alive(self) -> None:
        """Raises `UserError` if it has ended by itself."""
        if (status := self.process.poll()) is not None:
            raise UserError(f"the server ended with status {status}: {self._last_line}")

    @property
    def _last_line(self) -> str:
        return next((line for line in reversed(self.log) if line.strip()), "no message")

    def connect(self) -> Connection:
        """Returns a connection of a further client."""
        return Connection(self.port, self.key)

    def stop(self) -> int | None:
        """Asks it to end and returns its exit status; None if it does not end."""
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            return None
        self._reader.join(STOP_SECONDS)
        return status

    def close(self) -> None:
        """Kills it."""
        self.process.kill()
        self.process.wait()
        self._reader.join(STOP_SECONDS)

    # Observations

    def metrics(self) -> dict[str, float]:
        """Returns its metrics by name, with labels as part of the name."""
        with self.connect() as connection:
            lines = connection.get("/metrics").body.decode().splitlines()
        pairs = (line.rpartition(" ") for line in lines if line and not line.startswith("#"))
        return {name: float(value) for name, _, value in pairs}

    @property
    def memory_bytes(self) -> int:
        """Resident memory."""
        return 1024 * process_status(self.process.pid, "VmRSS")

    @property
    def threads(self) -> int:
        """Number of threads."""
        return process_status(self.process.pid, "Threads")

    @property
    def descriptors(self) -> int:
        """Number of open file descriptors."""
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    @property
    def busy_seconds(self) -> float:
        """Processor time of all its threads so far."""
        return process_busy_seconds(self.process.pid)

    @property
    def temporary_files(self) -> list[Path]:
        """Files that it has not deleted."""
        return [path for path in self.scratch.rglob("*") if path.is_file()]


@contextmanager
def serving(*options: Sequence[str], key: str = "") -> Iterator[list[Server]]:
    """Starts a server for each list of options, all at once, and ends them with the context."""
    servers: list[Server] = []
    with tempfile.TemporaryDirectory() as scratch:
        try:
            for number, each in enumerate(options):
                folder = Path(scratch) / str(number)
                folder.mkdir()
                servers.append(Server(each, folder, key))
            for server in servers:
                server.wait()
            yield servers
        finally:
            for server in servers:
                server.close()


def wait_until(reached: Callable[[], bool], seconds: float = STOP_SECONDS) -> bool:
    """Returns whether a condition becomes true within some seconds."""
    end = time.monotonic() + seconds
    while not reached():
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True
