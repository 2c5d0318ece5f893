"""Word and character error rates of a CTC model on a corpus, by padding mode: padded as the
published models were used, at variable length, and padded with lengths. An interrupted run resumes.

With --lm, --lexicon or --hotword, of beam search; --tune looks for the weights that suit it best.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wav2vec2_tf.cli.hub_options import add_hub_options, hub_options
from wav2vec2_tf.cli.programs import positive
from wav2vec2_tf.models.config import PUBLISHED_LENGTH
from wav2vec2_tf.text import decoding
from wav2vec2_tf.transcription.batch import pool
from wav2vec2_tf.utils.errors import UserError

if TYPE_CHECKING:
    from wav2vec2_tf.data.corpus import Corpus

    from .journal import Journal
    from .measure import Counts, Engine, Evaluation, Recognizer

MODES = ("padded", "variable", "masked")
LM_WEIGHTS = "0.25,0.5,0.75,1,1.5,2"
WORD_SCORES = "-1,0,1,2"


def to_json(evaluation: Evaluation) -> dict[str, Any]:
    """The figures of an evaluation, without the utterances."""

    def counts(sums: Counts) -> dict[str, Any]:
        return {"wer": sums.wer, "cer": sums.cer, **asdict(sums)}

    content = asdict(evaluation)
    content["modes"] = {
        mode: {
            **counts(result.counts),
            "compute_seconds": result.compute_seconds,
            "first_call_seconds": result.first_call_seconds,
            "rtfx": result.rtfx,
            "shapes": result.shapes,
            "fitting": counts(result.fitting),
            "bands": [
                {"above": band.above, "upto": band.upto, **counts(band.counts)}
                for band in result.bands
            ],
        }
        for mode, result in evaluation.modes.items()
    }
    return content


def utterance_table(evaluation: Evaluation, suffix: str) -> str:
    """A row an utterance and mode, as `.csv` or `.jsonl`."""
    rows = [
        {**asdict(row), "wer": row.errors / row.words}
        for result in evaluation.modes.values()
        for row in result.rows
    ]
    if suffix == ".jsonl":
        return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    table = io.StringIO(newline="")
    writer = csv.DictWriter(table, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return table.getvalue()


def percent(rate: float | None) -> str:
    """A rate as text, without its sign."""
    return "-" if rate is None else f"{100 * rate:.2f}"


def figures(evaluation: Evaluation) -> tuple[list[str], list[list[str]]]:
    """The main table: its header, and a row a mode."""
    header = ["mode", "WER %", "CER %", "words", "substituted", "deleted", "inserted"]
    header += ["utterances", "truncated", "audio s", "RTFx", "shapes", "WER % of fitting"]
    rows = []
    for mode, result in evaluation.modes.items():
        sums = result.counts
        rows.append(
            [
                mode,
                percent(sums.wer),
                percent(sums.cer),
                *map(str, (sums.words, sums.substitutions, sums.deletions, sums.insertions)),
                *map(str, (sums.utterances, sums.truncated)),
                f"{sums.audio_seconds:.1f}",
                f"{result.rtfx:.2f}",
                str(len(result.shapes)),
                percent(result.fitting.wer),
            ]
        )
    return header, rows


def band_figures(evaluation: Evaluation) -> tuple[list[str], list[list[str]]]:
    """WER by duration: a row a band, a column a mode."""
    results = list(evaluation.modes.values())
    header = ["duration", "utterances", *(f"{result.mode} WER %" for result in results)]
    rows = [
        [bands[0].name, str(bands[0].counts.utterances), *(percent(b.counts.wer) for b in bands)]
        for bands in zip(*(result.bands for result in results), strict=True)
    ]
    return header, rows


def _aligned(header: list[str], rows: list[list[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if place else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in (header, *rows)
    )


def _write(path: Path, text: str) -> None:
    from wav2vec2_tf.utils.files import write_whole

    try:
        write_whole(path, text)
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror})") from error


# The program


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `eval wer`."""
    parser.add_argument(
        "--model",
        required=True,
        help="folder, SavedModel folder, .tflite, .onnx or .xml file of ours, Hugging Face id or "
        "fairseq's .pt file",
    )
    parser.add_argument(
        "--target-lang", metavar="LANG", help="the language, of MMS models with one each"
    )
    parser.add_argument(
        "--data",
        required=True,
        help="LibriSpeech folder or .tar.gz; OpenSLR folder; folder of shards; dataset "
        "id[:config], folder or .parquet file; .tsv, .csv or .jsonl manifest",
    )
    parser.add_argument("--split", help="of a dataset")
    parser.add_argument(
        "--modes", help="of padded, variable, masked, with commas (default: all the model can do)"
    )
    parser.add_argument(
        "--length",
        type=positive,
        metavar="SAMPLES",
        help=f"of the padded and masked modes (default: the SavedModel's, or {PUBLISHED_LENGTH})",
    )
    parser.add_argument("--limit", type=positive, metavar="N", help="first N utterances only")
    parser.add_argument("--batch-size", type=positive, default=8, metavar="N")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures")
    parser.add_argument("--report", type=Path, metavar="FILE.html", help="write a page with plots")
    parser.add_argument(
        "--utterances", type=Path, metavar="FILE", help="write a row an utterance: .csv or .jsonl"
    )
    parser.add_argument(
        "--work",
        type=Path,
        metavar="FILE",
        help="what an interrupted run resumes from (default: beside --json, as FILE.partial.jsonl)",
    )
    parser.add_argument("--restart", action="store_true", help="do not resume an interrupted run")
    parser.add_argument("--jit-compile", action="store_true", help="compile the model with XLA")
    decoding.add_arguments(parser, n_best=False)
    tuning = parser.add_argument_group("weights of the beam search")
    tuning.add_argument(
        "--tune",
        action="store_true",
        help="try all pairs of the weights below on --data, in the last of --modes, and measure "
        "nothing else",
    )
    for name, default in (("--lm-weights", LM_WEIGHTS), ("--word-scores", WORD_SCORES)):
        tuning.add_argument(
            name, type=_numbers, metavar="X,X,…", help=f"of --tune (default {default})"
        )
    cluster = parser.add_argument_group("computing on many cores or machines (extra: batch)")
    cluster.add_argument(
        "--cluster", action="store_true", help="with a pool of workers, by Ray: the same figures"
    )
    pool.add_arguments(cluster)
    add_hub_options(parser)


