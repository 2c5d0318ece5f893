"""Batches: what is learnt from, in which order, and that the pipeline gives just that."""

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
from wav2vec2_tf.data.corpus import Corpus, open_corpus
from wav2vec2_tf.models.config import Wav2Vec2BertConfig, Wav2Vec2Config
from wav2vec2_tf.models.feature_extractor import FeatureExtractor, LogMelFeatureExtractor
from wav2vec2_tf.models.lengths import BUCKETS, bucket
from wav2vec2_tf.models.processor import Processor
from wav2vec2_tf.text.normalize import TextRules, build_vocabulary
from wav2vec2_tf.training import batches
from wav2vec2_tf.training.batches import (
    EMPTY,
    Example,
    Piece,
    dataset,
    padding_share,
    plan_epoch,
    prepare,
    read_piece,
    split,
    user_errors,
)
from wav2vec2_tf.utils.errors import UserError

CONFIG = Wav2Vec2Config()
TOKENIZER = build_vocabulary(text for text, _ in SPOKEN.values())
# "GOOD" is 4 letters and a blank in 1,600 samples, which give 4 frames
FITTING = {key: said for key, said in sorted(SPOKEN.items()) if key != "12-3-0001"}
PROCESSOR = Processor(FeatureExtractor(do_normalize=True), TOKENIZER)


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    return open_corpus(str(write_corpus(tmp_path / "corpus")))


def made(tmp_path: Path, *spoken: tuple[str, int]) -> Corpus:
    """A corpus of such texts and numbers of samples; its ids are 1-1-0, 1-1-1, …"""
    listed = {f"1-1-{number}": entry for number, entry in enumerate(spoken)}
    return open_corpus(str(write_corpus(tmp_path / "made", listed)))


# Which utterances


def test_examples(corpus: Corpus) -> None:
    prepared = prepare([corpus], CONFIG, TOKENIZER)
    assert prepared.dropped == {"with more labels than frames": ("12-3-0001",)}
    assert [example.id for example in prepared.examples] == list(FITTING)
    for example in prepared.examples:
        text, samples = SPOKEN[example.id]
        assert example.samples == samples == len(example.load())
        assert example.labels.dtype == np.int32
        assert TOKENIZER.decode(example.labels, group_tokens=False) == text
    assert list(prepared.samples) == [samples for _, samples in FITTING.values()]
    assert list(prepared.label_lengths) == [len(text) for text, _ in FITTING.values()]
    assert prepared.report() == (
        "6 utterances, 0.00 h; left out: 1 with more labels than frames ('12-3-0001')"
    )


def test_several_corpora_one_after_the_other(corpus: Corpus, tmp_path: Path) -> None:
    other = made(tmp_path, ("GOOD", 8000))
    prepared = prepare([other, corpus], CONFIG, TOKENIZER)
    assert [example.id for example in prepared.examples] == ["1-1-0", *FITTING]


def test_without_a_tokenizer_texts_are_not_looked_at(tmp_path: Path) -> None:
    prepared = prepare([made(tmp_path, ("", 8000), ("|", 8001))], CONFIG)
    assert list(prepared.label_lengths) == [0, 0]
    assert {example.labels.dtype for example in prepared.examples} == {np.dtype(np.int32)}


def test_one_frame_is_the_least(tmp_path: Path) -> None:
    """400 samples for the waveform models; with two layers of adapter, what makes one frame."""
    prepared = prepare([made(tmp_path, ("E", 399), ("E", 400))], CONFIG, TOKENIZER)
    assert prepared.dropped == {"too short": ("1-1-0",)}
    adapted = dataclasses.replace(CONFIG, add_adapter=True, num_adapter_layers=2)
    least = adapted.samples_of(adapted.fewest_frames)
    pair = made(tmp_path / "adapted", ("E", least - 1), ("E", least))
    left = prepare([pair], adapted, TOKENIZER)
    assert [example.samples for example in left.examples] == [least]


def test_limits_in_seconds_are_inclusive(tmp_path: Path) -> None:
    lengths = [15999, 16000, 32000, 32001]
    prepared = prepare(
        [made(tmp_path, *(("E", length) for length in lengths))],
        CONFIG,
        TOKENIZER,
        shortest_seconds=1,
        longest_seconds=2,
    )
    assert [example.samples for example in prepared.examples] == [16000, 32000]
    assert prepared.dropped == {"too short": ("1-1-0",), "too long": ("1-1-3",)}
    assert prepared.report().endswith("left out: 1 too short ('1-1-0'); 1 too long ('1-1-3')")


