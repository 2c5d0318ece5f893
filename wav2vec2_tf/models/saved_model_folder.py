"""Which paths name a SavedModel.

A SavedModel is a program: what is in it runs as the user who loads it. It is loaded where a path
names it, and never because it lies in the folder of a checkpoint.
"""

from __future__ import annotations

import re
from fnmatch import fnmatch
from pathlib import Path

from wav2vec2_tf.utils.errors import UserError

SAVED_MODEL_FILE = "saved_model.pb"
SAVED_MODEL_FACTS = "assets.extra"
"""Folder in a SavedModel for the config and the processor's files; servers leave it alone."""
SAVED_MODEL_PARTS = (SAVED_MODEL_FILE, "fingerprint.pb", "variables", "assets", SAVED_MODEL_FACTS)
"""Files and folders that a SavedModel consists of."""
PATTERN = re.compile(r"\[.*\]|\\")
"""What of a path does not match itself: TensorFlow looks for a SavedModel's variables so."""
WEIGHTS = (
    *("*.safetensors", "*.index.json", "pytorch_model*.bin", "adapter.*.bin"),
    *("*.pt", "*.pth", "*.ckpt", "*.h5", "*.msgpack"),
)
"""Names of a checkpoint's weights, in any framework; no SavedModel has such files."""


def saved_model_folder(path: Path) -> Path | None:
    """Returns the folder of the SavedModel that a path names; None if it names none.

    `FOLDER/saved_model.pb` names the SavedModel in a folder, whatever else is there. `FOLDER` names
    it if the folder holds no weights of a checkpoint; with them, it names the checkpoint.
    """
    if path.name == SAVED_MODEL_FILE and path.is_file():
        return path.parent
    if not (path / SAVED_MODEL_FILE).is_file():
        return None
    names = [file.name for file in path.iterdir()]
    return None if any(fnmatch(name, weights) for name in names for weights in WEIGHTS) else path


def named_saved_model(path: Path) -> Path:
    """Returns the folder of the SavedModel that a path names.

    Raises:
        UserError: it names none, such as a checkpoint that has one beside its weights; or the path
            has a pattern of file names.
    """
    folder = saved_model_folder(path)
    if folder is not None:
        if found := PATTERN.search(str(folder)):
            raise UserError(
                f"{folder}: TensorFlow finds no variables there, as it takes {found[0]} in the "
                "path for a pattern: rename the folder"
            )
        return folder
    beside = path / SAVED_MODEL_FILE
    if beside.is_file():
        raise UserError(
            f"{path}: is the folder of a checkpoint, since there are weights in it: name {beside} "
            "if you trust the SavedModel there, which is a program"
        )
    raise UserError(
        f"{path}: there is no SavedModel: make one with `wav2vec2-tf convert saved-model`"
    )
