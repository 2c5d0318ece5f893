"""Typical first steps of transformers' users.

docs/coming-from-transformers.md lists those that do not work.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import transformers

from tests.models.test_keras_habits import SAMPLES, small_config, small_model, speech
from tests.support import reference
from wav2vec2_tf import (
    AutoModel,
    AutoModelForAudioClassification,
    AutoModelForCTC,
    AutoProcessor,
    UserError,
    Wav2Vec2Config,
    Wav2Vec2Model,
    audio,
)
from wav2vec2_tf.data.bundled import BUNDLED_MODEL, BUNDLED_SPEECH
from wav2vec2_tf.models import families
from wav2vec2_tf.models.auto import MODELS, AutoConfig
from wav2vec2_tf.models.batch_feature import BatchFeature
from wav2vec2_tf.models.feature_extractor import FeatureExtractor, LogMelFeatureExtractor
from wav2vec2_tf.models.processor import Processor

RATE: dict[str, Any] = {"sampling_rate": 16_000}


@pytest.fixture(scope="module")
def processor() -> Processor:
    return AutoProcessor.from_pretrained(BUNDLED_MODEL)


@pytest.fixture(scope="module")
def their_processor() -> Any:
    return transformers.Wav2Vec2Processor.from_pretrained(BUNDLED_MODEL)


def utterances(*lengths: int) -> list[np.ndarray]:
    return [reference.noise(samples, seed=samples) for samples in lengths]


# What a processor returns


@pytest.mark.parametrize(("kind", "type_"), [("np", np.ndarray), ("tf", tf.Tensor)])
def test_features_by_item_and_by_attribute(processor: Processor, kind: str, type_: type) -> None:
    inputs: Any = processor(
        utterances(800, 500),
        return_tensors=kind,
        padding=True,
        return_attention_mask=True,
        **RATE,
    )
    assert list(inputs.keys()) == ["input_values", "attention_mask"]
    assert inputs.input_values is inputs["input_values"]
    assert isinstance(inputs["input_values"], type_)
    assert inputs.input_values.shape == inputs.attention_mask.shape == (2, 800)
    assert dict(**inputs).keys() == inputs.keys()
    with pytest.raises(AttributeError, match="no input_value, only .*did you mean input_values"):
        _ = inputs.input_value
    assert not hasattr(inputs, "labels")


def test_tensors_need_rows_of_one_length(processor: Processor) -> None:
    with pytest.raises(UserError, match="input_values of lengths 800, 500: add padding=True"):
        processor(utterances(800, 500), return_tensors="np")
    with pytest.raises(UserError, match="must be 'np', 'tf' or None, got 'pt'"):
        processor(utterances(800), return_tensors="pt")
    assert processor(text="ONE", return_tensors="np").labels.shape == (1, 3)
    with pytest.raises(UserError, match="labels of lengths 3, 2"):
        processor(text=["ONE", "TO"], return_tensors="tf")


@pytest.mark.parametrize("masked", [None, True])
@pytest.mark.parametrize(
    "options",
    [{}, {"pad_to_multiple_of": 64}, {"padding": "max_length", "max_length": 900}],
    ids=str,
)
def test_pad_equals_transformers(
    processor: Processor, their_processor: Any, options: dict[str, Any], masked: bool | None
) -> None:
    """Padding as in the collators of tutorials on fine-tuning equals transformers'."""
    rows = utterances(800, 500)
    labels = [{"input_ids": [5, 6, 7]}, {"input_ids": [8]}]
    items = [{"input_values": processor(row, **RATE).input_values[0]} for row in rows]
    options = {**options, "return_tensors": "np"}
    given = processor.pad(items, return_attention_mask=masked, **options)
    wanted = their_processor.feature_extractor.pad(items, return_attention_mask=masked, **options)
    given_labels = processor.pad(labels=labels, **options)
    wanted_labels = their_processor.pad(labels=labels, **options)
    for ours, theirs in ((given, wanted), (given_labels, wanted_labels)):
        assert ours.keys() == theirs.keys()
        for name in theirs:
            np.testing.assert_array_equal(ours[name], theirs[name])
    both = processor.pad(items, labels=labels, **options)
    np.testing.assert_array_equal(both.labels, wanted_labels["input_ids"])


