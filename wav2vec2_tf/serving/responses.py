"""Answers in OpenAI's formats: transcriptions, models and errors."""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from typing import Any

from fastapi import Response
from fastapi.responses import JSONResponse, PlainTextResponse

from wav2vec2_tf.serving.errors import RequestError
from wav2vec2_tf.serving.models import SpeechModel
from wav2vec2_tf.serving.scheduler import RequestResult
from wav2vec2_tf.text import subtitles
from wav2vec2_tf.text.subtitles import Cue
from wav2vec2_tf.text.transcript import Transcript

MIN_PROBABILITY = 1e-10  # keeps logarithms finite

TEXT_FORMATS = {"text": "txt", "srt": "srt", "vtt": "vtt"}
"""OpenAI's `response_format` → the name in `subtitles.FORMATS`."""


def transcription(
    result: RequestResult, response_format: str, granularities: Sequence[str]
) -> Response:
    """Makes the answer to a transcription request, in one of OpenAI's formats."""
    if response_format == "json":
        return JSONResponse({"text": result.transcript.text, "usage": _usage(result)})
    if response_format == "verbose_json":
        return JSONResponse(verbose_json(result, granularities))
    write = subtitles.FORMATS[TEXT_FORMATS[response_format]]
    content = write("", result.seconds, result.transcript)
    media_type = "text/vtt" if response_format == "vtt" else "text/plain"
    return PlainTextResponse(content, media_type=media_type)


def verbose_json(result: RequestResult, granularities: Sequence[str]) -> dict[str, Any]:
    """Makes OpenAI's `verbose_json`; words also have their confidence.

    Args:
        result: the transcription.
        granularities: what to include: "word", "segment", and "subtitle", which OpenAI lacks.
    """
    content: dict[str, Any] = {
        "task": "transcribe",
        "language": result.language or "unknown",
        "duration": result.seconds,
        "text": result.transcript.text,
    }
    if "word" in granularities:
        content["words"] = _words(result.transcript)
    cues = subtitles.cues(result.transcript.words, result.seconds)
    if "segment" in granularities:
        content["segments"] = [_segment(index, cue) for index, cue in enumerate(cues)]
    if "subtitle" in granularities:
        content["subtitles"] = [
            {"start": cue.start, "end": cue.end, "lines": cue.lines} for cue in cues
        ]
    return content | {"usage": _usage(result)}


def model_card(model: SpeechModel) -> dict[str, Any]:
    """Describes a model as OpenAI does, with its decodings and languages."""
    return {
        "id": model.name,
        "object": "model",
        "created": model.created,
        "owned_by": "wav2vec2-tf",
        "decodings": model.decodings,
        "languages": model.languages,
    }


def error_response(error: RequestError) -> JSONResponse:
    """Makes the answer to a request that failed."""
    return JSONResponse(error.body, error.status, error.headers)


def _usage(result: RequestResult) -> dict[str, Any]:
    return {"type": "duration", "seconds": result.seconds}


def _words(transcript: Transcript) -> list[dict[str, Any]]:
    return [
        {"word": word.text, "start": word.start, "end": word.end, "confidence": word.confidence}
        for word in transcript.words
    ]


def _segment(index: int, cue: Cue) -> dict[str, Any]:
    """Makes a segment of a subtitle, with Whisper's figures as far as CTC has them.

    `avg_logprob` is over characters, and `compression_ratio` as Whisper computes it. CTC has no
    tokens of text, no seeking and no probability of silence: these are empty or 0.
    """
    probabilities = [max(character.confidence, MIN_PROBABILITY) for character in cue.characters]
    encoded = cue.text.encode()
    return {
        "id": index,
        "seek": 0,
        "start": cue.start,
        "end": cue.end,
        "text": cue.text,
        "tokens": [],
        "temperature": 0.0,
        "avg_logprob": sum(map(math.log, probabilities)) / max(1, len(probabilities)),
        "compression_ratio": len(encoded) / len(zlib.compress(encoded)),
        "no_speech_prob": 0.0,
    }
