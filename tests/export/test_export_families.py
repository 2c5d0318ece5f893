"""SavedModels of every family and head; `test_saved_model.py` has the contract."""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from safetensors.numpy import load_file, save_file

from convert.__main__ import main
from convert.saved_model import write_expected
from tests.support import reference
from tests.support.exported import FIXED, HEADED, SavedModel, checkpoint, padded_batch
from tests.support.hub_pages import run_with_hub
from tests.support.paths import FAIRSEQ
from tests.support.reference import difference
from wav2vec2_tf import Processor, Recognizer, UserError
from wav2vec2_tf.export import check, saved_model
from wav2vec2_tf.export.saved_model import Structure
from wav2vec2_tf.models import families
from wav2vec2_tf.models.auto import MODELS
from wav2vec2_tf.models.pretrained import SAVED_MODEL_FACTS

TOLERANCE = 5e-5  # half the contract's; BERT's adapter amplifies rounding most
LENGTHS = np.array([FIXED, 2345, 399], np.int32)
VARIANTS = (
    *("wav2vec2-adapter", "hubert-batch-norm", "wavlm-layer", "data2vec-audio-adapter"),
    *("unispeech", "unispeech-sat", "conformer-adapter", "bert-adapter"),
)
"""Every family and every adapter; `test_saved_model.py` has wav2vec2's two styles."""
TRAINED = ("hubert-batch-norm", "wavlm-layer", "conformer-adapter", "bert-adapter")
"""Variants that are trained; the others are traced for inference only, to save time."""


BERT = "bert-adapter"


def cases(*names: str) -> list[Any]:
    """Returns a parameter for each variant or head, whose tests share an export.

    In the fast tier, Wav2Vec2-BERT and the head of pre-training, which has most outputs, stand for
    the others.
    """
    fast = (BERT, families.PRE_TRAINING)
    return [
        pytest.param(
            name,
            marks=[pytest.mark.xdist_group(name), *([] if name in fast else [pytest.mark.slow])],
        )
        for name in names
    ]


def run(*arguments: Any) -> int:
    return main([str(argument) for argument in arguments])


@pytest.fixture
def ctc(exported: Callable[..., SavedModel], request: pytest.FixtureRequest) -> Any:
    """Exports a variant with a CTC head; only `TRAINED` ones accept `training=True`."""

    def export(variant: str) -> SavedModel:
        if variant == BERT:
            return request.getfixturevalue("bert")
        return exported(variant, families.CTC, trainable=variant in TRAINED)

    return export


def test_every_family_is_exported() -> None:
    kinds = {reference.VARIANTS[variant][0] for variant in (*VARIANTS, "wav2vec2-group")}
    assert kinds == {member.name for member in families.MEMBERS}


@pytest.mark.parametrize("variant", cases(*VARIANTS))
def test_outputs_equal_the_model_s(variant: str, ctc: Any) -> None:
    it = ctc(variant)
    speech = padded_batch(0.0)
    wanted = it.model(speech)
    frames = it.model.config.frame_length(FIXED)
    assert wanted.shape == (3, frames, len(reference.TOKENS))
    signatures = it.loaded.signatures
    of_features = {"from_features"} if it.takes_features else set()
    assert set(signatures) == {"serving_default", "with_lengths", "transcribe"} | of_features
    assert difference(it.loaded(speech), wanted) < TOLERANCE
    assert difference(signatures["serving_default"](speech=speech)["logits"], wanted) < TOLERANCE
    for saved, variable in zip(it.loaded.variables, it.model.variables, strict=True):
        np.testing.assert_array_equal(saved, variable)
    assert len(it.loaded.trainable_variables) == len(it.model.trainable_variables)


