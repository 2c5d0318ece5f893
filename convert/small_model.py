"""Makes the bundled model and corpora from nothing: `python -m convert.small_model` (see `make`).

1. Text: runs of three words or more of the King James Bible (Debian's `bible-kjv`, public domain)
   that use only its 200 commonest words.
2. Speech: CMU Flite (Debian's `flite`) reads each run in one of three voices.
3. Training: transformers' `Wav2Vec2ForCTC`, a group-norm model of 2.2 M parameters, with CTC.
4. Publishing: the model in Hugging Face's folder format, and held-out utterances, of whose text no
   run was trained on, in LibriSpeech's layout.
5. A new voice: other runs that a fourth voice reads, for the model to be fine-tuned with.

Every step is seeded, and resumes where it stopped when started again. The result shows the
machinery of this project; it does not recognize the speech of people.
"""

from __future__ import annotations

import argparse
import io
import json
import math
import re
import shutil
import subprocess
import sys
import time
from collections import Counter, deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import jiwer
import numpy as np
import soundfile
import torch
from transformers import Wav2Vec2Config, Wav2Vec2ForCTC

from wav2vec2_tf.audio.normalization import normalize

SAMPLE_RATE = 16000
VOICES = {"slt": 1001, "rms": 1002, "awb": 1003}  # Flite voice → speaker number in the corpus
NEW_VOICE, NEW_SPEAKER = "kal16", 1004
NEW_UTTERANCES = {"train": 240, "dev": 40}
COMMON_WORDS = 200
HELD_OUT = {370: 4, 315: 4, 140: 4, 50: 8, 20: 44}  # least letters of an utterance → utterances
TRAINING_TEXTS = 16000
TRAINING_START = 182  # runs before it were held out by the corpus's first layout
SEED = 1
STEPS = 5200
PEAK_RATE = 1e-3
BATCH_SECONDS = 40
LETTERS = "ETAONIHSRDLUMWCFGYPBVK'XJQZ"  # the order of facebook/wav2vec2-base-960h
VOCABULARY = {
    token: index for index, token in enumerate(["<pad>", "<s>", "</s>", "<unk>", "|", *LETTERS])
}

CONFIG = {
    "vocab_size": len(VOCABULARY),
    "hidden_size": 192,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "intermediate_size": 768,
    "conv_dim": (64, 64, 96, 128, 128, 128, 128),
    "num_conv_pos_embeddings": 64,
    "num_conv_pos_embedding_groups": 16,
    "feat_extract_norm": "group",
    "do_stable_layer_norm": False,
    "ctc_loss_reduction": "sum",
    "ctc_zero_infinity": True,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "hidden_dropout": 0.0,
    "activation_dropout": 0.0,
    "attention_dropout": 0.0,
    "feat_proj_dropout": 0.0,
    "final_dropout": 0.0,
    "layerdrop": 0.0,
    "mask_time_prob": 0.0,
    "apply_spec_augment": False,
}


# ---------------------------------------------------------------------------------------- text


def common_word_runs(text: str, vocabulary_size: int) -> list[str]:
    """Returns distinct runs of 3 to 14 words that use only the commonest words of a text.

    Args:
        text: the output of Debian's `bible`.
        vocabulary_size: how many of its words are the commonest.
    """
    verses: list[str] = []
    for line in text.splitlines():
        numbered = re.match(r"\s+\d+ (.*)", line)
        if numbered:
            verses.append(numbered.group(1))
        elif verses and line.strip() and not re.match(r"^[0-9A-Z][A-Za-z ]* \d+$", line):
            verses[-1] += " " + line
    words = [re.sub(r"[^A-Z' ]", " ", verse.upper()).split() for verse in verses]
    counts = Counter(word for verse in words for word in verse)
    common = {word for word, _ in counts.most_common(vocabulary_size)}
    runs: dict[str, None] = {}
    for verse in words:
        run: list[str] = []
        for word in [*verse, ""]:
            if word in common:
                run.append(word)
            elif 3 <= len(run) <= 14:
                runs[" ".join(run)] = None
                run = []
            else:
                run = []
    return list(runs)


def compose(runs: list[str], seed: int) -> tuple[list[str], list[str], list[str]]:
    """Returns training texts, held-out texts, and unused runs; no run is used twice."""
    order = np.random.default_rng(seed).permutation(len(runs))
    left = deque(runs[index] for index in order[TRAINING_START:])
    train = [
        " ".join(left.popleft() for _ in range(4 if index % 10 == 9 else 1))
        for index in range(TRAINING_TEXTS)
    ]
    held_out = []
    for letters in (letters for letters, count in HELD_OUT.items() for _ in range(count)):
        text = left.pop()
        while len(text) < letters:
            text += " " + left.pop()
        held_out.append(text)
    return train, held_out, list(left)


