"""SavedModels under TensorFlow Serving, and the programs in docs/serving.md.

The server does not run: `model_server` calls its C++ code.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import (
    descriptor_pb2,
    descriptor_pool,
    message_factory,
    text_format,
    wrappers_pb2,
)
from tensorflow_serving.apis import prediction_log_pb2

from tests.support import model_server
from tests.support.exported import FEW
from tests.support.paths import ROOT
from wav2vec2_tf import AutoModelForCTC, Processor, Recognizer
from wav2vec2_tf.audio import SAMPLE_RATE, load
from wav2vec2_tf.data.bundled import BUNDLED_MODEL
from wav2vec2_tf.export import saved_model
from wav2vec2_tf.text.transcript import Transcript

SPEAKER = ROOT / "tests/data/corpus/1003/1"
PAGE = ROOT / "docs/serving.md"
FILES = [SPEAKER / f"1003-1-00{number}.flac" for number in (12, 13, 14, 15, 16)]
WARM_UP = "assets.extra/tf_serving_warmup_requests"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("tensorflow_serving"),
    pytest.mark.skipif(
        not model_server.LIBRARY.exists(),
        reason=f"no {model_server.LIBRARY}: TensorFlow's wheels for Linux have it",
    ),
]


def program(word: str) -> str:
    """Returns the only program of the page that contains a word."""
    blocks = re.findall(
        r"^```(?:py|text)\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    (found,) = [block for block in blocks if word in block]
    return found


@pytest.fixture(scope="module", autouse=True)
def by_default() -> Iterator[None]:
    with model_server.without_xla():
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of versions, named as in the page."""
    folder = tmp_path_factory.mktemp("checkout") / "build/serving/wav2vec2"
    folder.mkdir(parents=True)
    model = AutoModelForCTC.from_pretrained(BUNDLED_MODEL)
    processor = Processor.from_pretrained(BUNDLED_MODEL)
    saved_model.export(model, processor, folder / "1", length=None, structures=FEW, trainable=False)
    return folder


@pytest.fixture(scope="module")
def servable(folder: Path) -> model_server.Servable:
    return model_server.Servable(folder / "1")


@pytest.fixture(scope="module")
def speech() -> list[np.ndarray]:
    return [load(file) for file in FILES]


@pytest.fixture(scope="module")
def alone(speech: list[np.ndarray], bundled_recognizer: Recognizer) -> list[Transcript]:
    """The library's transcript of each utterance alone."""
    return [bundled_recognizer.transcribe([utterance])[0] for utterance in speech]


def inputs_of(utterance: np.ndarray) -> dict[str, np.ndarray]:
    return {"speech": utterance[np.newaxis], "lengths": np.array([len(utterance)], np.int32)}


def assert_equals(outputs: dict[str, np.ndarray], row: int, wanted: Transcript) -> None:
    """Checks one row of the outputs of `transcribe`."""
    assert outputs["text"][row].decode() == wanted.text
    assert outputs["count"][row] == len(wanted.words) > 5
    for column, word in enumerate(wanted.words):
        assert outputs["words"][row, column].decode() == word.text
        assert outputs["start"][row, column] == pytest.approx(word.start, abs=1e-4)
        assert outputs["end"][row, column] == pytest.approx(word.end, abs=1e-4)
        assert outputs["confidence"][row, column] == pytest.approx(word.confidence, abs=1e-3)


# The files


def test_what_is_in_the_folder_of_a_version(folder: Path, servable: model_server.Servable) -> None:
    assert [path.name for path in folder.iterdir()] == ["1"]
    names = {str(path.relative_to(folder / "1")) for path in (folder / "1").rglob("*")}
    assert {"saved_model.pb", "variables/variables.index", "assets.extra/vocab.json"} <= names
    assert set(servable.definition.signature_def) >= {"serving_default", "transcribe"}
    for file in (folder / "1").rglob("*"):  # the folder may be moved
        assert file.is_dir() or str(ROOT).encode() not in file.read_bytes(), file
        assert file.is_dir() or str(folder.parent).encode() not in file.read_bytes(), file