@pytest.mark.parametrize("variant", cases(*VARIANTS))
def test_padding_has_no_influence(variant: str, ctc: Any) -> None:
    it = ctc(variant)
    noisy = padded_batch(np.nan)
    mask = tf.cast(tf.sequence_mask(LENGTHS, FIXED), tf.int32)
    outputs = it.loaded.signatures["with_lengths"](speech=noisy, lengths=tf.constant(LENGTHS))
    compiled = tf.function(it.loaded, jit_compile=True)
    for logits in (outputs["logits"], it.loaded((noisy, mask)), compiled((noisy, mask))):
        for row, samples, frames in zip(logits, LENGTHS, outputs["frame_lengths"], strict=True):
            speech = reference.noise(samples, seed=1 + samples)[np.newaxis]
            alone = it.model(speech)[0]
            assert len(alone) == frames
            assert difference(row[:frames], alone) < TOLERANCE


@pytest.mark.parametrize("variant", cases(*VARIANTS))
def test_transcribe_equals_the_recognizer(variant: str, ctc: Any) -> None:
    it = ctc(variant)
    utterances = [0.1 * reference.noise(samples, seed=samples) for samples in (FIXED, 2600, 900)]
    recognizer = Recognizer.load(it.source)
    assert recognizer.minimum_length == (560 if it.takes_features else 400)
    wanted = recognizer.transcribe(utterances, length=FIXED)
    assert any(transcript.words for transcript in wanted)
    stride = it.model.config.stride / 16_000
    for transcript, utterance in zip(wanted, utterances, strict=True):
        for word in transcript.words:
            assert 0 <= word.start < word.end <= len(utterance) / 16_000 + stride
            assert word.end / stride == pytest.approx(round(word.end / stride))
    got = it.loaded.signatures["transcribe"](
        speech=tf.constant(reference.padded(utterances, FIXED, np.nan)),
        lengths=tf.constant([len(utterance) for utterance in utterances]),
    )
    got = {name: column.numpy() for name, column in got.items()}
    assert [text.decode() for text in got["text"]] == [transcript.text for transcript in wanted]
    for row, transcript in enumerate(wanted):
        assert got["count"][row] == len(transcript.words)
        for column, word in enumerate(transcript.words):
            assert got["words"][row, column].decode() == word.text
            for field in ("start", "end", "confidence"):
                assert got[field][row, column] == pytest.approx(getattr(word, field), abs=1e-4)


@pytest.mark.parametrize("variant", cases("wav2vec2-adapter", BERT))
def test_recognizer_takes_the_saved_model(variant: str, ctc: Any) -> None:
    it = ctc(variant)
    utterances = [0.1 * reference.noise(samples, seed=samples) for samples in (FIXED, 2600)]
    ours, theirs = (
        Recognizer.load(place).transcribe(utterances, length=FIXED)
        for place in (it.folder, it.source)
    )
    for one, other in zip(ours, theirs, strict=True):
        assert one.text == other.text
        assert [(w.text, w.start, w.end) for w in one.words] == [
            (w.text, w.start, w.end) for w in other.words
        ]


# Wav2Vec2-BERT's features


@pytest.mark.xdist_group(BERT)
def test_features_in_place_of_speech(bert: SavedModel) -> None:
    it = bert
    frames = it.model.config.encoder_frames(FIXED)
    lengths = np.array([frames, 7, 1, 0], np.int32)
    features = reference.noise(4, frames, 160)
    silenced = np.where((np.arange(frames) < lengths[:, np.newaxis])[..., np.newaxis], features, 0)
    noisy = np.where(silenced == 0, np.nan, features).astype(np.float32)
    wanted = it.model(tf.constant(features), lengths)
    assert difference(it.loaded(tf.constant(features)), it.model(features)) < TOLERANCE
    mask = tf.cast(tf.sequence_mask(lengths, frames), tf.int32)
    lengths = tf.constant(lengths)
    for inputs in (
        (noisy, lengths),
        [noisy, lengths],
        (noisy, mask),
        {"input_features": noisy, "lengths": lengths},
        {"input_features": noisy, "attention_mask": mask},
    ):
        inputs = tf.nest.map_structure(tf.convert_to_tensor, inputs)
        assert difference(it.loaded(inputs), wanted) < TOLERANCE
    signature = it.loaded.signatures["from_features"]
    got = signature(input_features=tf.constant(noisy), lengths=lengths)
    assert difference(got["logits"], wanted) < TOLERANCE
    # the adapter's two layers halve the frames twice
    assert got["frame_lengths"].numpy().tolist() == [
        it.model.config.adapted_frames(n) for n in (frames, 7, 1, 0)
    ]
    assert it.loaded(tf.constant(features), training=True).shape == wanted.shape