@pytest.mark.parametrize("text", ["ABCD", "AABB", "AAAA", "A  A", "AB BA"])
@pytest.mark.parametrize("config", [CONFIG, Wav2Vec2BertConfig(add_adapter=True)])
def test_labels_must_fit_the_frames(tmp_path: Path, text: str, config: Wav2Vec2Config) -> None:
    """The fewest frames that PyTorch's CTC loss is finite for, and one less."""
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
    prepared = prepare([listed], config, tokenizer)
    kept = {example.samples for example in prepared.examples}
    assert {count for count in samples if samples[count] in kept} == {
        count for count in samples if possible(count)
    }
    assert len(prepared.dropped["with more labels than frames"]) == 11 - len(kept)


def first_samples(config: Wav2Vec2Config, frames: int) -> int:
    """The fewest samples of so many frames."""
    samples = np.arange(200_000)
    return int(samples[config.frame_length(samples) == frames][0])


def test_utterances_without_text_are_left_out(tmp_path: Path) -> None:
    rules = TextRules(remove=".")
    prepared = prepare(
        [made(tmp_path, ("", 8000), (". .", 8000), ("E.", 8000))], CONFIG, TOKENIZER, rules
    )
    assert prepared.dropped == {"without text": ("1-1-0", "1-1-1")}
    assert len(prepared.examples) == 1


def test_characters_outside_the_vocabulary(tmp_path: Path) -> None:
    strange = made(tmp_path, ("GOOD", 8000), ("GÖÖD Z", 8001), ("<pad> E", 8002))
    with pytest.raises(UserError) as caught:
        prepare([strange], CONFIG, TOKENIZER)
    assert "U+00D6 LATIN CAPITAL LETTER O WITH DIAERESIS ×2, '<pad>' ×1, U+005A" in str(
        caught.value
    )
    assert "\n" not in str(caught.value)

    mapped = prepare([strange], CONFIG, TOKENIZER, unknown="map")
    unknown = TOKENIZER.unk_token_id
    letters = {letter: TOKENIZER.encode(letter)[0] for letter in "GD E"}
    assert mapped.examples[1].labels.tolist() == [
        *(letters["G"], unknown, unknown, letters["D"], letters[" "], unknown)
    ]
    assert TOKENIZER.pad_token_id not in mapped.examples[2].labels
    assert mapped.examples[2].labels[0] == unknown

    dropped = prepare([strange], CONFIG, TOKENIZER, unknown="drop")
    assert [example.id for example in dropped.examples] == ["1-1-0"]
    assert dropped.dropped == {"with characters outside the vocabulary": ("1-1-1", "1-1-2")}
    rules = TextRules(replace={"Ö": "O", "<pad>": "", "Z": ""})
    assert len(prepare([strange], CONFIG, TOKENIZER, rules).examples) == 3
    with pytest.raises(UserError, match="none of refuse, map, drop"):
        prepare([strange], CONFIG, TOKENIZER, unknown="ignore")


def test_nothing_left_says_why(tmp_path: Path) -> None:
    short = made(tmp_path, ("E", 300), ("", 8000), ("E", 200), ("E", 100), ("E", 50))
    with pytest.raises(UserError) as caught:
        prepare([short], CONFIG, TOKENIZER)
    message = str(caught.value)
    assert short.source in message
    assert "4 too short ('1-1-0', '1-1-2', '1-1-3', …); 1 without text ('1-1-1')" in message
    assert "\n" not in message


def test_archives_are_for_shards(corpus: Corpus, tmp_path: Path) -> None:
    archive = open_corpus(str(write_tar(tmp_path / "a.tar.gz", Path(corpus.source))))
    with pytest.raises(UserError, match="unpack it, or make shards of it with wav2vec2-tf shards"):
        prepare([archive], CONFIG, TOKENIZER)


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
        prepare([corpus], CONFIG, TOKENIZER)


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
        (piece,) = split(batch, 1, samples, samples, bucketed=bucketed)
        limit = max(seconds, bucket(int(samples.max())) / SAMPLE_RATE)
        assert len(batch) * piece.samples <= limit * SAMPLE_RATE
    again = plan(epoch)
    assert len(again) == len(planned)
    assert all(np.array_equal(one, other) for one, other in zip(planned, again, strict=True))
    # the other epochs have as many batches of each size: what is planned by steps holds for all
    assert sorted(map(len, plan(epoch + 1))) == sorted(map(len, planned))


def lengths_like_librispeech(count: int) -> np.ndarray:
    """2 to 17 s, most of them 12 to 16."""
    seconds = 17 - 15 * np.random.default_rng(7).beta(1.2, 3.0, count)
    return (seconds * SAMPLE_RATE).astype(np.int64)


