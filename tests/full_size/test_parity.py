"""Parity with PyTorch in float32: the published sizes; every family, format and head, tiny.

All weights are random. tests/tools/parity_table.py makes docs/parity.md of the figures.
"""

from __future__ import annotations

import json
import re
import shutil
from argparse import Namespace
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import torch
from safetensors.torch import save_file

from convert import parity, parity_models
from convert.certificate import Comparison
from convert.parity_inputs import Utterance, bundled_speech, noise, shortest_of
from convert.parity_models import LAST, LOGITS, KerasModel, TorchModel
from convert.verify import TOLERANCE
from tests.support import reference
from tests.support.paths import FAIRSEQ
from tests.support.torch_files import save
from wav2vec2_tf import AutoModel, AutoModelForCTC
from wav2vec2_tf.checkpoint import fairseq, loader
from wav2vec2_tf.checkpoint.lazy_tensor import LazyTensor
from wav2vec2_tf.checkpoint.writer import write_safetensors
from wav2vec2_tf.models import families
from wav2vec2_tf.models.auto import MODELS
from wav2vec2_tf.models.pretrained import WEIGHTS_FILE, read_config

pytestmark = pytest.mark.full_size
SPEECH = 32_000  # samples
REDUCED = {"xls-r-2b": {"num_hidden_layers": 6}}  # of 48: both models at once would not fit
HALF_PRECISION = ("base", "large-lv60", "conformer-rope-large", "w2v-bert-2.0")


def figures(rows: list[Comparison], part: str) -> tuple[float, int]:
    """Returns the largest difference of a part, and its flips."""
    own = [row for row in rows if row.part == part]
    return max(row.max_difference for row in own), sum(row.argmax_flips for row in own)


# the published sizes


def inputs_of(config: Any) -> list[Utterance]:
    """Returns two seconds of real speech, and one frame, to compare alone and as a batch."""
    shortest = shortest_of(config, families.CTC)
    return [bundled_speech(config, SPEECH), noise(config, shortest)]


class Kept(TorchModel):
    """A model that keeps its logits."""

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__(model)
        self.logits: list[np.ndarray] = []

    def run(self, values: np.ndarray, paths: Sequence[str] = ()) -> parity_models.Parts:
        given = super().run(values, paths)
        self.logits.append(given[LOGITS])
        return given


@pytest.mark.parametrize("name", reference.PUBLISHED)
def test_published_size(name: str, tmp_path: Path, record: Callable[..., None]) -> None:
    changes = REDUCED.get(name, {})
    config, seed = (
        reference.published_config(name, **changes),
        list(reference.PUBLISHED).index(name),
    )
    theirs = reference.deep_model(config, seed=seed)  # some are of one architecture
    reference.save_checkpoint(theirs, tmp_path)
    theirs.set_attn_implementation("eager")
    ours = AutoModelForCTC.from_pretrained(tmp_path)
    halves = {}
    if name in HALF_PRECISION:
        for dtype in ("bfloat16", "float16"):
            half = AutoModelForCTC.from_pretrained(tmp_path, dtype=dtype)
            pair = KerasModel(ours), KerasModel(half)
            halves[dtype] = list(parity.compare_half(*pair, inputs_of(ours.config)[0]))
            del pair, half
    shutil.rmtree(tmp_path)
    inputs, config = inputs_of(ours.config), ours.config
    kept = Kept(theirs)
    rows = list(
        parity.compare_models(kept, KerasModel(ours), config, families.CTC, inputs, TOLERANCE)
    )
    # logits that are equal in all frames would be little but biases
    assert kept.logits[0].std(axis=1).max() > 250 * TOLERANCE
    hidden, _ = figures(rows, LAST)
    logits, flips = figures(rows, LOGITS)
    layers = f", {config.num_hidden_layers} of its layers" if changes else ""
    record(
        table="published",
        family=config.model_type,
        checkpoint=name + layers,
        parameters=ours.count_params(),
        last_hidden_state=hidden,
        logits=logits,
        flips=flips,
        log_mel=max((r.max_difference for r in rows if r.part == parity.LOG_MEL), default=None),
        half={dtype: figures(half, LOGITS) for dtype, half in halves.items()},
    )
    assert [row for row in rows if not row.passes] == []


