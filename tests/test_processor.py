from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from transformers import Wav2Vec2CTCTokenizer, Wav2Vec2FeatureExtractor, Wav2Vec2Processor

from wav2vec2_tf import audio
from wav2vec2_tf.errors import UserError
from wav2vec2_tf.processor import Processor

VOCABULARY = {t: i for i, t in enumerate(["<pad>", "<s>", "</s>", "<unk>", *"|ETAONIHSRDL"])}
TOKENS = {"unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"}


def published(folder: Path, *, masked: bool = False) -> Path:
    """The files of facebook/wav2vec2-base-960h and its like."""
    folder.mkdir(exist_ok=True)
    files: dict[str, dict[str, Any]] = {
        "vocab.json": VOCABULARY,
        "tokenizer_config.json": {
            **TOKENS,
            "do_lower_case": False,
            "return_attention_mask": masked,
            "do_normalize": True,
        },
        "special_tokens_map.json": TOKENS,
        "preprocessor_config.json": {
            "do_normalize": True,
            "feature_size": 1,
            "padding_side": "right",
            "padding_value": 0.0,
            "return_attention_mask": masked,
            "sampling_rate": 16000,
        },
        "config.json": {"model_type": "wav2vec2"},
    }
    for name, contents in files.items():
        (folder / name).write_text(json.dumps(contents))
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return published(tmp_path / "published")


@pytest.fixture
def processor(folder: Path) -> Processor:
    return Processor.from_pretrained(folder)


def utterances() -> list[np.ndarray]:
    random = np.random.default_rng(0)
    return [random.standard_normal(n).astype(np.float32) for n in (800, 1234)]


@pytest.mark.parametrize("masked", [True, False])
def test_equals_transformers_on_published_files(tmp_path: Path, masked: bool) -> None:
    folder = published(tmp_path / "published", masked=masked)
    ours, theirs = Processor.from_pretrained(folder), Wav2Vec2Processor.from_pretrained(folder)
    options: dict[str, Any] = {"sampling_rate": 16000, "padding": True}
    given = ours(utterances(), **options)
    wanted = theirs(utterances(), return_tensors="np", **options)
    assert given.keys() == wanted.keys()
    for key in wanted:
        assert given[key].dtype == wanted[key].dtype
        np.testing.assert_allclose(given[key], wanted[key], rtol=0, atol=1e-6)
    assert ours.decode([11, 5, 15, 0, 15, 8]) == theirs.decode([11, 5, 15, 0, 15, 8]) == "HELLO"
    ids = np.array([[7, 4, 6, 6], [0, 12, 0, 12]])
    assert ours.batch_decode(ids) == theirs.batch_decode(ids) == ["A T", "SS"]


def test_text_becomes_labels(processor: Processor, folder: Path) -> None:
    theirs = Wav2Vec2Processor.from_pretrained(folder)
    labels = processor(text="HELLO IT")["labels"]
    assert labels.dtype == np.int32
    assert labels.tolist() == theirs(text="HELLO IT").input_ids
    texts = ["HELLO", "", "A Z"]
    rows = processor(text=texts)["labels"]
    assert [row.tolist() for row in rows] == theirs(text=texts).input_ids
    padded = processor(text=texts, padding=True)["labels"]
    assert padded.tolist() == theirs(text=texts, padding=True).input_ids
    assert processor(text=[], padding=True)["labels"].shape == (0, 0)


def test_speech_and_text_together(processor: Processor) -> None:
    features = processor(utterances(), text=["A", "IT"], padding=True, sampling_rate=16000)
    assert features["input_values"].shape == (2, 1234)
    assert features["labels"].tolist() == [[7, 0], [10, 6]]


def test_tensors_are_decoded(processor: Processor) -> None:
    import tensorflow as tf

    logits = tf.one_hot([[11, 11, 0, 10], [10, 6, 6, 6]], 16)
    assert processor.batch_decode(tf.argmax(logits, axis=-1)) == ["HI", "IT"]
    assert processor.decode(tf.argmax(logits[0], axis=-1), skip_special_tokens=True) == "HI"


