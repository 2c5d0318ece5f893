"""Jobs: recordings in progress, each in a thread of its own, which can be cancelled."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import CancelledError, Future
from typing import Any, TypeVar

import numpy as np
from starlette.requests import ClientDisconnect
from starlette.types import Receive

T = TypeVar("T")


class PoolFull(Exception):
    """A pool runs as many jobs as it may."""


class JobCancelled(Exception):
    """The job was cancelled: nothing waits for its result any more."""


class Job:
    """One recording in progress: its thread asks whether to go on, any thread may cancel it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._cancelled = False
        self._awaited: Sequence[Future[np.ndarray]] = ()

    def cancel(self) -> None:
        """Cancels the job and the rows that it waits for."""
        with self._lock:
            self._cancelled = True
            for future in self._awaited:
                future.cancel()

    def check(self) -> None:
        """Raises `JobCancelled` if the job was cancelled."""
        if self._cancelled:
            raise JobCancelled

    def results(self, futures: Sequence[Future[np.ndarray]]) -> list[np.ndarray]:
        """Waits for the results of rows.

        Raises:
            JobCancelled: as soon as the job is cancelled; no row is left waiting then.
        """
        with self._lock:
            self._awaited = futures
        try:
            self.check()
            results = [future.result() for future in futures]
            self.check()
            return results
        except CancelledError:
            raise JobCancelled from None
        finally:
            for future in futures:
                future.cancel()


class JobPool:
    """Runs jobs, each in a thread of its own, and no more than `limit` at once.

    The threads are daemons, so that one inside an audio decoder does not keep the process alive.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._jobs: set[Job] = set()

    @property
    def active(self) -> int:
        """Jobs in progress, those included that were cancelled and have not ended yet."""
        return len(self._jobs)

    async def run(self, work: Callable[[Job], T], seconds: float) -> T:
        """Returns what `work` returns; cancels the job on a timeout, or with the caller.

        Raises:
            PoolFull: the pool is at its limit.
            JobCancelled: `cancel` was called.
            TimeoutError: the job took longer than `seconds`.
        """
        if self.active >= self.limit:
            raise PoolFull
        job, future, loop = Job(), Future[T](), asyncio.get_running_loop()
        self._jobs.add(job)

        def in_thread() -> None:
            try:
                result = work(job)
            except BaseException as error:
                future.set_exception(error)
            else:
                future.set_result(result)

        future.set_running_or_notify_cancel()
        future.add_done_callback(lambda _: loop.call_soon_threadsafe(self._jobs.discard, job))
        threading.Thread(target=in_thread, name="recording", daemon=True).start()
        try:
            async with asyncio.timeout(seconds):
                return await asyncio.wrap_future(future)
        finally:
            job.cancel()

    def cancel(self) -> None:
        """Cancels all jobs."""
        for job in list(self._jobs):
            job.cancel()


async def unless_disconnected(receive: Receive, work: Coroutine[Any, Any, T]) -> T:
    """Returns what `work` returns; cancels it when the client disconnects.

    Raises:
        ClientDisconnect: the client disconnected.
    """

    async def disconnected() -> None:
        while (await receive())["type"] not in ("http.disconnect", "websocket.disconnect"):
            pass

    working, leaving = asyncio.create_task(work), asyncio.create_task(disconnected())
    try:
        await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientDisconnect
        return await working
    finally:
        for task in (working, leaving):
            task.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)