# Heads


@pytest.mark.parametrize("head", cases(*HEADED))
def test_every_head(head: str, exported: Any, tmp_path: Path) -> None:
    it = exported(HEADED[head], head)
    outputs = it.loaded.signatures["serving_default"].structured_outputs
    names = {
        families.PRE_TRAINING: [
            *("codevector_perplexity", "projected_quantized_states", "projected_states"),
        ],
        families.X_VECTOR: ["embeddings", "logits"],
    }
    assert sorted(outputs) == names.get(head, ["logits"])
    of_frames = head not in (families.SEQUENCE, families.X_VECTOR)
    with_lengths = it.loaded.signatures["with_lengths"].structured_outputs
    assert set(with_lengths) == {*outputs, *(["frame_lengths"] if of_frames else [])}
    result = it.loaded(padded_batch(0.0))
    assert isinstance(result, dict) == (len(outputs) > 1)
    processor = Processor.from_pretrained(it.source)
    write_expected(it.model, processor, FIXED, False, tmp_path / "expected.npz")
    off = check.differences(str(it.folder), str(tmp_path / "expected.npz"))
    ways = {"serving_default", "with_lengths", "__call__", "__call__ with lengths"}
    if it.takes_features:
        ways |= {"from_features", "__call__ of features"}
    assert set(off) == ways | ({"quantized"} if head == families.PRE_TRAINING else set())
    assert max(off.values()) < TOLERANCE
    architectures = json.loads((it.folder / SAVED_MODEL_FACTS / "config.json").read_text())
    assert architectures["architectures"] == [families.family_of(it.model.config).name + head]
    with pytest.raises(UserError, match="no CTC head"):
        Recognizer.load(it.folder)


def test_outputs_that_a_family_does_not_give_are_left_out(tmp_path: Path) -> None:
    source = checkpoint(tmp_path, "unispeech-sat", families.PRE_TRAINING)
    model = MODELS[families.PRE_TRAINING].from_pretrained(source)
    outputs = saved_model.outputs(model, padded_batch(0.0), None)
    assert sorted(outputs) == ["logits", "projected_states"]


@pytest.mark.xdist_group(families.PRE_TRAINING)
def test_pre_training_anneals_its_temperature(exported: Any) -> None:
    it = exported("wav2vec2-group", families.PRE_TRAINING)
    assert it.loaded.temperature.numpy() == 2.0
    speech = padded_batch(0.0)
    tf.random.set_seed(0)
    chosen = it.loaded(speech, training=True)["projected_quantized_states"]
    assert np.isfinite(chosen).all()
    it.loaded.temperature.assign(np.nan)
    try:
        chosen = it.loaded(speech, training=True)["projected_quantized_states"]
        assert np.isnan(chosen).any()
    finally:
        it.loaded.temperature.assign(2.0)


@pytest.mark.xdist_group(families.PRE_TRAINING)
def test_a_difference_is_found(exported: Any, tmp_path: Path) -> None:
    it = exported("wav2vec2-group", families.PRE_TRAINING)
    expected = tmp_path / "expected.npz"
    write_expected(it.model, Processor.from_pretrained(it.source), FIXED, False, expected)
    arrays = dict(np.load(expected))
    arrays["plain/projected_states"][1, 2] += 0.01
    arrays["masked/projected_states"][1, 2, 3] = np.nan
    arrays["masked/projected_quantized_states"][0, :5] += 1
    np.savez(expected, **arrays)
    off = check.differences(str(it.folder), str(expected))
    for way in ("serving_default", "__call__"):
        assert off[way] == pytest.approx(0.01, abs=1e-4)
    assert np.isnan([off["with_lengths"], off["__call__ with lengths"]]).all()
    frames = it.model.config.frame_length(FIXED)
    assert off["quantized"] == pytest.approx(5 / (2 * frames))


