"""Bodies of requests → fields and a temporary file, within bounds that the client cannot move.

What is counted is what comes, not what a header says of it.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from wav2vec2_tf.serving.responses import Refused

FIELDS = 32
FIELD_BYTES = 16 * 1024
OVERHEAD_BYTES = FIELDS * (FIELD_BYTES + 1024)  # of a form, beside its file
LINGER_SECONDS = 5.0  # in which a refused client may finish sending, so as to read the answer
LINGER_BYTES = 64 * 2**20


@dataclass(frozen=True)
class Upload:
    """A form that was sent."""

    fields: dict[str, list[str]]
    path: Path
    """A temporary file with what the field `file` held."""


@asynccontextmanager
async def received(
    request: Request, folder: Path, most_bytes: int, seconds: float
) -> AsyncIterator[Upload]:
    """The form of a request; its temporary file in `folder` is removed at the end, however it ends.

    Raises:
        Refused: no form, more bytes, or they take longer to come.
        ClientDisconnect: the client left before all was there.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "multipart/form-data":
        raise Refused(400, "send the audio as multipart/form-data", "invalid_content_type")
    parser = MultiPartParser(
        request.headers,
        _counted(request, most_bytes + OVERHEAD_BYTES),
        max_files=1,
        max_fields=FIELDS,
        max_part_size=FIELD_BYTES,
    )
    try:
        async with asyncio.timeout(seconds):
            form = await parser.parse()
    except TimeoutError:
        raise Refused(408, f"the request took longer than {seconds:g} s to come", "slow") from None
    except MultiPartException as error:
        raise Refused(400, f"not a form: {error.message}", "invalid_form") from None
    try:
        file = form.get("file")
        if not isinstance(file, UploadFile):
            raise Refused(400, "the field 'file' is missing: it holds the audio", "missing", "file")
        if (file.size or 0) > most_bytes:
            raise too_large(most_bytes)
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


def too_large(most_bytes: int) -> Refused:
    return Refused(
        413, f"more than {most_bytes / 1e6:g} MB: cut the recording", "too_large", "file"
    )


async def _counted(request: Request, most_bytes: int) -> AsyncGenerator[bytes, None]:
    received = 0
    async for chunk in request.stream():
        received += len(chunk)
        if received > most_bytes:
            raise too_large(most_bytes - OVERHEAD_BYTES)
        yield chunk


async def discard(request: Request) -> None:
    """Read on for a moment: a client that is still sending would not read why it is refused."""
    received = 0
    try:
        async with asyncio.timeout(LINGER_SECONDS):
            async for chunk in request.stream():
                received += len(chunk)
                if received > LINGER_BYTES:
                    return
    except (TimeoutError, ClientDisconnect, RuntimeError):  # RuntimeError: all of it was read
        return
