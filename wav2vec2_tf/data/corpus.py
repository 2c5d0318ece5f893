"""`open_corpus`: opens transcribed speech of any supported layout as a `Corpus`.

Transcripts are known and checked when a corpus is opened; audio is read one utterance at a time.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from wav2vec2_tf.audio.discover import files_below
from wav2vec2_tf.data.audio_folder import METADATA, metadata_files, open_audio_folder
from wav2vec2_tf.data.columns import Columns
from wav2vec2_tf.data.common_voice import common_voice_tables
from wav2vec2_tf.data.fairseq_manifest import (
    fairseq_manifests,
    is_fairseq_manifest,
    open_fairseq_manifest,
)
from wav2vec2_tf.data.huggingface import open_dataset
from wav2vec2_tf.data.kaldi import RECORDINGS, is_kaldi, open_kaldi
from wav2vec2_tf.data.librispeech import (
    open_archive,
    open_table,
    open_transcribed_folder,
    open_untranscribed_folder,
)
from wav2vec2_tf.data.manifest import MANIFEST_SUFFIXES, open_manifest
from wav2vec2_tf.data.shards import MANIFEST_FILE, open_shards
from wav2vec2_tf.data.tar import TAR_SUFFIXES
from wav2vec2_tf.data.transcripts import TRANSCRIPT_SUFFIX, TRANSCRIPT_TABLE, is_transcript
from wav2vec2_tf.data.utterances import (
    WITHOUT_AUDIO,
    Corpus,
    Utterance,
    choose_split,
    refuse_faults,
    refuse_split,
    without_texts,
)
from wav2vec2_tf.utils.errors import UserError

__all__ = ["Corpus", "Utterance", "open_corpus"]


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
            - a folder of Common Voice (`clips` and a table for each split), or one of its tables
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
        keep_missing: keep rows of a manifest whose audio file does not exist: they are bad
            recordings, see `data.bad_recordings`, and an error only when they are loaded.

    Raises:
        UserError: there is no such corpus, it is empty, a transcript lacks audio, audio lacks a
            transcript, or an id occurs twice.
    """
    columns = columns or Columns()
    path = Path(spec).expanduser()
    if (path / MANIFEST_FILE).is_file() and any(path.glob("*.tfrecord")):
        refuse_split(spec, split)
        columns.refuse(spec)
        corpus = open_shards(spec, path)
    elif path.is_dir():
        corpus = _open_folder(spec, path, split, cache_dir, transcribed, columns)
    elif not path.exists() or (path.suffix.lower() == ".parquet" and path.is_file()):
        corpus = open_dataset(spec, split, cache_dir, transcribed, columns)
    else:
        refuse_split(spec, split)
        corpus = _open_file(spec, path, transcribed, columns)
    if not corpus.texts:
        raise UserError(f"{spec}: the corpus is empty; name one with utterances in it")
    if not keep_missing:
        refuse_faults(spec, (WITHOUT_AUDIO, list(corpus.missing)))
    return corpus if transcribed else without_texts(corpus)


def _open_file(spec: str, path: Path, transcribed: bool, columns: Columns) -> Corpus:
    name, suffix = path.name.lower(), path.suffix.lower()
    is_fairseq = is_fairseq_manifest(path)
    if suffix in MANIFEST_SUFFIXES and not is_fairseq and not name.startswith(TRANSCRIPT_TABLE):
        return open_manifest(spec, path, columns, transcribed)
    columns.refuse(spec)
    if name.endswith(TAR_SUFFIXES):
        return open_archive(spec, path, transcribed)
    if suffix == ".tsv" and name.startswith(TRANSCRIPT_TABLE):
        return open_table(spec, path)
    if is_fairseq:
        return open_fairseq_manifest(spec, path, transcribed)
    if name == RECORDINGS:
        return open_kaldi(spec, path.parent, transcribed)
    raise UserError(
        f"{spec}: not a corpus this program reads; give a folder of LibriSpeech, OpenSLR, Common "
        "Voice, Kaldi, shards or AudioFolder, a .tar.gz of the first two, a .parquet file, or a "
        ".tsv, .csv, .jsonl or .json manifest"
    )


def _open_folder(
    spec: str,
    folder: Path,
    split: str | None,
    cache_dir: str | None,
    transcribed: bool,
    columns: Columns,
) -> Corpus:
    if is_kaldi(folder):
        refuse_split(spec, split)
        columns.refuse(spec)
        return open_kaldi(spec, folder, transcribed)
    if tables := common_voice_tables(folder):
        if table := _table(spec, tables, split, transcribed):
            return open_manifest(spec, table, columns, transcribed)
    elif (manifests := fairseq_manifests(folder)) and (
        manifest := _table(spec, manifests, split, transcribed)
    ):
        columns.refuse(spec)
        return open_fairseq_manifest(spec, manifest, transcribed)
    files = [Path(file) for file in files_below(str(folder))]
    if not any(is_transcript(file.name) for file in files):
        if metadata := metadata_files(files):
            corpus = open_audio_folder(spec, folder, files, metadata, split, columns, transcribed)
            if corpus is not None:
                return corpus
        elif any(file.suffix in {".parquet", ".arrow"} for file in files):
            return open_dataset(spec, split, cache_dir, transcribed, columns)
        if transcribed:
            raise UserError(
                f"{spec}: no *{TRANSCRIPT_SUFFIX}, no {TRANSCRIPT_TABLE}.tsv, no "
                f"{', '.join(METADATA)} with a column file_name and no .parquet file in or below "
                "this folder; name a LibriSpeech folder such as LibriSpeech/test-clean"
            )
    refuse_split(spec, split)
    columns.refuse(spec)
    if transcribed:
        return open_transcribed_folder(spec, files)
    return open_untranscribed_folder(spec, folder, files)


def _table(
    spec: str, tables: Mapping[str, Path], split: str | None, transcribed: bool
) -> Path | None:
    """Returns the table of a split; None if all the speech of several is asked for."""
    if not transcribed and split is None and len(tables) > 1:
        return None
    return tables[choose_split(spec, split, tables)]
