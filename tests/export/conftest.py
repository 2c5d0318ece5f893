"""SavedModels that the tests of this folder share."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from tests.support.exported import FEW, FIXED, SavedModel, checkpoint
from wav2vec2_tf import Processor
from wav2vec2_tf.export import saved_model
from wav2vec2_tf.export.saved_model import STRUCTURES, Structure
from wav2vec2_tf.models import families
from wav2vec2_tf.models.auto import MODELS


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., SavedModel]:
    """Exports a variant of `reference.VARIANTS` with a head, once for each set of arguments.

    `xdist_group` brings the tests that share one into one process. Tests do not change it.
    """

    @functools.cache
    def export(
        variant: str,
        head: str,
        length: int | None = FIXED,
        structures: Sequence[Structure] = FEW,
        trainable: bool = True,
        **config: Any,
    ) -> SavedModel:
        folder = tmp_path_factory.mktemp(f"{variant}-{head}")
        source = checkpoint(folder / "source", variant, head)
        model = MODELS[head].from_pretrained(source, **config)
        processor = Processor.from_pretrained(source)
        saved_model.export(
            model,
            processor,
            folder / "saved",
            length=length,
            structures=structures,
            trainable=trainable,
        )
        return SavedModel(source, model, folder / "saved")

    return export


@pytest.fixture(scope="session")
def fixed(exported: Callable[..., SavedModel]) -> SavedModel:
    """A CTC model with group norm, at a fixed length; it accepts a few structures."""
    return exported("wav2vec2-group", families.CTC)


@pytest.fixture(scope="session")
def any_length(exported: Callable[..., SavedModel]) -> SavedModel:
    """A CTC model with layer norm, at any length; it accepts every structure."""
    return exported("wav2vec2-layer", families.CTC, length=None, structures=STRUCTURES)


@pytest.fixture(scope="session")
def bert(exported: Callable[..., SavedModel]) -> SavedModel:
    """Wav2Vec2-BERT with an adapter and a CTC head; it accepts features in place of speech."""
    more = (Structure(tuple, "lengths"), Structure(list, "lengths"))
    structures = (*FEW, *more, Structure(dict, "attention_mask"))
    return exported("bert-adapter", families.CTC, structures=structures)
