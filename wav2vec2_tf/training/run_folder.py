"""The folder of a training run: settings, log, checkpoints, and the models it gives."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wav2vec2_tf.utils.errors import UserError
from wav2vec2_tf.utils.files import whole_file, whole_folder

if TYPE_CHECKING:
    from wav2vec2_tf.data.corpus import Corpus
    from wav2vec2_tf.models.pretrained import Pretrained
    from wav2vec2_tf.models.processor import Processor
    from wav2vec2_tf.training.settings import Settings

SETTINGS_FILE, CURVES_FILE, LOG_FILE = "settings.yaml", "curves.png", "log.jsonl"
EVENTS, CHECKPOINTS, BEST, LAST = "events", "checkpoints", "best", "last"
OWN = (SETTINGS_FILE, CURVES_FILE, LOG_FILE, EVENTS, CHECKPOINTS, BEST, LAST)
WHERE = ("output", "model", "train", "dev")
"""Settings that name places: the same run may find them elsewhere."""
log = logging.getLogger(__name__)


def check(folder: Path) -> None:
    """Raise `UserError` where something is that no training run wrote."""
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder}: is no folder; name another output")
    held = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    if held and SETTINGS_FILE not in held:
        raise UserError(f"{folder}: holds {held[0]} and no training run; name another output")


def claim(folder: Path, settings: Settings, *, restart: bool) -> None:
    """Make the folder this run's, or go on with the one there is; `restart` drops what it holds."""
    check(folder)
    if restart:
        for name in OWN:
            path = folder / name
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
    if not (folder / CHECKPOINTS).exists():
        with whole_file(folder / SETTINGS_FILE) as beside:
            beside.write_text(settings.to_yaml(), encoding="utf-8")


def identity(settings: Settings, corpora: Sequence[Corpus]) -> dict[str, Any]:
    """What must not change when a run goes on."""
    values = {name: value for name, value in asdict(settings).items() if name not in WHERE}
    values["corpus"] = [corpus.identity for corpus in corpora]
    same: dict[str, Any] = json.loads(json.dumps(values))
    return same


def keep(folder: Path, model: Pretrained, processor: Processor) -> None:
    """Put a model folder, which every program takes, in the place of the one before."""
    with whole_folder(folder, replace=folder.exists()) as beside:
        model.save_pretrained(beside)
        processor.save_pretrained(beside)


def draw(folder: Path) -> None:
    """`curves.png`: the loss of each step and the figures on dev, from the log."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ModuleNotFoundError:
        log.warning("no curves are drawn: pip install 'wav2vec2-tf[train]' brings matplotlib")
        return
    lines = [json.loads(line) for line in (folder / LOG_FILE).read_text().splitlines()]
    steps = [line for line in lines if "loss" in line]
    measured = [line for line in lines if "loss" not in line]
    names = ["loss", *sorted({name for line in measured for name in line} - {"step"})]
    figure = Figure(figsize=(7, 2.4 * len(names)), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, name in zip(figure.subplots(len(names), squeeze=False)[:, 0], names, strict=True):
        rows = steps if name == "loss" else measured
        axes.plot(
            [row["step"] for row in rows if name in row],
            [row[name] for row in rows if name in row],
            marker="" if name == "loss" else "o",
        )
        axes.set(xlabel="step", ylabel=name.replace("_", " "))
        axes.grid(alpha=0.3)
        if name != "loss":
            axes.set_ylim(bottom=0)
    with whole_file(folder / CURVES_FILE) as beside:
        figure.savefig(beside, format="png", dpi=100)
