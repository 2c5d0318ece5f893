"""A child process that loads functions and calls them on request.

So each system has memory, threads and a first call of its own. Between calls the child waits in a
read; `busy_seconds` shows whether all its threads wait.
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

from ..machine import process_busy_seconds, process_status

ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",
    "KERAS_BACKEND": "tensorflow",
    "TRANSFORMERS_VERBOSITY": "error",
}
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


class WorkerError(Exception):
    """An error in the child, in one line."""


@dataclass(frozen=True)
class Call:
    """One call in the child, timed there, without the transfer through the pipe."""

    seconds: float
    result: Any


class Worker:
    """A child process, as its parent sees it.

    Args:
        threads: of every runtime that reads them from the environment.
        log: file for the child's output.
        variables: of the child's environment, besides `environment`.
    """

    def __init__(self, threads: int, log: Path, variables: Mapping[str, str] | None = None) -> None:
        """Starts the child."""
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
        """Calls `loader`, "module:function" of this package, and keeps its result as `name`."""
        return self._ask("load", name, loader, options)

    def call(self, name: str, *arguments: Any) -> Call:
        """Calls a loaded function."""
        return self._ask("call", name, arguments)

    def unload(self, name: str) -> None:
        """Drops a loaded function."""
        self._ask("unload", name)

    @property
    def peak_bytes(self) -> int:
        """Largest resident memory since the child started, with files mapped into memory."""
        with contextlib.suppress(OSError):
            if size := process_status(self.process.pid, "VmHWM"):
                return 1024 * size
        raise WorkerError(self._end())

    @property
    def busy_seconds(self) -> float:
        """Processor time of all its threads so far; 0 once it has ended."""
        try:
            return process_busy_seconds(self.process.pid)
        except OSError:
            return 0.0

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
        """Returns how the child ended unexpectedly."""
        status = self.process.wait()
        name = signal.Signals(-status).name if status < 0 else f"status {status}"
        last = (
            self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines() or [""]
        )[-1]
        return f"its process ended with {name} {last}".strip()

    def close(self) -> None:
        """Ends the child."""
        self.pipe.close()
        self.process.kill()
        self.process.wait()

    def __enter__(self) -> Worker:
        """Returns itself."""
        return self

    def __exit__(self, *error: object) -> None:
        """Ends the child."""
        self.close()


def environment(threads: int) -> dict[str, str]:
    """Returns the environment of a child process."""
    return {**os.environ, **ENVIRONMENT, **dict.fromkeys(THREAD_VARIABLES, str(threads))}


def serve(pipe: Connection) -> None:
    """Sends `(seconds, result, error)` for each request until the pipe closes: the child's loop."""
    loaded: dict[str, Any] = {}

    def load(name: str, loader: str, options: dict[str, Any]) -> None:
        module, _, function = loader.partition(":")
        loaded[name] = getattr(importlib.import_module(f".{module}", __package__), function)(
            **options
        )

    def call(name: str, arguments: tuple[Any, ...]) -> Any:
        return loaded[name](*arguments)

    def unload(name: str) -> None:
        loaded.pop(name, None)

    requests: dict[str, Callable[..., Any]] = {"load": load, "call": call, "unload": unload}
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