def run(args: argparse.Namespace) -> int:
    """Runs `eval wer`: 0, or 1 if utterances had to be left out; raises UserError."""
    modes = _check_modes(args.modes)
    _check_outputs(args)
    decoding.check_weights(args)
    try:
        import jiwer  # noqa: F401
        import matplotlib  # noqa: F401
    except ModuleNotFoundError as error:
        raise UserError(
            f"evaluation needs {error.name}: pip install 'wav2vec2-tf[eval]'"
        ) from error
    from wav2vec2_tf.data.corpus import open_corpus

    from .measure import evaluate, say

    if args.local_files_only:
        os.environ["HF_HUB_OFFLINE"] = "1"  # the only way to tell `datasets`
    corpus = open_corpus(args.data, split=args.split, cache_dir=args.cache_dir)

    from wav2vec2_tf.models.lengths import bucket

    recognizer = recognizer_of(args)
    modes, length = _fit_model(args, modes, recognizer)
    if args.tune:
        return _tune(args, modes, length, recognizer, corpus)
    options = {
        "split": args.split,
        "modes": modes,
        "length": length,
        "limit": args.limit,
        "batch_size": args.batch_size,
        "jit_compile": args.jit_compile,
        "revision": args.revision,
        "target_lang": args.target_lang,
        "decoding": decoding.identity(args),
    }
    journal = _open_journal(args, options, corpus)
    try:
        with _engine(args) as engine:
            evaluation = evaluate(
                recognizer,
                corpus,
                journal,
                modes=modes,
                length=length,
                bucket=bucket,
                batch_size=args.batch_size,
                limit=args.limit,
                model=args.model,
                options=options,
                engine=engine,
            )
    except KeyboardInterrupt:
        if journal.path:
            say(f"the same command goes on from {journal.path}")
        raise
    print(f"{args.model} on {args.data}\n")
    print(_aligned(*figures(evaluation)), end="\n\n")
    print(_aligned(*band_figures(evaluation)))
    if args.utterances:
        _write(args.utterances, utterance_table(evaluation, args.utterances.suffix))
    if args.report:
        from . import report

        _write(args.report, report.render(evaluation))
    if args.json:
        content = json.dumps(to_json(evaluation), indent=2, ensure_ascii=False)
        _write(args.json, content + "\n")
    journal.remove()
    if evaluation.failed:
        key, reason = next(iter(evaluation.failed.items()))
        total = len(evaluation.failed)
        raise UserError(
            f"{total} of the utterances were left out (first {key!r}: {reason}); the figures are "
            "of the others"
        )
    return 0


def recognizer_of(args: argparse.Namespace) -> Any:
    """The model of these arguments, and how it decodes."""
    from wav2vec2_tf.transcription.recognizer import Recognizer

    recognizer = Recognizer.load(
        args.model,
        target_lang=args.target_lang,
        jit_compile=args.jit_compile,
        **hub_options(args),
    )
    if decoding.wants_beam_search(args):
        return replace(recognizer, decoder=decoding.decoder_of(args, recognizer.alphabet))
    return recognizer


@contextmanager
def _engine(args: argparse.Namespace) -> Iterator[Engine | None]:
    """The pool of workers, or none."""
    if not args.cluster:
        yield None
        return
    from . import remote

    with remote.engine(args) as engine:
        yield engine


