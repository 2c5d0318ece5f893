"""The choice and order of training examples, and the pipeline that reads them."""

from __future__ import annotations

import dataclasses
import gc
import weakref
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from tests.support.corpus import SPOKEN, tone, write_corpus, write_tar
from tests.support.ffmpeg import fake_ffmpeg, without_ffmpeg
from wav2vec2_tf.audio import SAMPLE_RATE
from wav2vec2_tf.data.bad_recordings import BadRecordings
from wav2vec2_tf.data.corpus import Corpus, open_corpus
from wav2vec2_tf.models.config import Wav2Vec2BertConfig, Wav2Vec2Config
from wav2vec2_tf.models.feature_extractor import FeatureExtractor, LogMelFeatureExtractor
from wav2vec2_tf.models.lengths import BUCKETS, bucket
from wav2vec2_tf.models.processor import Processor
from wav2vec2_tf.text.normalize import TextRules, build_vocabulary
from wav2vec2_tf.training.batches import (
    EMPTY,
    ReplicaBatch,
    make_dataset,
    plan_epoch,
    read_batch,
    split_batch,
)
from wav2vec2_tf.training.examples import Example, select_examples
from wav2vec2_tf.utils.errors import UserError

CONFIG = Wav2Vec2Config()
TOKENIZER = build_vocabulary(text for text, _ in SPOKEN.values())
# "GOOD" is 4 letters and a blank in 1,600 samples, which give 4 frames
FITTING = {key: spoken for key, spoken in sorted(SPOKEN.items()) if key != "12-3-0001"}
PROCESSOR = Processor(FeatureExtractor(do_normalize=True), TOKENIZER)


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    return open_corpus(str(write_corpus(tmp_path / "corpus")))


def made(tmp_path: Path, *spoken: tuple[str, int]) -> Corpus:
    """Writes a corpus of (text, samples) utterances with the ids 1-1-0, 1-1-1, …"""
    listed = {f"1-1-{number}": entry for number, entry in enumerate(spoken)}
    return open_corpus(str(write_corpus(tmp_path / "made", listed)))


# Which utterances


def test_examples(corpus: Corpus) -> None:
    selection = select_examples([corpus], CONFIG, TOKENIZER)
    assert selection.dropped == {"with more labels than frames": ("12-3-0001",)}
    assert [example.id for example in selection.examples] == list(FITTING)
    for example in selection.examples:
        text, samples = SPOKEN[example.id]
        assert example.samples == samples == len(example.load())
        assert example.labels.dtype == np.int32
        assert TOKENIZER.decode(example.labels, group_tokens=False) == text
    assert list(selection.samples) == [samples for _, samples in FITTING.values()]
    assert list(selection.label_lengths) == [len(text) for text, _ in FITTING.values()]
    assert selection.report() == (
        "6 utterances, 0.00 h; dropped: 1 with more labels than frames ('12-3-0001')"
    )


def test_several_corpora_one_after_the_other(corpus: Corpus, tmp_path: Path) -> None:
    other = made(tmp_path, ("GOOD", 8000))
    selection = select_examples([other, corpus], CONFIG, TOKENIZER)
    assert [example.id for example in selection.examples] == ["1-1-0", *FITTING]


def test_without_a_tokenizer_texts_are_not_looked_at(tmp_path: Path) -> None:
    selection = select_examples([made(tmp_path, ("", 8000), ("|", 8001))], CONFIG)
    assert list(selection.label_lengths) == [0, 0]
    assert {example.labels.dtype for example in selection.examples} == {np.dtype(np.int32)}


def test_one_frame_is_the_least(tmp_path: Path) -> None:
    """The least is 400 samples for waveform models; adapters need more for one frame."""
    selection = select_examples([made(tmp_path, ("E", 399), ("E", 400))], CONFIG, TOKENIZER)
    assert selection.dropped == {"too short": ("1-1-0",)}
    adapted = dataclasses.replace(CONFIG, add_adapter=True, num_adapter_layers=2)
    least = adapted.samples_of(adapted.fewest_frames)
    pair = made(tmp_path / "adapted", ("E", least - 1), ("E", least))
    left = select_examples([pair], adapted, TOKENIZER)
    assert [example.samples for example in left.examples] == [least]


