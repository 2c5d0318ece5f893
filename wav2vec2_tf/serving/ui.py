"""The page that `serve --ui` shows, as `make page` built it: files, and what a browser may do."""

from __future__ import annotations

import hashlib
import mimetypes
import secrets
from pathlib import Path

from fastapi import FastAPI, HTTPException, Request, Response

PAGE = Path(__file__).parent / "page"

NONCE = b"NONCE"
"""In the page's own HTML: where a number goes that no style sheet from elsewhere can know."""


def policy(nonce: str) -> str:
    """Nothing but this server's own files, and none of them written into the page.

    `data:` is for icons, which are part of the script; `blob:` for the recording that is played.
    """
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            f"style-src 'self' 'nonce-{nonce}'",
            "img-src 'self' data:",
            "media-src 'self' blob:",
            "connect-src 'self' data:",
            "form-action 'none'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
        )
    )


def mount(app: FastAPI) -> None:
    """Add the page to a service: `/`, and its files under `/page/`. None of them needs a key."""
    files = {path.name: path.read_bytes() for path in PAGE.iterdir()}
    tags = {
        name: f'"{hashlib.sha256(content).hexdigest()[:32]}"' for name, content in files.items()
    }

    @app.get("/", include_in_schema=False)
    def page() -> Response:
        nonce = secrets.token_urlsafe(16)
        headers = {
            "Content-Security-Policy": policy(nonce),
            "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "no-store",  # each has a nonce of its own
        }
        content = files["index.html"].replace(NONCE, nonce.encode())
        return Response(content, headers=headers, media_type="text/html")

    @app.get("/page/{name}", include_in_schema=False)
    def file(name: str, request: Request) -> Response:
        if name not in files:
            raise HTTPException(404)
        # Asked for each time and sent when changed: the page is never older than its server.
        headers = {
            "Cache-Control": "no-cache",
            "ETag": tags[name],
            "X-Content-Type-Options": "nosniff",
        }
        if request.headers.get("if-none-match") == tags[name]:
            return Response(status_code=304, headers=headers)
        kind = mimetypes.guess_type(name)[0] or "text/plain"
        return Response(files[name], headers=headers, media_type=kind)
