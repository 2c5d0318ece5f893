"""Word and character error rates of a CTC model on a corpus."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wav2vec2_tf.audio import SAMPLE_RATE
from wav2vec2_tf.checkpoint.hub import HubOptions
from wav2vec2_tf.text.spelling import letter_case
from wav2vec2_tf.transcription.resume import model_identity
from wav2vec2_tf.utils.errors import UserError
from wav2vec2_tf.utils.journal import Journal
from wav2vec2_tf.utils.progress import ProgressBar
from wav2vec2_tf.utils.version import __version__

from ..console import log
from ..versions import versions_of
from .batches import (
    Batch,
    Engine,
    Recognizer,
    Transcripts,
    full_batches,
    groups,
    load_speech,
    local_engine,
    normalize,
    references_of,
    unspellable,
)
from .inputs import fit_to_model, load_recognizer, open_data
from .options import PADDED, PUBLISHED, VARIABLE, EvaluateOptions
from .published import published_references
from .results import Evaluation, ModeResult, duration_bands, score

if TYPE_CHECKING:
    from wav2vec2_tf.data.corpus import Corpus

PACKAGES = ("wav2vec2-tf", "tensorflow", "keras", "numpy", "jiwer", "soundfile", "datasets")


def evaluate(
    model: str | PathLike[str] | Recognizer,
    corpus: str | PathLike[str] | Corpus,
    options: EvaluateOptions | None = None,
    *,
    resume: Path | None = None,
) -> Evaluation:
    """Measures a model on a corpus in each padding mode.

        evaluation = evaluate("facebook/wav2vec2-base-960h", "test-clean.tar.gz")
        evaluation.modes["variable"].counts.wer

    An utterance without reference text or usable audio is skipped in every mode and named in
    `Evaluation.failed`. With `skip_bad` False, recordings that cannot be read are an error before
    the work.

    Args:
        model: a name as `Recognizer.load` takes it, or a `Recognizer`.
        corpus: a name as `open_corpus` takes it, or a `Corpus`.
        options: defaults if None.
        resume: file of finished batches, which are not computed again after an interruption if
            model, corpus and options are the same (the weights of a loaded `Recognizer` are not
            compared). The file is not deleted at the end.

    Raises:
        UserError: model or corpus cannot be used, no utterance could be evaluated, or `resume`
            belongs to another run.
    """
    options = options or EvaluateOptions()
    require_packages("jiwer")
    from wav2vec2_tf.models.lengths import bucket

    corpus = open_data(corpus, options)
    recognizer = load_recognizer(model, options)
    name = fspath(model) if isinstance(model, str | PathLike) else type(model).__name__
    modes, length = fit_to_model(name, recognizer, options)
    facts = options.facts(modes, length)
    journal = None if resume is None else _open_journal(resume, name, corpus, facts, options.hub)
    with _engine(model, recognizer, options) as engine:
        return measure(
            recognizer,
            corpus,
            modes=modes,
            length=length,
            bucket=bucket,
            batch_size=options.batch_size,
            limit=options.limit,
            model=name,
            options=facts,
            journal=journal,
            engine=engine,
        )


def require_packages(*names: str) -> None:
    """Raises `UserError` if a package of the extra `eval` is not installed."""
    from importlib.util import find_spec

    for name in names:
        if find_spec(name) is None:
            raise UserError(f"evaluation needs {name}: pip install 'wav2vec2-tf[eval]'")


def _engine(
    model: str | PathLike[str] | Recognizer, recognizer: Recognizer, options: EvaluateOptions
) -> AbstractContextManager[Engine]:
    if options.cluster is None:
        return nullcontext(local_engine(recognizer))
    if not isinstance(model, str | PathLike):
        raise UserError("a cluster needs the name of a model, which its workers load")
    from .remote import ray_engine

    return ray_engine(fspath(model), options)


def _open_journal(
    path: Path, model: str, corpus: Corpus, facts: dict[str, Any], hub: HubOptions
) -> Journal:
    identity = {name: value for name, value in facts.items() if name != "modes"}
    identity |= {"model": model, "data": corpus.source, "content of the data": corpus.identity}
    identity["content of the model"] = model_identity(
        model, facts["target_lang"], hub, facts.get("processor")
    )
    identity["version of this program"] = __version__
    journal = Journal(path, identity)
    if len(journal):
        count = sum(len(batch["texts"]) for _, batch in journal)
        log(f"resumes: {count} results are in {path}")
    return journal


# Measuring


@dataclass(frozen=True)
class FinishedBatch:
    """All of a batch that the results need."""

    mode: str
    shape: tuple[int, int]
    """Rows, samples."""
    seconds: float
    """Computing time."""
    first: bool
    """The first of its shape in its process: `seconds` include compilation."""
    samples: dict[str, int]
    """Id → length of the utterance."""
    texts: dict[str, str]
    """Id → hypothesis."""

    @classmethod
    def of(cls, mode: str, batch: Batch, found: Transcripts) -> FinishedBatch:
        """Joins a batch and its result; repeated utterances are dropped."""
        return cls(
            mode=mode,
            shape=(len(batch.speech), batch.length),
            seconds=found.seconds,
            first=found.first,
            samples={one.id: len(one.samples) for one in batch.utterances},
            texts={one.id: text for one, text in zip(batch.utterances, found.texts, strict=False)},
        )

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> FinishedBatch:
        """Makes one of the object that `asdict` and JSON made."""
        return cls(**{**value, "shape": tuple(value["shape"])})


def measure(
    recognizer: Recognizer,
    corpus: Corpus,
    *,
    modes: Sequence[str],
    length: int,
    bucket: Callable[[int], int],
    batch_size: int = 8,
    limit: int | None = None,
    model: str = "",
    options: dict[str, Any] | None = None,
    journal: Journal | None = None,
    engine: Engine | None = None,
) -> Evaluation:
    """Runs a recognizer over a corpus; see `evaluate`, which prepares the arguments.

    Args:
        recognizer: the model.
        corpus: its first `limit` utterances are used.
        modes: of `options.MODES`, all supported by the model; or `options.PUBLISHED`.
        length: samples in the modes with a fixed length.
        bucket: samples of an utterance → padded samples in `variable`.
        batch_size: rows of a batch, where there are as many utterances.
        limit: None for all.
        model: its name, for reports.
        options: for reports.
        journal: its batches are not computed again; new ones are added to it.
        engine: computes the batches; in this process if None.
    """
    letters = letter_case(recognizer.characters)
    references, failed = references_of(corpus, letters, limit)
    unknown = unspellable(references.values(), recognizer.characters)
    if unknown:
        listed = ", ".join(f"{character!r} ({n})" for character, n in unknown.items())
        log(f"warning: references have characters that the model cannot spell: {listed}")
    if PUBLISHED in modes:
        _published(corpus, references)  # raises before the work
    rows = max(1, min(batch_size, len(references) - len(failed)))
    engine = engine or local_engine(recognizer)
    finished = [FinishedBatch.from_json(value) for _, value in journal or ()]

    for mode in dict.fromkeys(map(_computed, modes)):
        done = {key for batch in finished if batch.mode == mode for key in batch.texts}
        size = bucket if mode == VARIABLE else lambda samples: length
        speech = load_speech(recognizer, corpus, references, done, failed, size)
        batches = full_batches(groups(speech, rows, size), rows, masked=mode != PADDED)
        before = [batch for batch in finished if batch.mode == mode]
        audio = sum(sum(batch.samples.values()) for batch in before) / SAMPLE_RATE
        computing = sum(batch.seconds for batch in before)
        with ProgressBar(
            mode, len(references), "utterance", done=len(done), desc=f"{mode:8}"
        ) as bar:
            for batch, found in engine(batches):
                result = FinishedBatch.of(mode, batch, found)
                finished.append(result)
                if journal is not None:
                    journal.add(f"{mode} {batch.utterances[0].id}", asdict(result))
                computing += result.seconds
                audio += sum(result.samples.values()) / SAMPLE_RATE
                bar.update(len(result.texts), f"RTFx {audio / computing:.1f}")

    references = {key: text for key, text in references.items() if key not in failed}
    if not references:
        key, reason = next(iter(failed.items()))
        raise UserError(f"{corpus.source}: no utterance could be evaluated ({key!r}: {reason})")
    return Evaluation(
        model=model,
        data=corpus.source,
        length=length,
        options=options or {},
        versions=versions_of(PACKAGES),
        letters=letters,
        unspellable=unknown,
        failed=failed,
        modes={
            mode: _mode_result(
                mode,
                [batch for batch in finished if batch.mode == _computed(mode)],
                _published(corpus, references) if mode == PUBLISHED else references,
                length,
                letters,
            )
            for mode in modes
        },
    )


def _published(corpus: Corpus, ids: Iterable[str]) -> dict[str, str]:
    # of the corpus's own letters: upper and lower case are not always each other's inverse
    kept = published_references({key: corpus.texts[key] for key in ids})
    if not kept:
        raise UserError(
            f"{corpus.source}: no transcript has two words and one of the letters A to Z, as the "
            f"published protocol needs: leave {PUBLISHED} out of the modes"
        )
    return kept


def _computed(mode: str) -> str:
    """Returns the padding mode that computes the transcripts of a mode."""
    return PADDED if mode == PUBLISHED else mode


def _mode_result(
    mode: str,
    finished: Sequence[FinishedBatch],
    references: dict[str, str],
    length: int,
    letters: str,
) -> ModeResult:
    samples = {key: n for batch in finished for key, n in batch.samples.items()}
    texts = {key: normalize(t, letters) for batch in finished for key, t in batch.texts.items()}
    rows = tuple(
        score(mode, key, samples[key], length, normalize(reference, letters), texts[key])
        for key, reference in references.items()
    )
    return ModeResult(
        mode=mode,
        rows=rows,
        bands=duration_bands(rows, length),
        shapes=tuple(sorted({batch.shape for batch in finished})),
        compute_seconds=sum(batch.seconds for batch in finished),
        first_call_seconds=sum(batch.seconds for batch in finished if batch.first),
    )