def test_limits_in_seconds_are_inclusive(tmp_path: Path) -> None:
    lengths = [15999, 16000, 32000, 32001]
    selection = select_examples(
        [made(tmp_path, *(("E", length) for length in lengths))],
        CONFIG,
        TOKENIZER,
        shortest_seconds=1,
        longest_seconds=2,
    )
    assert [example.samples for example in selection.examples] == [16000, 32000]
    assert selection.dropped == {"too short": ("1-1-0",), "too long": ("1-1-3",)}
    assert selection.report().endswith("dropped: 1 too short ('1-1-0'); 1 too long ('1-1-3')")


@pytest.mark.parametrize("text", ["ABCD", "AABB", "AAAA", "A  A", "AB BA"])
@pytest.mark.parametrize("config", [CONFIG, Wav2Vec2BertConfig(add_adapter=True)])
def test_labels_must_fit_the_frames(tmp_path: Path, text: str, config: Wav2Vec2Config) -> None:
    """Checks the fewest frames for which PyTorch's CTC loss is finite, and one less."""
    import torch

    tokenizer = build_vocabulary(["AB CD"])
    labels = torch.tensor([tokenizer.encode(TextRules()(text))])

    def possible(frames: int) -> bool:
        loss = torch.nn.functional.ctc_loss(
            torch.zeros(frames, 1, 10).log_softmax(-1), labels, [frames], [labels.shape[1]]
        )
        return bool(torch.isfinite(loss))

    samples = {count: first_samples(config, count) for count in range(1, 12)}
    listed = made(tmp_path, *((text, length) for length in samples.values()))
    selection = select_examples([listed], config, tokenizer)
    kept = {example.samples for example in selection.examples}
    assert {count for count in samples if samples[count] in kept} == {
        count for count in samples if possible(count)
    }
    assert len(selection.dropped["with more labels than frames"]) == 11 - len(kept)


def first_samples(config: Wav2Vec2Config, frames: int) -> int:
    """Returns the smallest number of samples that gives this number of frames."""
    samples = np.arange(200_000)
    return int(samples[config.frame_length(samples) == frames][0])


def test_utterances_without_text_are_left_out(tmp_path: Path) -> None:
    rules = TextRules(remove=".")
    selection = select_examples(
        [made(tmp_path, ("", 8000), (". .", 8000), ("E.", 8000))], CONFIG, TOKENIZER, rules
    )
    assert selection.dropped == {"without text": ("1-1-0", "1-1-1")}
    assert len(selection.examples) == 1


def test_characters_outside_the_vocabulary(tmp_path: Path) -> None:
    strange = made(tmp_path, ("GOOD", 8000), ("GÖÖD Z", 8001), ("<pad> E", 8002))
    with pytest.raises(UserError) as caught:
        select_examples([strange], CONFIG, TOKENIZER)
    assert "U+00D6 LATIN CAPITAL LETTER O WITH DIAERESIS ×2, '<pad>' ×1, U+005A" in str(
        caught.value
    )
    assert "\n" not in str(caught.value)

    mapped = select_examples([strange], CONFIG, TOKENIZER, unknown="map")
    unknown = TOKENIZER.unk_token_id
    letters = {letter: TOKENIZER.encode(letter)[0] for letter in "GD E"}
    assert mapped.examples[1].labels.tolist() == [
        *(letters["G"], unknown, unknown, letters["D"], letters[" "], unknown)
    ]
    assert TOKENIZER.pad_token_id not in mapped.examples[2].labels
    assert mapped.examples[2].labels[0] == unknown

    dropped = select_examples([strange], CONFIG, TOKENIZER, unknown="drop")
    assert [example.id for example in dropped.examples] == ["1-1-0"]
    assert dropped.dropped == {"with characters outside the vocabulary": ("1-1-1", "1-1-2")}
    rules = TextRules(replace={"Ö": "O", "<pad>": "", "Z": ""})
    assert len(select_examples([strange], CONFIG, TOKENIZER, rules).examples) == 3
    with pytest.raises(UserError, match="unknown must be one of refuse, map, drop, got 'ignore'"):
        select_examples([strange], CONFIG, TOKENIZER, unknown="ignore")


