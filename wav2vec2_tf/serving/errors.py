"""Errors that are answered to a client."""

from __future__ import annotations

import os
import traceback
from typing import Any

from wav2vec2_tf.utils.errors import first_line

RETRY_SECONDS = 1  # after which a full or stopping server may be asked again

ERROR_TYPES = {401: "authentication_error", 404: "not_found_error", 429: "rate_limit_error"}
"""OpenAI's `type` of an error by its status; others are by their class, 4xx or 5xx."""


class RequestError(Exception):
    """A request that cannot be answered as asked.

    A WebSocket is closed with 4000 plus the status.

    Args:
        status: of HTTP.
        message: what is wrong, for the client; it names no path and no internal of the server.
        code: what is wrong, for programs.
        param: the field of the request that is wrong.
    """

    def __init__(self, status: int, message: str, code: str, param: str | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.code, self.param = status, message, code, param

    @property
    def body(self) -> dict[str, Any]:
        """The error as JSON in OpenAI's form."""
        default = "invalid_request_error" if self.status < 500 else "server_error"
        error = {
            "message": self.message,
            "type": ERROR_TYPES.get(self.status, default),
            "param": self.param,
            "code": self.code,
        }
        return {"error": error}

    @property
    def headers(self) -> dict[str, str]:
        """Headers of the answer: when to retry, or how to authenticate."""
        if self.status in (429, 503):
            return {"Retry-After": str(RETRY_SECONDS)}
        if self.status == 401:
            return {"WWW-Authenticate": "Bearer"}
        return {}


def stopping() -> RequestError:
    """Makes the error of a server that accepts nothing new."""
    return RequestError(503, "the server is stopping", "stopping")


def queue_full() -> RequestError:
    """Makes the error of a server that has as much to do as it may."""
    return RequestError(429, "the server is at its limit of requests: try again", "queue_full")


def one_line(error: BaseException) -> str:
    """Describes an error in one line of the log: its type, message, and where it was raised."""
    *_, last = traceback.extract_tb(error.__traceback__) or [None]
    place = f" ({os.path.basename(last.filename)}:{last.lineno})" if last else ""
    return f"{type(error).__name__}: {first_line(error)}{place}"
