"""`open_corpus`: opens transcribed speech of any supported layout as a `Corpus`.

Transcripts are known and checked when a corpus is opened; audio is read one utterance at a time.
"""

from __future__ import annotations

from pathlib import Path

from wav2vec2_tf.data.huggingface import open_dataset
from wav2vec2_tf.data.librispeech import (
    TAR_SUFFIXES,
    TRANSCRIPT_SUFFIX,
    TRANSCRIPT_TABLE,
    files_below,
    is_transcript,
    open_archive,
    open_audio_folder,
    open_table,
    open_transcribed_folder,
)
from wav2vec2_tf.data.manifest import MANIFEST_SUFFIXES, open_manifest
from wav2vec2_tf.data.shards import MANIFEST_FILE, open_shards
from wav2vec2_tf.data.utterances import Corpus, Utterance, refuse_split, without_texts
from wav2vec2_tf.utils.errors import UserError

__all__ = ["Corpus", "Utterance", "open_corpus"]


def open_corpus(
    spec: str, *, split: str | None = None, cache_dir: str | None = None, transcribed: bool = True
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
              text/sentence/transcript, its paths relative to itself
            - a parquet file, a folder that `datasets` reads, or a Hugging Face data set id (`id` or
              `id:config`), of which `split` is opened
        split: the split of a data set.
        cache_dir: where `datasets` keeps its files.
        transcribed: False to read speech only, with "" for every transcript. Then `spec` may also
            be any folder or archive of audio (ids are paths within it, transcripts are ignored), or
            a manifest or data set without a column of texts.

    Raises:
        UserError: there is no such corpus, it is empty, a transcript lacks audio, audio lacks a
            transcript, or an id occurs twice.
    """
    path = Path(spec).expanduser()
    name, suffix = path.name.lower(), path.suffix.lower()
    if (path / MANIFEST_FILE).is_file() and any(path.glob("*.tfrecord")):
        refuse_split(spec, split)
        corpus = open_shards(spec, path)
    elif path.is_dir():
        corpus = _open_folder(spec, path, split, cache_dir, transcribed)
    elif not path.exists() or (suffix == ".parquet" and path.is_file()):
        corpus = open_dataset(spec, split, cache_dir, transcribed)
    else:
        if name.endswith(TAR_SUFFIXES):
            corpus = open_archive(spec, path, transcribed)
        elif suffix == ".tsv" and name.startswith(TRANSCRIPT_TABLE):
            corpus = open_table(spec, path)
        elif suffix in MANIFEST_SUFFIXES:
            corpus = open_manifest(spec, path, transcribed)
        else:
            raise UserError(
                f"{spec}: not a corpus this program reads; give a folder in LibriSpeech or OpenSLR "
                "layout, a .tar.gz of one, a folder of shards, a .parquet file, or a .tsv, .csv or "
                ".jsonl manifest"
            )
        refuse_split(spec, split)
    if not corpus.texts:
        raise UserError(f"{spec}: the corpus is empty; name one with utterances in it")
    return corpus if transcribed else without_texts(corpus)


def _open_folder(
    spec: str, folder: Path, split: str | None, cache_dir: str | None, transcribed: bool
) -> Corpus:
    files = files_below(folder)
    if not any(is_transcript(file.name) for file in files):
        if any(file.suffix in {".parquet", ".arrow"} for file in files):
            return open_dataset(spec, split, cache_dir, transcribed)
        if transcribed:
            raise UserError(
                f"{spec}: no *{TRANSCRIPT_SUFFIX}, no {TRANSCRIPT_TABLE}.tsv and no .parquet file "
                "in or below this folder; name a LibriSpeech folder such as LibriSpeech/test-clean"
            )
    refuse_split(spec, split)
    if transcribed:
        return open_transcribed_folder(spec, files)
    return open_audio_folder(spec, folder, files)
