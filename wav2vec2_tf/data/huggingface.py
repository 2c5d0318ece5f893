"""Corpora that the library `datasets` reads: parquet files, saved folders, ids of the hub."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wav2vec2_tf.data.utterances import (
    AUDIO_COLUMNS,
    TEXT_COLUMNS,
    Corpus,
    Utterance,
    find_column,
    make_utterance,
    refuse_faults,
    repeated,
)
from wav2vec2_tf.utils.errors import UserError, first_line
from wav2vec2_tf.utils.files import files_identity

if TYPE_CHECKING:
    import datasets


def open_dataset(spec: str, split: str | None, cache_dir: str | None, transcribed: bool) -> Corpus:
    """Opens a parquet file, a folder of `datasets` or a data set of the hub; see `open_corpus`."""
    dataset = _load_dataset(spec, split, cache_dir)
    audio_column = find_column(spec, dataset.column_names, AUDIO_COLUMNS)
    stated: Sequence[Any] = [None] * len(dataset)
    if transcribed:
        stated = dataset[find_column(spec, dataset.column_names, TEXT_COLUMNS)]
    import datasets
    import pyarrow.compute as compute

    # datasets itself would decode with torchcodec and FFmpeg: the bytes are enough
    try:
        dataset = dataset.cast_column(audio_column, datasets.Audio(decode=False))
    except (TypeError, ValueError) as error:  # pyarrow's own errors are among these
        raise UserError(f"{spec}: column {audio_column!r} holds no audio files") from error
    if "id" in dataset.column_names:
        keys = [str(key) for key in dataset["id"]]
    else:
        keys = [str(row) for row in range(len(dataset))]
    texts = {key: "" if text is None else str(text) for key, text in zip(keys, stated, strict=True)}
    stored = dataset.data.column(audio_column)
    absent = compute.and_(
        compute.is_null(compute.struct_field(stored, "bytes")),
        compute.is_null(compute.struct_field(stored, "path")),
    ).to_pylist()
    refuse_faults(
        spec,
        (
            "rows without audio",
            [key for key, is_absent in zip(keys, absent, strict=True) if is_absent],
        ),
        ("ids that occur twice", repeated(keys)),
    )
    folder = Path(spec).expanduser()
    folder = folder if folder.is_dir() else folder.parent
    recordings = dataset.select_columns(audio_column)

    def utterances() -> Iterator[Utterance]:
        for row, (key, text) in enumerate(texts.items()):
            yield make_utterance(key, text, _DatasetRow(recordings, row, folder))

    identity = files_identity(Path(file["filename"]) for file in dataset.cache_files)
    return Corpus(spec, "dataset", texts, identity, utterances)


@dataclass(frozen=True)
class _DatasetRow:
    """The audio in one row of a data set, which holds the file's content or its path."""

    recordings: datasets.Dataset
    """Has the column of audio only."""
    row: int
    folder: Path
    """Folder that relative paths start from."""

    def audio(self) -> Path | bytes:
        (stored,) = self.recordings[self.row].values()
        content: bytes | None = stored["bytes"]
        return self.folder / stored["path"] if content is None else content


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
                return saved[_choose_split(spec, split, list(saved))]
        elif not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", name):
            raise UserError(f"{spec}: no such file or folder")
        splits = datasets.get_dataset_split_names(name, config or None)
        return datasets.load_dataset(
            name, config or None, split=_choose_split(spec, split, splits), cache_dir=cache_dir
        )
    except UserError:
        raise
    except Exception as error:  # datasets passes on whatever its many back ends raise
        intro = "" if path.exists() else "no such file or folder, and as a dataset id: "
        cause = error.__cause__ if "generating the dataset" in str(error) else None
        raise UserError(f"{spec}: {intro}{first_line(cause or error)}") from error


def _choose_split(spec: str, split: str | None, splits: list[str]) -> str:
    if split is None and len(splits) == 1:
        return splits[0]
    # "test[:10]" and "train+test" are forms of datasets' own
    if split is not None and re.split(r"[\[+]", split)[0] in splits:
        return split
    fault = "several splits" if split is None else f"no split {split!r}"
    raise UserError(f"{spec}: {fault}; choose with --split from {', '.join(splits)}")
