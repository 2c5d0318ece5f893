"""Damaged and foreign files of other runtimes: one line, and no harm to the process."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
import onnx
import openvino
import pytest
from ai_edge_litert import schema_py_generated as schema

from wav2vec2_tf.cli.main import main
from wav2vec2_tf.export import litert, runtimes, seal, sessions
from wav2vec2_tf.export import openvino as openvino_format
from wav2vec2_tf.export.contract import Contract
from wav2vec2_tf.export.exported_file import PREFIX, contract_of, from_metadata
from wav2vec2_tf.utils.errors import UserError

FLOAT = onnx.TensorProto.FLOAT
SEAL = seal.Seal(b"<", b">\n", "open(path, 'rb').read()")


def sealed(folder: Path, *beside: bytes) -> tuple[Path, list[Path]]:
    path, others = folder / "model", []
    path.write_bytes(b"content")
    for number, content in enumerate(beside):
        others.append(folder / str(number))
        others[-1].write_bytes(content)
    SEAL.write(path, *others)
    return path, others


def test_the_checksum_is_at_the_end(tmp_path: Path) -> None:
    path, _ = sealed(tmp_path)
    digest = hashlib.sha256(b"content").hexdigest().encode()
    assert path.read_bytes() == b"content<" + digest + b">\n"
    SEAL.check(path)


@pytest.mark.parametrize("place", [0, 6, 8, 40])
def test_a_changed_byte(tmp_path: Path, place: int) -> None:
    path, others = sealed(tmp_path, b"a", b"b")
    SEAL.check(path, *others)
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match="model: damaged, the checksum of model or 0 or 1 is wrong"):
        SEAL.check(path, *others)


def test_a_changed_file_beside_it(tmp_path: Path) -> None:
    path, (first, second) = sealed(tmp_path, b"a", b"b")
    with pytest.raises(UserError, match="damaged"):
        SEAL.check(path, second, first)
    first.write_bytes(b"")
    with pytest.raises(UserError, match="damaged"):
        SEAL.check(path, first, second)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("bytes(2**40)", "MemoryError"),
        ("import os; os.abort()", "its runtime crashes on it"),
        ("raise OSError('a\\nb')", "b"),
        ("import time; time.sleep(60)", "does not finish"),
    ],
)
def test_a_trial_that_fails(
    tmp_path: Path, code: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a file without a checksum would do to this process happens to another."""
    (tmp_path / "model").write_bytes(b"content")
    if "sleep" in code:
        monkeypatch.setattr(seal, "TRIAL_SECONDS", 0.5)
    with pytest.raises(UserError) as caught:
        seal.Seal(b"<", b">", code).check(tmp_path / "model")
    assert reason in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"content", b"<" + b"0" * 64])
def test_a_trial_that_succeeds(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "model").write_bytes(content)
    SEAL.check(tmp_path / "model")


# files of other programs


def foreign_tflite(path: Path, metadata: int = 0) -> None:
    model = schema.ModelT()
    model.version, model.subgraphs, model.buffers = 3, [], [schema.BufferT()]
    model.buffers[0].data = np.zeros(1000, np.uint8)
    entry = schema.MetadataT()
    entry.name, entry.buffer = "min_runtime_version", 0
    model.metadata = [entry] * metadata
    builder = flatbuffers.Builder(1000)
    builder.Finish(model.Pack(builder), file_identifier=litert.IDENTIFIER)
    path.write_bytes(builder.Output())


def foreign_onnx(path: Path, dims: int = 3, inputs: int = 1, **metadata: str) -> None:
    values = [
        onnx.helper.make_tensor_value_info(f"x{number}", FLOAT, [None] * dims)
        for number in range(inputs)
    ]
    constant = onnx.helper.make_tensor("c", FLOAT, [1], [1.0])
    node = onnx.helper.make_node("Constant", [], ["y"], value=constant)
    output = onnx.helper.make_tensor_value_info("y", FLOAT, [1])
    graph = onnx.helper.make_graph([node], "foreign", values, [output])
    model = onnx.helper.make_model(
        graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=9
    )
    onnx.helper.set_model_props(model, metadata)
    onnx.save(model, path)


def foreign_ir(path: Path) -> None:
    parameter = openvino.opset8.parameter([1, 3], name="x")
    openvino.save_model(openvino.Model([openvino.opset8.relu(parameter)], [parameter]), path)


FOREIGN = {
    "tflite": (foreign_tflite, "no metadata of a model that this project wrote"),
    "onnx": (foreign_onnx, "no metadata of a model that this project wrote"),
    "xml": (foreign_ir, "no metadata of a model that this project wrote"),
}
NOT_EVEN = {
    "tflite": [b"", b"\x08\0\0\0TFL3", b"\x08\0\0\0TFL3" + b"\xff" * 50, b"<xml/>"],
    "onnx": [b"", b"\x08", b"\xff" * 50, b"\x72\x4a\x0a\x06sha256\x12\x40" + b"0" * 64],
    "xml": [
        *(b"", b"<net/>", b"<net" + b" " * 50, b"<a>" * 100_000 + b"</a>" * 100_000),
        *(b'<?xml version="1.0" encoding="%s"?><net/>' % name for name in (b"none", b"idna")),
    ],
    "TFLITE": [b"", b"<xml/>"],
    "Onnx": [b""],
}


