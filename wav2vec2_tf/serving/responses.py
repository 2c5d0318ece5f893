"""OpenAI's JSON: transcriptions, models and errors."""

from __future__ import annotations

import math
import zlib
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import pairwise
from typing import Any

from fastapi import Response
from fastapi.responses import JSONResponse, PlainTextResponse

from wav2vec2_tf.serving.models import Heard, ServedModel
from wav2vec2_tf.text import subtitles
from wav2vec2_tf.text.transcript import Transcript, Word

RETRY_SECONDS = 1  # after which a full or stopping server may be asked again
LEAST_PROBABILITY = 1e-10  # whose logarithm is taken

KINDS = {401: "authentication_error", 404: "not_found_error", 429: "rate_limit_error"}
"""`type` of an error by its status; of others 4xx and 5xx, see `Refused.body`."""


class Refused(Exception):
    """A request that is not done: an HTTP status, and what the client is told.

    A WebSocket is closed with 4000 and the status.
    """

    def __init__(self, status: int, message: str, code: str, param: str | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.code, self.param = status, message, code, param

    @property
    def body(self) -> dict[str, Any]:
        usual = "invalid_request_error" if self.status < 500 else "server_error"
        kind = KINDS.get(self.status, usual)
        error = {"message": self.message, "type": kind, "param": self.param, "code": self.code}
        return {"error": error}

    def response(self) -> JSONResponse:
        headers = {}
        if self.status in (429, 503):
            headers["Retry-After"] = str(RETRY_SECONDS)
        if self.status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        return JSONResponse(self.body, self.status, headers)


def transcription(heard: Heard, form: str, granularities: Sequence[str]) -> Response:
    """In one of OpenAI's formats; words and segments where they are asked for."""
    text = heard.transcript.text
    if form == "json":
        return JSONResponse({"text": text, "usage": _usage(heard)})
    if form == "verbose_json":
        return JSONResponse(verbose(heard, granularities))
    written = {"text": "txt", "srt": "srt", "vtt": "vtt"}[form]
    content = subtitles.FORMATS[written]("", heard.seconds, heard.transcript)
    return PlainTextResponse(content, media_type="text/vtt" if form == "vtt" else "text/plain")


def words(transcript: Transcript) -> list[dict[str, Any]]:
    return [
        {"word": word.text, "start": word.start, "end": word.end, "confidence": word.confidence}
        for word in transcript.words
    ]


def _usage(heard: Heard) -> dict[str, Any]:
    return {"type": "duration", "seconds": heard.seconds}


def verbose(heard: Heard, granularities: Sequence[str]) -> dict[str, Any]:
    """OpenAI's `verbose_json`; its words have their confidence, too."""
    content: dict[str, Any] = {
        "task": "transcribe",
        "language": heard.language or "unknown",
        "duration": heard.seconds,
        "text": heard.transcript.text,
    }
    if "word" in granularities:
        content["words"] = words(heard.transcript)
    if "segment" in granularities:
        content["segments"] = list(segments(heard))
    if "subtitle" in granularities:  # beyond OpenAI's, for who shows them in time
        cues = subtitles.cues(heard.transcript.words, heard.seconds)
        content["subtitles"] = [asdict(cue) for cue in cues]
    return content | {"usage": _usage(heard)}


def segments(heard: Heard) -> Iterator[dict[str, Any]]:
    """The words of each subtitle, with Whisper's figures, as far as CTC has them.

    `avg_logprob` is over characters, and `compression_ratio` as Whisper computes it. There are no
    numbers of tokens, no seeking and no probability of silence: these are empty or 0.
    """
    for index, group in enumerate(_groups(heard)):
        text = " ".join(word.text for word in group)
        likely = [max(c.confidence, LEAST_PROBABILITY) for word in group for c in word.characters]
        written = text.encode()
        yield {
            "id": index,
            "seek": 0,
            "start": group[0].start,
            "end": group[-1].end,
            "text": text,
            "tokens": [],
            "temperature": 0.0,
            "avg_logprob": sum(map(math.log, likely)) / max(1, len(likely)),
            "compression_ratio": len(written) / len(zlib.compress(written)),
            "no_speech_prob": 0.0,
        }


def _groups(heard: Heard) -> Iterator[Sequence[Word]]:
    """A word longer than a subtitle is in the first of those it fills."""
    words = heard.transcript.words
    starts = [word.start for word in words]
    cues = subtitles.cues(words, heard.seconds)
    bounds = [0, *(bisect_left(starts, cue.start) for cue in cues[1:]), len(words)]
    return (words[first:end] for first, end in pairwise(bounds) if first < end)


def model_card(model: ServedModel) -> dict[str, Any]:
    return {
        "id": model.name,
        "object": "model",
        "created": model.created,
        "owned_by": "wav2vec2-tf",
        "decodings": model.decodings,
        "languages": model.languages,
    }