@pytest.mark.parametrize("masked", [True, False])
def test_saved_files_go_to_transformers_and_back(tmp_path: Path, masked: bool) -> None:
    processor = Processor.from_pretrained(published(tmp_path / "published", masked=masked))
    processor.save_pretrained(tmp_path / "ours")
    # without a config.json: the files say themselves of what class they are
    theirs = Wav2Vec2Processor.from_pretrained(tmp_path / "ours")
    assert isinstance(theirs.feature_extractor, Wav2Vec2FeatureExtractor)
    assert isinstance(theirs.tokenizer, Wav2Vec2CTCTokenizer)
    assert theirs.feature_extractor.return_attention_mask is masked
    assert theirs.tokenizer.get_vocab() == VOCABULARY
    theirs.save_pretrained(tmp_path / "theirs")
    for name in ["ours", "theirs"]:
        back = Processor.from_pretrained(str(tmp_path / name))
        assert back.feature_extractor == processor.feature_extractor
        assert back.tokenizer is not None
        assert processor.tokenizer is not None
        assert vars(back.tokenizer) == vars(processor.tokenizer)


def test_saving_where_transformers_5_saved_replaces_its_processor(tmp_path: Path) -> None:
    Wav2Vec2Processor.from_pretrained(published(tmp_path / "published")).save_pretrained(tmp_path)
    assert json.loads((tmp_path / "processor_config.json").read_text())["feature_extractor"]
    processor = Processor.from_pretrained(tmp_path)
    changed = Processor(audio.FeatureExtractor(do_normalize=False), processor.tokenizer)
    changed.save_pretrained(tmp_path)
    assert not Processor.from_pretrained(tmp_path).feature_extractor.do_normalize
    assert not Wav2Vec2Processor.from_pretrained(tmp_path).feature_extractor.do_normalize


def test_without_tokenizer_files_there_is_no_text(folder: Path, tmp_path: Path) -> None:
    for name in ["vocab.json", "tokenizer_config.json", "special_tokens_map.json"]:
        (folder / name).unlink()
    processor = Processor.from_pretrained(folder)
    assert processor.tokenizer is None
    assert processor(utterances()[0], sampling_rate=16000)["input_values"].shape == (1, 800)
    for call in [
        lambda: processor.decode([1]),
        lambda: processor.batch_decode([[1]]),
        lambda: processor(text="A"),
    ]:
        with pytest.raises(UserError, match=r"came without vocab\.json"):
            call()
    processor.save_pretrained(tmp_path / "saved")
    assert Processor.from_pretrained(tmp_path / "saved") == processor


def test_a_language_can_be_chosen(folder: Path) -> None:
    nested = {"eng": VOCABULARY, "deu": {**VOCABULARY, "Ä": len(VOCABULARY)}}
    (folder / "vocab.json").write_text(json.dumps(nested))
    with pytest.raises(UserError, match="pass target_lang="):
        Processor.from_pretrained(folder)
    german = Processor.from_pretrained(folder, target_lang="deu")
    assert german(text="Ä")["labels"].tolist() == [len(VOCABULARY)]


def test_bad_input_is_refused(processor: Processor, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="neither speech nor text"):
        processor()
    with pytest.raises(UserError, match="8000 Hz, but the model takes 16000 Hz"):
        processor(utterances(), sampling_rate=8000)
    with pytest.raises(UserError, match="none"):
        Processor.from_pretrained(tmp_path / "none")
    (folder / "vocab.json").unlink()
    assert Processor.from_pretrained(folder).tokenizer is None
    (folder / "preprocessor_config.json").unlink()
    with pytest.raises(UserError, match=r"preprocessor_config\.json: no such file"):
        Processor.from_pretrained(folder)