@pytest.mark.parametrize("suffix", FOREIGN)
def test_a_foreign_file_gives_one_line(
    tmp_path: Path, suffix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write, message = FOREIGN[suffix]
    path = tmp_path / f"model.{suffix}"
    write(path)
    with pytest.raises(UserError, match=message):
        runtimes.load(path)
    assert main(["transcribe", str(path), "--model", str(path)]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1


@pytest.mark.parametrize(
    ("suffix", "content"), [(suffix, one) for suffix, rows in NOT_EVEN.items() for one in rows]
)
def test_what_is_no_such_file(tmp_path: Path, suffix: str, content: bytes) -> None:
    path = tmp_path / f"model.{suffix}"
    path.write_bytes(content)
    path.with_suffix(".bin").touch()
    with pytest.raises(UserError) as caught:
        runtimes.load(path)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 700


def test_metadata_that_repeat_themselves(tmp_path: Path) -> None:
    """Tables may refer to the same bytes again and again."""
    foreign_tflite(tmp_path / "model.tflite", metadata=100_000)
    with pytest.raises(UserError, match="no metadata of a model"):
        runtimes.load(tmp_path / "model.tflite")


def test_metadata_that_are_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """100 names of one buffer of weights would be 100 texts of its size."""
    foreign_tflite(tmp_path / "model.tflite", metadata=2)
    assert litert._metadata(tmp_path / "model.tflite") == {"min_runtime_version": "\0" * 1000}
    monkeypatch.setattr(litert, "MAX_METADATA_BYTES", 999)
    assert litert._metadata(tmp_path / "model.tflite") == {}


def test_an_ir_beyond_all_sizes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    foreign_ir(tmp_path / "model.xml")
    monkeypatch.setattr(openvino_format, "MAX_XML_BYTES", 100)
    with pytest.raises(UserError, match="not an OpenVINO IR .over 100 bytes"):
        runtimes.load(tmp_path / "model.xml")


def test_a_weight_beyond_the_end(tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(bytes(10))
    (tmp_path / "model.xml").write_text('<net><data offset="8" size="3"/></net>')
    with pytest.raises(
        UserError, match=r"^\S+model\.bin: is cut short; model\.xml refers to bytes"
    ):
        runtimes.load(tmp_path / "model.xml")


@pytest.mark.parametrize(
    ("shapes", "wanted"),
    [
        (
            {"speech": [None, None], "lengths": [None]},
            {"speech": (1, 4000), "lengths": [4000]},
        ),
        ({"inputs": [1, 30480]}, {"inputs": (1, 30480)}),
        (
            {"lengths": [2], "input_features": [2, None, 160]},
            {"input_features": (2, 100, 160), "lengths": [100, 100]},
        ),
        ({"x": [3]}, None),
        ({"x": [None, 3], "y": [None, 3]}, None),
        ({}, None),
    ],
)
def test_a_trial_computes_short_silence(
    shapes: dict[str, list[int | None]], wanted: dict[str, Any] | None
) -> None:
    calls: list[dict[str, Any]] = []
    sessions.Session(shapes, lambda named: calls.append(named) or np.zeros(1)).try_out()
    found = [
        {name: a.tolist() if name == "lengths" else a.shape for name, a in named.items()}
        for named in calls
    ]
    assert found == ([] if wanted is None else [wanted])


def test_a_file_that_fails_at_its_first_call(tmp_path: Path) -> None:
    """It loads, and could take down the process later."""
    path = tmp_path / "model.onnx"
    shape = onnx.helper.make_tensor("shape", onnx.TensorProto.INT64, [2], [7, 3])
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Reshape", ["speech", "shape"], ["logits"])],
        "broken",
        [onnx.helper.make_tensor_value_info("speech", FLOAT, [None, None])],
        [onnx.helper.make_tensor_value_info("logits", FLOAT, [7, 3])],
        [shape],
    )
    model = onnx.helper.make_model(
        graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=9
    )
    onnx.helper.set_model_props(model, {f"{PREFIX}config.json": "{}"})
    onnx.save(model, path)
    with pytest.raises(UserError, match="damaged, or not a file of this format"):
        runtimes.load(path)


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "/x", "a/b", "a\0b", "a\nb"])
def test_names_in_metadata_are_no_paths(tmp_path: Path, name: str) -> None:
    metadata = {f"{PREFIX}config.json": "{}", f"{PREFIX}{name}": "x"}
    with pytest.raises(UserError, match="no metadata of a model"):
        from_metadata(tmp_path, metadata)


def test_other_inputs_than_a_model_of_speech_has(tmp_path: Path) -> None:
    known = {"speech": [None, 8000], "lengths": [None]}
    assert contract_of(tmp_path, known) == Contract(8000)
    config = {f"{PREFIX}config.json": "{}"}
    for dims, inputs in ((1, 1), (2, 0), (2, 2)):
        foreign_onnx(tmp_path / "model.onnx", dims, inputs, **config)
        with pytest.raises(UserError, match="its inputs must be speech or features, and lengths"):
            runtimes.load(tmp_path / "model.onnx")


def test_names_that_are_no_text(tmp_path: Path) -> None:
    foreign_onnx(tmp_path / "model.onnx", **{f"{PREFIX}config.json": "{}"})
    content = (tmp_path / "model.onnx").read_bytes().replace(b"config.json", b"config.\xffson")
    (tmp_path / "model.onnx").write_bytes(content)
    with pytest.raises(UserError, match="damaged, or not a file of this format"):
        runtimes.load(tmp_path / "model.onnx")


@pytest.mark.parametrize("suffix", FOREIGN)
def test_a_missing_file(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(UserError, match="no such file"):
        runtimes.load(tmp_path / f"model.{suffix}")
