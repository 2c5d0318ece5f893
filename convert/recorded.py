"""Records PyTorch's outputs in a file, to compare with where PyTorch is not installed.

The file is in safetensors format. Its metadata holds one entry of JSON: the version of the format,
what identifies the recording, and a SHA-256 of the identification and the tensors. The tensors are
the outputs of each compared part for each input. Logits and codewords are kept at every frame, so
that each changed choice is counted. Of other parts at most 32 frames are kept: the first, the last
and 30 that are drawn with the number of frames as the seed. A wrong weight changes every frame, and
wrong padding changes the first or the last.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from wav2vec2_tf.utils.errors import UserError, first_line
from wav2vec2_tf.utils.files import parse_json, whole_file

from .certificate import Identity
from .parity_inputs import Utterance
from .parity_models import (
    LOGITS,
    QUANTIZED,
    QUANTIZER,
    KeptFrames,
    Parts,
    ReferenceOutputs,
    TorchModel,
)

FORMAT = 1
"""Version of the file's format; another one is refused."""
ENTRY = "wav2vec2_tf.recorded"
"""Key of the only entry of the metadata: safetensors writes several in any order."""
FRAMES = 32
"""Most frames that are kept of a part that is not in `WHOLE`."""
WHOLE = (LOGITS, QUANTIZER, QUANTIZED)
"""Parts that are kept at every frame: choices, and what is compared only where these agree."""
FEATURES = "features"


@dataclass(frozen=True)
class Recorded:
    """PyTorch's outputs, in place of a model that computes them."""

    identity: Identity
    by_input: Mapping[str, ReferenceOutputs]
    """Outputs by the name of the input."""

    @classmethod
    def of(
        cls,
        model: TorchModel,
        identity: Identity,
        inputs: Iterable[Utterance],
        paths: Sequence[str],
    ) -> Recorded:
        """Runs PyTorch on each input and keeps all frames; `save` leaves some out."""
        return cls(identity, {each.name: model.outputs(each, paths) for each in inputs})

    def outputs(self, utterance: Utterance, paths: Sequence[str] = ()) -> ReferenceOutputs:
        """See `Reference`; returns every recorded part, whatever `paths` are."""
        return self.by_input[utterance.name]

    def save(self, path: Path) -> None:
        """Writes the file, whole or not at all."""
        from safetensors.numpy import save_file

        tensors: Parts = {}
        counts: list[dict[str, int]] = []
        kept: dict[int, list[int]] = {}
        for index, given in enumerate(self.by_input.values()):
            counts.append({})
            kinds = {"parts": given.parts}
            if given.features is not None:
                kinds["own"] = given.own
                tensors[f"{index}/{FEATURES}/"] = _contiguous(given.features)
            for kind, parts in kinds.items():
                for part, values in parts.items():
                    if values.ndim == 3 and values.shape[1] > FRAMES and part not in WHOLE:
                        count = values.shape[1]
                        assert counts[index].setdefault(part, count) == count, part
                        kept[count] = frames_to_keep(count).tolist()
                        values = values[:, kept[count]]
                    tensors[f"{index}/{kind}/{part}"] = _contiguous(values)
        facts = asdict(self.identity) | {"frames": counts, "kept": kept}
        facts = json.loads(json.dumps(facts))
        header = {"format": FORMAT, "digest": _digest(facts, tensors), "facts": facts}
        with whole_file(path) as beside:
            save_file(tensors, beside, metadata={ENTRY: json.dumps(header)})

    @classmethod
    def load(cls, path: Path) -> Recorded:
        """Reads a file that `save` wrote.

        Raises:
            UserError: it is not such a file, is damaged, or is of another version of the format.
        """
        header, tensors = _read(path)
        if header["format"] != FORMAT:
            raise UserError(
                f"{path}: the format must be {FORMAT}, found {header['format']}: record it again "
                "with `convert verify --record`"
            )
        try:
            facts = header["facts"]
            if header["digest"] != _digest(facts, tensors):
                raise ValueError("the SHA-256 of its content is not the one in its header")
            counts = facts.pop("frames")
            kept = {int(count): np.array(at) for count, at in facts.pop("kept").items()}
            facts["inputs"] = tuple(facts["inputs"])
            parts: dict[tuple[int, str], Parts] = {}
            for key, values in tensors.items():
                number, kind, part = key.split("/")
                parts.setdefault((int(number), kind), {})[part] = values
            outputs = {}
            for index, of_part in enumerate(counts):
                alone = parts[index, "parts"]
                outputs[facts["inputs"][index]["name"]] = ReferenceOutputs(
                    alone,
                    parts.get((index, "own"), alone),
                    parts.get((index, FEATURES), {}).get(""),
                    {part: KeptFrames(count, kept[count]) for part, count in of_part.items()},
                )
            return cls(Identity(**facts), outputs)
        except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
            raise UserError(
                f"{path}: damaged ({first_line(error)}): copy it again, or record it again with "
                "`convert verify --record`"
            ) from None


def frames_to_keep(count: int) -> np.ndarray:
    """Returns the positions of the frames to keep of `count`, ascending: see the module."""
    drawn = np.random.default_rng(count).choice(count - 2, FRAMES - 2, replace=False) + 1
    return np.sort(np.concatenate([[0, count - 1], drawn]))


def check_replaceable(path: Path) -> None:
    """Raises `UserError` if `path` is a file other than a recording."""
    if path.exists():
        try:
            _read(path)
        except UserError as error:
            raise UserError(f"{error}; --record does not replace it: name another file") from None


def _read(path: Path) -> tuple[dict[str, Any], Parts]:
    """Returns the header, which has a format, and the tensors."""
    import safetensors

    foreign = UserError(f"{path}: not a file that `convert verify --record` wrote")
    try:
        with safetensors.safe_open(path, "np") as file:
            header = parse_json((file.metadata() or {}).get(ENTRY, "null"))
            if not isinstance(header, dict) or "format" not in header:
                raise foreign
            return header, {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; `convert verify --record` writes one") from None
    except (OSError, ValueError, TypeError, safetensors.SafetensorError) as error:
        if error is foreign:
            raise
        raise UserError(
            f"{path}: damaged, or not a file that `convert verify --record` wrote "
            f"({first_line(error)})"
        ) from None


def _contiguous(values: np.ndarray) -> np.ndarray:
    """Returns a copy in C order, since safetensors writes the memory as it is."""
    return np.array(values, np.float32, order="C")


def _digest(facts: dict[str, Any], tensors: Parts) -> str:
    """Returns the SHA-256 of what identifies the recording and of all tensors."""
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    for key in sorted(tensors):
        values = tensors[key]
        digest.update(f"{key} {values.dtype.str} {values.shape}".encode())
        digest.update(values.tobytes())
    return digest.hexdigest()
