"""Which web pages may use the server: checks of the headers `Host` and `Origin`.

A page of any site can send requests to a server on the same machine or network. The browser names
the page's site in `Origin`; and a page whose name was made to point at the server's address (DNS
rebinding) has that name in `Host`. Other clients send no `Origin`, and an address or a name of the
server as `Host`.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Sequence
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from wav2vec2_tf.serving.errors import RequestError
from wav2vec2_tf.serving.metrics import Metrics
from wav2vec2_tf.serving.responses import error_response

ANY = "*"
DEFAULT_PORTS = {"http": 80, "https": 443}
LOCAL_DOMAINS = (".localhost", ".local", ".internal")
"""Domains that nobody can register (RFC 6761, RFC 6762, ICANN's resolution of 2024)."""


class OriginMiddleware:
    """ASGI middleware that refuses requests of foreign pages.

    `Host` must be an address, a name that nobody can register (without a dot, or in a local
    domain), the name of this machine, or one of `hosts`. `Origin`, if there is one, must be that of
    the server itself, as `Host` has it, or one of `origins`.

    Args:
        app: the application.
        hosts: names, `.example.com` for a domain and all below it, or `*` for any.
        origins: origins, as `https://example.com`, or `*` for any.
        metrics: counts what is refused.
    """

    def __init__(
        self, app: ASGIApp, hosts: Sequence[str], origins: Sequence[str], metrics: Metrics
    ) -> None:
        self.app, self.metrics = app, metrics
        known = (*hosts, *LOCAL_DOMAINS, socket.gethostname())
        self._hosts = [host.lower() for host in known if host]
        self._origins = list(map(normalized, origins))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles a request of HTTP or a WebSocket; the rest passes through."""
        if scope["type"] in ("http", "websocket"):
            headers = Headers(scope=scope)
            try:
                self._check(headers.getlist("host"), headers.getlist("origin"))
            except RequestError as error:
                self.metrics.rejected.labels(error.code).inc()
                response = error_response(error)
                if scope["type"] == "http":
                    await response(scope, receive, send)
                else:
                    await WebSocket(scope, receive, send).send_denial_response(response)
                return
        await self.app(scope, receive, send)

    def _check(self, hosts: list[str], origins: list[str]) -> None:
        """Raises `RequestError` if a request with these headers must be refused."""
        host = hosts[0] if len(hosts) == 1 else "".join(hosts)
        if hosts and not self._allows_host(host):
            message = f"host {host!r} is not allowed: start the server with --allowed-host NAME"
            raise RequestError(403, message, "host_not_allowed")
        for origin in origins:
            if not self._allows_origin(origin.lower(), host):
                message = (
                    f"pages of {origin!r} may not use this server: start it with "
                    "--allowed-origin ORIGIN"
                )
                raise RequestError(403, message, "origin_not_allowed")

    def _allows_host(self, host: str) -> bool:
        if ANY in self._hosts:
            return True
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        name = name.removesuffix(".")
        if "." not in name or _is_address(name):
            return True
        return any(
            name == allowed.removeprefix(".") or (allowed[0] == "." and name.endswith(allowed))
            for allowed in self._hosts
        )

    def _allows_origin(self, origin: str, host: str) -> bool:
        if ANY in self._origins or origin in self._origins:
            return True
        try:
            page, server = urlsplit(origin), urlsplit(f"//{host}")
            # Behind a proxy with TLS, the port that `Host` leaves out is that of the page's scheme.
            default = DEFAULT_PORTS.get(page.scheme)
            return (
                default is not None
                and page.hostname == server.hostname
                and (page.port or default) == (server.port or default)
            )
        except ValueError:
            return False


def normalized(origin: str) -> str:
    """Returns an origin as browsers write it."""
    return origin.lower().rstrip("/")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
