"""A server to measure: `wav2vec2-tf serve` in a process of its own, watched from outside."""

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

HOST = "127.0.0.1"
TRANSCRIPTIONS = "/v1/audio/transcriptions"
START_SECONDS = 600.0  # to load a model on a busy machine
STOP_SECONDS = 120.0
ANSWER_SECONDS = 120.0
LISTENING = re.compile(r"listening on http://[\d.]+:(\d+)")


@dataclass(frozen=True)
class Form:
    """A request's body: a file, and the fields beside it."""

    body: bytes
    content_type: str

    @classmethod
    def of(cls, content: bytes, **fields: str) -> Form:
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
class Answer:
    status: int
    body: bytes

    @property
    def text(self) -> str:
        """Of a transcription in JSON."""
        return str(json.loads(self.body)["text"])


class Connection:
    """One client's, kept open from request to request."""

    def __init__(self, port: int, key: str = "") -> None:
        from http.client import HTTPConnection

        self._connection = HTTPConnection(HOST, port, timeout=ANSWER_SECONDS)
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def get(self, path: str) -> Answer:
        """Raises `OSError` where no answer comes."""
        self._connection.request("GET", path, headers=self._headers)
        return self.receive()

    def post(self, form: Form) -> Answer:
        """The answer to a form. Raises `OSError` where none comes."""
        try:
            self.send(form)
            return self.receive()
        except OSError:
            self._connection.close()  # the next request opens it anew
            raise

    def send(self, form: Form) -> None:
        headers = {**self._headers, "Content-Type": form.content_type}
        self._connection.request("POST", TRANSCRIPTIONS, form.body, headers)

    def receive(self) -> Answer:
        """The answer to what was sent. Raises `OSError` where none comes."""
        from http.client import HTTPException

        try:
            response = self._connection.getresponse()
            return Answer(response.status, response.read())
        except HTTPException as error:
            raise ConnectionError(str(error) or type(error).__name__) from None


class Server:
    """A server that is starting, listening, or has ended."""

    def __init__(self, options: Sequence[str], scratch: Path, key: str = "") -> None:
        """Start it; `scratch` is where it has its temporary files."""
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
        self._listening.set()  # at its end: nobody is to wait any longer

    def wait(self) -> None:
        """Until it listens. Raises `UserError` where it does not come to that."""
        self._listening.wait(START_SECONDS)
        if not self.port:
            raise UserError(f"the server did not start; it said: {self._last_line}")

    def require_alive(self) -> None:
        """Raise `UserError` where it has ended by itself."""
        if (status := self.process.poll()) is not None:
            raise UserError(f"the server ended with status {status}; it said: {self._last_line}")

    @property
    def _last_line(self) -> str:
        return next((line for line in reversed(self.log) if line.strip()), "nothing")

    def connect(self) -> Connection:
        return Connection(self.port, self.key)

    def stop(self) -> int | None:
        """Ask it to end; its exit status once it has, None where it does not."""
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            return None
        self._reader.join(STOP_SECONDS)
        return status

    def close(self) -> None:
        """End it, however it stands with it."""
        self.process.kill()
        self.process.wait()
        self._reader.join(STOP_SECONDS)

    # What is seen of it

    def metrics(self) -> dict[str, float]:
        """Its counters, those with labels under their whole names."""
        with self.connect() as connection:
            lines = connection.get("/metrics").body.decode().splitlines()
        pairs = (line.rpartition(" ") for line in lines if line and not line.startswith("#"))
        return {name: float(value) for name, _, value in pairs}

    @property
    def memory_bytes(self) -> int:
        """Resident."""
        return 1024 * int(self._fact("VmRSS"))

    @property
    def threads(self) -> int:
        return int(self._fact("Threads"))

    @property
    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    @property
    def busy_seconds(self) -> float:
        """Processor time of all its threads so far."""
        stat = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")

    @property
    def temporary_files(self) -> list[Path]:
        return [path for path in self.scratch.rglob("*") if path.is_file()]

    def _fact(self, name: str) -> str:
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return next(line.split()[1] for line in lines if line.startswith(f"{name}:"))


@contextmanager
def serving(*options: Sequence[str], key: str = "") -> Iterator[list[Server]]:
    """A server for each list of options, all started at once, and ended at the end."""
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
    """Whether it becomes true in that time."""
    end = time.monotonic() + seconds
    while not reached():
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True
