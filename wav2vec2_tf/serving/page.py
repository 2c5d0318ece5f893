"""The page that `serve --ui` shows: the files that `make page` built, and their headers."""

from __future__ import annotations

import hashlib
import mimetypes
import secrets
from pathlib import Path

from fastapi import FastAPI, HTTPException, Request, Response

PAGE = Path(__file__).parent / "page"
"""The folder of the built files."""

NONCE = b"NONCE"
"""Placeholder in `index.html` for the nonce of the content security policy."""


def content_security_policy(nonce: str) -> str:
    """Returns a policy that allows files of this server only, and no script or style in the HTML.

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


def add_page(app: FastAPI) -> None:
    """Adds the page at `/` and its files under `/page/`; they need no API key."""
    files = {path.name: path.read_bytes() for path in PAGE.iterdir()}
    tags = {
        name: f'"{hashlib.sha256(content).hexdigest()[:32]}"' for name, content in files.items()
    }

    @app.get("/", include_in_schema=False)
    def page() -> Response:
        nonce = secrets.token_urlsafe(16)
        headers = {
            "Content-Security-Policy": content_security_policy(nonce),
            "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "no-store",  # each answer has its own nonce
        }
        content = files["index.html"].replace(NONCE, nonce.encode())
        return Response(content, headers=headers, media_type="text/html")

    @app.get("/page/{name}", include_in_schema=False)
    def file(name: str, request: Request) -> Response:
        if name not in files:
            raise HTTPException(404)
        # Browsers ask each time and get what changed: the page is never older than its server.
        headers = {
            "Cache-Control": "no-cache",
            "ETag": tags[name],
            "X-Content-Type-Options": "nosniff",
        }
        if request.headers.get("if-none-match") == tags[name]:
            return Response(status_code=304, headers=headers)
        media_type = mimetypes.guess_type(name)[0] or "text/plain"
        return Response(files[name], headers=headers, media_type=media_type)