def test_what_is_compiled_by_xla_is_refused(tmp_path: Path) -> None:
    """`transcribe` is not compiled, since the server refuses every request of such a model."""

    class Compiled(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None], tf.float32)], jit_compile=True)
        def double(self, values: tf.Tensor) -> dict[str, tf.Tensor]:
            return {"doubled": 2 * values}

    module = Compiled()
    tf.saved_model.save(module, tmp_path / "1", {"serving_default": module.double})
    with pytest.raises(model_server.RefusedError, match="XLA compilation disabled"):
        model_server.Servable(tmp_path / "1").run("", {"values": np.ones(3, np.float32)})


# Requests


def test_every_signature_runs(
    servable: model_server.Servable, speech: list[np.ndarray], alone: list[Transcript]
) -> None:
    for utterance, wanted in zip(speech, alone, strict=True):
        assert_equals(servable.run("transcribe", inputs_of(utterance)), 0, wanted)
    inputs = inputs_of(speech[0])
    masked = servable.run("with_lengths", inputs)
    plain = servable.run("serving_default", {"speech": inputs["speech"]})
    assert masked["frame_lengths"].tolist() == [masked["logits"].shape[1]]
    np.testing.assert_allclose(masked["logits"], plain["logits"], atol=1e-4)


def test_bad_requests_are_refused_and_good_ones_go_on(
    servable: model_server.Servable, speech: list[np.ndarray], alone: list[Transcript]
) -> None:
    good = inputs_of(speech[0])
    two_minutes = np.zeros(120 * SAMPLE_RATE + 1, np.float32)
    for inputs, complaint in (
        ({"speech": good["speech"]}, "takes"),
        ({**good, "lengths": good["lengths"].astype(np.int64)}, "lengths is int32"),
        ({**good, "speech": good["speech"].astype(np.float64)}, "speech is float32"),
        (inputs_of(two_minutes), "longer than the 1920000 samples"),
        ({**good, "speech": good["speech"][0]}, "out of bounds"),
    ):
        with pytest.raises(model_server.RefusedError, match=complaint):
            servable.run("transcribe", inputs)
    for length in (0, -5, 399):
        nothing = servable.run("transcribe", {**good, "lengths": np.array([length], np.int32)})
        assert nothing["text"].tolist() == [b""]
    assert_equals(servable.run("transcribe", good), 0, alone[0])


def test_the_clients_of_the_page(servable: model_server.Servable, alone: list[Transcript]) -> None:
    """Runs both clients with another address of the server."""
    models = {"wav2vec2": servable}
    for word, address, serve in (
        ("grpc.insecure_channel", "localhost:8500", model_server.serving_grpc),
        ("httpx.post", "localhost:8501", model_server.serving_rest),
    ):
        with serve(models) as served_at:
            client = program(word).replace(address, served_at)
            done = run(client, ROOT)
        assert done.stdout == f"{alone[0].text}\n"


def test_rest_by_rows(
    servable: model_server.Servable, speech: list[np.ndarray], alone: list[Transcript]
) -> None:
    width = max(map(len, speech[:2]))
    rows = [
        {"speech": [*map(float, utterance), *[9.0] * (width - len(utterance))], "lengths": size}
        for utterance, size in zip(speech[:2], map(len, speech[:2]), strict=True)
    ]
    body = {"signature_name": "transcribe", "instances": rows}
    with model_server.serving_rest({"wav2vec2": servable}) as address:
        url = f"http://{address}/v1/models/wav2vec2:predict"
        answers = httpx.post(url, json=body, timeout=600).json()["predictions"]
        assert [answer["text"] for answer in answers] == [wanted.text for wanted in alone[:2]]
        first = answers[0]
        assert " ".join(first["words"][: first["count"]]) == first["text"]
        rows[0]["lengths"] = 1.5
        assert httpx.post(url, json=body, timeout=600).status_code == 400