# -------------------------------------------------------------------------------------- speech


def speak(text: str, voice: str) -> np.ndarray:
    """Returns the speech of a text in one of Flite's voices, int16 samples at 16 kHz."""
    command = ["flite", "-voice", voice, "-t", text.lower(), "-o", "/dev/stdout"]
    wav = bytearray(subprocess.run(command, check=True, capture_output=True).stdout)
    samples, rate = soundfile.read(io.BytesIO(bytes(wav)), dtype="int16")
    if rate != SAMPLE_RATE:
        raise RuntimeError(f"flite's voice {voice} speaks at {rate} Hz")
    return samples


@dataclass
class Corpus:
    """Utterances: their texts, voices and speech."""

    texts: list[str]
    voices: list[str]
    speech: list[np.ndarray]
    """int16 samples."""

    def rows(self) -> Iterator[tuple[str, str, np.ndarray]]:
        """Returns text, voice and speech of each utterance."""
        return zip(self.texts, self.voices, self.speech, strict=True)

    def take(self, indices: list[int]) -> Corpus:
        """Returns the utterances at some positions."""
        return Corpus(
            [self.texts[index] for index in indices],
            [self.voices[index] for index in indices],
            [self.speech[index] for index in indices],
        )


def synthesize(texts: list[str], folder: Path, seed: int) -> Corpus:
    """Synthesizes each text in a voice drawn by `seed`; keeps parts of 1000 in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    voices = np.random.default_rng(seed).choice(list(VOICES), len(texts)).tolist()
    speech: list[np.ndarray] = []
    for start in range(0, len(texts), 1000):
        part = folder / f"{start:06d}.npz"
        if not part.exists():
            stop = min(start + 1000, len(texts))
            with ThreadPoolExecutor(2) as pool:
                spoken = list(pool.map(speak, texts[start:stop], voices[start:stop]))
            np.savez(part.with_suffix(".tmp.npz"), np.concatenate(spoken), [len(s) for s in spoken])
            part.with_suffix(".tmp.npz").rename(part)
            print(f"spoken {stop}/{len(texts)}", flush=True)
        with np.load(part) as file:
            speech += np.split(file["arr_0"], np.cumsum(file["arr_1"])[:-1])
    return Corpus(texts, voices, speech)


# ------------------------------------------------------------------------------------ training


def waveform(samples: np.ndarray) -> np.ndarray:
    """Returns int16 samples as float32 of zero mean and unit variance."""
    return normalize(samples.astype(np.float32) / 32768)


def encode(text: str) -> list[int]:
    """Returns the tokens of a text."""
    return [VOCABULARY[letter] for letter in text.replace(" ", "|")]


def batches(corpus: Corpus, longest: float, rng: np.random.Generator) -> list[list[int]]:
    """Returns one epoch: shuffled batches of BATCH_SECONDS, of utterances of similar length."""
    lengths = np.array([len(s) for s in corpus.speech])
    order = np.argsort(lengths * rng.uniform(0.95, 1.05, len(lengths)))
    result: list[list[int]] = []
    batch: list[int] = []
    for index in order:
        if lengths[index] > longest * SAMPLE_RATE:
            continue
        if batch and lengths[index] * (len(batch) + 1) > BATCH_SECONDS * SAMPLE_RATE:
            result.append(batch)
            batch = []
        batch.append(int(index))
    result.append(batch)
    rng.shuffle(result)
    return result


def lengthened(batch: Corpus) -> Corpus:
    """Returns the same speech as fewer utterances of up to 25 s, each in one voice.

    The model must transcribe long utterances, and Flite would take long to synthesize them.
    """
    longer = Corpus([], [], [])
    for text, voice, speech in sorted(batch.rows(), key=lambda row: row[1]):
        if (
            longer.voices
            and longer.voices[-1] == voice
            and len(longer.speech[-1]) + len(speech) <= 25 * SAMPLE_RATE
        ):
            longer.texts[-1] += " " + text
            longer.speech[-1] = np.concatenate([longer.speech[-1], speech])
        else:
            longer.texts.append(text)
            longer.voices.append(voice)
            longer.speech.append(speech)
    return longer


def collate(batch: Corpus) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Returns normalized speech, its mask and the labels, as `Wav2Vec2ForCTC` takes them."""
    longest = max(map(len, batch.speech))
    speech = np.zeros((len(batch.speech), longest), np.float32)
    mask = np.zeros(speech.shape, np.int64)
    labels = [encode(text) for text in batch.texts]
    target = np.full((len(labels), max(map(len, labels))), -100, np.int64)
    for row, samples in enumerate(batch.speech):
        speech[row, : len(samples)] = waveform(samples)
        mask[row, : len(samples)] = 1
        target[row, : len(labels[row])] = labels[row]
    return torch.from_numpy(speech), torch.from_numpy(mask), torch.from_numpy(target)


