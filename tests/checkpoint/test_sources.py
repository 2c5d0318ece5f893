"""`sources.resolve` against a small HTTP server that speaks the hub's protocol on loopback."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import huggingface_hub
import pytest
from huggingface_hub import constants
from huggingface_hub.utils import disable_progress_bars

from tests.support.paths import ROOT
from wav2vec2_tf.checkpoint import hub as sources
from wav2vec2_tf.transcription.resume import model_identity
from wav2vec2_tf.utils.errors import UserError

MAIN, OLD = "a" * 40, "b" * 40  # commits
TOKEN = "hf_secret"

DESCRIPTION = {
    "config.json": b'{"model_type": "wav2vec2"}',
    "preprocessor_config.json": b"{}",
    "vocab.json": b"{}",
    "README.md": b"---\nlicense: apache-2.0\n---\n",
}
UNWANTED = {
    "tf_model.h5": b"h5",
    "flax_model.msgpack": b"flax",
    "adapter.fra.safetensors": b"adapter",
    "training_args.bin": b"pickle",
    "onnx/model.safetensors": b"other",
}
BOTH = DESCRIPTION | UNWANTED | {"model.safetensors": b"new", "pytorch_model.bin": b"pickle"}
SHARDS = {
    "pytorch_model.bin.index.json": b"{}",
    "pytorch_model-00001-of-00002.bin": b"1",
    "pytorch_model-00002-of-00002.bin": b"2",
}


@dataclass
class Hub:
    """A stand-in for the hub: model id → revision → files, and a record of the requests."""

    endpoint: str = ""
    models: dict[str, dict[str, dict[str, bytes]]] = field(default_factory=dict)
    commits: dict[str, str] = field(default_factory=lambda: {"main": MAIN, "v1": OLD})
    needs_token: set[str] = field(default_factory=set)
    gated: set[str] = field(default_factory=set)
    broken: bool = False
    requests: list[tuple[str, str, str | None]] = field(default_factory=list)

    def downloads(self) -> set[str]:
        return {
            path.split("/resolve/")[1].split("/", 1)[1]
            for _, path, _ in self.requests
            if "/resolve/" in path
        }


class HubHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def do_HEAD(self) -> None:
        self.answer()

    def do_GET(self) -> None:
        self.answer()

    def log_message(self, *_: object) -> None:
        pass

    def send(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def answer(self) -> None:
        hub, path = self.hub, unquote(urlsplit(self.path).path)
        authorization = self.headers.get("Authorization")
        hub.requests.append((self.command, path, authorization))
        if hub.broken:
            return self.send(503)
        is_api = path.startswith("/api/models/")
        model, verb, rest = path.removeprefix("/api/models").strip("/"), "", ""
        for candidate in ("/revision/", "/tree/", "/resolve/"):
            if candidate in path:
                model, rest = path.removeprefix("/api/models").strip("/").split(candidate)
                verb = candidate.strip("/")
        if model not in hub.models:
            return self.send(401, X_Error_Code="RepoNotFound")
        if model in hub.needs_token and authorization != f"Bearer {TOKEN}":
            return self.send(401, X_Error_Message="Invalid credentials in Authorization header")
        revision, _, name = rest.partition("/")
        commit = hub.commits.get(revision or "main", revision)
        files = hub.models[model].get(commit)
        if files is None:
            return self.send(404, X_Error_Code="RevisionNotFound")
        if not is_api:
            if model in hub.gated:
                return self.send(403, X_Error_Code="GatedRepo")
            etag = hashlib.sha1(files[name]).hexdigest()
            return self.send(200, files[name], ETag=f'"{etag}"', X_Repo_Commit=commit)
        if verb == "tree":
            listing: object = [
                {
                    "type": "file",
                    "path": name,
                    "size": len(data),
                    "oid": hashlib.sha1(data).hexdigest(),
                }
                for name, data in files.items()
            ]
        else:
            siblings = [{"rfilename": name} for name in files]
            listing = {"id": model, "sha": commit, "siblings": siblings}
        return self.send(200, json.dumps(listing).encode(), Content_Type="application/json")


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    hub = Hub()
    handler = type("Handler", (HubHandler,), {"hub": hub})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(
            target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        )
        thread.start()
        hub.endpoint = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setattr(constants, "ENDPOINT", hub.endpoint)
        template = hub.endpoint + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", os.devnull)
        for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
            monkeypatch.delenv(name, raising=False)
        disable_progress_bars()
        yield hub
        server.shutdown()
        thread.join()


@pytest.fixture
def unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes the hub unreachable: port 9 (`discard`) has no server."""
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    template = "http://127.0.0.1:9/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)


