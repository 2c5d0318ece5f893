"""Metrics of a server, in Prometheus's format."""

from __future__ import annotations

import time
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

PREFIX = "wav2vec2_tf_"
LATENCIES = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
ROWS = (1, 2, 4, 8, 16, 32, 64)


class Metrics:
    """Metrics of one server, in a registry of its own: a process may have several servers."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.active = 0
        """Requests that are not answered yet."""
        self.requests = self._counter("requests", "Requests answered.", "route", "status")
        self.latency = self._histogram(
            "request_seconds",
            "Seconds from a request to the end of its answer.",
            LATENCIES,
            "route",
        )
        self.rejected = self._counter("rejected", "Requests rejected, by error code.", "code")
        self.audio = self._counter("audio_seconds", "Seconds of audio transcribed.", "model")
        self.batch_rows = self._histogram("batch_rows", "Rows of a batch.", ROWS)
        self.batch_seconds = self._histogram(
            "batch_seconds", "Seconds to compute a batch.", LATENCIES
        )

    def gauge(self, name: str, summary: str, value: Callable[[], float]) -> None:
        """Adds a gauge whose value is computed when it is read."""
        Gauge(PREFIX + name, summary, registry=self.registry).set_function(value)

    def observe_batch(self, rows: int, seconds: float) -> None:
        """Counts a batch of `rows` rows that took `seconds`."""
        self.batch_rows.observe(rows)
        self.batch_seconds.observe(seconds)

    def _counter(self, name: str, summary: str, *labels: str) -> Counter:
        return Counter(PREFIX + name, summary, labels, registry=self.registry)

    def _histogram(
        self, name: str, summary: str, buckets: tuple[float, ...], *labels: str
    ) -> Histogram:
        return Histogram(PREFIX + name, summary, labels, registry=self.registry, buckets=buckets)


class MetricsMiddleware:
    """ASGI middleware that counts requests and measures their latency."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app, self.metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles a request of HTTP or a WebSocket; the rest passes through."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        status = "disconnected"  # unless an answer starts
        start = time.monotonic()

        async def observed_send(message: Message) -> None:
            nonlocal status
            if message["type"].removeprefix("websocket.") == "http.response.start":
                status = str(message["status"])
            elif message["type"] == "websocket.close":
                status = str(message["code"])
            await send(message)

        self.metrics.active += 1
        try:
            await self.app(scope, receive, observed_send)
        except Exception:
            status = "500"  # an outer layer answers it
            raise
        finally:
            self.metrics.active -= 1
            route = getattr(scope.get("route"), "path", "other")  # one label value for each route
            self.metrics.requests.labels(route, status).inc()
            self.metrics.latency.labels(route).observe(time.monotonic() - start)