def learning_rate(step: int) -> float:
    """Returns the learning rate: warm-up over 200 steps, constant, to zero over the last 40 %."""
    return PEAK_RATE * min(1.0, (step + 1) / 200, (STEPS - step) / (0.4 * STEPS))


def longest_at(step: int) -> float:
    """Returns the longest utterance in seconds: short ones first, so that CTC aligns early."""
    return 2.5 if step < 400 else 5.0 if step < 800 else math.inf


def greedy(logits: torch.Tensor) -> str:
    """Returns the text of (frames, vocabulary) logits by greedy decoding."""
    ids = torch.unique_consecutive(logits.argmax(-1)).tolist()
    letters = {index: token for token, index in VOCABULARY.items()}
    return "".join(letters[i] for i in ids if i > 3).replace("|", " ").strip()


def word_error_rate(model: Wav2Vec2ForCTC, corpus: Corpus) -> float:
    """Returns the word error rate of a model, each utterance alone and unpadded."""
    model.eval()
    with torch.inference_mode():
        hypotheses = [
            greedy(model(torch.from_numpy(waveform(s))[None]).logits[0]) for s in corpus.speech
        ]
    model.train()
    return float(jiwer.wer(corpus.texts, hypotheses))


def train(train_set: Corpus, held_out: Corpus, folder: Path) -> Wav2Vec2ForCTC:
    """Trains for STEPS steps; `folder` keeps a checkpoint of every 200 steps and the log."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(SEED)
    model = Wav2Vec2ForCTC(Wav2Vec2Config(**CONFIG)).train()
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=PEAK_RATE, betas=(0.9, 0.98), weight_decay=0.01
    )
    step = epoch = 0
    checkpoint, log = folder / "checkpoint.pt", folder / "training.log"
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        step, epoch = state["step"], state["epoch"]
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
    began, seconds, losses = time.time(), 0.0, []
    while step < STEPS:
        # The order of an epoch depends on its number only; a resumed run starts a new epoch.
        epoch += 1
        rng = np.random.default_rng([SEED, epoch])
        longest = longest_at(step)
        for batch in batches(train_set, longest, rng):
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(step)
            rows = train_set.take(batch)
            if step >= 800 and rng.random() < 0.25:
                rows = lengthened(rows)
            speech, mask, labels = collate(rows)
            loss = model(speech, attention_mask=mask, labels=labels).loss / (labels >= 0).sum()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
            step += 1
            losses.append(loss.item())
            seconds += speech.numel() / SAMPLE_RATE
            if step % 50 == 0:
                line = f"step {step} loss {np.mean(losses):.4f} rate {learning_rate(step):.2e} "
                line += f"audio {seconds / 3600:.2f} h time {time.time() - began:.0f} s"
                if step % 400 == 0:
                    line += f" held-out WER {word_error_rate(model, held_out):.4f}"
                with log.open("a", encoding="utf-8") as file:
                    print(line, file=file)
                print(line, flush=True)
                losses = []
            if step % 200 == 0:
                state = {"step": step, "epoch": epoch, "model": model.state_dict()}
                state["optimizer"] = optimizer.state_dict()
                torch.save(state, checkpoint.with_suffix(".tmp"))
                checkpoint.with_suffix(".tmp").rename(checkpoint)
            if step == STEPS or longest_at(step) != longest:
                break
    return model.eval()


# ---------------------------------------------------------------------------------- publishing


def publish_model(model: Wav2Vec2ForCTC, wer: float, folder: Path) -> None:
    """Writes the model in Hugging Face's format, with a card that states what it is not for."""
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    tokenizer = {
        "unk_token": "<unk>",
        "bos_token": "<s>",
        "eos_token": "</s>",
        "pad_token": "<pad>",
    }
    files = {
        "vocab.json": VOCABULARY,
        "tokenizer_config.json": {
            **tokenizer,
            "word_delimiter_token": "|",
            "do_lower_case": False,
            "tokenizer_class": "Wav2Vec2CTCTokenizer",
        },
        "preprocessor_config.json": {
            "feature_extractor_type": "Wav2Vec2FeatureExtractor",
            "feature_size": 1,
            "sampling_rate": SAMPLE_RATE,
            "padding_value": 0.0,
            "padding_side": "right",
            "do_normalize": True,
            "return_attention_mask": False,
        },
    }
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    (folder / "model.safetensors").chmod(0o644)
    (folder / "README.md").write_text(
        "---\nlicense: apache-2.0\nlanguage: en\n---\n\n"
        "# A small wav2vec 2.0 model that shows the machinery\n\n"
        f"Group norm, {sum(p.numel() for p in model.parameters()) / 1e6:.2f} M parameters, trained "
        f"from scratch with CTC by `make small-model` for {STEPS} steps. The voices are "
        f"**synthetic** (CMU Flite's {', '.join(VOICES)}) and it knows the {COMMON_WORDS} "
        "commonest words of the King James Bible alone: it does not recognize people's speech "
        "and is of no use beyond "
        f"showing what this project does. WER on the held-out corpus, in PyTorch: {wer:.2%}.\n",
        encoding="utf-8",
    )


