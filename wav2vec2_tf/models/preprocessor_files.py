"""The files that describe a feature extractor, as transformers writes them."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

from wav2vec2_tf.audio import SAMPLE_RATE
from wav2vec2_tf.models.config import Config
from wav2vec2_tf.utils.errors import UserError
from wav2vec2_tf.utils.files import read_json

CONFIG_FILE = "config.json"
PREPROCESSOR_FILE = "preprocessor_config.json"
PROCESSOR_FILE = "processor_config.json"
WAVEFORM_KIND, LOG_MEL_KIND = "Wav2Vec2FeatureExtractor", "SeamlessM4TFeatureExtractor"

log = logging.getLogger(__name__)


def kind_of(values: Mapping[str, Any]) -> Any:
    """Returns `feature_extractor_type`; older files lack it and have at most `processor_class`."""
    is_bert = values.get("processor_class") == "Wav2Vec2BertProcessor"
    return values.get("feature_extractor_type", LOG_MEL_KIND if is_bert else WAVEFORM_KIND)


def read_values(folder: str | PathLike[str]) -> tuple[dict[str, Any], Path]:
    """Returns an extractor's values and the file that holds them.

    Raises:
        UserError: there is no such file, or it is invalid.
    """
    folder = Path(folder)
    if (values := _in_processor_file(folder)) is not None:
        return values, folder / PROCESSOR_FILE
    return read_json(folder / PREPROCESSOR_FILE), folder / PREPROCESSOR_FILE


def read_values_or_defaults(folder: str | PathLike[str]) -> tuple[dict[str, Any], Path]:
    """Returns an extractor's values, or transformers' defaults for a checkpoint without such files.

    A warning says so; see `read_values` for the rest.
    """
    folder = Path(folder)
    described = (folder / PREPROCESSOR_FILE).exists() or _in_processor_file(folder) is not None
    if described or not (folder / CONFIG_FILE).exists():
        return read_values(folder)
    model_type = read_json(folder / CONFIG_FILE).get("model_type")
    family = Config.classes.get(model_type, Config) if isinstance(model_type, str) else Config
    scale = "" if family.log_mel_input else ", scaled to zero mean and unit variance"
    log.warning(
        "%s: has no %s, so transformers' defaults are used: speech at %d Hz%s; --processor names a "
        "folder that has one",
        *(folder, PREPROCESSOR_FILE, SAMPLE_RATE, scale),
    )
    kind = LOG_MEL_KIND if family.log_mel_input else WAVEFORM_KIND
    return {"feature_extractor_type": kind}, folder / PREPROCESSOR_FILE


def _in_processor_file(folder: Path) -> dict[str, Any] | None:
    """Returns the extractor's values in `processor_config.json`; None if it has none."""
    path = folder / PROCESSOR_FILE
    whole = read_json(path) if path.is_file() else {}
    values = whole.get("feature_extractor")
    if values is None:
        return None
    if not isinstance(values, dict):
        raise UserError(f"{path}: feature_extractor must be an object")
    return {"processor_class": whole.get("processor_class"), **values}