def test_nothing_left_says_why(tmp_path: Path) -> None:
    short = made(tmp_path, ("E", 300), ("", 8000), ("E", 200), ("E", 100), ("E", 50))
    with pytest.raises(UserError) as caught:
        select_examples([short], CONFIG, TOKENIZER)
    message = str(caught.value)
    assert short.source in message
    assert "4 too short ('1-1-0', '1-1-2', '1-1-3', …); 1 without text ('1-1-1')" in message
    assert "\n" not in message


def test_archives_are_for_shards(corpus: Corpus, tmp_path: Path) -> None:
    archive = open_corpus(str(write_tar(tmp_path / "a.tar.gz", Path(corpus.source))))
    with pytest.raises(
        UserError, match="unpack it, or convert it to shards with wav2vec2-tf shards"
    ):
        select_examples([archive], CONFIG, TOKENIZER)


@pytest.mark.parametrize(
    ("ffmpeg", "message"),
    [
        (without_ffmpeg, "not audio"),
        (fake_ffmpeg, r"ffmpeg cannot read it \(moov atom not found\)"),
    ],
)
def test_header_that_cannot_be_read(
    corpus: Corpus,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    ffmpeg: Callable[..., object],
    message: str,
) -> None:
    ffmpeg(monkeypatch, tmp_path)
    file = Path(corpus.source) / "11" / "8" / "11-8-0000.flac"
    file.write_bytes(b"no audio")
    with pytest.raises(UserError, match=rf"11-8-0000\.flac: {message}"):
        select_examples([corpus], CONFIG, TOKENIZER)


# The plan

LENGTHS = st.lists(st.integers(1, 20 * SAMPLE_RATE), min_size=1, max_size=80).map(np.array)


@given(
    LENGTHS,
    st.integers(0, 2**64 - 1),
    st.integers(0, 10**6),
    st.floats(20.0, 200.0),
    st.none() | st.integers(1, 9),
    st.booleans(),
)
def test_plan(
    samples: np.ndarray, seed: int, epoch: int, seconds: float, most: int | None, bucketed: bool
) -> None:
    def plan(epoch: int) -> list[np.ndarray]:
        return plan_epoch(
            *(samples,),
            seed=seed,
            epoch=epoch,
            batch_seconds=max(seconds, bucket(int(samples.max())) / SAMPLE_RATE),
            most_rows=most,
            bucketed=bucketed,
        )

    planned = plan(epoch)
    assert sorted(np.concatenate(planned)) == list(range(len(samples)))
    for batch in planned:
        assert 1 <= len(batch) <= (most or len(samples))
        (share,) = split_batch(batch, 1, samples, samples, bucketed=bucketed)
        limit = max(seconds, bucket(int(samples.max())) / SAMPLE_RATE)
        assert len(batch) * share.samples <= limit * SAMPLE_RATE
    again = plan(epoch)
    assert len(again) == len(planned)
    assert all(np.array_equal(one, other) for one, other in zip(planned, again, strict=True))
    # other epochs have as many batches of each size, so numbers of steps hold for all
    assert sorted(map(len, plan(epoch + 1))) == sorted(map(len, planned))


def lengths_like_librispeech(count: int) -> np.ndarray:
    """Returns lengths in samples of 2 to 17 s, most of them 12 to 16."""
    seconds = 17 - 15 * np.random.default_rng(7).beta(1.2, 3.0, count)
    return (seconds * SAMPLE_RATE).astype(np.int64)


def test_every_epoch_is_new() -> None:
    """Batches and their order change each epoch, and do not follow the lengths."""
    samples = lengths_like_librispeech(3000)
    options = {"seed": 3, "batch_seconds": 200.0}
    epochs = [plan_epoch(samples, epoch=epoch, **options) for epoch in range(3)]
    pairs = [
        {frozenset((int(batch[0]), int(other))) for batch in epoch for other in batch[1:]}
        for epoch in epochs
    ]
    # few of the 13 in a batch, drawn from hundreds in a bucket, meet again
    assert len(pairs[0] & pairs[1]) < 0.1 * len(pairs[0])
    places = [np.argsort(np.concatenate(epoch)) for epoch in epochs]
    for one, other in ((0, 1), (1, 2), (0, 2)):
        assert abs(np.corrcoef(places[one], places[other])[0, 1]) < 0.1
    for place in places:
        assert abs(np.corrcoef(place, samples)[0, 1]) < 0.1
        assert abs(np.corrcoef(place, np.arange(3000))[0, 1]) < 0.1
    assert (
        plan_epoch(samples, epoch=0, seed=4, batch_seconds=200.0)[0].tolist()
        != epochs[0][0].tolist()
    )