def names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def fails(source: str | Path, **options: object) -> str:
    with pytest.raises(UserError) as caught:
        sources.resolve(source, **options)  # type: ignore[arg-type]
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_an_existing_folder_is_returned_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "owner" / "name").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert sources.resolve("owner/name") == Path("owner/name")
    assert sources.resolve(tmp_path) == tmp_path
    assert sources.resolve("~/owner") == tmp_path / "owner"


@pytest.mark.parametrize(
    "source",
    [
        "./model",
        "../model",
        "/no/model",
        "~/model",
        "a/b/c",
        "a\\b",
        "a b",
        "name/",
        ".hidden/x",
        Path("owner/name"),
        "~nobody_here/model",
        "https://host/owner",
    ],
)
def test_what_can_only_be_a_path_is_not_looked_up(source: str | Path, unreachable: None) -> None:
    assert fails(source).startswith(f"{source}: no such folder or file; give a model")


def test_an_existing_file_is_returned_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "xlsr.pt").touch()
    assert sources.resolve("xlsr.pt") == Path("xlsr.pt")
    assert sources.resolve(tmp_path / "xlsr.pt") == tmp_path / "xlsr.pt"


def test_what_is_neither_file_nor_folder_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert "neither a folder nor a file" in fails(tmp_path / "pipe")
    assert "empty" in fails("")


@pytest.mark.parametrize(
    "files, weights",
    [
        (BOTH, {"model.safetensors"}),
        (DESCRIPTION | UNWANTED | {"pytorch_model.bin": b"p"}, {"pytorch_model.bin"}),
        (DESCRIPTION | UNWANTED | SHARDS, set(SHARDS)),
        (
            DESCRIPTION
            | SHARDS
            | {"model.safetensors.index.json": b"{}", "model-00001-of-00001.safetensors": b"1"},
            {"model.safetensors.index.json", "model-00001-of-00001.safetensors"},
        ),
    ],
    ids=["safetensors over bin", "bin", "bin shards", "safetensors shards over bin shards"],
)
def test_only_what_is_read_is_fetched(
    hub: Hub, tmp_path: Path, files: dict[str, bytes], weights: set[str]
) -> None:
    hub.models["owner/name"] = {MAIN: files}
    folder = sources.resolve("owner/name", cache_dir=tmp_path)
    assert names(folder) == set(DESCRIPTION) | weights == hub.downloads()
    assert all((folder / name).read_bytes() == files[name] for name in names(folder))
    # the cache layout of huggingface_hub
    assert folder == tmp_path / "models--owner--name" / "snapshots" / MAIN
    assert (tmp_path / "models--owner--name" / "refs" / "main").read_text(encoding="utf-8") == MAIN


def test_a_name_without_owner(hub: Hub, tmp_path: Path) -> None:
    hub.models["name"] = {MAIN: BOTH}
    assert sources.resolve("name", cache_dir=tmp_path).parts[-3] == "models--name"


