"""Files for LiteRT, ONNX Runtime and OpenVINO, run by these runtimes."""

from __future__ import annotations

import json
import random
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import jiwer
import numpy as np
import pytest

from convert import runtime_file
from tests.support import reference
from tests.support.exported import checkpoint
from tests.support.paths import CORPUS
from wav2vec2_tf import AutoModelForCTC, Processor, Recognizer, UserError
from wav2vec2_tf.cli.main import main
from wav2vec2_tf.data.bundled import BUNDLED_MODEL
from wav2vec2_tf.data.corpus import open_corpus
from wav2vec2_tf.export import frozen, litert, runtimes
from wav2vec2_tf.export import seal as export_seal
from wav2vec2_tf.export.contract import Contract
from wav2vec2_tf.export.exported_file import ExportedFile, model_files
from wav2vec2_tf.export.provenance import Provenance
from wav2vec2_tf.export.seal import DIGITS

FORMATS = tuple(runtimes.FORMATS)
ORIGIN = Provenance("tests", "", "", {}, (), ())
FAMILIES = (
    *(
        "wav2vec2-group",
        "bert-adapter",
        "mms",
        "hubert-batch-norm",
        "wavlm-layer",
        "data2vec-audio-adapter",
    ),
    *("unispeech", "unispeech-sat", "conformer-relative"),
)
LONGEST = 6000
ROW = 1e-4
"""Largest |Δ| from the Keras model on the row alone; runtimes sum in different orders."""


converts = pytest.mark.slow
"""Marks tests that run a converter; one is in the fast tier."""


def grouped(name: str) -> Any:
    """Returns the parameter of a format, whose tests share a file."""
    return pytest.param(name, marks=pytest.mark.xdist_group(f"exports-{name}"))


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Makes a variant's folder, written by transformers."""

    @cache
    def make(variant: str) -> Path:
        return checkpoint(tmp_path_factory.mktemp("tiny") / variant, variant)

    return make


def write(
    folder: Path, out: Path, name: str, contract: Contract | None = None, **options: Any
) -> ExportedFile:
    """Exports a model's folder, and loads the file into its runtime."""
    model, processor = AutoModelForCTC.from_pretrained(folder), Processor.from_pretrained(folder)
    files = model_files(model.config, model.head, processor, ORIGIN)
    graph = frozen.freeze(model, contract or Contract())
    runtimes.FORMATS[name].write(graph, files, out, **options)
    return runtimes.load(out, threads=1)


# every family in every format


@converts
@pytest.mark.parametrize("variant", FAMILIES)
def test_rows_equal_the_model_on_each_alone(variant: str, tiny: Any, tmp_path: Path) -> None:
    """A ragged batch padded with NaN, one row of which is a single frame."""
    model, processor = (
        kind.from_pretrained(tiny(variant)) for kind in (AutoModelForCTC, Processor)
    )
    config = model.config
    lengths = np.array([LONGEST, 3217, config.samples_of(config.fewest_frames)], np.int32)
    rows = [reference.noise(length, seed=length) for length in lengths]
    wanted = [model(row[np.newaxis]).numpy()[0] for row in rows]
    graph = frozen.freeze(model, Contract())
    files = model_files(config, model.head, processor, ORIGIN)
    for name, module in runtimes.FORMATS.items():
        path = tmp_path / f"model{module.SUFFIX}"
        module.write(graph, files, path)
        file = runtimes.load(path, threads=1)
        got = file(reference.padded(rows, LONGEST + 500, np.nan), lengths)
        assert got.shape[:2] == (3, config.frame_length(LONGEST + 500)), name
        assert np.isfinite(got).all(), name
        for logits, alone in zip(got, wanted, strict=True):
            assert len(alone) > 0
            assert np.abs(logits[: len(alone)] - alone).max() < ROW, name
        assert np.abs(got[0, : len(wanted[0])] - got[1, : len(wanted[0])]).max() > 0.1, name
        one = file(rows[1][np.newaxis], None)  # another batch, another length
        assert np.abs(one[0] - wanted[1]).max() < ROW, name