def _tune(
    args: argparse.Namespace,
    modes: list[str],
    length: int,
    recognizer: Any,
    corpus: Corpus,
) -> int:
    from wav2vec2_tf.models.lengths import bucket

    from . import tune

    mode = modes[-1]
    said = tune.emissions(
        recognizer,
        corpus,
        length=None if mode == "variable" else length,
        masked=mode != "padded",
        bucket=bucket,
        batch_size=args.batch_size,
        limit=args.limit,
    )
    weights = args.lm_weights or _numbers(LM_WEIGHTS)
    scores = args.word_scores or _numbers(WORD_SCORES)
    tuning = tune.tune(said, recognizer, recognizer.decoder, weights, scores)
    print(f"{args.model} on {args.data}, {mode}: WER % by weights; greedy ", end="")
    print(f"{percent(tuning.greedy)}\n")
    print(_aligned(*tune.figures(tuning)), end="\n\n")
    best = tuning.best
    print(f"best, WER {percent(best.wer)} %: ", end="")
    print(f"--lm-weight {best.lm_weight:g} --word-score {best.word_score:g}")
    if args.json:
        _write(args.json, json.dumps(tune.to_json(tuning), indent=2) + "\n")
    return 0


def _numbers(text: str) -> list[float]:
    return list(dict.fromkeys(map(decoding.number, text.split(","))))


def _open_journal(args: argparse.Namespace, options: dict[str, Any], corpus: Corpus) -> Journal:
    from wav2vec2_tf.utils.files import files_identity

    from .journal import Journal
    from .measure import say

    work = args.work or (args.json and args.json.with_name(f"{args.json.name}.partial.jsonl"))
    if not work:
        return Journal()
    if args.restart:
        work.unlink(missing_ok=True)
    model = Path(args.model).expanduser()
    files = model.rglob("*") if model.is_dir() else [model]
    settings = {name: value for name, value in options.items() if name != "modes"}
    settings |= {"model": args.model, "data": args.data, "content of the data": corpus.identity}
    settings["content of the model"] = files_identity(file for file in files if file.is_file())
    journal = Journal.open(work, settings)
    if journal.batches:
        say(f"resumes: {sum(len(batch.texts) for batch in journal.batches)} results are in {work}")
    return journal


def _check_modes(text: str | None) -> list[str]:
    modes = list(dict.fromkeys(text.split(","))) if text is not None else list(MODES)
    for mode in modes:
        if mode not in MODES:
            raise UserError(f"--modes: no mode {mode!r}; choose from {','.join(MODES)}")
    return modes


def _check_outputs(args: argparse.Namespace) -> None:
    """Finds out before the long work whether its results can be written."""
    if not args.cluster and (args.workers, args.threads, args.address) != (None, None, None):
        raise UserError("--workers, --threads and --address are of --cluster: add it")
    if args.tune and args.cluster:
        raise UserError("--tune computes in this process: leave out --cluster")
    if not args.tune and (args.lm_weights or args.word_scores):
        raise UserError("--lm-weights and --word-scores are for --tune: add it")
    if args.tune and not args.lm:
        raise UserError("--tune looks for the weights of a language model: name one with --lm")
    if args.tune and (args.lm_weight, args.word_score) != (None, None):
        raise UserError("--tune tries many weights: give them as --lm-weights and --word-scores")
    if args.tune and (args.report or args.utterances or args.work):
        raise UserError("--tune writes its grid with --json, and neither pages nor utterances")
    outputs = [path for path in (args.json, args.report, args.utterances, args.work) if path]
    if len(set(outputs)) < len(outputs):
        raise UserError("two outputs have the same name; give each a file of its own")
    if args.utterances and args.utterances.suffix not in {".csv", ".jsonl"}:
        raise UserError(f"--utterances {args.utterances}: the name must end in .csv or .jsonl")
    for path in outputs:
        if path.is_dir():
            raise UserError(f"{path}: is a folder; name a file")
        folder = next(parent for parent in path.absolute().parents if parent.exists())
        if not folder.is_dir() or not os.access(folder, os.W_OK):
            raise UserError(f"{path}: {folder} is not a folder one can write to; name another")


def _fit_model(
    args: argparse.Namespace, modes: list[str], recognizer: Recognizer
) -> tuple[list[str], int]:
    """The modes and the length (samples) that this model can be run with."""
    fixed = recognizer.fixed_length
    length: int = args.length or fixed or PUBLISHED_LENGTH
    if fixed is not None:
        if length != fixed:
            raise UserError(f"{args.model}: was exported at length {fixed}, not {length}")
        if args.modes is None:
            modes = [mode for mode in modes if mode != "variable"]
        elif "variable" in modes:
            raise UserError(
                f"{args.model}: was exported at length {fixed}; leave variable out of --modes, or "
                "name the folder it was exported from"
            )
    if not recognizer.takes_lengths:
        if args.modes is None:
            modes = ["padded"]
        elif modes != ["padded"]:
            raise UserError(f"{args.model}: takes no lengths; --modes padded is all it can do")
    if length < recognizer.minimum_length:
        raise UserError(
            f"--length {length}: the model needs {recognizer.minimum_length} samples for one frame"
        )
    return modes, length