def test_log_softmax_is_of_tokens(tmp_path: Path) -> None:
    source = checkpoint(tmp_path / "source", "hubert-batch-norm", families.SEQUENCE)
    model = MODELS[families.SEQUENCE].from_pretrained(source)
    with pytest.raises(UserError, match="log_softmax needs a CTC head"):
        saved_model.export(model, None, tmp_path / "out", log_softmax=True)


# TensorFlow Hub, where models train

HUB_STRUCTURES = (Structure(), Structure(tuple, "lengths"))
TRAIN = """
import json, sys
import numpy as np
import tensorflow as tf
import tensorflow_hub as hub

report = {}
speech = tf.constant(np.random.default_rng(0).normal(size=(2, 8000)).astype(np.float32))
lengths = tf.constant([8000, 3000])
for folder in sys.argv[1:]:
    layer = hub.KerasLayer(folder, trainable=True)
    before = [v.numpy() for v in layer.non_trainable_variables]
    layer(speech)
    unmoved = [bool((v.numpy() == b).all())
               for v, b in zip(layer.non_trainable_variables, before)]
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(tf.square(layer((speech, lengths), training=True)))
    gradients = tape.gradient(loss, layer.trainable_variables)
    moved = [v.name for v, b in zip(layer.non_trainable_variables, before)
             if (v.numpy() != b).any() and "moving" in v.name]
    report[folder] = {
        "trainable": len(layer.trainable_variables),
        "without": [v.name for v, g in zip(layer.trainable_variables, gradients) if g is None],
        "finite": all(
            np.isfinite(tf.convert_to_tensor(g)).all() for g in gradients if g is not None
        ),
        "unmoved": all(unmoved),
        "moved": sorted({n.split("/")[-1].split(":")[0] for n in moved}),
    }
print(json.dumps(report))
"""


@pytest.mark.slow
@pytest.mark.xdist_group("hub")
def test_training_through_hub(exported: Any) -> None:
    models = {
        variant: exported(variant, families.CTC, structures=HUB_STRUCTURES) for variant in TRAINED
    }
    report = json.loads(run_with_hub(TRAIN, *(it.folder for it in models.values())))
    for variant, it in models.items():
        seen = report[str(it.folder)]
        assert seen["trainable"] == len(it.model.trainable_variables)
        # the mask embedding enters only where SpecAugment draws a frame
        assert [name for name in seen["without"] if "masked_spec_embed" not in name] == []
        assert seen["finite"]
        assert seen["unmoved"]
        with_statistics = variant in ("hubert-batch-norm", "conformer-adapter")
        statistics = ["moving_mean", "moving_variance"]
        assert seen["moved"] == (statistics if with_statistics else []), variant


# MMS


