"""Uploaded forms: their fields and a temporary file, within limits that a client cannot exceed.

Limits count the bytes that arrive. A header that announces more is refused before they do; one that
announces less changes nothing.
"""

from __future__ import annotations

import asyncio
import codecs
import logging
import shutil
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile

from python_multipart.multipart import parse_options_header
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from wav2vec2_tf.serving.errors import RequestError

CHARSETS = ("utf-8", "ascii", "iso8859-1", "cp1252")  # Python's names
MAX_FIELDS = 32
MAX_FIELD_BYTES = 16 * 1024
MAX_FORM_BYTES = MAX_FIELDS * (MAX_FIELD_BYTES + 1024)  # of all but the file

# The response says what is wrong with a form, so the log does not repeat it.
logging.getLogger("python_multipart").setLevel(logging.ERROR)


@dataclass(frozen=True)
class Upload:
    """A form that was uploaded."""

    fields: dict[str, list[str]]
    """The values of each field but `file`."""
    path: Path
    """A temporary file with the content of the field `file`."""


@asynccontextmanager
async def receive_upload(
    request: Request, folder: Path, max_bytes: int, seconds: float
) -> AsyncIterator[Upload]:
    """Receives the form of a request; its temporary file is removed when the context ends.

    Args:
        request: a request with a body of type `multipart/form-data`.
        folder: where the temporary file is written.
        max_bytes: largest size of the file.
        seconds: time in which the body must arrive.

    Raises:
        RequestError: there is no form, or it is too large or too slow.
        ClientDisconnect: the client disconnected before all had arrived.
    """
    _check_content_type(request.headers.get("content-type", ""))
    stated = request.headers.get("content-length", "")
    if stated.isdecimal() and int(stated) > max_bytes + MAX_FORM_BYTES:
        raise _too_large(max_bytes)  # before the client sends it
    parser = MultiPartParser(
        request.headers,
        _limited(request, max_bytes),
        max_files=1,
        max_fields=MAX_FIELDS,
        max_part_size=MAX_FIELD_BYTES,
    )
    try:
        async with asyncio.timeout(seconds):
            form = await parser.parse()
    except TimeoutError:
        message = f"the request took longer than {seconds:g} s to arrive"
        raise RequestError(408, message, "slow") from None
    except MultiPartException as error:
        raise RequestError(400, f"invalid form: {error.message}", "invalid_form") from None
    try:
        file = form.get("file")
        if not isinstance(file, UploadFile):
            message = "the field 'file' is missing: it holds the audio"
            raise RequestError(400, message, "missing", "file")
        if (file.size or 0) > max_bytes:
            raise _too_large(max_bytes)
        fields: dict[str, list[str]] = {}
        for name, value in form.multi_items():
            if isinstance(value, str):
                fields.setdefault(name, []).append(value)
        with NamedTemporaryFile(dir=folder, prefix="upload-") as copy:
            await asyncio.to_thread(shutil.copyfileobj, file.file, copy)
            copy.flush()
            await form.close()
            yield Upload(fields, Path(copy.name))
    finally:
        await form.close()


def _check_content_type(header: str) -> None:
    """Raises `RequestError` unless the header is that of a form in a usual charset."""
    kind, parameters = parse_options_header(header)
    if kind != b"multipart/form-data":
        shown = kind.decode("latin-1") or "none"
        message = f"Content-Type must be multipart/form-data, got {shown}"
        raise RequestError(400, message, "invalid_content_type")
    charset = parameters.get(b"charset", b"utf-8").decode("latin-1")
    try:
        known = codecs.lookup(charset).name in CHARSETS
    except (LookupError, ValueError):
        known = False
    if not known:
        message = f"the charset of a form must be UTF-8, got {charset!r}"
        raise RequestError(400, message, "invalid_content_type")


def _too_large(max_bytes: int) -> RequestError:
    message = f"the file has more than {max_bytes / 1e6:g} MB: cut the recording"
    return RequestError(413, message, "too_large", "file")


async def _limited(request: Request, max_bytes: int) -> AsyncGenerator[bytes, None]:
    received = 0
    async for chunk in request.stream():
        received += len(chunk)
        if received > max_bytes + MAX_FORM_BYTES:
            raise _too_large(max_bytes)
        yield chunk
