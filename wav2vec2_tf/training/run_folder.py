"""The output folder of a training run: options, log, checkpoints, curves, and models."""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tensorflow as tf

from wav2vec2_tf.data.bad_recordings import BAD_FILE
from wav2vec2_tf.training.checkpoints import Checkpoints
from wav2vec2_tf.utils.errors import UserError
from wav2vec2_tf.utils.files import (
    is_leftover,
    locked_folder,
    remove_leftovers,
    whole_file,
    whole_folder,
    write_whole,
)

if TYPE_CHECKING:
    from wav2vec2_tf.models.pretrained import Pretrained
    from wav2vec2_tf.models.processor import Processor
    from wav2vec2_tf.training.settings import TrainingOptions

SETTINGS_FILE, CURVES_FILE, LOG_FILE = "settings.yaml", "curves.png", "log.jsonl"
EXAMPLES_FILE = "examples.jsonl"
EVENTS, CHECKPOINTS, BEST, LAST = "events", "checkpoints", "best", "last"
PROCESSOR = "processor"
CONTENT = (
    *(CHECKPOINTS, EVENTS, BEST, LAST, PROCESSOR),
    *(CURVES_FILE, LOG_FILE, EXAMPLES_FILE, BAD_FILE, SETTINGS_FILE),
)
"""What a run writes, in the order in which it is deleted: the settings show that it is a run's."""
FREE = ("output", "model", "train", "dev", "skip_bad")
"""Options that may differ when a run resumes: its data may be elsewhere, or have become bad."""
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunFolder:
    """The output folder of a run."""

    path: Path

    @property
    def checkpoints(self) -> Path:
        """Folder of the checkpoints."""
        return self.path / CHECKPOINTS

    @property
    def best(self) -> Path:
        """Folder of the best model."""
        return self.path / BEST

    @property
    def last(self) -> Path:
        """Folder of the last model."""
        return self.path / LAST

    @property
    def processor(self) -> Path:
        """Folder of the processor, with the vocabulary that the run began with."""
        return self.path / PROCESSOR

    @property
    def can_resume(self) -> bool:
        """Whether the folder has a checkpoint."""
        return bool(Checkpoints(self.checkpoints).steps())

    @contextmanager
    def used(self, is_chief: bool) -> Iterator[None]:
        """Makes the folder and locks it for one run; removes what killed runs have left.

        Args:
            is_chief: whether this process writes the results; others do nothing here.

        Raises:
            UserError: if another run has locked it.
        """
        if not is_chief:
            yield
            return
        with locked_folder(self.path):
            if self.checkpoints.is_dir():
                remove_leftovers(self.checkpoints)
            yield

    def check(self) -> None:
        """Raises `UserError` if the folder holds something that no training run has written."""
        if self.path.exists() and not self.path.is_dir():
            raise UserError(f"{self.path}: must be a folder: name another output")
        held = sorted(path.name for path in self.path.iterdir()) if self.path.is_dir() else []
        held = [name for name in held if not is_leftover(name)]
        if held and SETTINGS_FILE not in held:
            raise UserError(
                f"{self.path}: holds {held[0]} and no training run: name another output"
            )

    def recorded_examples(self) -> str | None:
        """Returns the record of the examples of the run to resume; None if there is none."""
        try:
            return (self.path / EXAMPLES_FILE).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            return None

    def claim(
        self, options: TrainingOptions, examples: str, processor: Processor, *, restart: bool
    ) -> None:
        """Starts a run in the folder, or prepares to resume the one there.

        Args:
            options: of the run, written to `settings.yaml`.
            examples: the record of the run's examples; see `run_examples.record`.
            processor: written with its vocabulary.
            restart: delete what an earlier run has written.
        """
        self.check()
        if restart:
            for name in CONTENT:
                path = self.path / name
                if path.is_dir():
                    shutil.rmtree(path)
                else:
                    path.unlink(missing_ok=True)
        if self.can_resume:
            return
        write_whole(self.path / SETTINGS_FILE, options.to_yaml())
        write_whole(self.path / EXAMPLES_FILE, examples)
        processor.save_pretrained(self.processor)

    def save_model(self, folder: Path, model: Pretrained, processor: Processor) -> None:
        """Replaces a model folder, which every program can load."""
        with whole_folder(folder, replace=folder.exists()) as beside:
            model.save_pretrained(beside)
            processor.save_pretrained(beside)

    def draw_curves(self) -> None:
        """Draws the loss of each step and the metrics on dev, from the log, to `curves.png`."""
        try:
            from matplotlib.backends.backend_agg import FigureCanvasAgg
            from matplotlib.figure import Figure
        except ModuleNotFoundError:
            log.warning(
                "no curves are drawn: matplotlib is missing; pip install 'wav2vec2-tf[train]'"
            )
            return
        text = (self.path / LOG_FILE).read_text(encoding="utf-8")
        lines = [json.loads(line) for line in text.splitlines()]
        steps = [line for line in lines if "loss" in line]
        evaluations = [line for line in lines if "loss" not in line]
        names = ["loss", *sorted({name for line in evaluations for name in line} - {"step"})]
        figure = Figure(figsize=(7, 2.4 * len(names)), layout="constrained")
        FigureCanvasAgg(figure)
        for axes, name in zip(figure.subplots(len(names), squeeze=False)[:, 0], names, strict=True):
            rows = steps if name == "loss" else evaluations
            axes.plot(
                [row["step"] for row in rows if name in row],
                [row[name] for row in rows if name in row],
                marker="" if name == "loss" else "o",
            )
            axes.set(xlabel="step", ylabel=name.replace("_", " "))
            axes.grid(alpha=0.3)
            if name != "loss":
                axes.set_ylim(bottom=0)
        with whole_file(self.path / CURVES_FILE) as beside:
            figure.savefig(beside, format="png", dpi=100)


