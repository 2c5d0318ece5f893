"""Addresses, names and signals of a server."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest

from tests.support.server import PATIENCE, Running, serving
from wav2vec2_tf.serving import server as http_server
from wav2vec2_tf.serving.addresses import bind_sockets
from wav2vec2_tf.serving.app import create_app
from wav2vec2_tf.serving.models import SpeechModel
from wav2vec2_tf.serving.options import ServeOptions
from wav2vec2_tf.utils.errors import UserError

NONE = [SpeechModel("none", {})]
MISSING = "192.0.2.1"  # of no machine (RFC 5737)


def addresses_of(host: str, port: int = 0) -> list[str]:
    with ExitStack() as opened:
        bound = [opened.enter_context(each) for each in bind_sockets(host, port)]
        assert len({each.getsockname()[1] for each in bound}) == 1
        return [each.getsockname()[0] for each in bound]


def has_ipv6() -> bool:
    try:
        return addresses_of("::1") == ["::1"]
    except UserError:
        return False


def port(running: Running) -> int:
    return httpx.URL(running.url).port or 0


@pytest.mark.parametrize("host", ["[::1]", "::1"])
def test_ipv6(host: str) -> None:
    if not has_ipv6():
        with pytest.raises(UserError, match="cannot listen on host"):
            bind_sockets(host, 0)
        return
    with serving(models=NONE, options=ServeOptions(host=host)) as running:
        assert running.url.startswith("http://[::1]:")
        assert httpx.get(f"{running.url}/health").status_code == 200
        answer = httpx.get(f"{running.url}/v1/models", headers={"Origin": running.url})
        assert answer.status_code == 200


@pytest.mark.skipif(not has_ipv6(), reason="needs IPv6: turn it on")
def test_all_addresses_include_ipv4() -> None:
    with serving(models=NONE, options=ServeOptions(host="::", api_keys=("key",))) as running:
        assert httpx.get(f"http://127.0.0.1:{port(running)}/health").status_code == 200


def test_a_name_with_several_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of a family that the machine does not have are left out, as asyncio does."""
    found = [
        (socket.AF_INET, (MISSING, 0)),
        (socket.AF_INET6, ("::1", 0, 0, 0)),
        (socket.AF_INET, ("127.0.0.1", 0)),
    ]

    def resolved(*args: Any, **options: Any) -> list[Any]:
        return [(family, socket.SOCK_STREAM, 6, "", address) for family, address in found]

    expected = ["::1", "127.0.0.1"] if has_ipv6() else ["127.0.0.1"]
    with monkeypatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", resolved)
        assert addresses_of("a.name") == expected
        with serving(models=NONE, options=ServeOptions(host="a.name")) as running:
            patch.undo()
            for address in expected:
                socket.create_connection((address, port(running))).close()
    found[:] = [(socket.AF_INET, (MISSING, 0))]
    with monkeypatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", resolved)
        with pytest.raises(UserError, match=r"cannot listen on host a\.name, port 0"):
            bind_sockets("a.name", 0)


def test_names_that_are_none() -> None:
    for host in ("[::1", "a" * 64 + ".example", "no.such.host.invalid"):
        with pytest.raises(UserError, match="cannot listen on host"):
            bind_sockets(host, 0)


def test_addresses_that_two_servers_want() -> None:
    """Both can bind to it; the second cannot listen."""
    (first,) = bind_sockets("127.0.0.1", 0)
    with first:
        (second,) = bind_sockets("127.0.0.1", first.getsockname()[1])
        first.listen()
        with second, pytest.raises(UserError, match=r"cannot listen on http://127\.0\.0\.1:"):
            asyncio.run(http_server.Server(create_app(models=NONE), 1).run([second]))


def test_no_file_for_a_connection(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is one line, not 512 tracebacks a second, and the server goes on."""
    accept, attempts = socket.socket.accept, []

    def exhausted(listener: socket.socket) -> Any:
        attempts.append(listener)
        if len(attempts) <= 100:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return accept(listener)

    monkeypatch.setattr(socket.socket, "accept", exhausted)
    with serving(models=NONE) as running:
        assert httpx.get(f"{running.url}/health", timeout=PATIENCE).status_code == 200
    records = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert 0 < len(records) < 10
    for record in records:
        assert os.strerror(errno.EMFILE) in record.getMessage() and record.exc_info is None


@pytest.mark.parametrize(("files", "most"), [(64, 32), (1024, 512), (10**6, 512), (-1, 512)])
def test_connections_leave_files_for_uploads(
    monkeypatch: pytest.MonkeyPatch, files: int, most: int
) -> None:
    monkeypatch.setattr(http_server.resource, "getrlimit", lambda kind: (files, files))
    assert http_server.connection_limit() == most


@pytest.fixture
def hangup() -> Iterator[None]:
    before = signal.getsignal(signal.SIGHUP)
    yield
    signal.signal(signal.SIGHUP, before)


async def run_and_send(*signals: signal.Signals) -> None:
    """Runs a server, to which this process sends signals, until it stops."""
    server = http_server.Server(create_app(models=NONE), drain_seconds=1)
    serves = asyncio.create_task(server.run(bind_sockets("127.0.0.1", 0)))
    for number in signals:
        while not server.started:
            await asyncio.sleep(0.01)
        assert not serves.done()
        os.kill(os.getpid(), number)
        await asyncio.sleep(0.1)
    await asyncio.wait_for(serves, PATIENCE)


@pytest.mark.usefixtures("hangup")
def test_signals() -> None:
    """A closed terminal stops the server, unless it was started with `nohup`."""
    asyncio.run(run_and_send(signal.SIGHUP))
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    asyncio.run(run_and_send(signal.SIGHUP, signal.SIGTERM))
