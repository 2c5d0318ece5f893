"""Which pages may use the server: `Host`, `Origin` and the headers for other sites (CORS)."""

from __future__ import annotations

import asyncio
import json

import httpx
import pytest
from starlette.responses import PlainTextResponse
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.support.raw_http import ends, socket_to, upgrade
from tests.support.server import PATIENCE, Running, serving
from wav2vec2_tf.cli.main import main
from wav2vec2_tf.serving.metrics import Metrics
from wav2vec2_tf.serving.options import ServeOptions
from wav2vec2_tf.serving.origins import OriginMiddleware
from wav2vec2_tf.transcription.recognizer import Recognizer
from wav2vec2_tf.utils.errors import UserError

SITE = "https://app.example.com"


def status(host: str, origin: str | None, *, hosts: tuple[str, ...] = (), **options: object) -> int:
    """The answer of the middleware to a request with these headers."""
    app = OriginMiddleware(PlainTextResponse("yes"), hosts, options.get("origins", ()), Metrics())
    headers = {"host": host} | ({} if origin is None else {"origin": origin})

    async def answer() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://a") as client:
            return await client.get("/", headers=headers)

    return asyncio.run(answer()).status_code


@pytest.mark.parametrize(
    "host",
    [
        *("localhost", "localhost:8000", "LOCALHOST:80", "a.localhost", "localhost."),
        *("127.0.0.1", "127.0.0.1:8000", "192.168.1.7:8000", "[::1]:8000", "[fe80::1]"),
        *("transcription", "transcription:8000", "box.local", "api.internal"),
    ],
)
def test_hosts_that_are_the_servers_own(host: str) -> None:
    assert status(host, None) == 200


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "evil.example:8000", "localhost.evil.example", "127.0.0.1.nip.io"),
        *("127.0.0.1.evil.example:8000", "evillocalhost.com", "[::1", "a@evil.example"),
    ],
)
def test_hosts_of_others(host: str) -> None:
    """A name of the internet may be made to point here (DNS rebinding)."""
    assert status(host, None) == status(host, f"http://{host}") == 403


def test_hosts_that_are_allowed() -> None:
    for allowed, host, expected in (
        ("speech.example.com", "speech.example.com", 200),
        ("Speech.Example.com", "speech.example.com:8000", 200),
        ("speech.example.com", "other.example.com", 403),
        ("speech.example.com", "a.speech.example.com", 403),
        (".example.com", "speech.example.com", 200),
        (".example.com", "example.com", 200),
        (".example.com", "evilexample.com", 403),
        ("*", "evil.example", 200),
    ):
        assert status(host, None, hosts=(allowed,)) == expected, (allowed, host)


@pytest.mark.parametrize(
    ("host", "origin", "expected"),
    [
        ("127.0.0.1:8000", "http://127.0.0.1:8000", 200),
        ("localhost:8000", "http://localhost:8000", 200),
        ("[::1]:8000", "http://[::1]:8000", 200),
        ("192.168.1.7", "http://192.168.1.7", 200),
        ("speech.local", "https://speech.local", 200),  # behind a proxy with TLS
        ("speech.local:443", "https://speech.local", 200),
        ("127.0.0.1:8000", "http://127.0.0.1:3000", 403),
        ("127.0.0.1:8000", "http://localhost:8000", 403),
        ("127.0.0.1", "http://127.0.0.1:8000", 403),
        ("127.0.0.1:8000", "https://evil.example", 403),
        ("127.0.0.1:8000", "http://127.0.0.1:8000.evil.example", 403),
        ("127.0.0.1:8000", "http://evil.example/http://127.0.0.1:8000", 403),
        ("127.0.0.1:8000", "null", 403),
        ("127.0.0.1:8000", "file://", 403),
        ("127.0.0.1:8000", "", 403),
        ("127.0.0.1:8000", "http://[", 403),
        ("127.0.0.1:8000", "chrome-extension://abcdef", 403),
    ],
)
def test_origins(host: str, origin: str, expected: int) -> None:
    assert status(host, origin) == expected


def test_origins_that_are_allowed() -> None:
    for allowed, origin, expected in (
        (SITE, SITE, 200),
        (f"{SITE.upper()}/", SITE, 200),
        (SITE, "http://app.example.com", 403),
        (SITE, f"{SITE}:8443", 403),
        ("null", "null", 200),
        ("*", "https://evil.example", 200),
    ):
        assert status("127.0.0.1:8000", origin, origins=(allowed,)) == expected, (allowed, origin)
    for bad in ("app.example.com", f"{SITE}/page", "", "https://"):
        with pytest.raises(UserError, match="allowed_origins must be as"):
            ServeOptions(allowed_origins=(bad,))


@pytest.fixture(scope="module")
def server(bundled_recognizer: Recognizer) -> Running:
    with serving(bundled_recognizer, ServeOptions(allowed_origins=(SITE,), ui=True)) as running:
        yield running


def test_requests_of_foreign_pages_are_refused(server: Running) -> None:
    before = server.context.metrics.registry.get_sample_value(
        "wav2vec2_tf_rejected_total", {"code": "origin_not_allowed"}
    )
    assert before is None
    for method, path in (("POST", "v1/audio/transcriptions"), ("GET", "v1/models"), ("GET", "")):
        headers = {"Origin": "https://evil.example"}
        answer = httpx.request(method, f"{server.url}/{path}", headers=headers)
        error = answer.json()["error"]
        assert (answer.status_code, error["code"]) == (403, "origin_not_allowed")
        assert "--allowed-origin" in error["message"]
        assert "access-control-allow-origin" not in answer.headers
    answer = httpx.get(f"{server.url}/v1/models", headers={"Host": "evil.example"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "host_not_allowed")
    counted = server.context.metrics.registry.get_sample_value(
        "wav2vec2_tf_rejected_total", {"code": "origin_not_allowed"}
    )
    assert counted == 3


def test_pages_of_allowed_sites(server: Running) -> None:
    """The browser asks first, and then shows the page what it gets."""
    headers = {
        **{"Origin": SITE, "Access-Control-Request-Method": "POST"},
        "Access-Control-Request-Headers": "authorization,x-stainless-lang",
    }
    url = f"{server.url}/v1/audio/transcriptions"
    answer = httpx.options(url, headers=headers)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == SITE
    assert "x-stainless-lang" in answer.headers["access-control-allow-headers"]
    for asked in (
        httpx.get(f"{server.url}/v1/models", headers={"Origin": SITE}),
        httpx.post(url, headers={"Origin": SITE}),
    ):
        assert asked.headers["access-control-allow-origin"] == SITE


def test_websockets_of_pages(server: Running) -> None:
    url = server.url.replace("http", "ws") + "/v1/audio/stream"
    for origin in ("https://evil.example", "null", "http://localhost:1"):
        with pytest.raises(InvalidStatus) as error, connect(url, origin=origin):
            pass
        assert error.value.response.status_code == 403
        assert json.loads(error.value.response.body)["error"]["code"] == "origin_not_allowed"
    for allowed in (server.url, SITE, None):
        with connect(url, origin=allowed, open_timeout=PATIENCE) as socket:
            socket.send("{}")
            assert json.loads(socket.recv(PATIENCE))["error"]["code"] == "invalid_value"
    with socket_to(server.url) as raw:
        raw.sendall(upgrade().replace(b"localhost", b"evil.example"))
        assert raw.recv(2**16).startswith(b"HTTP/1.1 403")
        assert ends(raw)


def test_flags(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--allowed-origin", "example.com"]) == 1
    assert "--allowed-origin must be as https://example.com" in capsys.readouterr().err
