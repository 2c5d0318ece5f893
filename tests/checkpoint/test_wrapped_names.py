"""Prefixes of wrappers around a model are removed from the keys of its state dict."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from tests.support.torch_files import CONTAINERS, assert_equal, fails, save
from wav2vec2_tf.checkpoint import open_checkpoint


def model() -> torch.nn.Module:
    """Returns a model with nested modules, one of them called as a wrapper's prefix is."""
    inner = torch.nn.ModuleDict({"dense": torch.nn.Linear(2, 3), "module": torch.nn.Linear(3, 1)})
    return torch.nn.ModuleDict({"encoder": inner, "head": torch.nn.Linear(3, 2)})


def compiled(whole: torch.nn.Module) -> torch.nn.Module:
    return torch.compile(whole, backend="eager")


def compiled_inside(whole: torch.nn.Module) -> torch.nn.Module:
    whole["encoder"]["dense"] = compiled(whole["encoder"]["dense"])
    return whole


class Lightning(torch.nn.Module):
    def __init__(self, whole: torch.nn.Module) -> None:
        super().__init__()
        self.model = whole


WRAPPERS: dict[str, Callable[[torch.nn.Module], torch.nn.Module]] = {
    "nothing": lambda whole: whole,
    "data parallel": torch.nn.DataParallel,  # as DistributedDataParallel
    "compiled": compiled,
    "compiled, then parallel": lambda whole: torch.nn.DataParallel(compiled(whole)),
    "parallel, then compiled": lambda whole: compiled(torch.nn.DataParallel(whole)),
    "a part compiled": compiled_inside,
    "Lightning": Lightning,
    "Lightning, parallel": lambda whole: torch.nn.DataParallel(Lightning(whole)),
}


@pytest.mark.parametrize("container", [*CONTAINERS, "safetensors", "shards"])
@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_keys_are_those_of_the_model(tmp_path: Path, wrapper: str, container: str) -> None:
    torch.manual_seed(0)
    whole = model()
    expected = whole.state_dict()
    state = dict(WRAPPERS[wrapper](whole).state_dict())
    assert (list(state) == list(expected)) == (wrapper == "nothing")
    path = tmp_path / "model.safetensors"
    if container == "shards":
        for number, (key, tensor) in enumerate(state.items()):
            save_file({key: tensor}, tmp_path / f"{number}.safetensors")
        weight_map = {key: f"{number}.safetensors" for number, key in enumerate(state)}
        path = tmp_path / "model.safetensors.index.json"
        path.write_text(json.dumps({"weight_map": weight_map}))
    elif container == "safetensors":
        save_file(state, path)
    else:
        save(state, path, container)
    assert_equal(open_checkpoint(path), expected)


def test_sharded_and_checkpointed_modules(tmp_path: Path) -> None:
    """The names that FSDP and activation checkpointing add, which take a cluster to make."""
    name = "_fsdp_wrapped_module.layers.0._checkpoint_wrapped_module._fsdp_wrapped_module.bias"
    save({name: torch.ones(2)}, tmp_path / "model.bin")
    assert list(open_checkpoint(tmp_path / "model.bin")) == ["layers.0.bias"]


def test_a_prefix_of_some_keys_is_theirs(tmp_path: Path) -> None:
    state = {"module.bias": torch.ones(2), "bias": torch.ones(2), "my_orig_mod.x": torch.ones(1)}
    assert_equal(open_checkpoint(save(state, tmp_path / "model.bin")), state)


def test_two_tensors_of_one_name_are_refused(tmp_path: Path) -> None:
    state = {"_orig_mod.bias": torch.ones(2), "bias": torch.ones(2)}
    assert "has tensor 'bias' twice" in fails(save(state, tmp_path / "model.bin"))


@pytest.mark.parametrize(
    "name",
    [
        *("optimizer.pt", "optimizer.bin", "scheduler.pt", "scaler.pt", "rng_state.pth"),
        *("rng_state_0.pth", "random_states_0.pkl", "training_args.bin"),
    ],
)
def test_state_of_a_training_run_is_not_weights(tmp_path: Path, name: str) -> None:
    save({"bias": torch.ones(2)}, tmp_path / name)
    assert "is state of a training run, not weights; give its folder" in fails(tmp_path / name)
