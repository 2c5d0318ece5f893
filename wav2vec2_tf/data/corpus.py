"""`open_corpus`: opens transcribed speech of any supported layout as a `Corpus`.

Transcripts are known and checked when a corpus is opened; audio is read one utterance at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from wav2vec2_tf.audio.discover import files_below
from wav2vec2_tf.data.archive import open_archive
from wav2vec2_tf.data.audio_folder import METADATA, audio_folder_listing
from wav2vec2_tf.data.columns import Columns
from wav2vec2_tf.data.common_voice import common_voice_tables
from wav2vec2_tf.data.fairseq_manifest import (
    fairseq_listing,
    fairseq_manifests,
    is_fairseq_manifest,
)
from wav2vec2_tf.data.huggingface import open_dataset
from wav2vec2_tf.data.kaldi import RECORDINGS, is_kaldi, kaldi_listing
from wav2vec2_tf.data.librispeech import (
    audio_entries,
    open_table,
    open_transcribed_folder,
    open_untranscribed_folder,
)
from wav2vec2_tf.data.manifest import MANIFEST_SUFFIXES, manifest_listing
from wav2vec2_tf.data.shards import MANIFEST_FILE, open_shards
from wav2vec2_tf.data.tar import TAR_SUFFIXES
from wav2vec2_tf.data.transcripts import TRANSCRIPT_SUFFIX, TRANSCRIPT_TABLE, is_transcript
from wav2vec2_tf.data.utterances import (
    WITHOUT_AUDIO,
    Corpus,
    Entry,
    Listing,
    Utterance,
    choose_split,
    corpus_of_listing,
    refuse_faults,
    refuse_split,
    without_texts,
)
from wav2vec2_tf.utils.errors import UserError

__all__ = ["Corpus", "Utterance", "is_list", "open_corpus", "recordings_of"]

PARQUET = ".parquet"

PACKED_SUFFIXES = frozenset({".zip", ".gz", ".bz2", ".xz", ".zst", ".7z", ".rar"})


def open_corpus(
    spec: str,
    *,
    split: str | None = None,
    cache_dir: str | None = None,
    transcribed: bool = True,
    columns: Columns | None = None,
    keep_missing: bool = False,
) -> Corpus:
    """Opens a corpus and checks that audio and transcripts belong together.

    Args:
        spec: one of

            - a folder in LibriSpeech layout: `*.trans.txt` and audio at any depth; or that folder
              as `.tar.gz`, read in place and never unpacked
            - a folder in the layout of OpenSLR's data sets of one language (such as SLR 54), or the
              TSV in it: `utt_spk_text.tsv` (utterance, speaker, text; no header) and
              `<utterance>.flac` at any depth. Parts that were not downloaded are skipped with a
              warning: where audio is in folders named by the first two characters of its id,
              utterances of missing folders. A TSV named explicitly, `utt_spk_text*.tsv`, may be a
              selection
            - a folder of shards that `wav2vec2-tf shards` wrote
            - a TSV, CSV or JSONL manifest with columns audio/path/file and
              text/sentence/transcript, its paths relative to itself; a column `id` is optional. So
              are `offset` and `duration`, or `start` and `end`, in seconds: they select a part of
              the file. NeMo's manifests are such
            - a folder of Common Voice (`clips` and a table for each split), that folder as
              `.tar.gz`, or one of its tables
            - a folder in the layout AudioFolder of `datasets`: audio and `metadata.csv`, `.jsonl`
              or `.parquet`
            - a data folder of Kaldi: `wav.scp`, `text`, and `segments` if there are any. Commands
              in `wav.scp` are refused, not run
            - a manifest of fairseq, such as `train.tsv`, with `train.wrd` or `train.ltr` beside it,
              or the folder of both
            - a parquet file, a folder that `datasets` reads, or a Hugging Face data set id (`id` or
              `id:config`), of which `split` is opened. Audio is files or arrays with their rate
        split: the split of a data set, of Common Voice, of an AudioFolder or of fairseq manifests.
        cache_dir: where `datasets` keeps its files.
        transcribed: False to read speech only, with "" for every transcript. Then `spec` may also
            be any folder or archive of audio (ids are paths within it, transcripts are ignored), or
            a manifest or data set without a column of texts.
        columns: names of the columns of a manifest or data set, where they are others.
        keep_missing: keep rows of a manifest, or lines of transcripts, whose audio file does not
            exist: they are bad recordings, see `data.bad_recordings`, and an error only when they
            are loaded.

    Raises:
        UserError: there is no such corpus, it is empty, a transcript lacks audio, audio lacks a
            transcript, or an id occurs twice.
    """
    columns = columns or Columns()
    path = Path(spec).expanduser()
    if _is_shards(path):
        refuse_split(spec, split)
        columns.refuse(spec)
        corpus = open_shards(spec, path)
    elif path.is_dir():
        corpus = _open_folder(spec, path, split, cache_dir, transcribed, columns, keep_missing)
    elif not path.exists() or (path.suffix.lower() == PARQUET and path.is_file()):
        corpus = open_dataset(spec, split, cache_dir, transcribed, columns)
    else:
        corpus = _open_file(spec, path, split, transcribed, columns, keep_missing)
    if not corpus.texts:
        raise UserError(f"{spec}: the corpus is empty; name one with utterances in it")
    if not keep_missing:
        refuse_faults(spec, (WITHOUT_AUDIO, list(corpus.missing)))
    return corpus if transcribed else without_texts(corpus)


def recordings_of(
    spec: str, *, split: str | None = None, columns: Columns | None = None
) -> Iterator[Entry]:
    """Yields the recordings of a corpus one by one, without texts; their files need not exist.

    They are those of `open_corpus` with `transcribed=False`. A manifest, which may have millions of
    rows, or a folder of audio is never held in memory.

    Args:
        spec: a corpus whose recordings are files, or a Parquet table of their names.
        split: as for `open_corpus`.
        columns: as for `open_corpus`.

    Raises:
        UserError: there is no such corpus, or its audio is not in files of its own.
    """
    columns = columns or Columns()
    path = Path(spec).expanduser()
    if not path.exists():
        raise UserError(f"{spec}: no such manifest, folder or file")
    if _is_shards(path) or path.name.lower().endswith(TAR_SUFFIXES):
        raise UserError(
            f"{spec}: its recordings are not files of their own: unpack it, or name the folder of "
            "the recordings"
        )
    if path.is_dir():
        listing = _tables_in(spec, path, split, columns, False) or audio_folder_listing(
            spec, path, lambda: map(Path, files_below(str(path))), split, columns, False
        )
        if listing is None:
            refuse_split(spec, split)
            columns.refuse(spec)
            listing = Listing("folder of audio", audio_entries(path))
    else:
        refuse_split(spec, split)
        listing = _list_at(spec, path, columns, False)
        if path.suffix.lower() == PARQUET:
            listing = manifest_listing(path, columns, False)
        if listing is None:
            raise _not_a_corpus(spec, path)
    yield from listing.entries


def is_list(path: Path) -> bool:
    """Whether a file of this name lists recordings or is an archive of them, and is no audio."""
    name = path.name.lower()
    return name == RECORDINGS or name.endswith((*MANIFEST_SUFFIXES, PARQUET, *TAR_SUFFIXES))


def _is_shards(path: Path) -> bool:
    return (path / MANIFEST_FILE).is_file() and any(path.glob("*.tfrecord"))


def _list_at(spec: str, path: Path, columns: Columns, transcribed: bool) -> Listing | None:
    """Returns what a file lists; None if it is none of the lists."""
    name = path.name.lower()
    if is_fairseq_manifest(path):
        columns.refuse(spec)
        return fairseq_listing(spec, path, transcribed)
    if name.endswith(tuple(MANIFEST_SUFFIXES)) and not name.startswith(TRANSCRIPT_TABLE):
        return manifest_listing(path, columns, transcribed)
    if name == RECORDINGS:
        columns.refuse(spec)
        return kaldi_listing(spec, path.parent, transcribed)
    return None


def _open_file(
    spec: str,
    path: Path,
    split: str | None,
    transcribed: bool,
    columns: Columns,
    keep_missing: bool,
) -> Corpus:
    name = path.name.lower()
    if name.endswith(TAR_SUFFIXES):
        columns.refuse(spec)
        return open_archive(spec, path, split, transcribed)
    refuse_split(spec, split)
    if listing := _list_at(spec, path, columns, transcribed):
        return corpus_of_listing(spec, listing)
    columns.refuse(spec)
    if name.endswith(".tsv"):
        return open_table(spec, path, keep_missing)
    raise _not_a_corpus(spec, path)


def _not_a_corpus(spec: str, path: Path) -> UserError:
    if path.suffix.lower() in PACKED_SUFFIXES:
        return UserError(f"{spec}: not read while it is packed: unpack it and name the result")
    return UserError(
        f"{spec}: not a corpus this program reads; give a folder of LibriSpeech, OpenSLR, Common "
        "Voice, Kaldi, shards or AudioFolder, a .tar.gz of the first three, a .parquet file, or a "
        ".tsv, .csv, .jsonl or .json manifest"
    )


def _tables_in(
    spec: str, folder: Path, split: str | None, columns: Columns, transcribed: bool
) -> Listing | None:
    """Returns what the lists in a folder of Kaldi, Common Voice or fairseq name.

    None for another layout, or if speech alone is asked for and no split is, of several.
    """
    if is_kaldi(folder):
        refuse_split(spec, split)
        columns.refuse(spec)
        return kaldi_listing(spec, folder, transcribed)
    if tables := common_voice_tables(folder):
        if table := _table(spec, tables, split, transcribed):
            return manifest_listing(table, columns, transcribed)
    elif (manifests := fairseq_manifests(folder)) and (
        manifest := _table(spec, manifests, split, transcribed)
    ):
        columns.refuse(spec)
        return fairseq_listing(spec, manifest, transcribed)
    return None


def _open_folder(
    spec: str,
    folder: Path,
    split: str | None,
    cache_dir: str | None,
    transcribed: bool,
    columns: Columns,
    keep_missing: bool,
) -> Corpus:
    if listing := _tables_in(spec, folder, split, columns, transcribed):
        return corpus_of_listing(spec, listing)
    files = [Path(file) for file in files_below(str(folder))]
    if listing := audio_folder_listing(spec, folder, lambda: files, split, columns, transcribed):
        return corpus_of_listing(spec, listing)
    if not any(is_transcript(file.name) for file in files):
        tables = (file for file in files if file.name not in METADATA)
        if any(file.suffix in {PARQUET, ".arrow"} for file in tables):
            return open_dataset(spec, split, cache_dir, transcribed, columns)
        if transcribed:
            raise UserError(
                f"{spec}: no *{TRANSCRIPT_SUFFIX}, no {TRANSCRIPT_TABLE}.tsv, no "
                f"{', '.join(METADATA)} with a column file_name and no .parquet file in or below "
                "this folder; name a LibriSpeech folder such as LibriSpeech/test-clean, or a "
                "language's folder of Common Voice"
            )
    refuse_split(spec, split)
    columns.refuse(spec)
    if transcribed:
        return open_transcribed_folder(spec, files, keep_missing)
    return open_untranscribed_folder(spec, folder)


def _table(
    spec: str, tables: Mapping[str, Path], split: str | None, transcribed: bool
) -> Path | None:
    """Returns the table of a split; None if all the speech of several is asked for."""
    if not transcribed and split is None and len(tables) > 1:
        return None
    return tables[choose_split(spec, split, tables)]