def test_pad_for_log_mel_features_equals_transformers() -> None:
    ours, theirs = LogMelFeatureExtractor(), transformers.SeamlessM4TFeatureExtractor()
    items = [dict(ours(row, return_tensors="np", **RATE)) for row in utterances(8000, 5000)]
    items = [{name: value[0] for name, value in item.items()} for item in items]
    given = ours.pad(items, return_tensors="np")
    wanted = theirs.pad(items, return_tensors="np")
    assert given.keys() == wanted.keys()
    for name in wanted:
        np.testing.assert_array_equal(given[name], wanted[name])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda p: p.pad(), "needs input_features or labels, got neither"),
        (lambda p: p.pad([{"speech": [1.0]}]), "must be a list of dicts with input_values"),
        (lambda p: p.pad([[1.0]]), "must be a list of dicts with input_values"),
        (lambda p: p.pad([{"input_values": [1.0], "labels": [1]}]), "pass labels as labels="),
        (lambda p: p.pad([{"input_values": [[1.0]]}]), r"one utterance in each item.*\(1, 1\)"),
        (lambda p: p.pad(labels=[{"ids": [1]}]), "must hold input_ids or labels, got ids"),
    ],
)
def test_pad_says_what_it_takes(processor: Processor, call: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        call(processor)


def test_offsets_equal_transformers(processor: Processor, their_processor: Any) -> None:
    assert processor.tokenizer is not None
    random = np.random.default_rng(0)
    delimiter = processor.tokenizer.word_delimiter_token_id or 0
    ids = random.choice([0, 0, delimiter, 5, 5, 6, 7], size=(3, 60))
    for options in (
        {"output_word_offsets": True},
        {"output_char_offsets": True},
        {"output_word_offsets": True, "output_char_offsets": True},
    ):
        given = processor.batch_decode(ids, **options)
        wanted = their_processor.batch_decode(ids, **options)
        assert given.text == wanted.text
        assert given.char_offsets == (wanted.char_offsets if "char_offsets" in wanted else None)
        assert given.word_offsets == (wanted.word_offsets if "word_offsets" in wanted else None)
        one, other = processor.decode(ids[0], **options), their_processor.decode(ids[0], **options)
        assert (one.text, one.word_offsets) == (other.text, other.word_offsets)
    with pytest.raises(UserError, match="offsets need group_tokens=True"):
        processor.decode(ids[0], output_word_offsets=True, group_tokens=False)


def test_the_extractor_says_its_rate(processor: Processor) -> None:
    assert processor.feature_extractor.sampling_rate == 16_000


# Speech


def test_paths_are_taken_where_arrays_are(processor: Processor) -> None:
    speech, path = audio.load(BUNDLED_SPEECH), str(BUNDLED_SPEECH)
    wanted = processor(speech, **RATE).input_values
    for given in (path, Path(path), [path], [Path(path)], BUNDLED_SPEECH.read_bytes()):
        np.testing.assert_array_equal(processor(given).input_values, wanted)
    mixed = processor([speech[:1000], path], padding=True).input_values
    assert mixed.shape == (2, len(speech))
    with pytest.raises(UserError, match="none.flac"):
        processor("none.flac")


@pytest.mark.parametrize(
    ("speech", "options", "message"),
    [
        (np.zeros((16_000, 2), np.float32), {}, r"must be mono.*\(16000, 2\).*mean\(axis=1\)"),
        ([np.zeros((2, 16_000), np.float32)], {}, r"must be mono.*\(2, 16000\).*mean\(axis=0\)"),
        (np.zeros((1, 2, 900), np.float32), {}, r"must be mono.*\(2, 900\)"),
        (np.zeros(900), {"sampling_rate": 44_100}, "must be 16000 Hz, got 44100: resample"),
        (np.array([0.0, np.nan]), {}, "must be finite, got nan at sample 1"),
        ([[0.0, np.inf]], {}, "must be finite, got inf at sample 1"),
        (np.float32(1.0), {}, r"must be mono.*got \(\)"),
        (np.array(["a"]), {}, "must be numbers"),
    ],
)
@pytest.mark.parametrize("extractor", [FeatureExtractor(), LogMelFeatureExtractor()], ids=str)
def test_one_clear_error_for_arrays_that_are_no_speech(
    extractor: Any, speech: Any, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=message) as raised:
        extractor(speech, **options)
    assert "\n" not in str(raised.value)


# Models


def test_keywords_give_fields_and_positions_a_tensor(processor: Processor) -> None:
    model = AutoModelForCTC.from_pretrained(BUNDLED_MODEL)
    inputs = processor(
        utterances(8000, 5000),
        return_tensors="np",
        padding=True,
        return_attention_mask=True,
        **RATE,
    )
    wanted = model(inputs.input_values, np.array([8000, 5000])).numpy()
    for given in (
        model(**inputs).logits,
        model(inputs.input_values, attention_mask=inputs.attention_mask).logits,
        model(inputs.input_values, attention_mask=inputs.attention_mask)[0],
        model(inputs.input_values, lengths=[8000, 5000], return_dict=True).logits,
        model(**inputs, return_dict=False),
        model(dict(inputs)),
        model((inputs.input_values, inputs.attention_mask)),
    ):
        np.testing.assert_array_equal(given, wanted)
    assert tf.is_tensor(model(inputs.input_values))
    more = model(**inputs, output_hidden_states=True)
    assert len(more.hidden_states) == model.config.num_hidden_layers + 1
    np.testing.assert_array_equal(
        model.base_model(**inputs).last_hidden_state[:, :, 0].shape, (2, 24)
    )
    texts = processor.batch_decode(tf.argmax(model(**inputs).logits, axis=-1))
    assert len(texts) == 2


@pytest.mark.parametrize("head", MODELS)
def test_every_head_gives_fields(head: str) -> None:
    model = MODELS[head](small_config())
    output = model(input_values=speech(), attention_mask=np.ones((3, SAMPLES), np.int32))
    name = {families.BASE: "last_hidden_state", families.PRE_TRAINING: "projected_states"}
    assert getattr(output, name.get(head, "logits")).shape[0] == 3


def test_log_mel_features_are_input_features() -> None:
    model = Wav2Vec2Model(small_config("wav2vec2-bert"))
    inputs = LogMelFeatureExtractor()(utterances(8000, 5000), return_tensors="tf", **RATE)
    frames = np.asarray(inputs.attention_mask).sum(axis=1)
    np.testing.assert_array_equal(
        model(**inputs).last_hidden_state, model(inputs.input_features, frames)
    )


MASK = np.ones((3, SAMPLES), np.int32)


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"attention_mask": np.eye(3, SAMPLES, 1)}, "for padding in each row, got 0 before 1 in"),
        ({"attention_mask": MASK[0]}, r"must be \(batch, samples\), got shape \(4000,\)"),
        ({"attention_mask": MASK, "lengths": [1, 2, 3]}, "attention_mask or lengths, not both"),
        ({"input_features": speech()}, "once, got input_values and input_features"),
        ({"labels": [[1]]}, r"take no labels: compile the model with loss=CTCLoss\(\)"),
    ],
)
def test_what_a_model_cannot_take_is_refused(keywords: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message) as raised:
        small_model()(input_values=speech(), **keywords)
    assert "\n" not in str(raised.value)


