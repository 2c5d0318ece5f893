"""API keys: only their hashes are kept, so that the server cannot leak them."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from pathlib import Path

from wav2vec2_tf.serving.errors import RequestError
from wav2vec2_tf.serving.options import ServeOptions
from wav2vec2_tf.utils.errors import UserError


class ApiKeys:
    """The keys that a server accepts; without any, it accepts every request."""

    def __init__(self, keys: Iterable[str]) -> None:
        stripped = (key.strip() for key in keys)
        self._digests = frozenset(_digest(key) for key in stripped if key)

    @classmethod
    def from_options(cls, options: ServeOptions) -> ApiKeys:
        """Reads the keys of `api_keys` and `api_key_file`.

        Raises:
            UserError: the file cannot be read, or keys were meant to be given but there are none.
        """
        keys, file = list(options.api_keys), options.api_key_file
        if file is not None:
            try:
                keys += Path(file).read_text(encoding="utf-8").splitlines()
            except (OSError, UnicodeError):
                raise UserError(f"API key file {file}: cannot be read as text") from None
        made = cls(keys)
        if not made and (options.api_keys or file is not None):
            source = "api_keys" if file is None else f"API key file {file}"
            raise UserError(
                f"{source}: has no key, so every request would be accepted; add one or leave it out"
            )
        return made

    def __bool__(self) -> bool:
        """Whether there are keys."""
        return bool(self._digests)

    def require(self, authorization: str) -> None:
        """Raises `RequestError` unless an `Authorization` header has one of the keys.

        All keys are compared, each in constant time, whatever was sent.
        """
        scheme, _, key = authorization.partition(" ")
        digest = _digest(key.strip() if scheme.lower() == "bearer" else "")
        matches = sum(hmac.compare_digest(digest, known) for known in self._digests)
        if self and not matches:
            raise RequestError(401, "the API key is missing or wrong", "invalid_api_key")


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode(errors="surrogatepass")).digest()