def test_every_epoch_is_new() -> None:
    """Who is with whom changes, and where in the epoch; neither keeps to the order of length."""
    samples = lengths_like_librispeech(3000)
    options = {"seed": 3, "batch_seconds": 200.0}
    epochs = [plan_epoch(samples, epoch=epoch, **options) for epoch in range(3)]
    pairs = [
        {frozenset((int(batch[0]), int(other))) for batch in epoch for other in batch[1:]}
        for epoch in epochs
    ]
    # of 13 in a batch out of some hundreds in a bucket, few meet again
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
    planned = plan_epoch(samples, seed=0, epoch=0, batch_seconds=200.0)
    share = padding_share(planned, samples, bucketed=True)
    widths = np.array([bucket(int(samples[batch].max())) for batch in planned])
    rows = np.array([len(batch) for batch in planned])
    assert share == pytest.approx(1 - samples.sum() / (widths * rows).sum())
    assert share < 0.13
    assert padding_share(planned, samples, bucketed=False) < share
    shapes = set(zip(widths.tolist(), rows.tolist(), strict=True))
    assert len(shapes) <= len(set(map(bucket, samples.tolist()))) + 1
    at_random = np.split(np.random.default_rng(0).permutation(3000), 250)
    assert padding_share(at_random, samples, bucketed=True) > 2 * share


def test_the_plan_is_the_same_in_every_version() -> None:
    """A run may go on after an update: of any library, or of this one."""
    planned = plan_epoch(np.arange(1, 9) * 16000, seed=1, epoch=2, batch_seconds=16.0)
    assert [batch.tolist() for batch in planned] == [[4, 5], [6, 7], [0, 1, 2, 3]]