def test_little_padding_and_few_shapes() -> None:
    samples = lengths_like_librispeech(3000)

    def padding_share(batches: list[np.ndarray], bucketed: bool) -> float:
        longest = [int(samples[batch].max()) for batch in batches]
        widths = [bucket(width) if bucketed else width for width in longest]
        rows = [len(batch) for batch in batches]
        return 1 - samples.sum() / np.dot(widths, rows)

    planned = plan_epoch(samples, seed=0, epoch=0, batch_seconds=200.0)
    share = padding_share(planned, True)
    assert share < 0.13
    assert padding_share(planned, False) < share
    shapes = {(bucket(int(samples[batch].max())), len(batch)) for batch in planned}
    assert len(shapes) <= len(set(map(bucket, samples.tolist()))) + 1
    at_random = np.split(np.random.default_rng(0).permutation(3000), 250)
    assert padding_share(at_random, True) > 2 * share


def test_the_plan_is_the_same_in_every_version() -> None:
    """A run may resume after an update of any library, or of this one."""
    planned = plan_epoch(np.arange(1, 9) * 16000, seed=1, epoch=2, batch_seconds=16.0)
    assert [batch.tolist() for batch in planned] == [[4, 5], [6, 7], [0, 1, 2, 3]]


def test_a_batch_must_hold_the_longest() -> None:
    samples = np.array([16000, 17 * 16000])
    with pytest.raises(
        UserError, match=r"17\.0 s, padded to 19\.\d s\), got 18: raise batch_seconds"
    ):
        plan_epoch(samples, seed=0, epoch=0, batch_seconds=18.0)
    assert len(plan_epoch(samples, seed=0, epoch=0, batch_seconds=17.0, bucketed=False)) == 2
    with pytest.raises(UserError, match="cut the recording"):
        plan_epoch(np.array([BUCKETS[-1] + 1]), seed=0, epoch=0, batch_seconds=1000.0)
    assert plan_epoch(np.zeros(0, np.int64), seed=0, epoch=0, batch_seconds=1.0) == []