def test_two_billion_parameters_load_whole(tmp_path: Path, record: Callable[..., None]) -> None:
    """Loads XLS-R 2B at its full depth, without PyTorch's model, which would not fit as well."""
    settings = reference.published_config("xls-r-2b").to_dict()
    (tmp_path / "config.json").write_text(json.dumps(settings))
    config = read_config(tmp_path)
    block = np.random.default_rng(0).normal(0, 0.02, 2**22 + 15).astype(np.float32)

    def values(shape: tuple[int, ...], index: int, mean: float) -> np.ndarray:
        return mean + np.resize(np.roll(block, 1009 * index), shape)

    tensors = {}
    for index, (key, tensor) in enumerate(loader.tensors(AutoModel.skeleton(config), "").items()):
        mean = 1.0 if key.endswith(("layer_norm.weight", "original0")) else 0.0
        read = partial(values, tensor.shape, index, mean)
        tensors[key] = LazyTensor(tensor.shape, np.dtype(np.float32), read)
    write_safetensors(tmp_path / WEIGHTS_FILE, tensors)
    model = AutoModel.from_pretrained(tmp_path)
    shutil.rmtree(tmp_path)
    states = model(tf.constant(reference.noise(1, 16_000))).numpy()
    record(table="whole", checkpoint="xls-r-2b", parameters=model.count_params())
    assert states.shape == (1, 49, 1920) and np.isfinite(states).all() and states.std() > 0.1
    assert model.count_params() > 2.1e9


# every family, format and head


def save_safetensors(model: torch.nn.Module, folder: Path) -> None:
    model.save_pretrained(folder)


def save_shards(model: torch.nn.Module, folder: Path) -> None:
    model.save_pretrained(folder, max_shard_size="40KB")
    assert (folder / "model.safetensors.index.json").exists()


def save_bin(model: torch.nn.Module, folder: Path, container: str = "zip") -> None:
    model.config.save_pretrained(folder)
    save(model.state_dict(), folder / "pytorch_model.bin", container)


def save_bin_shards(model: torch.nn.Module, folder: Path) -> None:
    model.config.save_pretrained(folder)
    shard_of = {}
    for index, name in enumerate(model.state_dict()):
        shard_of[name] = f"pytorch_model-0000{index % 3 + 1}-of-00003.bin"
    for shard in set(shard_of.values()):
        own = {n: v.clone() for n, v in model.state_dict().items() if shard_of[n] == shard}
        save(own, folder / shard)
    index_file = folder / "pytorch_model.bin.index.json"
    index_file.write_text(json.dumps({"metadata": {}, "weight_map": shard_of}))


FORMATS = {
    "safetensors": save_safetensors,
    "safetensors in shards": save_shards,
    ".bin": save_bin,
    ".bin in shards": save_bin_shards,
    ".bin before torch 1.6": partial(save_bin, container="stream"),
}
TINY = {
    "wav2vec2": "wav2vec2-layer",
    "hubert": "hubert-batch-norm",
    "wavlm": "wavlm-group",
    "data2vec-audio": "data2vec-audio",
    "unispeech": "unispeech",
    "unispeech-sat": "unispeech-sat",
    "wav2vec2-conformer": "conformer-relative",
    "wav2vec2-bert": "bert",
}
EVERY = [
    (kind, head)
    for kind, family in families.FAMILIES.items()
    for head in (families.BASE, families.CTC, *family.heads)
]


@pytest.mark.parametrize(("family", "head"), EVERY)
def test_every_format(family: str, head: str, tmp_path: Path, record: Callable[..., None]) -> None:
    weighted = {"use_weighted_layer_sum": True} if head in families.CLASSIFIERS else {}
    config = reference.tiny_config(TINY[family], **weighted)
    theirs = reference.strengthen_head(reference.perturbed_model(config, head=head))
    theirs.set_attn_implementation("eager")
    for name, write in FORMATS.items():
        folder = tmp_path / name
        folder.mkdir()
        write(theirs, folder)
        ours = MODELS[head].from_pretrained(folder)
        measure(theirs, ours, name, record)
    assert_depends_on_speech(theirs, ours.config, head)


def short_inputs(config: Any, head: str) -> list[Utterance]:
    return [noise(config, size) for size in (shortest_of(config, head), 6000)]


def assert_depends_on_speech(theirs: torch.nn.Module, config: Any, head: str) -> None:
    """Asserts that outputs depend on speech; otherwise only biases would be compared."""
    means = []
    for utterance in short_inputs(config, head):
        bert = config.model_type == "wav2vec2-bert"
        values = (
            parity_models.log_mel_of_transformers(utterance.speech) if bert else utterance.speech
        )
        given = TorchModel(theirs).run(values[np.newaxis])
        final = given[parity.FINAL.get(head, LOGITS)]
        means.append(final.reshape(-1, final.shape[-1]).mean(axis=0))
    assert np.abs(means[0] - means[1]).max() > 50 * TOLERANCE


def measure(theirs: torch.nn.Module, ours: Any, name: str, record: Callable[..., None]) -> None:
    config, head = ours.config, ours.head
    inputs = short_inputs(config, head)
    pair = TorchModel(theirs), KerasModel(ours)
    rows = list(parity.compare_models(*pair, config, head, inputs, TOLERANCE))
    record(
        table="formats",
        family=config.model_type,
        head=head,
        format=name,
        difference=parity.largest(rows, head),
    )
    assert [row for row in rows if not row.passes] == []