def test_revisions_by_name_and_by_commit(hub: Hub, tmp_path: Path) -> None:
    hub.models["o/n"] = {MAIN: BOTH, OLD: BOTH | {"model.safetensors": b"old"}}
    for revision, weights in [(None, b"new"), ("main", b"new"), ("v1", b"old"), (OLD, b"old")]:
        folder = sources.resolve("o/n", revision=revision, cache_dir=tmp_path)
        assert (folder / "model.safetensors").read_bytes() == weights
    message = fails("o/n", revision="v9", cache_dir=tmp_path)
    assert message.startswith("o/n: has no revision 'v9'")


def test_a_pinned_model_stays_the_same(hub: Hub, tmp_path: Path) -> None:
    """Results of a model that was published again were kept as those of the new one."""
    hub.models["o/n"] = {MAIN: BOTH, OLD: BOTH | {"model.safetensors": b"old"}}
    hub.commits["main"] = OLD
    options = sources.HubOptions(cache_dir=str(tmp_path))
    assert model_identity("o/n", None, options) == model_identity("o/n", None)  # not fetched yet
    pinned = sources.pinned("o/n", options)
    assert (pinned.revision, pinned.local_files_only) == (OLD, True)
    before = model_identity("o/n", None, options)
    hub.commits["main"] = MAIN
    again = sources.pinned("o/n", options)
    assert again.revision == MAIN
    assert model_identity("o/n", None, options) != before
    assert model_identity("o/n", None, pinned) != model_identity("o/n", None, again)
    hub.requests.clear()
    folder = sources.resolve("o/n", **pinned.keywords())
    assert ((folder / "model.safetensors").read_bytes(), hub.requests) == (b"old", [])
    assert sources.pinned(tmp_path, options) is options


