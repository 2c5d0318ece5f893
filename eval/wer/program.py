"""Word and character error rates of a CTC model on a corpus, by padding mode.

The modes are: padded as the published models were used, variable length, and padded with lengths
(masked); and on demand the protocol of the published evaluation, which also cuts the references. An
interrupted run resumes. With --lm, --lexicon or --hotword, decoding is by beam search;
--tune finds the weights with the fewest errors.
"""

from __future__ import annotations

import argparse
import json
import os
from contextlib import nullcontext
from pathlib import Path

from wav2vec2_tf.cli.flags import add_flags, given, options_from
from wav2vec2_tf.cli.shared import (
    add_beam_search_flags,
    add_hub_flags,
    beam_search_options,
    hub_options,
)
from wav2vec2_tf.data.bad_recordings import left_out
from wav2vec2_tf.data.columns import CORPUS_HELP
from wav2vec2_tf.utils.errors import UserError
from wav2vec2_tf.utils.files import locked, require_writable
from wav2vec2_tf.utils.special_files import is_special

from ..console import log
from .options import EvaluateOptions, PoolOptions, TuneOptions

UNUSABLE = "could not be read or lacked a text"
EXAMPLE = (
    "example: %(prog)s --model facebook/wav2vec2-base-960h --data test-clean.tar.gz "
    "--json wer.json --report wer.html"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of `eval wer`."""
    parser.epilog = EXAMPLE
    parser.add_argument(
        "--model",
        required=True,
        help="model folder, SavedModel folder, .tflite, .onnx or .xml file that `convert` wrote, "
        "Hugging Face id, or fairseq .pt file",
    )
    parser.add_argument(
        "--data",
        required=True,
        help=CORPUS_HELP,
    )
    add_flags(parser, EvaluateOptions)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures")
    parser.add_argument("--report", type=Path, metavar="FILE.html", help="write a page with plots")
    parser.add_argument(
        "--utterances",
        type=Path,
        metavar="FILE",
        help="write a row for each utterance and mode: .csv or .jsonl",
    )
    parser.add_argument(
        "--work",
        type=Path,
        metavar="FILE",
        help="keep finished batches here, for an interrupted run to resume from (default: beside "
        "--json, as FILE.partial.jsonl)",
    )
    parser.add_argument("--restart", action="store_true", help="do not resume an interrupted run")
    add_beam_search_flags(parser, n_best=False)
    tuning = parser.add_argument_group("weights of the beam search")
    tuning.add_argument(
        "--tune",
        action="store_true",
        help="try all pairs of the weights below on --data, in the last of --modes, and measure "
        "nothing else",
    )
    add_flags(tuning, TuneOptions)
    cluster = parser.add_argument_group("many cores or machines (extra: batch)")
    cluster.add_argument(
        "--cluster", action="store_true", help="compute on a pool of workers, by Ray"
    )
    add_flags(cluster, PoolOptions)
    add_hub_flags(parser)


def run(args: argparse.Namespace) -> int:
    """Runs `eval wer`: 0; raises UserError, also if utterances were skipped without --skip-bad."""
    _check_flags(args)
    work = args.work
    if args.json and not work and not is_special(args.json):
        work = args.json.with_name(f"{args.json.name}.partial.jsonl")
    with locked(work) if work else nullcontext():
        return _run(args, work)


def _run(args: argparse.Namespace, work: Path | None) -> int:
    options = options_from(
        EvaluateOptions,
        args,
        beam_search=beam_search_options(args),
        hub=hub_options(args),
        cluster=options_from(PoolOptions, args) if args.cluster else None,
    )
    from .evaluate import evaluate, require_packages

    require_packages("jiwer", "matplotlib")
    if options.hub.local_files_only:
        os.environ["HF_HUB_OFFLINE"] = "1"  # the only way to make `datasets` work offline
    if args.tune:
        return _tune(args, options)
    if work and args.restart:
        work.unlink(missing_ok=True)
    try:
        evaluation = evaluate(args.model, args.data, options, resume=work)
    except KeyboardInterrupt:
        if work and work.exists():
            log(f"the same command continues from {work}")
        raise

    from .tables import aligned, band_table, mode_table, to_json, utterance_table

    print(f"{args.model} on {args.data}\n")
    print(aligned(*mode_table(evaluation)), end="\n\n")
    print(aligned(*band_table(evaluation)))
    if args.utterances:
        _write(args.utterances, utterance_table(evaluation, args.utterances.suffix))
    if args.report:
        from . import report

        _write(args.report, report.render(evaluation))
    if args.json:
        content = json.dumps(to_json(evaluation), indent=2, ensure_ascii=False)
        _write(args.json, content + "\n")
    if work:
        work.unlink(missing_ok=True)
    if evaluation.failed:
        found = left_out(len(evaluation.failed), "the lines above", UNUSABLE)
        if not options.skip_bad:
            raise UserError(found)
        log(found)
    return 0


def _tune(args: argparse.Namespace, options: EvaluateOptions) -> int:
    from .tables import aligned, percent
    from .tune import grid_table, to_json, tune

    tuning = tune(args.model, args.data, options, options_from(TuneOptions, args))
    print(f"{args.model} on {args.data}, {tuning.mode}: WER % by weights; greedy ", end="")
    print(f"{percent(tuning.greedy)}\n")
    print(aligned(*grid_table(tuning)), end="\n\n")
    best = tuning.best
    print(f"best, WER {percent(best.wer)} %: ", end="")
    print(f"--lm-weight {best.lm_weight:g} --word-score {best.word_score:g}")
    if args.json:
        _write(args.json, json.dumps(to_json(tuning), indent=2) + "\n")
    return 0


def _check_flags(args: argparse.Namespace) -> None:
    """Checks what else would fail after the long work: flags that conflict, and the outputs."""
    if not args.cluster and given(PoolOptions, args):
        raise UserError("--workers, --threads and --address need --cluster: add it")
    if args.tune and args.cluster:
        raise UserError("--tune computes in this process: leave out --cluster")
    if not args.tune and given(TuneOptions, args):
        raise UserError("--lm-weights and --word-scores need --tune: add it")
    if args.tune and "lm" not in args:
        raise UserError("--tune finds the weights of a language model: name one with --lm")
    if args.tune and ("lm_weight" in args or "word_score" in args):
        raise UserError("--tune tries many weights: give them as --lm-weights and --word-scores")
    if args.tune and (args.report or args.utterances or args.work):
        raise UserError("--tune writes its grid with --json: leave out the other outputs")
    outputs = [path for path in (args.json, args.report, args.utterances, args.work) if path]
    if len(set(outputs)) < len(outputs):
        raise UserError("two outputs have the same name: give each a file of its own")
    if args.utterances and args.utterances.suffix not in {".csv", ".jsonl"}:
        raise UserError(f"--utterances {args.utterances}: the name must end in .csv or .jsonl")
    for path in outputs:
        if is_special(path):
            continue
        if path.is_dir():
            raise UserError(f"{path}: is a folder: name a file")
        require_writable(path)


def _write(path: Path, text: str) -> None:
    from wav2vec2_tf.utils.files import write_whole

    try:
        write_whole(path, text)
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror})") from error
