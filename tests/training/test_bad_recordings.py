"""Recordings that are bad before or amid a training run, and runs that share or leave a folder."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from tests.support.paths import CORPUS
from tests.support.training import (
    killed_at,
    log_lines,
    losses,
    make_model,
    run_program,
    without_determinism,
)
from wav2vec2_tf.training.finetune import finetune
from wav2vec2_tf.training.pretrain import pretrain
from wav2vec2_tf.training.run_folder import CONTENT, RunFolder
from wav2vec2_tf.training.settings import FinetuneOptions, PretrainOptions
from wav2vec2_tf.training.trainer import Trainer
from wav2vec2_tf.utils.errors import UserError
from wav2vec2_tf.utils.files import LOCK

CLIPS = 6
EPOCH = 3
"""Steps of an epoch: two clips in a batch."""

pytestmark = pytest.mark.xdist_group("bad_recordings")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    make_model(str(folder), {"mask_time_length": 3})
    return folder


def shortest() -> list[Path]:
    """Returns the audio files of a speaker, the smallest first."""
    files = [file for file in (CORPUS / "1001").rglob("*") if file.suffix in {".flac", ".wav"}]
    return sorted(files, key=lambda file: (file.stat().st_size, file.name))


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """Six short clips: `clip0` to `clip5`."""
    lines = ["id\tpath\ttext"]
    for row, file in enumerate(shortest()[:CLIPS]):
        shutil.copy2(file, tmp_path / f"clip{row}.audio")
        lines.append(f"clip{row}\tclip{row}.audio\tHE")
    path = tmp_path / "m.tsv"
    path.write_text("\n".join(lines) + "\n")
    return path


def damage(manifest: Path, *rows: int) -> None:
    for row in rows:
        manifest.with_name(f"clip{row}.audio").write_bytes(b"")


def take_away(manifest: Path, *rows: int) -> None:
    lines = manifest.read_text().splitlines(keepends=True)
    names = tuple(f"clip{row}\t" for row in rows)
    manifest.write_text("".join(line for line in lines if not line.startswith(names)))


@pytest.fixture
def options(model: Path, manifest: Path, tmp_path: Path) -> FinetuneOptions:
    return FinetuneOptions(
        model=str(model),
        output=str(tmp_path / "run"),
        train=(str(manifest),),
        most_rows=2,
        steps=2 * EPOCH,
        save_every=EPOCH,
        rate=1e-3,
    )


def weights(options: FinetuneOptions) -> dict[str, np.ndarray]:
    return load_file(Path(options.output) / "last" / "model.safetensors")


def assert_same(one: FinetuneOptions, other: FinetuneOptions) -> None:
    ours, theirs = weights(one), weights(other)
    assert all(np.array_equal(ours[name], theirs[name]) for name in ours)
    assert log_lines(one.output) == log_lines(other.output)


def listed(options: FinetuneOptions) -> dict[str, str]:
    text = (Path(options.output) / "bad_recordings.jsonl").read_text()
    return {row["id"]: row["reason"] for row in map(json.loads, text.splitlines())}


def aside(options: FinetuneOptions, name: str, **changes: Any) -> FinetuneOptions:
    """Returns the options with another output beside the first."""
    return dataclasses.replace(options, output=f"{options.output}-{name}", **changes)


def becomes_bad(monkeypatch: pytest.MonkeyPatch, step: int, damage: Callable[[], None]) -> None:
    """Damages recordings after the last step of an epoch; the next epoch reads them."""
    whole = Trainer.step

    def damaging(self: Trainer, *args: Any) -> dict[str, float]:
        metrics = whole(self, *args)
        if self.progress.step == step:
            damage()
        return metrics

    monkeypatch.setattr(Trainer, "step", damaging)


def test_all_are_listed_before_the_work(options: FinetuneOptions, manifest: Path) -> None:
    damage(manifest, 1)
    manifest.with_name("clip4.audio").unlink()
    dev = manifest.with_name("dev.tsv")
    manifest.with_name("cut.wav").write_bytes(b"RIFF")
    dev.write_text("path\ttext\ncut.wav\tHE\nclip0.audio\tHE\n")
    options = dataclasses.replace(options, dev=(str(dev),))
    with pytest.raises(UserError) as caught:
        finetune(options)
    message = str(caught.value)
    assert "3 of 8 recordings cannot be read" in message and "\n" not in message
    assert all(f"{name!r} (" in message for name in ("clip1", "clip4", "cut.wav"))
    assert "--skip-bad" in message
    assert not Path(options.output).exists()


def test_skipped_ones_are_left_out_and_counted(
    options: FinetuneOptions,
    manifest: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    without_determinism(monkeypatch)
    damage(manifest, 1, 4)
    flags = ["--steps", "2", "--most-rows", "2"]
    paths = ["--model", options.model, "--output", options.output, "--train", str(manifest)]
    assert run_program(["finetune", *paths, *flags, "--skip-bad"]) == 0
    assert "2 recordings could not be read and were left out" in capsys.readouterr().err
    assert set(listed(options)) == {"clip1", "clip4"}
    # the same as if they had never been there
    take_away(manifest, 1, 4)
    other = aside(options, "without", steps=2, save_every=500, rate=1e-4)
    finetune(other)
    assert_same(options, other)
    assert not (Path(other.output) / "bad_recordings.jsonl").exists()


def test_one_that_becomes_bad_is_skipped_and_runs_resume_to_the_bit(
    options: FinetuneOptions,
    manifest: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    resumed, taken_away = aside(options, "resumed"), aside(options, "taken-away")
    for run in (resumed, taken_away):
        with killed_at(EPOCH):
            finetune(run)
    with monkeypatch.context() as patch:
        becomes_bad(patch, EPOCH - 1, lambda: damage(manifest, 2))
        result = finetune(options)
    assert set(result.bad) == set(listed(options)) == {"clip2"}
    assert caplog.text.count("'clip2' cannot be read and is left out: ") == 1
    assert len(losses(options.output)) == 2 * EPOCH
    # the same command resumes a run in which a recording became bad
    manifest.with_name("clip2.audio").unlink()
    finetune(resumed)
    assert "resumes without 1 of its 6 recordings" in caplog.text
    assert_same(resumed, options)
    # and so it does when the row was taken away
    take_away(manifest, 2)
    caplog.clear()
    result = finetune(taken_away)
    assert "resumes without 1 of its 6 recordings" in caplog.text and "'clip2'" in caplog.text
    assert set(result.bad) == {"clip2"}
    assert_same(taken_away, options)


def test_any_other_change_of_the_corpus_is_refused(
    options: FinetuneOptions, manifest: Path
) -> None:
    with killed_at(EPOCH):
        finetune(options)
    before = manifest.read_text()
    header, *rows = before.splitlines(keepends=True)
    shutil.copy2(shortest()[CLIPS], manifest.with_name("clip6.audio"))
    for changed in (
        [*rows, "clip6\tclip6.audio\tHE\n"],
        [*rows[:-1], "clip6\tclip6.audio\tHE\n"],
        [rows[0].replace("HE", "SHE"), *rows[1:]],
        rows[::-1],
    ):
        manifest.write_text("".join([header, *changed]))
        with pytest.raises(UserError, match="holds a run with another corpus"):
            finetune(options)
    manifest.write_text("".join([header, *rows[:3], *rows[4:]]))
    first = manifest.with_name("clip0.audio")
    content = first.read_bytes()
    first.write_bytes(content)  # written again: it may be other sound of the same length
    with pytest.raises(UserError, match="holds a run with another corpus"):
        finetune(options)


def test_a_vocabulary_of_transcripts_survives_the_row_it_came_from(
    options: FinetuneOptions, manifest: Path
) -> None:
    options = dataclasses.replace(options, vocabulary="transcripts")
    manifest.write_text(manifest.read_text().replace("clip5.audio\tHE", "clip5.audio\tQUO"))
    with killed_at(EPOCH):
        finetune(options)
    take_away(manifest, 5)
    finetune(options)
    vocabulary = json.loads((Path(options.output) / "last" / "vocab.json").read_text())
    assert {"Q", "U", "O"} <= vocabulary.keys()


def test_a_batch_without_any_readable_recording_does_no_harm(
    options: FinetuneOptions, manifest: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = dataclasses.replace(options, most_rows=1, steps=2 * CLIPS)
    becomes_bad(monkeypatch, CLIPS - 1, lambda: damage(manifest, 0, 1))
    result = finetune(options)
    assert set(result.bad) == {"clip0", "clip1"}
    assert all(np.isfinite(values).all() for values in weights(options).values())
    found = losses(options.output)
    assert found[CLIPS:].count(0.0) == 2 and 0.0 not in found[:CLIPS]


def test_a_run_stops_when_nothing_can_be_read_any_more(
    options: FinetuneOptions, manifest: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wav2vec2_tf.training.trainer.EMPTY_STEPS", 2)
    becomes_bad(monkeypatch, EPOCH - 1, lambda: damage(manifest, *range(CLIPS)))
    with pytest.raises(UserError, match="no recording of the last 2 steps can be read: 'clip"):
        finetune(options)
    assert (Path(options.output) / "checkpoints" / "00000003").is_dir()


def test_dev_leaves_them_out_of_its_rates(
    options: FinetuneOptions, manifest: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = manifest.with_name("held.audio")
    shutil.copy2(manifest.with_name("clip0.audio"), held)
    dev = manifest.with_name("dev.tsv")
    dev.write_text("path\ttext\nheld.audio\tHE\nclip5.audio\tHE HE HE\n")
    options = dataclasses.replace(options, dev=(str(dev),), steps=EPOCH)
    references: list[list[str]] = []
    monkeypatch.setattr("jiwer.wer", lambda texts, _: references.append(texts) or 0.5)
    becomes_bad(monkeypatch, EPOCH - 1, lambda: held.write_bytes(b""))
    result = finetune(options)
    assert references == [["HE HE HE"]]
    assert set(result.bad) == {"held.audio"}


def test_pretraining_skips_them_too(
    model: Path, manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = PretrainOptions(
        model=str(model),
        output=str(tmp_path / "run"),
        train=(str(manifest),),
        shortest_seconds=0.5,
        most_rows=1,
        steps=2 * CLIPS,
        from_scratch=True,
        model_config={"mask_time_prob": 0.5},
        skip_bad=True,
    )
    damage(manifest, 0)
    becomes_bad(monkeypatch, CLIPS - 2, lambda: damage(manifest, 1))
    result = pretrain(options)
    assert set(result.bad) == {"clip0", "clip1"}
    values = load_file(tmp_path / "run" / "last" / "model.safetensors")
    assert all(np.isfinite(value).all() for value in values.values())


# The folder of a run


def test_a_folder_is_for_one_run_at_a_time(options: FinetuneOptions) -> None:
    folder = RunFolder(Path(options.output))
    with folder.used(True), pytest.raises(UserError, match="run: another run is writing it"):
        finetune(options)
    assert not folder.path.exists()


def test_what_killed_runs_have_left_is_removed(options: FinetuneOptions) -> None:
    output = Path(options.output)
    for left in (".best.part", ".last.x1.part", "checkpoints/.00000003.part"):
        place = output / left
        place.mkdir(parents=True)
        (place / LOCK).touch()
        (place / "model.safetensors").write_bytes(b"half")
    (output / ".lock").touch()
    (output / "settings.yaml").touch()
    finetune(dataclasses.replace(options, steps=1))
    assert not list(output.rglob(".*"))


def test_a_restart_that_is_killed_can_be_repeated(
    options: FinetuneOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder without its settings was refused from then on, also with --restart."""
    folder, remove = RunFolder(Path(options.output)), shutil.rmtree
    for name in CONTENT:
        (folder.path / name).mkdir(parents=True)
    for left in range(len(CONTENT) - 1, 0, -1):
        removed: list[Path] = []

        def remove_one(path: Path, removed: list[Path] = removed) -> None:
            if removed:
                raise KeyboardInterrupt
            removed.append(path)
            remove(path)

        monkeypatch.setattr(shutil, "rmtree", remove_one)
        with pytest.raises(KeyboardInterrupt):
            folder.claim(options, "", None, restart=True)  # type: ignore[arg-type]
        assert len(list(folder.path.iterdir())) == left
        folder.check()
