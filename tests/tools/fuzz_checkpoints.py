"""Coverage-guided fuzzing of the checkpoint readers.

`python -m tests.tools.fuzz_checkpoints SECONDS`

See `fuzzing`. It ends with libFuzzer's statistics. An input that raises anything but `UserError`,
takes over 5 seconds or 1 GB ends the run and is written to the folder given as second argument (by
default the current one).

The first byte of an input is the kind of the rest: a whole file, the pickle in an archive with
right checksums, the pickle in a stream, a dictionary, or the expression of the convolutions.
"""

from __future__ import annotations

import pickletools
import random
import re
import sys
import types
from collections.abc import Iterator
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["wav2vec2_tf.checkpoint", "pickletools"]):
    from wav2vec2_tf.checkpoint import (
        fairseq,
        fairseq_dictionary,
        fairseq_settings,
        open_checkpoint,
        torch_pickle,
    )

import numpy as np
import torch
from safetensors.torch import save_file

from tests.support.paths import FAIRSEQ
from tests.support.torch_files import CONTAINERS, parts_of, save, text, write_parts, write_stream
from tests.tools.fuzzing import only_user_errors, run, work

VALUES = np.arange(256, dtype=np.float32)
STORAGES = {str(key): (VALUES.size, VALUES.tobytes()) for key in range(3)}
MAX_BYTES = 40_000
MAX_TENSORS_READ = 20


def test_one_input(data: bytes) -> None:
    """Reads an input by its kind; only `UserError` with one short line may be raised."""
    if not data:
        return
    kind, rest, file = data[0] % 5, data[1:], work / "model.pt"
    with only_user_errors():
        if kind == 0:
            file.write_bytes(rest)
        elif kind == 1:
            storages = {f"data/{key}": values for key, (_, values) in STORAGES.items()}
            write_parts(file, {"data.pkl": rest} | storages)
        elif kind == 2:
            used = [key for key in STORAGES if text(key) in rest]
            write_stream(file, rest, {key: STORAGES[key] for key in used})
        elif kind == 3:
            file.write_bytes(rest)
            assert len(fairseq_dictionary.vocabulary(file)) > len(
                fairseq_dictionary.SPECIAL_SYMBOLS
            )
            return
        else:
            try:
                layers = fairseq_settings.convolutions(rest.decode("latin-1"))
            except fairseq_settings.Fault:
                return
            assert 0 < len(layers) <= fairseq_settings.MAX_CONVOLUTIONS
            return
        checkpoint = open_checkpoint(file)
        for lazy in list(checkpoint.values())[:MAX_TENSORS_READ]:
            array = lazy.read()
            assert (array.shape, array.dtype) == (lazy.shape, lazy.dtype)
            assert array.nbytes <= file.stat().st_size


def mutated(data: bytes, max_size: int, seed: int) -> bytes:
    """Changes half of the pickles by whole opcodes, and all other inputs as libFuzzer does."""
    chance = random.Random(seed)
    if not data or data[0] % 5 not in (1, 2) or chance.random() < 0.5:
        return atheris.Mutate(data, max_size)
    places = [1]
    try:
        places += [1 + position for _, _, position in pickletools.genops(data[1:])][1:]
    except ValueError:
        return atheris.Mutate(data, max_size)
    parts = [data[a:b] for a, b in zip(places, [*places[1:], len(data)], strict=True)]
    for _ in range(chance.randint(1, 4)):
        place = chance.randrange(len(parts))
        match chance.randrange(4):
            case 0 if len(parts) > 1:
                del parts[place]
            case 1:
                parts.insert(place, chance.choice(parts))
            case 2:
                parts[place] = chance.choice(parts)
            case _:
                parts.insert(place, bytes([ord(chance.choice(pickletools.opcodes).code)]))
    return (data[:1] + b"".join(parts))[:max_size]


def reduced(genuine: Path, container: str) -> Path:
    """Writes a copy of fairseq's file whose tensors are small views of one storage."""
    for module, name in (
        ("omegaconf.dictconfig", "DictConfig"),
        ("omegaconf.nodes", "AnyNode"),
        ("omegaconf.base", "Metadata"),
        ("omegaconf.base", "ContainerMetadata"),
        ("omegaconf.listconfig", "ListConfig"),
    ):
        for part in (module.partition(".")[0], module):
            sys.modules.setdefault(part, types.ModuleType(part))
        vars(sys.modules[module]).setdefault(name, type(name, (), {"__module__": module}))
    content = torch.load(genuine, weights_only=False)
    values = torch.from_numpy(VALUES).reshape(16, 16)
    content["model"] = dict.fromkeys(content["model"], values)
    return save(content, work / genuine.name, container)


def seeds() -> Iterator[bytes]:
    """Yields the initial inputs, at least one of each kind."""
    state = {
        "w": torch.arange(6.0).reshape(2, 3),
        "b": torch.arange(3),
        "h": torch.ones(2).bfloat16(),
    }
    files = [save(state, work / f"{container}.pt", container) for container in CONTAINERS]
    save_file(state, work / "model.safetensors")
    for file in [*files, work / "model.safetensors"]:
        yield b"\0" + file.read_bytes()
    for genuine in FAIRSEQ.glob("*.pt"):
        yield b"\x01" + parts_of(reduced(genuine, "zip"))["data.pkl"]
        stream = reduced(genuine, "stream").read_bytes()
        key = re.search(rb"X.\0\0\0([0-9]{8,})", stream)
        assert key
        pickled = stream[137 : stream.rindex(b"\x80\x02]q\x00")]
        yield b"\x02" + pickled.replace(key[0], text("0"))
    yield b"\x03" + (FAIRSEQ / "dict.ltr.txt").read_bytes()
    yield b"\x04[(512, 10, 5)] + [(512, 3, 2)] * 4 + 2*[(512,2,2)]"


def words() -> Iterator[str]:
    """Yields the names that readers know."""
    yield from (*torch_pickle.GLOBALS, *fairseq.NEUTRAL, *fairseq.FAMILIES)
    yield from fairseq.REQUIRED.values()
    yield from ("w2v_encoder.w2v_model.", "_content", "_val", "args", "cfg", "model", "w2v_args")
    for word in torch_pickle.GLOBALS:
        yield word.replace(".", "\\x0a").join(("c", "\\x0a"))


if __name__ == "__main__":
    run(test_one_input, seeds(), words(), mutated, MAX_BYTES)
