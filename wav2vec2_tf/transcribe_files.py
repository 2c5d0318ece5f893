"""Audio files → text: a line a file, or with --json one object with words and times."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict

from wav2vec2_tf.errors import UserError
from wav2vec2_tf.hub_options import add_hub_options, hub_options


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "audio", nargs="+", help="files that soundfile reads: wav, flac, ogg, mp3 …"
    )
    parser.add_argument(
        "--model",
        help="folder, SavedModel, .tflite, .onnx or .xml file of ours, Hugging Face id or "
        "fairseq's .pt file; by default the bundled one, which knows 200 words of synthetic speech",
    )
    parser.add_argument(
        "--target-lang", metavar="LANG", help="the language, of MMS models with one each"
    )
    parser.add_argument("--json", action="store_true", help="a JSON object a file, with words")
    add_hub_options(parser)


def run(args: argparse.Namespace) -> int:
    from tqdm import tqdm

    from wav2vec2_tf import audio
    from wav2vec2_tf.files import BUNDLED_MODEL
    from wav2vec2_tf.transcribe import Recognizer

    recognizer = Recognizer.load(
        args.model or BUNDLED_MODEL, target_lang=args.target_lang, **hub_options(args)
    )
    failed = 0
    progress = tqdm(args.audio, unit="file", disable=len(args.audio) == 1 or None, leave=False)
    for path in progress:
        try:
            speech = audio.load(path)
            (transcript,) = recognizer.transcribe([speech])
        except UserError as error:
            failed += 1
            message = str(error) if str(path) in str(error) else f"{path}: {error}"
            progress.write(f"error: {message}", file=sys.stderr)
            continue
        if args.json:
            seconds = len(speech) / audio.SAMPLE_RATE
            line = json.dumps({"file": path, "seconds": seconds, **asdict(transcript)})
        else:
            line = transcript.text if len(args.audio) == 1 else f"{path}\t{transcript.text}"
        progress.write(line, file=sys.stdout)
        sys.stdout.flush()
    return 1 if failed else 0