def test_the_first_argument_is_given_once() -> None:
    with pytest.raises(UserError, match="once, got a positional one and input_values"):
        small_model()(speech(), input_values=speech())
    with pytest.raises(UserError, match="once, got none"):
        small_model()(attention_mask=MASK)


def test_the_feature_encoder_can_be_frozen() -> None:
    for model in (small_model(), Wav2Vec2Model(small_config())):
        model.freeze_feature_encoder()
        model.build()
        assert not any("feature_encoder" in v.path for v in model.trainable_variables)
        assert model.trainable_variables
    Wav2Vec2Model(small_config("wav2vec2-bert")).freeze_feature_encoder()  # it has none


# Configs and names of models


@pytest.mark.parametrize("kind", families.FAMILIES)
def test_configs_are_read_and_written(kind: str, tmp_path: Path) -> None:
    config = small_config(kind)
    config.save_pretrained(tmp_path)
    assert type(config).from_pretrained(tmp_path) == config
    assert AutoConfig.from_pretrained(str(tmp_path)) == config
    assert AutoConfig.from_pretrained(tmp_path, vocab_size=9).vocab_size == 9
    theirs = transformers.AutoConfig.from_pretrained(tmp_path)
    assert (theirs.model_type, theirs.hidden_size) == (kind, 16)
    other = next(f.config for f in families.MEMBERS if not isinstance(config, f.config))
    with pytest.raises(UserError, match=rf"model_type must be .*got {kind}: use \w+ or AutoConfig"):
        other.from_pretrained(tmp_path)
    with pytest.raises(UserError, match="no field hidden_sizes; did you mean hidden_size"):
        AutoConfig.from_pretrained(tmp_path, hidden_sizes=9)