@pytest.mark.parametrize(
    "name", ["litert", *(pytest.param(name, marks=converts) for name in ("onnx", "openvino"))]
)
def test_too_few_samples_for_a_frame(name: str, tiny: Any, tmp_path: Path) -> None:
    """Rows that short, and empty ones, have no valid frame and do not change other rows."""
    out = tmp_path / f"model{runtimes.FORMATS[name].SUFFIX}"
    file = write(tiny("wav2vec2-group"), out, name)
    model = AutoModelForCTC.from_pretrained(tiny("wav2vec2-group"))
    speech = reference.noise(5, 4000)
    lengths = np.array([4000, 399, 9, 1, 0], np.int32)
    wanted = model(speech, lengths).numpy()
    got = file(speech, lengths)
    assert np.abs(got - wanted).max() < ROW
    assert np.ptp(got[1:], axis=(0, 1)).max() < ROW  # only the head's bias


# a fixed length, a fixed batch, another contract


@converts
@pytest.mark.parametrize("variant", ["wav2vec2-group", "bert-adapter"])
def test_litert_of_a_fixed_length_runs_row_by_row(variant: str, tiny: Any, tmp_path: Path) -> None:
    file = write(tiny(variant), tmp_path / "model.tflite", "litert", Contract(8000, rows=1))
    assert file.contract.rows == 1
    model = AutoModelForCTC.from_pretrained(tiny(variant))
    speech, lengths = reference.noise(3, 8000), np.array([8000, 4321, 2500], np.int32)
    wanted = model(speech, lengths).numpy()
    assert np.abs(file(speech, lengths) - wanted).max() < ROW
    if variant == "wav2vec2-group":
        with pytest.raises(UserError, match="cannot compute it"):
            file(speech[:, :4000], np.minimum(lengths, 4000))