def run(text: str, where: Path) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([sys.executable, "-c", text], cwd=where, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done


# Batches


def batching_parameters(text: str) -> Any:
    """Parses the page's file as the server's message (session_bundle_config.proto)."""
    file = descriptor_pb2.FileDescriptorProto(
        name="batching.proto",
        package="test",
        syntax="proto3",
        dependency=[wrappers_pb2.DESCRIPTOR.name],
    )
    message = file.message_type.add(name="BatchingParameters")
    field = descriptor_pb2.FieldDescriptorProto
    numbers = ("max_batch_size", "batch_timeout_micros", "max_enqueued_batches")
    for place, name in enumerate((*numbers, "num_batch_threads"), start=1):
        wrapped = message.field.add(name=name, number=place, type=field.TYPE_MESSAGE)
        wrapped.label, wrapped.type_name = field.LABEL_OPTIONAL, ".google.protobuf.Int64Value"
    sizes = message.field.add(name="allowed_batch_sizes", number=6, type=field.TYPE_INT64)
    sizes.label = field.LABEL_REPEATED
    pad = message.field.add(name="pad_variable_length_inputs", number=7, type=field.TYPE_BOOL)
    pad.label = field.LABEL_OPTIONAL
    known = descriptor_pb2.FileDescriptorProto()
    wrappers_pb2.DESCRIPTOR.CopyToProto(known)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(known)
    pool.Add(file)
    kind = message_factory.GetMessageClass(pool.FindMessageTypeByName("test.BatchingParameters"))
    return text_format.Parse(text, kind())


def merged(requests: list[dict[str, np.ndarray]], parameters: Any) -> dict[str, np.ndarray]:
    """Runs several requests in one batch, as the server's BatchingSession does.

    Each is padded to the widest with its own first value (batching_util.cc, AddPadding), and copies
    of the last request's first row fill up to an allowed size (batching_session.cc).
    """
    assert parameters.pad_variable_length_inputs
    result = {}
    for name in requests[0]:
        tensors = [request[name] for request in requests]
        if tensors[0].ndim > 1:
            widest = max(tensor.shape[1] for tensor in tensors)
            tensors = [
                np.pad(t, [(0, 0), (0, widest - t.shape[1])], constant_values=t.flat[0])
                for t in tensors
            ]
        rows = sum(map(len, tensors))
        size = next(size for size in parameters.allowed_batch_sizes if size >= rows)
        result[name] = np.concatenate([*tensors, *[tensors[-1][:1]] * (size - rows)])
    return result


def test_in_a_batch_each_request_gets_what_it_gets_alone(
    servable: model_server.Servable, speech: list[np.ndarray]
) -> None:
    parameters = batching_parameters(program("max_batch_size"))
    sizes = list(parameters.allowed_batch_sizes)
    assert sizes == sorted(sizes)
    assert sizes[-1] == parameters.max_batch_size.value
    loud = [utterance.copy() for utterance in speech]
    for utterance in loud:
        utterance[0] = 0.9  # what it is padded with
    for utterances in (speech, loud):
        requests = [inputs_of(utterance) for utterance in utterances]
        batch = merged(requests, parameters)
        assert batch["speech"].shape == (8, max(map(len, speech)))
        outputs = servable.run("transcribe", batch)
        assert {len(values) for values in outputs.values()} == {8}
        for row, request in enumerate(requests):
            wanted = servable.run("transcribe", request)
            count = wanted["count"][0]
            assert outputs["count"][row] == count > 5
            assert outputs["text"][row] == wanted["text"][0]
            for name, tolerance in (("start", 1e-4), ("end", 1e-4), ("confidence", 1e-3)):
                found = outputs[name][row, :count]
                np.testing.assert_allclose(found, wanted[name][0], atol=tolerance)


# Warm-up


def test_the_warm_up_of_the_page(
    folder: Path, servable: model_server.Servable, speech: list[np.ndarray]
) -> None:
    """The page's program writes what the server reads, and each of its requests runs."""
    run(program("TFRecordWriter"), folder.parent.parent.parent)
    records = [*tf.data.TFRecordDataset(str(folder / "1" / WARM_UP)).as_numpy_iterator()]
    assert 3 <= len(records) <= 1000  # the server's maximum
    for record in records:
        log = prediction_log_pb2.PredictionLog.FromString(record)
        assert log.WhichOneof("log_type") == "predict_log"
        request = log.predict_log.request
        assert request.model_spec.name == folder.name
        inputs = {name: tf.make_ndarray(tensor) for name, tensor in request.inputs.items()}
        outputs = servable.run(request.model_spec.signature_name, inputs)
        assert outputs["count"].shape == (1,)
    assert Recognizer.load(folder / "1").transcribe([speech[0]])  # the file changes nothing here