def test_a_config_is_of_files_alone_too(tiny_folders: dict[str, Path]) -> None:
    folder = tiny_folders["group"]
    assert Wav2Vec2Config.from_pretrained(folder / "model.safetensors") == (
        AutoConfig.from_pretrained(folder)
    )


def test_bundled_names_the_model_of_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    config = AutoConfig.from_pretrained("bundled")
    assert config == AutoConfig.from_pretrained(BUNDLED_MODEL)
    model, processor = (
        AutoModel.from_pretrained("bundled"),
        AutoProcessor.from_pretrained("bundled"),
    )
    assert model.config == config
    assert processor.tokenizer is not None
    AutoModelForCTC.from_config(config)
    # A folder of that name counts.
    (tmp_path / "bundled").mkdir()
    small_config().save_pretrained(tmp_path / "bundled")
    assert AutoConfig.from_pretrained("bundled") == small_config()


def test_a_new_head_for_classes(tiny_folders: dict[str, Path]) -> None:
    """The first line of tutorials on audio classification works."""
    model = AutoModelForAudioClassification.from_pretrained(tiny_folders["group"], num_labels=5)
    assert model(input_values=speech()).logits.shape == (3, 5)


def test_batch_feature_is_a_dict() -> None:
    batch = BatchFeature(a=1)
    assert batch == {"a": 1}
    assert batch.to_tensors("np").a == 1
    with pytest.raises(AttributeError, match="no b, only a"):
        _ = batch.b


def test_what_the_processor_returns_is_an_input_of_keras(processor: Processor) -> None:
    model = AutoModelForCTC.from_pretrained("bundled")
    inputs = processor(utterances(800), return_tensors="np", **RATE)
    assert isinstance(model(inputs), tf.Tensor)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (
            {"attention_mask": np.ones((3, 7))},
            r"^attention_mask must have .*\(3, \d+\), got \(3, 7\)",
        ),
        ({"attention_mask": np.ones((2, SAMPLES))}, r"^attention_mask must have .* got \(2, "),
        (
            {"lengths": [1]},
            r"^lengths must be integers of shape \(3,\).* of shape \(1,\)$",
        ),
    ],
)
def test_masks_and_lengths_of_another_shape(inputs: dict[str, Any], message: str) -> None:
    """Each error is one line, without what Keras adds to exceptions of layers."""
    with pytest.raises(UserError, match=message) as raised:
        small_model()(input_values=speech(), **inputs)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("argument", "advice"),
    [
        ({"torch_dtype": "float16"}, "it is dtype= here"),
        ({"device_map": "auto"}, "leave it out"),
        ({"num_hiden_layers": 3}, "did you mean num_hidden_layers"),
    ],
)
def test_arguments_of_from_pretrained_that_are_not_offered(
    argument: dict[str, Any], advice: str
) -> None:
    with pytest.raises(
        UserError, match=f"the config has no field {next(iter(argument))}.*{advice}"
    ):
        AutoModelForCTC.from_pretrained("bundled", **argument)


def test_ids_not_logits(processor: Processor) -> None:
    with pytest.raises(UserError, match="ids must be integers, got float64: give logits.argmax"):
        processor.batch_decode(np.zeros((1, 3, 32)))