def run_identity(options: TrainingOptions, examples: str) -> dict[str, Any]:
    """Returns the options and data that must not change when a run resumes, as JSON has them."""
    values = {name: value for name, value in asdict(options).items() if name not in FREE}
    values["corpus"] = hashlib.sha256(examples.encode()).hexdigest()
    identity: dict[str, Any] = json.loads(json.dumps(values))
    return identity


class RunLog:
    """Writes a line of JSON for each step and each evaluation, and the same for TensorBoard.

    Args:
        folder: of the run.
        step: steps done; lines of later steps, which will be repeated, are deleted.
        enabled: False to write nothing.
    """

    def __init__(self, folder: RunFolder, step: int, *, enabled: bool = True) -> None:
        self._file = self._events = None
        if not enabled:
            return
        folder.path.mkdir(parents=True, exist_ok=True)
        path = folder.path / LOG_FILE
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        lines = text.splitlines(keepends=True)
        kept = "".join(line for line in lines if _is_before(line, step))
        write_whole(path, kept)
        self._file = path.open("a", encoding="utf-8")
        self._events = tf.summary.create_file_writer(str(folder.path / EVENTS))

    def write(self, step: int, metrics: Mapping[str, float]) -> None:
        """Writes the metrics of a step."""
        if self._file is None or self._events is None:
            return
        print(json.dumps({"step": step, **metrics}), file=self._file, flush=True)
        with self._events.as_default():
            for name, value in metrics.items():
                _write_scalar(name, value, step)

    def __enter__(self) -> RunLog:
        return self

    def __exit__(self, *error: object) -> None:
        if self._file is not None and self._events is not None:
            self._file.close()
            self._events.close()


def _is_before(line: str, step: int) -> bool:
    try:
        return line.endswith("\n") and json.loads(line)["step"] <= step
    except (ValueError, KeyError, TypeError):
        return False


def _write_scalar(name: str, value: float, step: int) -> None:
    """Writes what `tf.summary.scalar` writes, which needs the package tensorboard."""
    plugin = tf.compat.v1.SummaryMetadata.PluginData(plugin_name="scalars")
    metadata = tf.compat.v1.SummaryMetadata(plugin_data=plugin)
    tf.summary.write(name, tf.constant(value, tf.float32), step, metadata)
