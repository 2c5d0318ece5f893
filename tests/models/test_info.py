"""Parameters and GFLOPs against published figures, PyTorch's own count and hand-worked ones."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest
import torch
import transformers
from torch.nn.utils import parametrize
from torch.utils.flop_counter import FlopCounterMode

from tests.support import reference
from wav2vec2_tf import UserError, Wav2Vec2Config
from wav2vec2_tf.cli.main import main
from wav2vec2_tf.models import families
from wav2vec2_tf.models import flops as info
from wav2vec2_tf.models.config import Wav2Vec2BertConfig


def empty_checkpoint(name: str, folder: Path) -> Path:
    """Writes a published model's config, and zeros under its tensors' names and shapes.

    The file is sparse: it takes no room on disk whatever the model's size.
    """
    config = reference.published_config(name)
    with torch.device("meta"):
        model = transformers.Wav2Vec2ForCTC(config)
    header, end = {}, 0
    for key, tensor in model.state_dict().items():
        start, end = end, end + 4 * tensor.numel()
        header[key] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [start, end]}
    text = json.dumps(header).encode()
    with (folder / "model.safetensors").open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.truncate(8 + len(text) + end)
    config.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return empty_checkpoint("base", tmp_path_factory.mktemp("base"))


def test_published_figures_of_base(base: Path) -> None:
    """30480 samples: 94.3965 M parameters, 26.843 GFLOPs and an output of (1, 95, 32)."""
    described = info.describe(base, 30_480)
    assert described.parameters / 1e6 == pytest.approx(94.3965, rel=0.005)
    assert described.flops / 1e9 == pytest.approx(26.843, rel=0.005)
    assert described.frames == 95


@pytest.mark.parametrize("name", ["base", "large-lv60"])
def test_parameters_are_those_of_pytorch(name: str, tmp_path: Path) -> None:
    with torch.device("meta"):
        model = transformers.Wav2Vec2ForCTC(reference.published_config(name))
    parts = {
        p.name: p.parameters for p in info.describe(empty_checkpoint(name, tmp_path), 400).parts
    }

    def count(module: torch.nn.Module) -> int:
        return sum(values.numel() for values in module.parameters())

    encoder, base = model.wav2vec2.encoder, model.wav2vec2
    assert parts == {
        "feature encoder": count(base.feature_extractor),
        "feature projection": count(base.feature_projection),
        "positional convolution": count(encoder.pos_conv_embed),
        "transformer": count(encoder) - count(encoder.pos_conv_embed),
        "mask embedding": base.masked_spec_embed.numel(),
        "head": count(model.lm_head),
    }
    assert sum(parts.values()) == count(model)


def test_flops_of_a_hand_worked_model() -> None:
    config = Wav2Vec2Config(
        vocab_size=5,
        hidden_size=6,
        num_hidden_layers=2,
        num_attention_heads=3,
        intermediate_size=7,
        conv_dim=(4, 3),
        conv_kernel=(3, 2),
        conv_stride=(2, 1),
        num_conv_pos_embeddings=4,
        num_conv_pos_embedding_groups=2,
    )
    # 11 samples → 5 → 4 frames
    encoder = 5 * 4 * (1 * 3) + 4 * 3 * (4 * 2)
    layer = 4 * 4 * 6 * 6 + 2 * 4 * 6 * 7  # four projections of 4 frames; two dense layers
    attention = 2 * 4 * 4 * 6  # scores and weighted sums
    got = info.flops(config, 11, ctc=True)
    assert {part: work for part, work in got.items() if work} == {
        "feature encoder": 2 * encoder,
        "feature projection": 2 * 4 * 3 * 6,
        "positional convolution": 2 * 4 * 4 * 6 * (6 // 2),
        "transformer": 2 * 2 * (layer + attention),
        "head": 2 * 4 * 6 * 5,
    }
    assert info.flops(config, 11, ctc=False)["head"] == 0


@pytest.mark.parametrize("variant", reference.VARIANTS)
def test_flops_and_parameters_of_every_family_are_those_torch_counts(
    variant: str, tmp_path: Path
) -> None:
    # with an even kernel transformers convolves one more frame and drops it
    odd = {"num_conv_pos_embeddings": 15}
    if "data2vec" in variant:
        odd = {"conv_pos_kernel_size": 5}
    theirs = reference.perturbed_model(reference.tiny_config(variant, **odd))
    reference.save_checkpoint(theirs, tmp_path)
    described = info.describe(tmp_path, 9000)
    assert described.parameters == sum(
        values.numel() for values in theirs.state_dict().values() if values.is_floating_point()
    )
    for module in list(theirs.modules()):
        if parametrize.is_parametrized(module, "weight"):  # the counter does not support them
            parametrize.remove_parametrizations(module, "weight")
    theirs.set_attn_implementation("eager")
    config = families.config_of(theirs.config.to_dict())
    frames, more = config.encoder_frames(9000), 0
    speech = torch.zeros(1, 9000)
    if isinstance(config, Wav2Vec2BertConfig):
        speech = torch.zeros(1, frames, 160)
        if config.position_embeddings_type == "relative_key":
            # transformers multiplies by an embedding for every pair of frames, not every distance
            distances = (
                config.left_max_position_embeddings + 1 + config.right_max_position_embeddings
            )
            more = 2 * config.num_hidden_layers * frames * config.hidden_size * (frames - distances)
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        theirs(speech)
    assert described.flops + more == counter.get_total_flops()


def test_command(base: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", str(base), "--length", "30480"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "30480 samples → 95 frames"
    assert [line.rsplit(maxsplit=2)[0] for line in lines[2:]] == [
        *("feature encoder", "feature projection", "positional convolution", "transformer"),
        *("mask embedding", "head", "all"),
    ]
    assert lines[-1].split()[1] == "94.3963"


def test_command_as_json(base: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", str(base), "--json"]) == 0
    values = json.loads(capsys.readouterr().out)
    assert (values["length"], values["frames"]) == (246_000, 768)
    assert values["parameters"] == sum(part["parameters"] for part in values["parts"]) == 94_396_320
    assert values["flops"] == sum(part["flops"] for part in values["parts"])


def test_a_length_below_one_frame(base: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UserError, match="at least one frame, 400 samples, got 399"):
        info.describe(base, 399)
    assert main(["info", str(base), "--length", "399"]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_no_such_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", str(tmp_path / "none")]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"error: {tmp_path / 'none'}: no such folder or file; give a model")
