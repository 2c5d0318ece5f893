"""One step of fine-tuning, PyTorch's and ours: forward, CTC loss, backward, clipping, AdamW.

Both train with the published dropout and SpecAugment and a frozen feature encoder, without
LayerDrop, which would skip another number of layers at every step. A step returns the loss: the sum
over all utterances divided by the number of their labels. Without training (no dropout, no update)
it is the same number for all systems.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    Step = Callable[[np.ndarray, np.ndarray, bool], float]
    """(batch, samples) speech, (batch, labels), whether to train → the loss"""

RATE, BETAS, EPSILON, DECAY, CLIP_NORM = 1e-5, (0.9, 0.98), 1e-8, 0.01, 1.0


def load(loader: str, folder: Path, threads: int, options: dict[str, Any]) -> Step:
    """Loads the step of `pytorch` or `finetune`."""
    loaders: dict[str, Callable[..., Step]] = {"pytorch": pytorch, "finetune": finetune}
    return loaders[loader](folder, threads, **options)


def pytorch(
    folder: Path,
    threads: int,
    *,
    attention: str,
    compiled: bool = False,
    backend: str = "inductor",
) -> Step:
    """Loads transformers' model with PyTorch's optimizer."""
    import torch
    import transformers

    from .loaders import torch_threads

    torch_threads(threads)
    model = transformers.AutoModelForCTC.from_pretrained(
        folder, attn_implementation=attention, ctc_loss_reduction="sum", layerdrop=0.0
    )
    model.freeze_feature_encoder()
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(
        trained, lr=RATE, betas=BETAS, eps=EPSILON, weight_decay=DECAY, fused=True
    )
    forward = torch.compile(model, backend=backend) if compiled else model

    def step(speech: np.ndarray, labels: np.ndarray, train: bool) -> float:
        inputs, targets = torch.from_numpy(speech), torch.from_numpy(labels).long()
        model.train(train)
        if not train:
            with torch.no_grad():
                return float(model(inputs, labels=targets).loss / labels.size)
        loss = forward(inputs, labels=targets).loss / labels.size
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, CLIP_NORM)
        optimizer.step()
        return float(loss.detach())

    return step


def finetune(folder: Path, threads: int, *, jit_compile: bool = False) -> Step:
    """Loads the trainer of `wav2vec2-tf finetune`, which gets the same batch at every step."""
    import numpy as np
    import tensorflow as tf

    from wav2vec2_tf import AutoModelForCTC
    from wav2vec2_tf.training.ctc_loss import CTCObjective
    from wav2vec2_tf.training.optimizer import select_variables
    from wav2vec2_tf.training.settings import FinetuneOptions
    from wav2vec2_tf.training.trainer import Trainer

    from .loaders import tensorflow_threads

    tensorflow_threads(threads)
    output = tempfile.TemporaryDirectory()
    settings = FinetuneOptions(
        model=str(folder), train=("unused",), output=output.name, steps=1_000_000, rate=RATE,
        betas=BETAS, epsilon=EPSILON, weight_decay=DECAY, clip_norm=CLIP_NORM, schedule="linear",
        warm_up=0.0, hold=1.0, jit_compile=jit_compile,
    )  # fmt: skip
    model = AutoModelForCTC.from_pretrained(folder, layerdrop=0.0)
    objective = CTCObjective(model, model.config.pad_token_id)
    unused: Any = None  # batches come from below
    trainer = Trainer(
        settings, objective, unused, select_variables(model, freeze=settings.freeze),
        strategy=tf.distribute.get_strategy(),
    )  # fmt: skip
    batches: dict[str, Any] = {"folder": output}  # kept as long as the step is

    def step(speech: np.ndarray, labels: np.ndarray, train: bool) -> float:
        lengths = np.full(len(speech), speech.shape[1], np.int32)
        inputs = {"speech": speech, "lengths": lengths}
        if not train:
            sums = objective.sums(
                {name: tf.constant(values) for name, values in inputs.items()},
                tf.constant(labels),
                training=False,
            )
            return float(sums["loss"] / sums["weight"])
        if "iterator" not in batches:
            batches["iterator"] = iter(tf.data.Dataset.from_tensors((inputs, labels)).repeat())
        return trainer.step(batches["iterator"], [np.arange(len(speech))])["loss"]

    return step
