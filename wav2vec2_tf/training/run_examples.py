"""The examples of a training run, recorded at its start so that it resumes with the same batches.

The plan of all batches follows from the lengths of the examples. A run whose corpora have lost rows
since keeps the plan that it began with, and skips these rows like recordings that cannot be read.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NoReturn

import numpy as np

from wav2vec2_tf.data.bad_recordings import UNREADABLE, BadRecordings
from wav2vec2_tf.data.utterances import listed
from wav2vec2_tf.training.batches import Batches
from wav2vec2_tf.training.examples import Example, Selection
from wav2vec2_tf.utils.errors import UserError
from wav2vec2_tf.utils.files import parse_json

if TYPE_CHECKING:
    from wav2vec2_tf.data.corpus import Corpus
    from wav2vec2_tf.models.processor import Processor
    from wav2vec2_tf.training.run_folder import RunFolder
    from wav2vec2_tf.training.settings import TrainingOptions

REMOVED = "no longer in the corpus"
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunExamples:
    """The examples that a run plans its batches with.

    Attributes:
        parts: "train" and, if there is such a corpus, "dev".
        recorded: the record of the parts.
        bad: recordings that are left out, and those of the parts that turn out to be unreadable.
    """

    parts: Mapping[str, Selection]
    recorded: str
    bad: BadRecordings

    @classmethod
    def select(
        cls,
        folder: RunFolder,
        corpora: Mapping[str, Sequence[Corpus]],
        select: Callable[[Sequence[Corpus], BadRecordings], Selection],
        *,
        skip_bad: bool,
        resumes: bool,
    ) -> RunExamples:
        """Selects the examples of a run, or those that it began with if it resumes.

        Args:
            folder: of the run.
            corpora: of each part; a part without any is left out.
            select: returns the examples of corpora, and collects recordings that cannot be read.
            skip_bad: leave these out. A run that resumes does so anyway: they have become bad
                amid the training.
            resumes: the folder has a run to resume.

        Raises:
            UserError: if recordings cannot be read and are not left out.
        """
        bad = BadRecordings(skip=skip_bad or resumes)
        parts = {part: select(some, bad) for part, some in corpora.items() if some}
        named = [corpus for some in corpora.values() for corpus in some]
        bad.settle(", ".join(corpus.source for corpus in named), sum(map(len, named)))
        for part, selection in parts.items():
            log.warning("%s: %s", part, selection.report())
        now, before = record(parts), folder.recorded_examples() if resumes else None
        if before is None or before == now or (restored := restore(before, parts)) is None:
            return cls(parts, now, bad)
        whole, removed = restored
        log.warning(
            "%s: resumes without %d of its %d recordings, which are no longer in the corpora or "
            "cannot be read (%s)",
            *(folder.path, len(removed), len(before.splitlines()), listed(removed)),
        )
        for id in removed:
            bad.add(id, REMOVED)
        return cls(whole, before, bad)

    def batches(self, processor: Processor, options: TrainingOptions) -> dict[str, Batches]:
        """Returns the batches of each part; see `Batches`."""
        return {
            part: Batches(selection, processor, options, self.bad)
            for part, selection in self.parts.items()
        }


def record(selections: Mapping[str, Selection]) -> str:
    """Returns the record of a run's examples: a line of JSON for each.

    Args:
        selections: by the part of the run, "train" or "dev".
    """
    return "".join(
        json.dumps(row) + "\n"
        for part, selection in selections.items()
        for row in _rows(part, selection)
    )


def restore(
    recorded: str, selections: Mapping[str, Selection]
) -> tuple[dict[str, Selection], list[str]] | None:
    """Returns the selections that a run began with, and the ids of rows that were taken away since.

    Args:
        recorded: what `record` returned when the run began.
        selections: of the corpora as they are now.

    Returns:
        None if the corpora have changed otherwise, or if the record is damaged.
    """
    try:
        rows = [tuple(parse_json(line)) for line in recorded.splitlines()]
        restored: dict[str, list[Example]] = {part: [] for part, *_ in rows}
        if restored.keys() != selections.keys():
            return None
        removed: list[str] = []
        left = {
            part: iter(zip(_rows(part, selection), selection.examples, strict=True))
            for part, selection in selections.items()
        }
        now = {part: next(pairs, None) for part, pairs in left.items()}
        for row in rows:
            part, id, samples, labels, _ = row
            if (pair := now[part]) is not None and pair[0] == row:
                restored[part].append(pair[1])
                now[part] = next(left[part], None)
            else:
                restored[part].append(_removed(id, int(samples), int(labels)))
                removed.append(id)
    except (KeyError, TypeError, ValueError):
        return None
    if any(pair is not None for pair in now.values()):  # new or changed ones
        return None
    parts = {
        part: replace(selections[part], examples=tuple(examples))
        for part, examples in restored.items()
    }
    return parts, removed


def _rows(part: str, selection: Selection) -> list[tuple[str, str, int, int, str]]:
    return [
        (part, example.id, int(example.samples), len(example.labels), _digest(example))
        for example in selection.examples
    ]


def _digest(example: Example) -> str:
    """Returns a digest of the labels and the audio of an example."""
    try:
        fingerprint = example.fingerprint()
    except UNREADABLE:  # it has vanished a moment ago
        fingerprint = ""
    content = example.labels.astype("<i4").tobytes() + fingerprint.encode()
    return hashlib.sha256(content).hexdigest()[:32]


def _removed(id: str, samples: int, labels: int) -> Example:
    """Returns an example that takes its place in the plan and cannot be read."""

    def load() -> NoReturn:
        raise UserError(REMOVED)

    return Example(id, samples, np.zeros(labels, np.int32), load)