def test_the_token_is_sent(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.models["o/n"] = {MAIN: BOTH}
    hub.needs_token.add("o/n")
    for wrong in (None, "hf_wrong"):
        message = fails("o/n", token=wrong, cache_dir=tmp_path)
        assert "HF_TOKEN" in message and "hf_wrong" not in message
    hub.requests.clear()
    assert names(sources.resolve("o/n", token=TOKEN, cache_dir=tmp_path / "1"))
    assert {authorization for *_, authorization in hub.requests} == {f"Bearer {TOKEN}"}
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert names(sources.resolve("o/n", cache_dir=tmp_path / "2"))


def test_refusals_say_what_to_do(hub: Hub, tmp_path: Path) -> None:
    hub.models["o/gated"] = {MAIN: BOTH}
    hub.gated.add("o/gated")
    hub.models["o/text"] = {MAIN: {"README.md": b""}}
    message = fails("o/gated", cache_dir=tmp_path)
    assert f"accept its conditions at {hub.endpoint}/o/gated" in message and "HF_TOKEN" in message
    message = fails("o/absent", cache_dir=tmp_path)
    assert f"neither a folder here nor a model on {hub.endpoint}" in message and "token=" in message
    assert "no config.json" in fails("o/text", cache_dir=tmp_path)
    assert "valid id" in fails("o/a--b", cache_dir=tmp_path)


def test_a_cache_that_cannot_be_written(hub: Hub, tmp_path: Path) -> None:
    hub.models["o/n"] = {MAIN: BOTH}
    (tmp_path / "file").touch()
    assert "cannot be written to the cache" in fails("o/n", cache_dir=tmp_path / "file")


def test_without_network_the_cache_is_used_with_one_warning(
    hub: Hub,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    request: pytest.FixtureRequest,
) -> None:
    hub.models["o/n"] = {MAIN: BOTH, OLD: BOTH}
    folder = sources.resolve("o/n", cache_dir=tmp_path)
    tagged = sources.resolve("o/n", revision="v1", cache_dir=tmp_path)
    assert caplog.records == []

    hub.broken = True  # answers 503
    assert sources.resolve("o/n", cache_dir=tmp_path) == folder
    assert len(caplog.records) == 1

    request.getfixturevalue("unreachable")
    caplog.clear()
    assert sources.resolve("o/n", revision="v1", cache_dir=tmp_path) == tagged
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "o/n at revision v1: using the cached copy" in record.getMessage()
    assert "connect and try again" in fails("o/other", cache_dir=tmp_path)
    assert "connect and try again" in fails("o/n", revision="v9", cache_dir=tmp_path)

    # no warning where offline mode was requested
    caplog.clear()
    assert sources.resolve("o/n", cache_dir=tmp_path, local_files_only=True) == folder
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert sources.resolve("o/n", cache_dir=tmp_path) == folder
    assert caplog.records == []
    assert "nor in the cache" in fails("o/other", cache_dir=tmp_path)


def test_a_cache_without_weights_is_not_enough(hub: Hub, tmp_path: Path) -> None:
    hub.models["o/n"] = {MAIN: BOTH}
    huggingface_hub.hf_hub_download("o/n", "config.json", cache_dir=tmp_path)
    assert "nor in the cache" in fails("o/n", cache_dir=tmp_path, local_files_only=True)


MMS = BOTH | {
    "adapter.eng.safetensors": b"eng",
    "adapter.fra.safetensors": b"fra",
    "adapter.fra.bin": b"pickle",
    "adapter.frr.bin": b"frr",
    "adapter.uzb-script_latin.safetensors": b"uzb",
}


def fails_for_language(source: str | Path, language: str, **options: object) -> str:
    """The message for a local folder is the same for the model and for the adapter alone."""
    message = fails(source, adapter=language, **options)
    if isinstance(source, Path):
        with pytest.raises(UserError) as caught:
            sources.adapter_file(source, language)
        assert str(caught.value) == message
    return message


def test_the_adapter_of_one_language_is_fetched_with_the_model(hub: Hub, tmp_path: Path) -> None:
    hub.models["o/mms"] = {MAIN: MMS}
    folder = sources.resolve("o/mms", adapter="fra", cache_dir=tmp_path)
    whole = {*DESCRIPTION, "model.safetensors", "adapter.fra.safetensors"}
    assert names(folder) == hub.downloads() == whole
    assert sources.adapter_file(folder, "fra") == folder / "adapter.fra.safetensors"


def test_only_the_adapter_of_another_language_is_fetched(hub: Hub, tmp_path: Path) -> None:
    hub.models["o/mms"] = {MAIN: MMS, OLD: MMS | {"adapter.frr.bin": b"old"}}
    sources.resolve("o/mms", cache_dir=tmp_path)
    for language, name in [
        ("frr", "adapter.frr.bin"),
        ("uzb-script_latin", "adapter.uzb-script_latin.safetensors"),
    ]:
        hub.requests.clear()
        folder = sources.resolve("o/mms", adapter=language, cache_dir=tmp_path)
        file = sources.adapter_file(folder, language)
        assert file.name == name and file.read_bytes() == MMS[name]
        assert hub.downloads() == {name}
    folder = sources.resolve("o/mms", adapter="frr", revision="v1", cache_dir=tmp_path)
    assert sources.adapter_file(folder, "frr").read_bytes() == b"old"


def test_adapters_in_a_local_folder(tmp_path: Path) -> None:
    for name, contents in MMS.items():
        if "/" not in name:
            (tmp_path / name).write_bytes(contents)
    assert sources.resolve(tmp_path, adapter="frr") == tmp_path
    assert sources.adapter_file(tmp_path, "fra") == tmp_path / "adapter.fra.safetensors"
    assert sources.adapter_file(tmp_path, "frr") == tmp_path / "adapter.frr.bin"
    weights = tmp_path / "model.safetensors"
    assert sources.resolve(weights, adapter="frr") == weights
    assert sources.adapter_file(weights, "frr") == tmp_path / "adapter.frr.bin"


@pytest.mark.parametrize(
    ("language", "near"),
    [
        ("fr", "'frr', 'fra'"),
        ("uzb", "'uzb-script_latin'"),
        ("zz", "'eng', 'fra', 'frr', 'uzb-script_latin'"),
        ("", "'eng', 'fra', 'frr', 'uzb-script_latin'"),
        ("../eng", "'eng'"),
    ],
)
def test_a_language_without_adapter_is_an_error_that_names_similar_ones(
    hub: Hub, tmp_path: Path, language: str, near: str
) -> None:
    hub.models["o/mms"] = {MAIN: MMS}
    local = tmp_path / "local"
    local.mkdir()
    for name in MMS.keys() - UNWANTED.keys() | {"adapter.fra.safetensors"}:
        (local / name).touch()
    for source in ("o/mms", local):
        message = fails_for_language(source, language, cache_dir=tmp_path)
        assert message == (
            f"{source}: has no adapter for {language!r} but for 4 languages; "
            f"pass target_lang=, as {near}"
        )
    assert hub.downloads() == set()


def test_a_model_without_adapters_has_no_languages(hub: Hub, tmp_path: Path) -> None:
    hub.models["o/n"] = {MAIN: DESCRIPTION | {"model.safetensors": b""}}
    wanted = "has no adapters of languages; leave target_lang out"
    assert fails_for_language("o/n", "fra", cache_dir=tmp_path) == f"o/n: {wanted}"
    assert fails_for_language(tmp_path, "fra") == f"{tmp_path}: {wanted}"


def test_without_network_only_cached_adapters_are_had(
    hub: Hub, tmp_path: Path, caplog: pytest.LogCaptureFixture, request: pytest.FixtureRequest
) -> None:
    hub.models["o/mms"] = {MAIN: MMS}
    folder = sources.resolve("o/mms", adapter="fra", cache_dir=tmp_path)
    offline: dict[str, Any] = {"cache_dir": tmp_path, "local_files_only": True}
    assert sources.resolve("o/mms", adapter="fra", **offline) == folder
    message = fails_for_language("o/mms", "frr", **offline)
    assert message.startswith("o/mms as cached (connect for more): has no adapter for 'frr'")

    request.getfixturevalue("unreachable")
    assert sources.resolve("o/mms", adapter="fra", cache_dir=tmp_path) == folder
    assert "cannot be reached" in fails_for_language("o/mms", "frr", cache_dir=tmp_path)
    (record,) = caplog.records
    assert "using the cached copy" in record.getMessage()


@pytest.mark.slow
def test_environment_and_laziness_in_a_fresh_process(hub: Hub, tmp_path: Path) -> None:
    """HF_ENDPOINT, HF_HOME and HF_HUB_OFFLINE are honoured; the hub's library is imported late."""
    hub.models["o/n"] = {MAIN: BOTH}
    program = (
        "import sys; from wav2vec2_tf.checkpoint.hub import resolve\n"
        "resolve('.')\n"
        "assert 'huggingface_hub' not in sys.modules\n"
        "print(resolve('o/n'))"
    )

    def run(**variables: str) -> subprocess.CompletedProcess[str]:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("HF_")}
        environment |= {"HF_HOME": str(tmp_path), "HF_HUB_DISABLE_PROGRESS_BARS": "1"} | variables
        return subprocess.run(
            [sys.executable, "-W", "error", "-c", program],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )

    folder = tmp_path / "hub" / "models--o--n" / "snapshots" / MAIN
    online = run(HF_ENDPOINT=hub.endpoint)
    assert online.stdout.strip() == str(folder)
    assert names(folder) == {*DESCRIPTION, "model.safetensors"}

    asked = len(hub.requests)
    offline = run(HF_ENDPOINT=hub.endpoint, HF_HUB_OFFLINE="1")
    assert (offline.stdout, offline.stderr) == (online.stdout, "")
    assert len(hub.requests) == asked

    unreachable = run(HF_ENDPOINT="http://127.0.0.1:9")
    assert unreachable.stdout == online.stdout
    assert unreachable.stderr.count("\n") == 1 and "using the cached copy" in unreachable.stderr