@pytest.fixture(scope="module")
def mms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint with adapters for two languages; French has the shorter alphabet."""
    folder = checkpoint(tmp_path_factory.mktemp("mms") / "in", "mms", families.CTC)
    french = [token.lower() for token in reference.TOKENS[:-4]]
    vocabularies = {
        "eng": {token: index for index, token in enumerate(reference.TOKENS)},
        "fra": {token: index for index, token in enumerate(french)},
    }
    (folder / "vocab.json").write_text(json.dumps(vocabularies))
    reference.write_tokenizer_config(folder, target_lang="eng")
    tensors = load_file(folder / "model.safetensors")
    of_language = {
        key: values
        for key, values in tensors.items()
        if ".adapter_layer." in key or key.startswith("lm_head.")
    }
    save_file(of_language, folder / "adapter.eng.safetensors")
    random = np.random.default_rng(1)
    changed = {}
    for key, values in of_language.items():
        values = values[: len(french)] if key.startswith("lm_head.") else values
        changed[key] = values + random.normal(0, 0.5, values.shape).astype(np.float32)
    save_file(changed, folder / "adapter.fra.safetensors")
    return folder


@pytest.mark.slow
def test_mms_keeps_the_language_it_was_exported_with(
    mms: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert run("saved-model", mms, out, "--length", FIXED, "--target-lang", "fra") == 0
    assert "  transcribe " in capsys.readouterr().out
    utterances = [0.1 * reference.noise(samples, seed=samples) for samples in (FIXED, 2600)]
    texts = {
        language: [
            t.text for t in Recognizer.load(mms, target_lang=language).transcribe(utterances)
        ]
        for language in ("eng", "fra")
    }
    assert texts["eng"] != texts["fra"]
    assert any(text.islower() for text in texts["fra"])
    saved = Recognizer.load(out)
    assert saved.tokenizer.target_lang == "fra"
    assert saved.config.vocab_size == len(reference.TOKENS) - 4
    assert [transcript.text for transcript in saved.transcribe(utterances)] == texts["fra"]
    with pytest.raises(UserError, match="has no adapters of languages; leave target_lang out"):
        Recognizer.load(out, target_lang="fra")
    assert run("package", out, tmp_path / "mms.tar.gz") == 0
    card = (tmp_path / "mms.md").read_text(encoding="utf-8")
    assert "the adapter and the tokens are those of `fra`" in card
    assert "<!-- language: fra -->" in card


@pytest.mark.parametrize("language", ["frb", "frq"])
def test_a_language_that_mms_lacks(
    mms: Path, tmp_path: Path, language: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UserError, match="fra"):
        Recognizer.load(mms, target_lang=language)
    assert run("saved-model", mms, tmp_path / "out", "--target-lang", language) == 1
    shown = capsys.readouterr().err
    assert shown.count("\n") == 1
    assert "fra" in shown
    assert not list(tmp_path.iterdir())


# fairseq


@pytest.mark.parametrize("name", ["finetuned_ctc_group_norm", "finetuned_ctc_layer_norm_cfg"])
def test_recognizer_takes_a_fairseq_file(name: str) -> None:
    with np.load(FAIRSEQ / f"{name}.npz") as arrays:
        speech, logits = arrays["speech"][0], arrays["logits"][0]
    recognizer = Recognizer.load(FAIRSEQ / f"{name}.pt")
    (transcript,) = recognizer.transcribe([speech], length=len(speech))
    letters = (FAIRSEQ / "dict.ltr.txt").read_text().split()[::2]
    tokens = [""] * 4 + letters  # fairseq's own come first, the blank and special tokens
    best = [tokens[index] for index, _ in itertools.groupby(logits.argmax(-1))]
    assert len(transcript.text) > 10
    assert transcript.text.split() == "".join(best).replace("|", " ").split()


def test_a_fairseq_file_without_a_dictionary(tmp_path: Path) -> None:
    alone = Path(shutil.copy(FAIRSEQ / "finetuned_ctc_group_norm.pt", tmp_path))
    with pytest.raises(UserError, match="has no dict.ltr.txt beside it"):
        Recognizer.load(alone)


# Module cards

CARDS = {
    BERT: (
        "Speech recognition: Wav2Vec2-BERT with a CTC head",
        "<!-- task: audio-stt -->",
        "<!-- network-architecture: wav2vec2-bert -->",
        "1 Conformer layers of 24, and an adapter that strides 4",
        "8000 samples (0.5 s), full scale ±1",
        "one frame of output in 80 ms",
        "| `from_features` |",
        "arxiv.org/abs/2312.05187",
    ),
    families.X_VECTOR: ("Speaker embeddings", "`embeddings` float32 (any, 7)"),
    families.SEQUENCE: (
        "Classification of utterances: HuBERT",
        "<!-- task: audio-event-classification -->",
        "<!-- network-architecture: hubert -->",
        "1 Transformer layers of 24, group norm in the feature encoder",
        "zero mean and unit variance\n",
    ),
    families.FRAME: ("Classification of frames", "1 Conformer layers"),
    families.PRE_TRAINING: ("pre-trained", "<!-- task: audio-embedding -->"),
}


@pytest.mark.parametrize("of", cases(*CARDS))
def test_module_card(of: str, ctc: Any, exported: Any, tmp_path: Path) -> None:
    it = ctc(of) if of == BERT else exported(HEADED[of], of)
    assert run("package", it.folder, tmp_path / "it.tar.gz") == 0
    card = (tmp_path / "it.md").read_text(encoding="utf-8")
    for part in CARDS[of]:
        assert part in card, card
