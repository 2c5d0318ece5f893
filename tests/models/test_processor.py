"""The processor against transformers', on files as they are published."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import (
    SeamlessM4TFeatureExtractor,
    Wav2Vec2BertProcessor,
    Wav2Vec2CTCTokenizer,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2Processor,
)

from wav2vec2_tf.models.feature_extractor import FeatureExtractor, LogMelFeatureExtractor
from wav2vec2_tf.models.processor import Processor
from wav2vec2_tf.utils.errors import UserError

VOCABULARY = {t: i for i, t in enumerate(["<pad>", "<s>", "</s>", "<unk>", *"|ETAONIHSRDL"])}
TOKENS = {"unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"}


def published(folder: Path, *, masked: bool = False) -> Path:
    """Writes processor files like those of facebook/wav2vec2-base-960h."""
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
        (folder / name).write_text(json.dumps(contents), encoding="utf-8")
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
    # Without a config.json, the files themselves name their classes.
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
    assert json.loads((tmp_path / "processor_config.json").read_text(encoding="utf-8"))[
        "feature_extractor"
    ]
    processor = Processor.from_pretrained(tmp_path)
    changed = Processor(FeatureExtractor(do_normalize=False), processor.tokenizer)
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
        with pytest.raises(UserError, match=r"no tokenizer.*without vocab\.json"):
            call()
    processor.save_pretrained(tmp_path / "saved")
    assert Processor.from_pretrained(tmp_path / "saved") == processor


def test_a_language_can_be_chosen(folder: Path) -> None:
    nested = {"eng": VOCABULARY, "deu": {**VOCABULARY, "Ä": len(VOCABULARY)}}
    (folder / "vocab.json").write_text(json.dumps(nested), encoding="utf-8")
    with pytest.raises(UserError, match="pass target_lang="):
        Processor.from_pretrained(folder)
    german = Processor.from_pretrained(folder, target_lang="deu")
    assert german(text="Ä")["labels"].tolist() == [len(VOCABULARY)]
    german.save_pretrained(folder / "saved")
    assert german.tokenizer is not None
    back = Processor.from_pretrained(folder / "saved")
    assert back(text="Ä")["labels"].tolist() == [len(VOCABULARY)]
    # Published code changes the language like this.
    german.tokenizer.set_target_lang("eng")
    assert german(text="Ä")["labels"].tolist() == [VOCABULARY["<unk>"]]


def test_bad_input_is_refused(processor: Processor, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="needs speech or text, got neither"):
        processor()
    with pytest.raises(UserError, match="must be 16000 Hz, got 8000"):
        processor(utterances(), sampling_rate=8000)
    with pytest.raises(UserError, match="none"):
        Processor.from_pretrained(tmp_path / "none")
    (folder / "vocab.json").unlink()
    assert Processor.from_pretrained(folder).tokenizer is None
    for name in ("preprocessor_config.json", "config.json"):  # the latter alone means the defaults
        (folder / name).unlink(missing_ok=True)
    with pytest.raises(UserError, match=r"preprocessor_config\.json: no such file"):
        Processor.from_pretrained(folder)


# Wav2Vec2-BERT


def published_bert(folder: Path) -> Path:
    """Writes processor files like those of a fine-tuned facebook/w2v-bert-2.0."""
    published(folder, masked=True)
    values = {
        "feature_extractor_type": "SeamlessM4TFeatureExtractor",
        "feature_size": 80,
        "num_mel_bins": 80,
        "padding_side": "right",
        "padding_value": 1,
        "processor_class": "Wav2Vec2BertProcessor",
        "return_attention_mask": True,
        "sampling_rate": 16000,
        "stride": 2,
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(values), encoding="utf-8")
    return folder


def test_bert_equals_transformers_on_published_files(tmp_path: Path) -> None:
    folder = published_bert(tmp_path / "published")
    ours, theirs = Processor.from_pretrained(folder), Wav2Vec2BertProcessor.from_pretrained(folder)
    random = np.random.default_rng(0)
    speech = [random.standard_normal(n).astype(np.float32) for n in (8000, 5040)]
    for options in ({}, {"padding": True}, {"padding": "max_length", "max_length": 60}):
        given = ours(speech, sampling_rate=16000, **options)
        wanted = theirs(speech, sampling_rate=16000, return_tensors="np", **options)
        assert given.keys() == wanted.keys() == {"input_features", "attention_mask"}
        for key in wanted:
            assert given[key].dtype == wanted[key].dtype
            np.testing.assert_allclose(given[key], wanted[key], rtol=0, atol=1e-3)
    both = ours(speech, text=["A", "IT"], padding=True)
    assert both["labels"].tolist() == [[7, 0], [10, 6]]
    assert [row.tolist() for row in ours(speech, text=["A", "IT"])["labels"]] == [[7], [10, 6]]


def test_bert_files_go_to_transformers_and_back(tmp_path: Path) -> None:
    processor = Processor.from_pretrained(published_bert(tmp_path / "published"))
    assert isinstance(processor.feature_extractor, LogMelFeatureExtractor)
    assert processor.feature_extractor.padding_value == 1
    processor.save_pretrained(tmp_path / "ours")
    theirs = Wav2Vec2BertProcessor.from_pretrained(tmp_path / "ours")
    assert isinstance(theirs.feature_extractor, SeamlessM4TFeatureExtractor)
    assert isinstance(theirs.tokenizer, Wav2Vec2CTCTokenizer)
    theirs.save_pretrained(tmp_path / "theirs")
    for name in ["ours", "theirs"]:
        back = Processor.from_pretrained(tmp_path / name)
        assert back.feature_extractor == processor.feature_extractor
        assert back.tokenizer is not None and processor.tokenizer is not None
        assert vars(back.tokenizer) == vars(processor.tokenizer)


# Processors of single files


@pytest.fixture
def fairseq_file(tmp_path: Path) -> Path:
    """A minimal fine-tuned fairseq checkpoint with settings: one convolution, no layer."""
    settings = argparse.Namespace(
        arch="wav2vec_ctc",
        normalize=True,
        sample_rate=16000,
        w2v_args=argparse.Namespace(
            arch="wav2vec2",
            extractor_mode="layer_norm",
            layer_norm_first=True,
            conv_feature_layers="[(4, 10, 5)]",
            conv_bias=True,
            conv_pos=4,
            conv_pos_groups=2,
            encoder_embed_dim=8,
            encoder_layers=0,
            encoder_attention_heads=2,
            encoder_ffn_embed_dim=8,
        ),
    )
    model = {"w2v_encoder.proj.weight": torch.ones(7, 8), "w2v_encoder.proj.bias": torch.ones(7)}
    model["w2v_encoder.w2v_model.mask_emb"] = torch.ones(8)
    file = tmp_path / "fine_tuned.pt"
    torch.save({"args": settings, "model": model}, file)
    return file


def test_a_fairseq_checkpoint_has_a_dictionary_beside_it(fairseq_file: Path) -> None:
    without = Processor.from_pretrained(fairseq_file)
    assert without.tokenizer is None
    wanted = FeatureExtractor(do_normalize=True, return_attention_mask=True)
    assert without.feature_extractor == wanted

    (fairseq_file.parent / "dict.ltr.txt").write_text(
        "| 94802\nE 51860\nT 38431\n", encoding="utf-8"
    )
    beside = Processor.from_pretrained(fairseq_file)
    assert beside.feature_extractor == wanted
    assert beside.tokenizer is not None
    assert beside.tokenizer.tokens == ("<pad>", "<s>", "</s>", "<unk>", "|", "E", "T")
    assert beside.decode([6, 6, 0, 5, 5, 4, 6]) == "TE T"
    with pytest.raises(UserError, match="target_lang must not be given"):
        Processor.from_pretrained(fairseq_file, target_lang="eng")


def test_a_fairseq_checkpoint_takes_another_dictionary(fairseq_file: Path, tmp_path: Path) -> None:
    (tmp_path / "dict.ltr.txt").write_text("| 1\nE 1\n", encoding="utf-8")
    (tmp_path / "other.txt").write_text("| 1\nÄ 1\n", encoding="utf-8")
    other = Processor.from_pretrained(fairseq_file, dictionary=tmp_path / "other.txt")
    assert other(text="Ä")["labels"].tolist() == [5]
    with pytest.raises(UserError, match=r"none\.txt: no such file"):
        Processor.from_pretrained(fairseq_file, dictionary=tmp_path / "none.txt")
    published(tmp_path)
    with pytest.raises(UserError, match="only fairseq checkpoints take a dictionary"):
        Processor.from_pretrained(tmp_path, dictionary=tmp_path / "other.txt")


def test_a_file_of_weights_has_the_processor_of_its_folder(folder: Path) -> None:
    torch.save({"weight": torch.ones(1)}, folder / "pytorch_model.bin")
    of_file = Processor.from_pretrained(folder / "pytorch_model.bin")
    of_folder = Processor.from_pretrained(folder)
    assert of_file.feature_extractor == of_folder.feature_extractor
    assert of_file.tokenizer is not None and of_folder.tokenizer is not None
    assert vars(of_file.tokenizer) == vars(of_folder.tokenizer)