@converts
def test_the_contract_of_the_model_zoo(
    tiny: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`inputs` 1×30480 → `logits` 1×95×32 after log-softmax, as OpenVINO itself sees them."""
    import openvino

    folder, out = tiny("wav2vec2-group"), tmp_path / "zoo.xml"
    assert main(["convert", "openvino", str(folder), str(out), "--model-zoo"]) == 0
    assert "words" in capsys.readouterr().out
    settings = {"INFERENCE_PRECISION_HINT": "f32"}  # or bfloat16, where the processor has it
    compiled = openvino.Core().compile_model(str(out), "CPU", settings)
    (given,), (made,) = compiled.inputs, compiled.outputs
    assert ("inputs" in given.get_names(), tuple(given.shape)) == (True, (1, 30480))
    assert ("logits" in made.get_names(), tuple(made.shape)) == (True, (1, 95, 32))
    speech = reference.noise(1, 30480)
    logits = reference.run(reference.torch_model(folder), speech)
    shifted = logits - logits.max(-1, keepdims=True)
    wanted = shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
    assert np.abs(compiled({"inputs": speech})["logits"] - wanted).max() < ROW
    recognizer = Recognizer.load(out)
    assert (recognizer.fixed_length, recognizer.takes_lengths) == (30480, False)
    assert len(recognizer.transcribe([speech[0, :20000]])) == 1


# quantized


@pytest.fixture(scope="module")
def utterances() -> list[Any]:
    return list(open_corpus(str(CORPUS)))[::9][:6]


@pytest.fixture(scope="module")
def bundled(utterances: list[Any], bundled_recognizer: Recognizer) -> dict[str, Any]:
    """The bundled model's graph, the arguments to write it with, and its transcripts."""
    model, processor = (
        AutoModelForCTC.from_pretrained(BUNDLED_MODEL),
        Processor.from_pretrained(BUNDLED_MODEL),
    )
    samples = runtime_file.calibration_inputs(str(CORPUS), model.config, processor, Contract(), 8)
    return {
        "graph": frozen.freeze(model, Contract()),
        "files": model_files(model.config, model.head, processor, ORIGIN),
        "samples": list(samples),
        "texts": texts_of(bundled_recognizer, utterances),
        "bytes": 4 * model.count_params(),
    }


def texts_of(recognizer: Recognizer, utterances: list[Any]) -> list[str]:
    return [recognizer.transcribe([utterance.load()])[0].text for utterance in utterances]


@converts
@pytest.mark.xdist_group("exports-quantized")
@pytest.mark.parametrize(
    ("name", "quantize", "share"),
    [
        ("litert", "fp16", 0.55),
        ("litert", "int8", 0.35),
        ("litert", "int8-static", 0.35),
        ("onnx", "fp16", 0.55),
        ("onnx", "int8", 0.5),
        ("onnx", "int8-static", 0.5),
        ("openvino", "fp16", 0.65),
        ("openvino", "int8", 0.4),
        ("openvino", "int8-static", 0.55),
    ],
)
def test_quantized_files_are_small_and_transcribe_the_same(
    name: str,
    quantize: str,
    share: float,
    bundled: dict[str, Any],
    utterances: list[Any],
    tmp_path: Path,
) -> None:
    """Files take less than `share` of the float32 weights' bytes, and the WER is unchanged."""
    module = runtimes.FORMATS[name]
    out = tmp_path / f"model{module.SUFFIX}"
    module.write(bundled["graph"], bundled["files"], out, quantize, bundled["samples"])
    size = sum(out.with_suffix(suffix).stat().st_size for suffix in module.SUFFIXES)
    assert size < share * bundled["bytes"]
    texts = texts_of(Recognizer.load(out), utterances)
    assert sum(len(text.split()) for text in bundled["texts"]) > 40
    assert jiwer.wer(bundled["texts"], texts) <= (0 if quantize == "fp16" else 0.05)


# metadata, and the programs


@pytest.fixture(scope="module", params=map(grouped, FORMATS))
def written(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundled model, by `convert litert`, `onnx` and `openvino`."""
    suffix = runtimes.FORMATS[request.param].SUFFIX
    out = tmp_path_factory.mktemp(request.param) / "new" / f"small{suffix}"
    assert main(["convert", request.param, str(BUNDLED_MODEL), str(out)]) == 0
    return out


@converts
def test_model_files_are_in_the_metadata(written: Path) -> None:
    facts = runtimes.load(written).files
    for name in ("config.json", "preprocessor_config.json", "vocab.json", "tokenizer_config.json"):
        there = json.loads((BUNDLED_MODEL / name).read_text(encoding="utf-8"))
        kept = json.loads(facts[name])
        assert kept.items() >= {k: v for k, v in there.items() if k in kept}.items(), name
    assert json.loads(facts["vocab.json"]) == json.loads(
        (BUNDLED_MODEL / "vocab.json").read_text(encoding="utf-8")
    )
    assert "sha256" in facts["provenance.json"]


@pytest.mark.slow
@pytest.mark.parametrize("name", FORMATS)
def test_quantizers_print_nothing_off_a_terminal(name: str, tmp_path: Path) -> None:
    """Quantizers log hundreds of lines, some to standard output."""
    out = tmp_path / f"m{runtimes.FORMATS[name].SUFFIX}"
    command = [sys.executable, "-m", "convert", name, str(BUNDLED_MODEL), str(out)]
    command += ["--quantize", "int8-static", "--calibration", str(CORPUS)]
    done = subprocess.run(command, cwd=CORPUS.parents[2], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    # A slow machine prints lines of progress.
    lines = [line for line in done.stderr.splitlines() if not line.startswith(f"convert {name}: ")]
    assert lines == []
    assert [line.split()[0] for line in done.stdout.splitlines()] == [
        *(f"{out}:", "output", "best", "words")
    ]


@converts
def test_transcribe_and_eval_take_the_file(
    written: Path,
    utterances: list[Any],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    capsys.readouterr()
    audio = [str(path) for path in sorted(CORPUS.rglob("*.flac"))[:2]]
    assert main(["transcribe", "--format", "json", "--model", str(written), *audio]) == 0
    got = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert main(["transcribe", "--format", "json", *audio]) == 0
    wanted = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    for one, other in zip(got, wanted, strict=True):
        assert one["text"] == other["text"] != ""
        assert [word["start"] for word in one["words"]] == [
            word["start"] for word in other["words"]
        ]
    report = tmp_path / "wer.json"
    call = ["--data", str(CORPUS), "--limit", "4", "--modes", "masked", "--length", "160000"]
    call += ["--batch-size", "2", "--json", str(report)]
    assert main(["eval", "wer", "--model", str(written), *call]) == 0
    masked = json.loads(report.read_text(encoding="utf-8"))["modes"]["masked"]
    assert main(["eval", "wer", "--model", str(BUNDLED_MODEL), *call]) == 0
    again = json.loads(report.read_text(encoding="utf-8"))["modes"]["masked"]
    assert (masked["wer"], masked["words"]) == (again["wer"], again["words"])


@converts
def test_the_file_runs_without_this_library(written: Path, utterances: list[Any]) -> None:
    """Calls the runtime by the documented names of inputs and outputs."""
    speech = utterances[0].load()[np.newaxis].astype(np.float32)
    lengths = np.array([speech.shape[1]], np.int32)
    if written.suffix == ".tflite":
        from ai_edge_litert.interpreter import Interpreter

        runner = Interpreter(str(written)).get_signature_runner("serving_default")
        logits = runner(speech=speech, lengths=lengths)["logits"]
    elif written.suffix == ".onnx":
        import onnxruntime

        session = onnxruntime.InferenceSession(written)
        (logits,) = session.run(["logits"], {"speech": speech, "lengths": lengths})
    else:
        import openvino

        settings = {"INFERENCE_PRECISION_HINT": "f32"}
        compiled = openvino.Core().compile_model(str(written), "CPU", settings)
        logits = compiled({"speech": speech, "lengths": lengths})["logits"]
    wanted = AutoModelForCTC.from_pretrained(BUNDLED_MODEL)(speech, lengths).numpy()
    assert np.abs(logits - wanted).max() < 1e-3


# invalid input


@converts
@pytest.mark.parametrize("cut", [0, 6, 2000, 500_000])
def test_a_damaged_file_gives_one_line(written: Path, tmp_path: Path, cut: int) -> None:
    for suffix in runtimes.SUFFIXES[written.suffix].SUFFIXES:
        content = written.with_suffix(suffix).read_bytes()
        (tmp_path / "cut").with_suffix(suffix).write_bytes(content)
    path = (tmp_path / "cut").with_suffix(written.suffix)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(UserError) as caught:
        Recognizer.load(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


@converts
def test_foreign_files_and_truncated_weights(written: Path, tmp_path: Path) -> None:
    if written.suffix == ".xml":
        for suffix in (".xml", ".bin"):
            (tmp_path / f"ir{suffix}").write_bytes(written.with_suffix(suffix).read_bytes())
        (tmp_path / "ir.bin").write_bytes(written.with_suffix(".bin").read_bytes()[:-1])
        with pytest.raises(UserError, match=r"ir\.bin: is cut short"):
            Recognizer.load(tmp_path / "ir.xml")
        (tmp_path / "ir.bin").unlink()
        with pytest.raises(UserError, match=r"ir\.bin: no such file"):
            Recognizer.load(tmp_path / "ir.xml")
    content = written.read_bytes()
    seal = runtimes.SUFFIXES[written.suffix].SEAL
    end = len(content) - len(seal.before) - DIGITS - len(seal.after)
    content = content[:end].replace(b"wav2vec2_tf", b"wav2vec2_xx")
    other = tmp_path / f"other{written.suffix}"
    other.write_bytes(content)
    if written.suffix == ".xml":
        other.with_suffix(".bin").write_bytes(written.with_suffix(".bin").read_bytes())
    with pytest.raises(UserError, match="no metadata of a model that this project wrote"):
        Recognizer.load(other)


@converts
def test_damage_is_found_before_the_runtime_reads_the_file(
    written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One byte of each file, anywhere; a file without its checksum is tried out elsewhere first."""
    paths = [
        tmp_path / written.with_suffix(suffix).name
        for suffix in runtimes.SUFFIXES[written.suffix].SUFFIXES
    ]
    contents = [written.with_suffix(path.suffix).read_bytes() for path in paths]
    chance = random.Random(1)
    for damaged, content in zip(paths, contents, strict=True):
        for place in (chance.randrange(len(content)) for _ in range(3)):
            for path, whole in zip(paths, contents, strict=True):
                path.write_bytes(whole)
            damaged.write_bytes(
                content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]
            )
            with pytest.raises(UserError) as caught:
                runtimes.load(paths[0])
            assert re.search("checksum|not an OpenVINO IR|no metadata|damaged", str(caught.value))
            assert "\n" not in str(caught.value)
    for path, whole in zip(paths, contents, strict=True):
        path.write_bytes(whole)
    seal = runtimes.SUFFIXES[written.suffix].SEAL
    paths[0].write_bytes(contents[0][: -len(seal.before) - DIGITS - len(seal.after)])
    assert runtimes.load(paths[0]).contract == runtimes.load(written).contract
    monkeypatch.setattr(export_seal, "TRIAL_BYTES", 2**25 - 10 * sum(map(len, contents)))
    with pytest.raises(UserError, match="damaged, or not a file of this format"):
        runtimes.load(paths[0])


@pytest.mark.parametrize("package", ["ai_edge_litert", "onnxruntime", "openvino"])
def test_a_missing_runtime_names_its_extra(
    package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    extra = {"ai_edge_litert": "litert", "onnxruntime": "onnx"}.get(package, package)
    path = tmp_path / f"model{runtimes.FORMATS[extra].SUFFIX}"
    path.touch()
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UserError, match=rf"wav2vec2-tf\[{extra}\]"):
        Recognizer.load(path)


@pytest.mark.parametrize(
    ("name", "out", "options", "message"),
    [
        ("litert", "model.onnx", [], "must end in .tflite"),
        ("onnx", "model", [], "must end in .onnx"),
        ("openvino", "model.bin", [], "must end in .xml"),
        ("onnx", "there.onnx", [], "--force"),
        ("litert", "m.tflite", ["--quantize", "int8-static"], "--calibration"),
        ("litert", "m.tflite", ["--calibration", "x"], "leave it out"),
        ("litert", "m.tflite", ["--quantize", "int8-static", "--calibration", "EMPTY"], "EMPTY"),
        ("onnx", "m.onnx", ["--quantize", "int8-static", "--calibration", "none"], "none"),
        ("openvino", "m.xml", ["--length", "399"], "length must be at least 400 samples"),
        ("onnx", "m.onnx", ["--head", "none", "--log-softmax"], "log_softmax needs a CTC head"),
    ],
)
def test_bad_input_is_refused_before_weights_are_read(
    name: str,
    out: str,
    options: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from convert import source

    monkeypatch.setattr(source.Source, "load", lambda self: pytest.fail("weights were read"))
    monkeypatch.chdir(tmp_path)
    Path("there.onnx").write_bytes(b"mine")
    Path("EMPTY").mkdir()
    assert main(["convert", name, str(BUNDLED_MODEL), out, *options]) == 1
    assert message in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["EMPTY", "there.onnx"]
    assert Path("there.onnx").read_bytes() == b"mine"


def test_models_that_no_file_holds_are_refused_by_config() -> None:
    from wav2vec2_tf import Wav2Vec2Config

    config = Wav2Vec2Config()
    frozen.check_exportable(config, "ForCTC", 2**29 - 1, Contract())
    with pytest.raises(UserError, match="ForXVector has several"):
        frozen.check_exportable(config, "ForXVector", 1, Contract())
    with pytest.raises(UserError, match=r"got 2\.0 GiB"):
        frozen.check_exportable(config, "ForCTC", 2**29, Contract())


@pytest.mark.parametrize("name", FORMATS)
def test_missing_converters_are_reported_first(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime_file.importlib.util, "find_spec", lambda package: None)
    out = tmp_path / f"model{runtimes.FORMATS[name].SUFFIX}"
    with pytest.raises(UserError, match=rf"wav2vec2-tf\[{name}\]"):
        runtime_file.convert("nothing", out, name)


@converts
def test_a_file_that_differs_never_appears(
    tiny: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The converter is replaced by one that adds 0.01 to the bias of the head."""
    other = AutoModelForCTC.from_pretrained(tiny("wav2vec2-group"))
    other.lm_head.bias.assign_add(0.01 * np.ones(len(reference.TOKENS), np.float32))
    write_graph = litert.write

    def write_other(graph: frozen.FrozenGraph, *arguments: Any) -> None:
        write_graph(frozen.freeze(other, Contract()), *arguments)

    monkeypatch.setattr(litert, "write", write_other)
    with pytest.raises(UserError, match="differs from the model that was exported"):
        runtime_file.convert(str(tiny("wav2vec2-group")), tmp_path / "model.tflite", "litert")
    assert list(tmp_path.glob("model*")) == list(tmp_path.glob(".*")) == []


def test_jit_compile_is_for_tensorflow(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").touch()
    with pytest.raises(UserError, match="XLA"):
        Recognizer.load(tmp_path / "model.onnx", jit_compile=True)