@given(LENGTHS, st.integers(1, 7), st.booleans(), st.data())
def test_split_covers_the_batch(
    samples: np.ndarray, replicas: int, bucketed: bool, data: st.DataObject
) -> None:
    labels = data.draw(
        st.lists(st.integers(0, 400), min_size=len(samples), max_size=len(samples)).map(np.array)
    )
    batch = np.array(data.draw(st.permutations(range(len(samples)))))[: len(samples) // 2 + 1]
    shares = split_batch(batch, replicas, samples, labels, bucketed=bucketed)
    assert len(shares) == replicas
    together = np.concatenate([share.rows for share in shares])
    assert together[together != EMPTY].tolist() == batch.tolist()
    assert {len(share.rows) for share in shares} == {-(-len(batch) // replicas)}
    ((width, most),) = {(share.samples, share.labels) for share in shares}
    longest, labelled = samples[batch].max(), labels[batch].max()
    if bucketed:
        assert width == bucket(int(longest))
        assert most == (0 if labelled == 0 else max(16, 2 ** int(np.ceil(np.log2(labelled)))))
    else:
        assert (width, most) == (longest, labelled)


# The pipeline


def loading(samples: np.ndarray) -> Callable[[], np.ndarray]:
    return lambda: samples


def some_examples(count: int) -> list[Example]:
    random = np.random.default_rng(1)
    return [
        Example(
            f"u{number}",
            len(speech := random.normal(0.2, 0.1, 500 + 10 * number).astype(np.float32)),
            np.arange(1, number + 2, dtype=np.int32),
            loading(speech),
        )
        for number in range(count)
    ]


@pytest.mark.parametrize("parallel", [1, 4])
def test_dataset_gives_the_shares_in_order(parallel: int) -> None:
    examples = some_examples(9)
    shares = [
        ReplicaBatch(np.array([3, 1, EMPTY]), 700, 16),
        *(ReplicaBatch(np.array([number]), 600, 9) for number in (8, 0, 2)),
        ReplicaBatch(np.array([EMPTY]), 600, 9),
        ReplicaBatch(np.array([5, 4]), 550, 6),
    ]
    read = list(make_dataset(examples, shares, PROCESSOR, BadRecordings(), parallel=parallel))
    assert len(read) == len(shares)
    for (inputs, labels), share in zip(read, shares, strict=True):
        assert inputs["speech"].shape == (len(share.rows), share.samples)
        assert labels.shape == (len(share.rows), share.labels)
        for row, number in enumerate(share.rows):
            speech, length = inputs["speech"][row].numpy(), int(inputs["lengths"][row])
            assert not speech[length:].any()
            count = 0 if number == EMPTY else number + 1
            ids = [*range(1, count + 1), *[-100] * (share.labels - count)]
            assert labels[row].numpy().tolist() == ids
            if number == EMPTY:
                assert length == 0
                continue
            (expected,) = PROCESSOR(examples[number].load())["input_values"]
            np.testing.assert_allclose(speech[:length], expected, atol=1e-6)
    spec, labels_spec = make_dataset(examples, shares, PROCESSOR, BadRecordings()).element_spec
    assert spec["speech"] == tf.TensorSpec((None, None), tf.float32)
    assert spec["lengths"] == tf.TensorSpec((None,), tf.int32)
    assert labels_spec == tf.TensorSpec((None, None), tf.int32)


def test_log_mel_models_take_speech_as_it_is() -> None:
    examples = some_examples(1)
    share = ReplicaBatch(np.array([0]), 500, 1)
    processor = Processor(LogMelFeatureExtractor(), TOKENIZER)
    ((inputs, _),) = make_dataset(examples, [share], processor, BadRecordings())
    np.testing.assert_array_equal(inputs["speech"][0], examples[0].load())


def test_pipeline_of_a_real_corpus(corpus: Corpus) -> None:
    """Each utterance occurs once per epoch, for two epochs, whatever the plan."""
    selection = select_examples([corpus], CONFIG, TOKENIZER)
    for epoch in range(2):
        planned = plan_epoch(selection.samples, seed=0, epoch=epoch, batch_seconds=4.0)
        shares = [
            share
            for batch in planned
            for share in split_batch(batch, 2, selection.samples, selection.label_lengths)
        ]
        found = []
        for inputs, labels in make_dataset(selection.examples, shares, PROCESSOR, BadRecordings()):
            for length, row in zip(inputs["lengths"].numpy(), labels.numpy(), strict=True):
                if length:
                    found.append((TOKENIZER.decode(row[row >= 0], group_tokens=False), length))
        assert sorted(found) == sorted(FITTING.values())


def test_resuming_is_starting_the_list_there(corpus: Corpus) -> None:
    selection = select_examples([corpus], CONFIG, TOKENIZER)
    planned = plan_epoch(selection.samples, seed=0, epoch=5, batch_seconds=3.0)
    shares = [
        split_batch(batch, 1, selection.samples, selection.label_lengths)[0] for batch in planned
    ]
    assert len(shares) > 3
    whole = list(make_dataset(selection.examples, shares, PROCESSOR, BadRecordings()))
    rest = list(make_dataset(selection.examples, shares[2:], PROCESSOR, BadRecordings()))
    for (inputs, labels), (others, other_labels) in zip(whole[2:], rest, strict=True):
        np.testing.assert_array_equal(inputs["speech"], others["speech"])
        np.testing.assert_array_equal(labels, other_labels)


def test_epochs_do_not_pile_up() -> None:
    """TensorFlow never frees the Python functions of datasets, or the objects they hold."""
    examples = some_examples(2)
    held = []
    for _ in range(3):
        shares = [ReplicaBatch(np.array([number]), 600, 9) for number in range(2)]
        assert len(list(make_dataset(examples, shares, PROCESSOR, BadRecordings()))) == 2
        held.append(weakref.ref(shares[0]))
        del shares
    gc.collect()
    assert [reference() for reference in held] == [None] * 3
    assert list(make_dataset(examples, [], PROCESSOR, BadRecordings())) == []


def test_resampled_files_fit_their_rows(tmp_path: Path) -> None:
    """The count is that of what is read, however the resampler rounds."""
    lines = ["path\ttext"]
    counts = {}
    for rate in (8000, 11025, 22050, 44100, 48000):
        for samples in (rate // 2, rate // 2 + 1, rate // 3, rate - 1, rate + 7):
            name = f"{rate}-{samples}.wav"
            soundfile.write(tmp_path / name, tone(samples), rate)
            counts[name] = samples * SAMPLE_RATE / rate
            lines.append(f"{name}\tE")
    (tmp_path / "m.tsv").write_text("\n".join(lines), encoding="utf-8")
    selection = select_examples([open_corpus(str(tmp_path / "m.tsv"))], CONFIG, TOKENIZER)
    assert len(selection.examples) == 25
    for number, example in enumerate(selection.examples):
        share = ReplicaBatch(np.array([number]), example.samples, 1)
        _, (length,), _ = read_batch(selection.examples, share, True, BadRecordings())
        assert length == example.samples
        assert abs(length - counts[example.id]) <= 0.5


CUT_AND_GONE = (("11", "8", "11-8-0000.flac"), ("12", "3", "12-3-0002.flac"))


def test_a_recording_that_becomes_bad_leaves_its_row_empty(corpus: Corpus) -> None:
    selection = select_examples([corpus], CONFIG, TOKENIZER)
    cut, gone = (Path(corpus.source, *place) for place in CUT_AND_GONE)
    cut.write_bytes(cut.read_bytes()[:2000])
    gone.unlink()
    bad = BadRecordings()
    share = ReplicaBatch(np.arange(len(selection.examples)), 40000, 60)
    ((inputs, labels),) = make_dataset(selection.examples, [share], PROCESSOR, bad)
    assert set(bad) == {cut.stem, gone.stem}
    assert bad[cut.stem].startswith(f"{cut}: ") and "no such file" in bad[gone.stem]
    for row, example in enumerate(selection.examples):
        is_bad = example.id in bad
        assert inputs["lengths"][row] == (0 if is_bad else example.samples)
        assert (labels.numpy()[row] >= 0).sum() == (0 if is_bad else len(example.labels))
        assert np.any(inputs["speech"][row]) != is_bad


def test_a_count_that_differs_from_what_is_read_stops_nothing() -> None:
    """Shorter speech is used; longer speech does not fit its row, and a cut would break labels."""
    bad = BadRecordings()
    example = dataclasses.replace(some_examples(1)[0], samples=499)
    for width, read in ((600, 500), (500, 500), (499, 0)):
        share = ReplicaBatch(np.array([0]), width, 1)
        speech, lengths, labels = read_batch([example], share, True, bad)
        assert lengths == [read] and speech.shape == (1, width)
        assert (labels >= 0).any() == bool(read)
    assert bad == {"u0": "must have the 499 samples that were counted, got 500: the file has "
                   "changed since"}  # fmt: skip


def test_bad_recordings_are_all_listed_or_dropped(corpus: Corpus) -> None:
    files = sorted(Path(corpus.source).rglob("*.flac"))[:2]
    for file in files:
        file.write_bytes(b"")
    with pytest.raises(UserError) as caught:
        select_examples([corpus], CONFIG, TOKENIZER)
    assert f"2 of {len(corpus)} recordings cannot be read: " in str(caught.value)
    assert all(f"{file.stem!r} ({file}: " in str(caught.value) for file in files)
    assert "--skip-bad" in str(caught.value) and "\n" not in str(caught.value)
    bad = BadRecordings(skip=True)
    selection = select_examples([corpus], CONFIG, TOKENIZER, bad=bad)
    assert set(bad) == {file.stem for file in files}
    assert len(selection.examples) == len(FITTING) - 2
    assert "; dropped: 2 that cannot be read ('" in selection.report()


def test_counting_many_shows_no_bar_where_nobody_looks(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("wav2vec2_tf.data.bad_recordings.LARGE", 1)
    select_examples([corpus], CONFIG, TOKENIZER)
    assert capsys.readouterr().err == ""
