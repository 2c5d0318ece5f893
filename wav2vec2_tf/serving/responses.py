"""Answers in OpenAI's formats: transcriptions, models and errors."""

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

from wav2vec2_tf.serving.errors import RequestError
from wav2vec2_tf.serving.models import SpeechModel
from wav2vec2_tf.serving.scheduler import RequestResult
from wav2vec2_tf.text import subtitles
from wav2vec2_tf.text.transcript import Transcript, Word

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
    if "segment" in granularities:
        content["segments"] = list(_segments(result))
    if "subtitle" in granularities:
        cues = subtitles.cues(result.transcript.words, result.seconds)
        content["subtitles"] = [asdict(cue) for cue in cues]
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


def _segments(result: RequestResult) -> Iterator[dict[str, Any]]:
    """Makes a segment of the words of each subtitle, with Whisper's figures as far as CTC has them.

    `avg_logprob` is over characters, and `compression_ratio` as Whisper computes it. CTC has no
    tokens of text, no seeking and no probability of silence: these are empty or 0.
    """
    for index, words in enumerate(_words_by_subtitle(result)):
        text = " ".join(word.text for word in words)
        probabilities = [
            max(character.confidence, MIN_PROBABILITY)
            for word in words
            for character in word.characters
        ]
        encoded = text.encode()
        yield {
            "id": index,
            "seek": 0,
            "start": words[0].start,
            "end": words[-1].end,
            "text": text,
            "tokens": [],
            "temperature": 0.0,
            "avg_logprob": sum(map(math.log, probabilities)) / max(1, len(probabilities)),
            "compression_ratio": len(encoded) / len(zlib.compress(encoded)),
            "no_speech_prob": 0.0,
        }


def _words_by_subtitle(result: RequestResult) -> Iterator[Sequence[Word]]:
    """Splits the words at subtitles; a word that fills several belongs to the first of them."""
    words = result.transcript.words
    starts = [word.start for word in words]
    cues = subtitles.cues(words, result.seconds)
    bounds = [0, *(bisect_left(starts, cue.start) for cue in cues[1:]), len(words)]
    return (words[first:end] for first, end in pairwise(bounds) if first < end)
