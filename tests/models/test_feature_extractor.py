"""Feature extractors against transformers' own, number for number."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from transformers import (
    AutoFeatureExtractor,
    SeamlessM4TFeatureExtractor,
    Wav2Vec2FeatureExtractor,
)

from tests.support.paths import AUDIO
from wav2vec2_tf import audio
from wav2vec2_tf.models.feature_extractor import (
    FeatureExtractor,
    LogMelFeatureExtractor,
    feature_extractor,
)
from wav2vec2_tf.utils.errors import UserError


def utterances(*lengths: int, seed: int = 0) -> list[np.ndarray]:
    random = np.random.default_rng(seed)
    return [(random.standard_normal(n) * 0.1 + 0.05).astype(np.float32) for n in lengths]


def assert_equal_to_transformers(
    fields: dict[str, Any], speech: Any, tolerance: float = 1e-6, **options: Any
) -> None:
    wanted = Wav2Vec2FeatureExtractor(**fields)(speech, sampling_rate=16000, **options)
    given = FeatureExtractor(**fields)(speech, sampling_rate=16000, **options)
    assert given.keys() == wanted.keys()
    for key in wanted:
        assert len(given[key]) == len(wanted[key])
        for ours, theirs in zip(given[key], wanted[key], strict=True):
            assert ours.dtype == (np.int32 if key == "attention_mask" else np.float32)
            assert ours.shape == theirs.shape
            np.testing.assert_allclose(ours, theirs, rtol=0, atol=tolerance)


OPTIONS = [
    {},
    {"padding": True},
    {"padding": "longest", "pad_to_multiple_of": 128},
    {"padding": "max_length", "max_length": 700},
    {"padding": "max_length", "max_length": 400, "truncation": True},
    {"padding": True, "max_length": 333, "truncation": True, "pad_to_multiple_of": 64},
    {"padding": True, "max_length": 900},
    {"padding": False, "max_length": 333, "truncation": True},
    {"padding": "do_not_pad", "pad_to_multiple_of": 64},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("asked", [None, True, False])
@pytest.mark.parametrize("masked", [True, False])
def test_equals_transformers(masked: bool, asked: bool | None, options: dict[str, Any]) -> None:
    fields = {"return_attention_mask": masked}
    options = {**options, "return_attention_mask": asked}
    assert_equal_to_transformers(fields, utterances(500, 123, 377), **options)


def test_what_is_longer_than_max_length_stays_unless_truncated() -> None:
    # if a mask is requested too, transformers raises a numpy error
    options: dict[str, Any] = {"padding": "max_length", "max_length": 400}
    assert_equal_to_transformers({}, utterances(500, 123, 377), **options)
    features = FeatureExtractor(return_attention_mask=True)(utterances(500, 123), **options)
    assert [row.sum() for row in features["attention_mask"]] == [500, 123]
    assert [len(row) for row in features["input_values"]] == [500, 400]


@pytest.mark.parametrize(
    "fields",
    [
        {"do_normalize": False, "return_attention_mask": True},
        {"padding_value": -1.5, "return_attention_mask": True},
        {"padding_value": -1.5, "return_attention_mask": False},
        {"padding_side": "left", "return_attention_mask": True},
        {"padding_side": "left", "return_attention_mask": False},
    ],
    ids=str,
)
def test_equals_transformers_with_other_fields(fields: dict[str, Any]) -> None:
    assert_equal_to_transformers(fields, utterances(500, 123, 377), padding=True)


@settings(max_examples=60, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 300), min_size=1, max_size=4),
    masked=st.booleans(),
    truncation=st.booleans(),
    padding=st.sampled_from([True, False, "max_length"]),
    max_length=st.integers(1, 400),
    multiple=st.none() | st.integers(1, 50),
    seed=st.integers(0, 2**31),
)
def test_equals_transformers_on_any_batch(
    lengths: list[int],
    masked: bool,
    truncation: bool,
    padding: bool | str,
    max_length: int,
    multiple: int | None,
    seed: int,
) -> None:
    # transformers cannot return masks of several lengths
    assume(truncation or padding != "max_length" or not masked)
    assert_equal_to_transformers(
        {"return_attention_mask": masked},
        utterances(*lengths, seed=seed),
        padding=padding,
        max_length=max_length,
        truncation=truncation,
        pad_to_multiple_of=multiple,
    )


@pytest.mark.parametrize(
    "speech",
    [
        utterances(100)[0],
        utterances(100)[0].astype(np.float64),
        utterances(100)[0].tolist(),
        [row.tolist() for row in utterances(100, 50)],
        np.stack(utterances(100, 100)),
        (np.stack(utterances(100, 100)) * 32768).astype(np.int16),
        tuple(utterances(100, 50)),
    ],
    ids=["float32", "float64", "list", "lists", "array", "int16", "tuple"],
)
def test_equals_transformers_on_every_form_of_speech(speech: Any) -> None:
    assert_equal_to_transformers({"return_attention_mask": True}, speech, padding=True)


def test_statistics_include_padding_unless_there_is_a_mask() -> None:
    speech = [np.array([1.0, 3.0]), np.array([1.0, 3.0, 1.0, 3.0])]
    extractor = FeatureExtractor()
    with_mask = extractor(speech, padding=True, return_attention_mask=True)
    without = extractor(speech, padding=True)
    np.testing.assert_allclose(with_mask["input_values"][0], [-1, 1, 0, 0], atol=1e-6)
    np.testing.assert_array_equal(with_mask["attention_mask"], [[1, 1, 0, 0], [1, 1, 1, 1]])
    # mean 1, variance 1.5
    np.testing.assert_allclose(
        without["input_values"][0], np.array([0, 2, -1, -1]) / np.sqrt(1.5), atol=1e-6
    )
    assert "attention_mask" not in without


def test_rows_of_several_lengths_are_a_list_and_of_one_an_array() -> None:
    extractor = FeatureExtractor()
    assert isinstance(extractor(utterances(5, 6))["input_values"], list)
    assert extractor(utterances(6, 6))["input_values"].shape == (2, 6)
    assert extractor(utterances(6)[0])["input_values"].shape == (1, 6)


@pytest.mark.parametrize(
    ("speech", "options", "message"),
    [
        (np.ones(9), {"sampling_rate": 8000}, "must be 16000 Hz, got 8000"),
        (np.ones((2, 3, 4)), {}, r"must be mono.*got \(3, 4\)"),
        ([np.ones((2, 3))], {}, r"must be mono.*got \(2, 3\)"),
        ([], {}, "must have samples"),
        ([np.ones(3), np.ones(0)], {}, "must have samples"),
        (["a.wav"], {}, "a.wav: no such file"),
        ([{}], {}, "must be numbers"),
        (np.ones(9), {"padding": "max_length"}, "need max_length"),
        (np.ones(9), {"truncation": True}, "need max_length"),
        (np.ones(9), {"truncation": True, "max_length": 0}, "must be at least 1, got 0"),
        (np.ones(9), {"padding": "shortest"}, "got 'shortest'"),
    ],
)
def test_bad_speech_is_refused(speech: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        FeatureExtractor()(speech, **options)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"return_attention_mask": True, "do_normalize": False},
        {"sampling_rate": 8000, "padding_value": 0.5, "padding_side": "left"},
    ],
)
def test_files_go_to_transformers_and_back(tmp_path: Path, fields: dict[str, Any]) -> None:
    ours = FeatureExtractor(**fields)
    ours.save_pretrained(tmp_path / "ours")
    theirs = Wav2Vec2FeatureExtractor.from_pretrained(tmp_path / "ours")
    theirs.save_pretrained(tmp_path / "theirs")
    saved = {name: getattr(theirs, name) for name in theirs.to_dict() if hasattr(ours, name)}
    assert FeatureExtractor(**saved) == ours
    assert FeatureExtractor.from_pretrained(tmp_path / "ours") == ours
    assert FeatureExtractor.from_pretrained(tmp_path / "theirs") == ours


def test_a_nested_processor_config_counts_first_and_any_other_not(tmp_path: Path) -> None:
    plain = {"do_normalize": True, "processor_class": "Wav2Vec2Processor", "unknown": 1}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(plain))
    (tmp_path / "processor_config.json").write_text(json.dumps({"processor_class": "X"}))
    assert FeatureExtractor.from_pretrained(tmp_path).do_normalize
    nested = {"feature_extractor": {"do_normalize": False}}
    (tmp_path / "processor_config.json").write_text(json.dumps(nested))
    assert not FeatureExtractor.from_pretrained(tmp_path).do_normalize
    assert not Wav2Vec2FeatureExtractor.from_pretrained(tmp_path).do_normalize


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        ("{", "not readable as JSON"),
        ("[]", "a JSON object is wanted"),
        ('{"feature_extractor_type": "WhisperFeatureExtractor"}', "WhisperFeatureExtractor"),
        ('{"feature_extractor_type": []}', "feature_extractor_type"),
        ('{"feature_size": 80}', "feature_size"),
        ('{"sampling_rate": "16000"}', "sampling_rate"),
        ('{"sampling_rate": 0}', "sampling_rate"),
        ('{"padding_value": NaN}', "padding_value"),
        ('{"padding_side": []}', "padding_side"),
        ('{"do_normalize": 1}', "do_normalize"),
        (
            '{"return_attention_mask": null, "padding_side": "up"}',
            "padding_side 'up', return_attention",
        ),
    ],
)
def test_a_bad_config_is_refused_by_name(tmp_path: Path, contents: str, message: str) -> None:
    (tmp_path / "preprocessor_config.json").write_text(contents)
    for read in (FeatureExtractor.from_pretrained, feature_extractor):
        with pytest.raises(UserError, match=f"preprocessor_config.json: .*{message}"):
            read(tmp_path)


def test_a_missing_config_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"preprocessor_config\.json: no such file"):
        FeatureExtractor.from_pretrained(tmp_path)
    (tmp_path / "processor_config.json").write_text('{"feature_extractor": []}')
    with pytest.raises(UserError, match=r"processor_config\.json: feature_extractor must be"):
        FeatureExtractor.from_pretrained(tmp_path)


# The extractor of log-mel features


def assert_log_mel_equals_transformers(
    fields: dict[str, Any], speech: Any, **options: Any
) -> dict[str, Any]:
    theirs = SeamlessM4TFeatureExtractor(**fields)
    wanted = theirs(speech, sampling_rate=16000, return_tensors="np", **options)
    given = LogMelFeatureExtractor(**fields)(speech, sampling_rate=16000, **options)
    assert given.keys() == wanted.keys()
    assert given["input_features"].dtype == np.float32
    np.testing.assert_allclose(given["input_features"], wanted["input_features"], rtol=0, atol=1e-3)
    if "attention_mask" in wanted:
        assert given["attention_mask"].dtype == np.int32
        np.testing.assert_array_equal(given["attention_mask"], wanted["attention_mask"])
    return given


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"return_attention_mask": False},
        {"pad_to_multiple_of": None},
        {"pad_to_multiple_of": 16},
        {"pad_to_multiple_of": 3},
        {"padding": "max_length", "max_length": 41},
        {"padding": "max_length", "max_length": 9, "truncation": True},
        {"padding": "longest", "max_length": 9, "truncation": True, "pad_to_multiple_of": None},
    ],
    ids=str,
)
@pytest.mark.parametrize(
    "fields",
    [{}, {"padding_value": 1}, {"padding_side": "left"}, {"return_attention_mask": False}],
    ids=str,
)
def test_log_mel_equals_transformers(fields: dict[str, Any], options: dict[str, Any]) -> None:
    # 30, 19 and 24 windows; then one utterance alone, of an odd number
    speech = utterances(5040, 3280, 4090)
    assert_log_mel_equals_transformers(fields, speech, **options)
    assert_log_mel_equals_transformers(fields, speech[1], **options)


def test_log_mel_of_real_speech_equals_transformers() -> None:
    speech = [audio.load(AUDIO / name) for name in ("librispeech_sample.flac", "jfk.flac")]
    given = assert_log_mel_equals_transformers({}, speech)
    assert given["input_features"].shape == (2, 549, 160)
    assert given["attention_mask"].sum(axis=1).tolist() == [332, 549]


def test_log_mel_without_padding_has_whole_frames_only() -> None:
    speech = utterances(5040, 3280)
    features = LogMelFeatureExtractor()(speech, padding=False)
    assert [len(row) for row in features["input_features"]] == [15, 9]
    assert [row.tolist() for row in features["attention_mask"]] == [[1] * 15, [1] * 9]
    assert_log_mel_equals_transformers({}, speech[1], padding=False)


def test_log_mel_of_too_little_speech_is_finite_and_masked() -> None:
    # transformers fails below one window, and divides by zero with one
    features = LogMelFeatureExtractor()(utterances(5040, 1, 399, 400, 559))
    assert np.isfinite(features["input_features"]).all()
    assert features["attention_mask"].sum(axis=1).tolist() == [15, 0, 0, 0, 0]
    alone = LogMelFeatureExtractor()(utterances(100)[0])
    assert alone["input_features"].shape == (1, 0, 160)
    assert alone["attention_mask"].shape == (1, 0)


@pytest.mark.parametrize(
    ("speech", "options", "message"),
    [
        (np.ones(900), {"sampling_rate": 8000}, "must be 16000 Hz, got 8000"),
        ([np.ones((2, 3))], {}, r"must be mono.*got \(2, 3\)"),
        (np.ones(0), {}, "must have samples"),
        (np.ones(900), {"padding": "max_length"}, "need max_length"),
        (np.ones(900), {"padding": "shortest"}, "got 'shortest'"),
    ],
)
def test_bad_speech_for_log_mel_is_refused(
    speech: Any, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        LogMelFeatureExtractor()(speech, **options)


def test_log_mel_files_go_to_transformers_and_back(tmp_path: Path) -> None:
    ours = LogMelFeatureExtractor(padding_value=1, padding_side="left")
    ours.save_pretrained(tmp_path / "ours")
    theirs = AutoFeatureExtractor.from_pretrained(tmp_path / "ours")
    assert isinstance(theirs, SeamlessM4TFeatureExtractor)
    theirs.save_pretrained(tmp_path / "theirs")
    assert {name: getattr(theirs, name) for name in vars(ours)} == vars(ours)
    for folder in ("ours", "theirs"):
        assert feature_extractor(tmp_path / folder) == ours
        assert LogMelFeatureExtractor.from_pretrained(tmp_path / folder) == ours
        with pytest.raises(UserError, match="'SeamlessM4TFeatureExtractor' is not 'Wav2Vec2F"):
            FeatureExtractor.from_pretrained(tmp_path / folder)


def test_the_extractor_is_picked_by_the_files(tmp_path: Path) -> None:
    def picked(**files: dict[str, Any]) -> type:
        for name in ("preprocessor_config", "processor_config"):
            (tmp_path / f"{name}.json").unlink(missing_ok=True)
            if name in files:
                (tmp_path / f"{name}.json").write_text(json.dumps(files[name]))
        return type(feature_extractor(tmp_path))

    waveform, log_mel = FeatureExtractor, LogMelFeatureExtractor
    seamless = {"feature_extractor_type": "SeamlessM4TFeatureExtractor"}
    bert = {"processor_class": "Wav2Vec2BertProcessor"}
    assert picked(preprocessor_config={}) is waveform
    assert picked(preprocessor_config={"processor_class": "Wav2Vec2Processor"}) is waveform
    assert picked(preprocessor_config=seamless) is log_mel
    assert picked(preprocessor_config=bert) is log_mel
    assert picked(preprocessor_config={**bert, "feature_extractor_type": waveform.kind}) is waveform
    assert picked(processor_config={"feature_extractor": seamless}) is log_mel
    assert picked(processor_config={"feature_extractor": {"stride": 2}, **bert}) is log_mel
    assert picked(preprocessor_config=seamless, processor_config={"x": 1}) is log_mel
    assert picked(preprocessor_config=seamless, processor_config={"feature_extractor": {}}) is (
        waveform
    )


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"num_mel_bins": 128}, "num_mel_bins must be 80, got 128"),
        ({"stride": 4}, "stride must be 2, got 4"),
        ({"stride": None}, "stride must be 2, got None"),
        ({"sampling_rate": 8000}, "sampling_rate must be 16000, got 8000"),
        ({"padding_side": "up", "feature_size": 0}, "invalid value of feature_size 0, padding_s"),
    ],
)
def test_unsupported_log_mel_is_refused_by_name(
    tmp_path: Path, fields: dict[str, Any], message: str
) -> None:
    values = {"feature_extractor_type": "SeamlessM4TFeatureExtractor", **fields}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(values))
    with pytest.raises(UserError, match=rf"preprocessor_config\.json: {message}"):
        feature_extractor(tmp_path)
