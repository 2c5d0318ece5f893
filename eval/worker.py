"""A child process that loads things and runs them when told, so that memory, threads and the first
call of each are its own.

The child waits in a read between calls; what its runtime's threads do meanwhile is looked at, not
trusted: see `busy_seconds`.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",
    "KERAS_BACKEND": "tensorflow",
    "TRANSFORMERS_VERBOSITY": "error",
}
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


class WorkerError(Exception):
    """What went wrong in the child, in one line."""


@dataclass(frozen=True)
class Call:
    """One call in the child, timed there: neither the way in nor out through the pipe counts."""

    seconds: float
    result: Any


class Worker:
    """The parent's end.

    Args:
        threads: of every runtime that reads them from the environment.
        log: file for what the child prints.
        variables: of the child's environment, besides `environment`.
    """

    def __init__(self, threads: int, log: Path, variables: Mapping[str, str] | None = None) -> None:
        self.pipe, child = Pipe()
        self.log = log
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", __name__, str(child.fileno())],
                pass_fds=[child.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**environment(threads), **(variables or {})},
            )
        child.close()

    def load(self, name: str, loader: str, **options: Any) -> Call:
        """Have `loader`, "module:function" of this package, give what `name` shall call."""
        return self._ask("load", name, loader, options)

    def call(self, name: str, *arguments: Any) -> Call:
        return self._ask("call", name, arguments)

    def forget(self, name: str) -> None:
        self._ask("forget", name)

    @property
    def peak_bytes(self) -> int:
        """The most that was resident since the child began, files mapped into memory included."""
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
                if line.startswith("VmHWM:"):
                    return 1024 * int(line.split()[1])
        raise WorkerError(self._end())

    @property
    def busy_seconds(self) -> float:
        """Processor time of all its threads so far; 0 once it is gone."""
        try:
            stat = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return 0.0
        return (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")

    def _ask(self, *request: Any) -> Call:
        try:
            self.pipe.send(request)
            seconds, result, error = self.pipe.recv()
        except (EOFError, OSError):
            raise WorkerError(self._end()) from None
        if error:
            raise WorkerError(error)
        return Call(seconds, result)

    def _end(self) -> str:
        """How a child ended that should not have."""
        status = self.process.wait()
        name = signal.Signals(-status).name if status < 0 else f"status {status}"
        last = (self.log.read_text(errors="replace").strip().splitlines() or [""])[-1]
        return f"its process ended with {name} {last}".strip()

    def close(self) -> None:
        self.pipe.close()
        self.process.kill()
        self.process.wait()

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def environment(threads: int) -> dict[str, str]:
    """Of a child process."""
    return {**os.environ, **ENVIRONMENT, **dict.fromkeys(THREAD_VARIABLES, str(threads))}


def serve(pipe: Connection) -> None:
    """The child's end: answers `(seconds, result, error)` until the parent is gone."""
    loaded: dict[str, Any] = {}

    def load(name: str, loader: str, options: dict[str, Any]) -> None:
        module, _, function = loader.partition(":")
        loaded[name] = getattr(importlib.import_module(f".{module}", __package__), function)(
            **options
        )

    def call(name: str, arguments: tuple[Any, ...]) -> Any:
        return loaded[name](*arguments)

    def forget(name: str) -> None:
        loaded.pop(name, None)

    requests: dict[str, Callable[..., Any]] = {"load": load, "call": call, "forget": forget}
    while True:
        try:
            kind, *rest = pipe.recv()
        except EOFError:
            return
        seconds, result, error = 0.0, None, ""
        try:
            began = time.perf_counter()
            result = requests[kind](*rest)
            seconds = time.perf_counter() - began
        except Exception as problem:
            traceback.print_exc()  # to the log
            text = (str(problem).strip().splitlines() or [""])[0]
            error = f"{type(problem).__name__}: {text}"
        pipe.send((seconds, result, error))
        del result


if __name__ == "__main__":
    serve(Connection(int(sys.argv[1])))