def test_a_batch_must_hold_the_longest() -> None:
    samples = np.array([16000, 17 * 16000])
    with pytest.raises(UserError, match=r"17\.0 s, padded to 19\.\d s\): raise batch_seconds"):
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
    pieces = split(batch, replicas, samples, labels, bucketed=bucketed)
    assert len(pieces) == replicas
    together = np.concatenate([piece.rows for piece in pieces])
    assert together[together != EMPTY].tolist() == batch.tolist()
    assert {len(piece.rows) for piece in pieces} == {-(-len(batch) // replicas)}
    ((width, most),) = {(piece.samples, piece.labels) for piece in pieces}
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
def test_dataset_gives_the_pieces_in_order(parallel: int) -> None:
    examples = some_examples(9)
    pieces = [
        Piece(np.array([3, 1, EMPTY]), 700, 16),
        *(Piece(np.array([number]), 600, 9) for number in (8, 0, 2)),
        Piece(np.array([EMPTY]), 600, 9),
        Piece(np.array([5, 4]), 550, 6),
    ]
    read = list(dataset(examples, pieces, PROCESSOR, parallel=parallel))
    assert len(read) == len(pieces)
    for (inputs, labels), piece in zip(read, pieces, strict=True):
        assert inputs["speech"].shape == (len(piece.rows), piece.samples)
        assert labels.shape == (len(piece.rows), piece.labels)
        for row, number in enumerate(piece.rows):
            speech, length = inputs["speech"][row].numpy(), int(inputs["lengths"][row])
            assert not speech[length:].any()
            count = 0 if number == EMPTY else number + 1
            ids = [*range(1, count + 1), *[-100] * (piece.labels - count)]
            assert labels[row].numpy().tolist() == ids
            if number == EMPTY:
                assert length == 0
                continue
            (expected,) = PROCESSOR(examples[number].load())["input_values"]
            np.testing.assert_allclose(speech[:length], expected, atol=1e-6)
    spec, labels_spec = dataset(examples, pieces, PROCESSOR).element_spec
    assert spec["speech"] == tf.TensorSpec((None, None), tf.float32)
    assert spec["lengths"] == tf.TensorSpec((None,), tf.int32)
    assert labels_spec == tf.TensorSpec((None, None), tf.int32)


def test_log_mel_models_take_speech_as_it_is() -> None:
    examples = some_examples(1)
    piece = Piece(np.array([0]), 500, 1)
    processor = Processor(LogMelFeatureExtractor(), TOKENIZER)
    ((inputs, _),) = dataset(examples, [piece], processor)
    np.testing.assert_array_equal(inputs["speech"][0], examples[0].load())


def test_pipeline_of_a_real_corpus(corpus: Corpus) -> None:
    """From files to batches: each utterance once, in two epochs, whatever the plan."""
    prepared = prepare([corpus], CONFIG, TOKENIZER)
    for epoch in range(2):
        planned = plan_epoch(prepared.samples, seed=0, epoch=epoch, batch_seconds=4.0)
        pieces = [
            piece
            for batch in planned
            for piece in split(batch, 2, prepared.samples, prepared.label_lengths)
        ]
        said = []
        for inputs, labels in dataset(prepared.examples, pieces, PROCESSOR):
            for length, row in zip(inputs["lengths"].numpy(), labels.numpy(), strict=True):
                if length:
                    said.append((TOKENIZER.decode(row[row >= 0], group_tokens=False), length))
        assert sorted(said) == sorted(FITTING.values())


def test_resuming_is_starting_the_list_there(corpus: Corpus) -> None:
    prepared = prepare([corpus], CONFIG, TOKENIZER)
    planned = plan_epoch(prepared.samples, seed=0, epoch=5, batch_seconds=3.0)
    pieces = [split(batch, 1, prepared.samples, prepared.label_lengths)[0] for batch in planned]
    assert len(pieces) > 3
    whole = list(dataset(prepared.examples, pieces, PROCESSOR))
    rest = list(dataset(prepared.examples, pieces[2:], PROCESSOR))
    for (inputs, labels), (others, other_labels) in zip(whole[2:], rest, strict=True):
        np.testing.assert_array_equal(inputs["speech"], others["speech"])
        np.testing.assert_array_equal(labels, other_labels)


def test_epochs_do_not_pile_up() -> None:
    """TensorFlow keeps the Python functions of datasets for good, with what they hold."""
    examples = some_examples(2)
    held = []
    for _ in range(3):
        pieces = [Piece(np.array([number]), 600, 9) for number in range(2)]
        assert len(list(dataset(examples, pieces, PROCESSOR))) == 2
        held.append(weakref.ref(pieces[0]))
        del pieces
    gc.collect()
    assert [reference() for reference in held] == [None] * 3
    assert list(dataset(examples, [], PROCESSOR)) == []


def test_resampled_files_fit_their_rows(tmp_path: Path) -> None:
    """The header's count is rounded up, resampling to the nearest: never longer than the row."""
    lines = ["path\ttext"]
    counts = {}
    for rate in (8000, 11025, 22050, 44100, 48000):
        for samples in (rate // 2, rate // 2 + 1, rate // 3, rate - 1, rate + 7):
            name = f"{rate}-{samples}.wav"
            soundfile.write(tmp_path / name, tone(samples), rate)
            counts[name] = samples * SAMPLE_RATE / rate
            lines.append(f"{name}\tE")
    (tmp_path / "m.tsv").write_text("\n".join(lines))
    prepared = prepare([open_corpus(str(tmp_path / "m.tsv"))], CONFIG, TOKENIZER)
    assert len(prepared.examples) == 25
    for number, example in enumerate(prepared.examples):
        assert example.samples == np.ceil(counts[example.id])
        piece = Piece(np.array([number]), example.samples, 1)
        _, (length,), _ = read_piece(prepared.examples, piece, True)
        assert abs(length - counts[example.id]) <= 0.5


def test_a_file_that_breaks_is_named_in_one_line(corpus: Corpus) -> None:
    prepared = prepare([corpus], CONFIG, TOKENIZER)
    file = Path(corpus.source) / "11" / "8" / "11-8-0000.flac"
    file.write_bytes(file.read_bytes()[:2000])
    pieces = [Piece(np.array([number]), 40000, 60) for number in range(len(prepared.examples))]
    read = 0
    with pytest.raises(UserError) as caught, user_errors():
        for _ in dataset(prepared.examples, pieces, PROCESSOR):
            read += 1
    assert read == 2  # those before it
    assert str(caught.value).startswith(f"{file}: ")
    assert "\n" not in str(caught.value)


def test_a_header_that_lies_stops_the_run() -> None:
    example = dataclasses.replace(some_examples(1)[0], samples=499)
    with pytest.raises(UserError, match="u0: its header tells of 499 samples.*it has 500"):
        read_piece([example], Piece(np.array([0]), 600, 1), True)
    longer = dataclasses.replace(example, samples=502)
    with pytest.raises(UserError, match="502"):
        read_piece([longer], Piece(np.array([0]), 600, 1), True)
    rounded = dataclasses.replace(example, samples=501)
    assert read_piece([rounded], Piece(np.array([0]), 600, 1), True)[1] == [500]


def test_other_errors_are_not_hidden() -> None:
    with pytest.raises(tf.errors.OutOfRangeError), user_errors():
        raise tf.errors.OutOfRangeError(None, None, "the end")


def test_counting_many_shows_no_bar_where_nobody_looks(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(batches, "LARGE", 1)
    prepare([corpus], CONFIG, TOKENIZER)
    assert capsys.readouterr().err == ""
