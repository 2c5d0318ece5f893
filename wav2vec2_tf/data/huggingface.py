"""Corpora that the library `datasets` reads: parquet files, saved folders, ids of the hub."""

from __future__ import annotations

import glob
import hashlib
import logging
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wav2vec2_tf.audio.stretch import WHOLE, Stretch
from wav2vec2_tf.data.columns import ID_COLUMNS, Columns, selecting, stretch_of
from wav2vec2_tf.data.stored_audio import stored_audio
from wav2vec2_tf.data.utterances import (
    Corpus,
    Utterance,
    choose_split,
    make_utterance,
    refuse_faults,
    repeated,
)
from wav2vec2_tf.utils.errors import UserError, first_line
from wav2vec2_tf.utils.files import files_identity

if TYPE_CHECKING:
    import datasets

log = logging.getLogger(__name__)


def open_dataset(
    spec: str, split: str | None, cache_dir: str | None, transcribed: bool, columns: Columns
) -> Corpus:
    """Opens a parquet file, a folder of `datasets` or a data set of the hub; see `open_corpus`."""
    dataset = _load_dataset(spec, split, cache_dir)
    names = dataset.column_names
    audio = stored_audio(spec, dataset, columns.audio(spec, names))
    stated: Sequence[Any] = [None] * len(dataset)
    if transcribed:
        stated = dataset[columns.text(spec, names)]
    key_column = next((name for name in ID_COLUMNS if name in names), None)
    keys = [str(key) for key in (dataset[key_column] if key_column else range(len(dataset)))]
    texts = {key: "" if text is None else str(text) for key, text in zip(keys, stated, strict=True)}
    absent = [key for key, is_absent in zip(keys, audio.absent, strict=True) if is_absent]
    refuse_faults(spec, ("rows without audio", absent), ("ids that occur twice", repeated(keys)))
    stretches = _stretches(spec, dataset, audio.is_inside)

    def utterances() -> Iterator[Utterance]:
        for row, (key, text) in enumerate(texts.items()):
            yield make_utterance(key, text, audio.row(row), stretches.get(row, WHOLE))

    identity = files_identity(Path(file["filename"]) for file in dataset.cache_files)
    if columns.identity or stretches:
        parts = f"{columns.identity} {sorted(stretches.items())}"
        identity = f"{identity} {hashlib.sha256(parts.encode()).hexdigest()}"
    return Corpus(spec, "dataset", texts, identity, utterances)


def _stretches(spec: str, dataset: datasets.Dataset, is_inside: bool) -> dict[int, Stretch]:
    """Returns the part of its audio that a row is about, by number, where that is not all.

    Args:
        spec: the data set as the user named it.
        dataset: all columns.
        is_inside: whether each row holds its own audio, not the name of a file.
    """
    names, others = selecting(dataset.column_names)
    if is_inside and others:
        log.warning("%s: each row holds its own audio: %s are not used", spec, ", ".join(others))
    if not is_inside:
        names += others
    found: dict[int, Stretch] = {}
    if not names:
        return found
    for row, values in enumerate(zip(*(dataset[name] for name in names), strict=True)):
        try:
            stretch = stretch_of(dict(zip(names, values, strict=True)))
        except ValueError as error:
            raise UserError(f"{spec}: row {row}: {error}") from None
        if stretch != WHOLE:
            found[row] = stretch
    return found


def _load_dataset(spec: str, split: str | None, cache_dir: str | None) -> datasets.Dataset:
    try:
        import datasets
    except ModuleNotFoundError as error:
        raise UserError(
            f"{spec}: reading it needs datasets: pip install datasets, which the extras "
            "wav2vec2-tf[train] and wav2vec2-tf[eval] have"
        ) from error
    path = Path(spec).expanduser()
    name, _, config = spec.partition(":")
    try:
        if path.is_file():
            files = {split or "train": glob.escape(str(path))}
            return datasets.load_dataset(
                "parquet", data_files=files, split=split or "train", cache_dir=cache_dir
            )
        if path.is_dir():
            name, config = str(path), ""
            if (path / "state.json").exists() or (path / "dataset_dict.json").exists():
                saved = datasets.load_from_disk(name)
                if isinstance(saved, datasets.Dataset):
                    return saved
                return saved[_split_of(spec, split, list(saved))]
        elif not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", name):
            raise UserError(f"{spec}: no such file or folder")
        splits = datasets.get_dataset_split_names(name, config or None)
        return datasets.load_dataset(
            name, config or None, split=_split_of(spec, split, splits), cache_dir=cache_dir
        )
    except UserError:
        raise
    except Exception as error:  # datasets passes on whatever its many back ends raise
        intro = "" if path.exists() else "no such file or folder, and as a dataset id: "
        cause = error.__cause__ if "generating the dataset" in str(error) else None
        raise UserError(f"{spec}: {intro}{first_line(cause or error)}") from error


def _split_of(spec: str, split: str | None, splits: list[str]) -> str:
    # "test[:10]" and "train+test" are forms of datasets' own
    if split is not None and re.split(r"[\[+]", split)[0] in splits:
        return split
    return choose_split(spec, split, splits)