@pytest.mark.parametrize(
    "name", ["pretrained_group_norm", "finetuned_ctc_group_norm", "finetuned_ctc_layer_norm_cfg"]
)
def test_files_that_fairseq_wrote(name: str, record: Callable[..., None]) -> None:
    """Compares with the outputs that fairseq itself computed."""
    head = families.PRE_TRAINING if name.startswith("pretrained") else families.CTC
    ours = KerasModel(MODELS[head].from_pretrained(FAIRSEQ / f"{name}.pt"))
    recorded = np.load(FAIRSEQ / f"{name}.npz")
    got = ours.run(recorded["speech"])
    pairs = [(got[LAST], recorded["hidden_states"])]
    if head == families.CTC:
        pairs.append((got[LOGITS], recorded["logits"]))
    off = max(float(np.abs(mine - wanted).max()) for mine, wanted in pairs)
    record(table="formats", family="wav2vec2", head=head, format="fairseq", difference=off)
    assert off <= 1e-4


@pytest.mark.parametrize("head", [families.BASE, families.CTC])
@pytest.mark.parametrize("variant", ["hubert-group", "hubert-layer", "data2vec-audio"])
def test_files_as_fairseq_would_write_them(
    variant: str, head: str, tmp_path: Path, record: Callable[..., None]
) -> None:
    """Uses the names of transformers' conversion, which no file of fairseq's confirms here."""
    config = reference.tiny_config(variant, layer_norm_eps=1e-5)  # fairseq's, of every model
    theirs = reference.perturbed_model(config, head=head)
    theirs.set_attn_implementation("eager")
    save(fairseq_content(theirs, head), tmp_path / "model.pt")
    measure(theirs, MODELS[head].from_pretrained(tmp_path / "model.pt"), "fairseq", record)


def fairseq_content(model: torch.nn.Module, head: str) -> dict[str, Any]:
    config, fine_tuned = model.config, head == families.CTC
    data2vec = config.model_type == "data2vec-audio"
    rows = (*fairseq.BASE, *(fairseq.POSITIONS_STACK if data2vec else fairseq.POSITIONS))
    tensors = {}
    for key, values in model.state_dict().items():
        if key.startswith("lm_head."):
            tensors[key.replace("lm_head", "w2v_encoder.proj")] = values
            continue
        below = key.removeprefix(model.base_model_prefix + ".")
        name = next(filter(None, (fairseq_name(below, *row) for row in rows)))
        tensors[("w2v_encoder.w2v_model." if fine_tuned else "") + name] = values
    kernels = zip(config.conv_dim, config.conv_kernel, config.conv_stride, strict=True)
    settings = Namespace(
        arch="data2vec_audio" if data2vec else "hubert",
        encoder_layers=config.num_hidden_layers,
        encoder_embed_dim=config.hidden_size,
        encoder_ffn_embed_dim=config.intermediate_size,
        encoder_attention_heads=config.num_attention_heads,
        conv_feature_layers=str(list(kernels)),
        extractor_mode="layer_norm" if data2vec or config.conv_bias else "default",
        layer_norm_first=not data2vec and config.do_stable_layer_norm,
        conv_bias=config.conv_bias,
        conv_pos=config.num_conv_pos_embeddings * (config.conv_pos_kernel_size if data2vec else 1),
        conv_pos_groups=config.num_conv_pos_embedding_groups,
        **({"pos_conv_depth": config.num_conv_pos_embeddings} if data2vec else {}),
    )
    if fine_tuned:
        settings = Namespace(arch="wav2vec_ctc" if data2vec else "hubert_ctc", w2v_args=settings)
    return {"args": settings, "model": tensors}


def fairseq_name(key: str, theirs: str, ours: str) -> str | None:
    """Returns fairseq's name of a Hugging Face key by inverting a row of the reader's table."""
    pattern = re.escape(ours).replace(r"\#", r"(\d+)").replace("@", "(weight|bias)")
    match = re.fullmatch(pattern, key)
    if match is None:
        return None
    parts = iter(match.groups())
    return re.sub("[#@]", lambda _: next(parts), theirs)


@pytest.mark.parametrize("suffix", ["safetensors", "bin"])
def test_one_language_of_many(suffix: str, tmp_path: Path, record: Callable[..., None]) -> None:
    theirs = reference.perturbed_model(reference.tiny_config("mms"))
    reference.save_checkpoint(theirs, tmp_path)
    adapter = {key: values * 1.5 for key, values in theirs._get_adapters().items()}
    path = tmp_path / f"adapter.fra.{suffix}"
    if suffix == "bin":
        save(adapter, path)
    else:
        save_file(adapter, path)
    theirs.load_state_dict(adapter, strict=False)
    theirs.set_attn_implementation("eager")
    ours = AutoModelForCTC.from_pretrained(tmp_path, target_lang="fra")
    measure(theirs, ours, f"adapter.LANG.{suffix}", record)