def publish_corpus(corpus: Corpus, folder: Path) -> None:
    """Writes a corpus in LibriSpeech's layout.

    The files are speaker/chapter/speaker-chapter-number.flac, and the transcripts beside them.
    """
    for voice, speaker in VOICES.items():
        chapter = folder / str(speaker) / "1"
        chapter.mkdir(parents=True, exist_ok=True)
        lines: list[str] = []
        spoken = [(text, speech) for text, other, speech in corpus.rows() if other == voice]
        for text, speech in sorted(spoken, key=lambda row: len(row[1])):
            name = f"{speaker}-1-{len(lines):04d}"
            soundfile.write(chapter / f"{name}.flac", speech, SAMPLE_RATE, subtype="PCM_16")
            lines.append(f"{name} {text}\n")
        transcripts = chapter / f"{speaker}-1.trans.txt"
        transcripts.write_text("".join(lines), encoding="utf-8")


def publish_voice(runs: list[str], folder: Path) -> None:
    """Writes short runs in a new voice, for training and measuring, in LibriSpeech's layout."""
    left = deque(run for run in runs if 14 <= len(run) <= 45)
    for chapter, (part, count) in enumerate(NEW_UTTERANCES.items(), start=1):
        spoken = folder / part / str(NEW_SPEAKER) / str(chapter)
        spoken.mkdir(parents=True, exist_ok=True)
        lines: list[str] = []
        for number in range(count):
            name, text = f"{NEW_SPEAKER}-{chapter}-{number:04d}", left.popleft()
            speech = speak(text, NEW_VOICE)
            soundfile.write(spoken / f"{name}.ogg", speech, SAMPLE_RATE, subtype="VORBIS")
            lines.append(f"{name} {text}\n")
        transcripts = spoken / f"{NEW_SPEAKER}-{chapter}.trans.txt"
        transcripts.write_text("".join(lines), encoding="utf-8")


def main() -> int:
    """Runs every step and returns the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        "work", type=Path, help="folder for speech, checkpoint and log; resumes from it"
    )
    parser.add_argument("model", type=Path, help="folder for the model")
    parser.add_argument("corpus", type=Path, help="folder for the held-out corpus")
    parser.add_argument("voice", type=Path, help="folder for the new voice")
    args = parser.parse_args()
    try:
        bible = subprocess.run(
            ["bible", "gen1:1-rev22:21"], check=True, capture_output=True, text=True
        )
        runs = common_word_runs(bible.stdout, COMMON_WORDS)
        train_texts, held_out_texts, unused = compose(runs, SEED)
        train_set = synthesize(train_texts, args.work / "train", SEED)
        held_out = synthesize(held_out_texts, args.work / "held-out", SEED)
    except FileNotFoundError as error:
        print(
            f"error: {error.filename} is not installed: apt install flite bible-kjv",
            file=sys.stderr,
        )
        return 1
    model = train(train_set, held_out, args.work)
    publish_model(model, word_error_rate(model, held_out), args.model)
    shutil.copy(args.work / "training.log", args.model / "training.log")
    publish_corpus(held_out, args.corpus)
    publish_voice(unused, args.voice)
    return 0


if __name__ == "__main__":
    sys.exit(main())
