"""Finds the best CTC path of a given token sequence, exactly and in little memory (Viterbi).

The memory allows for hours of audio against a whole book:

1. At each frame a path costs what its token lies below the best one, in log-probability. A beam
   search finds some complete path.
2. Since no cost is negative, a prefix that costs more than that complete path is never part of the
   best one. All other prefixes are followed; their costs at the first frame of each block are kept.
3. From the end to the start, block by block, the costs are computed again where the best path can
   be, this time with where each came from.

The band of prefixes to follow is as wide as audio and text need: narrow where they agree, the whole
matrix at worst. The result is exact.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from wav2vec2_tf.utils.errors import UserError

WILDCARD = -1
"""The token that stands for any speech: `<star>` of torchaudio's MMS aligner."""
WILDCARD_COST = 0.01
"""Nats a frame: enough to leave silence to the blank, and less than any letter."""
BEAM = 500.0
"""Nats; the first search keeps paths that cost up to this much more than the best."""
PRUNE_EVERY = 16
"""Frames between prunings."""
PASSES = 3
"""Passes over all frames: to find some path, to bound the best one, and to trace it."""


def frames_needed(tokens: Sequence[int]) -> int:
    """Returns the least frames: one for each token, one for the blank between equal ones."""
    return len(tokens) + sum(a == b for a, b in pairwise(tokens))


def viterbi(
    log_probabilities: np.ndarray,
    tokens: Sequence[int],
    blank: int,
    *,
    block: int | None = None,
    progress: Callable[[float], None] | None = None,
) -> np.ndarray:
    """Returns the best CTC path that spells `tokens`: Graves et al. 2006, the paths of equation 3.

    Args:
        log_probabilities: `(frames, vocab)` of any float type; -inf excludes a token.
        tokens: ids, or `WILDCARD`, which scores as the best token of each frame.
        blank: id of the blank.
        block: frames between the costs that are kept, on which the result does not depend; by
            default the number that takes the least memory, at worst 8 × (frames × tokens)^⅔ bytes.
        progress: called now and then with the share of the work that is done, up to 1.

    Returns:
        int32 `(frames,)`: for each frame the index into `tokens`, or -1 for the blank.

    Raises:
        UserError: a token is not in the vocabulary or is the blank, there are too few frames,
            values are NaN or +inf, or no path has a probability above 0.
    """
    frames, vocabulary = log_probabilities.shape
    if not len(tokens):
        raise UserError("tokens must not be empty")
    allowed = set(range(vocabulary)) - {blank} | {WILDCARD}
    if invalid := [token for token in tokens if token not in allowed]:
        raise UserError(
            f"tokens must be ids below {vocabulary} other than the blank's, got {invalid[0]}"
        )
    if frames_needed(tokens) > frames:
        raise UserError(
            f"{len(tokens)} tokens need at least {frames_needed(tokens)} frames, got {frames}"
        )
    # at worst all positions, of 16 bytes, at each block, and block² moves, of 2 bits, of one
    block = block or max(64, round((20 * frames * len(tokens)) ** (1 / 3)))
    trellis = Trellis(log_probabilities, tokens, blank, progress)
    some_path = trellis.forward(block, np.inf, BEAM)
    bound = np.inf if some_path is None else some_path.cost
    found = trellis.forward(block, bound, np.inf)
    if found is None:
        raise UserError(
            "the tokens have no path: some token has probability 0 at every frame where it could be"
        )
    return trellis.trace(found, block)


@dataclass
class _Front:
    """The cost of the best path into each state up to some frame.

    At position p, the p-th token was the last to begin; position 0 is the start. Paths are followed
    to the positions from `low` to before `high`.
    """

    in_token: np.ndarray
    """(positions,) float64 costs of paths that are still in the token; inf if there is none."""
    in_blank: np.ndarray
    """(positions,) float64 costs of paths that are in the blank after it."""
    low: int
    high: int

    @classmethod
    def start(cls, positions: int) -> _Front:
        costs = np.full((2, positions), np.inf)
        costs[1, 0] = 0.0  # no token has begun
        return cls(costs[0], costs[1], 0, 1)

    def part(self, low: int, high: int) -> _Front:
        """Returns a copy of the positions from `low`, infinite where no path is followed."""
        costs = np.full((2, high - low), np.inf)
        end = min(self.high, high)
        costs[0, : end - low] = self.in_token[low:end]
        costs[1, : end - low] = self.in_blank[low:end]
        return _Front(costs[0], costs[1], 0, end - low)

    def step(
        self,
        columns: np.ndarray,
        costs: np.ndarray,
        scratch: np.ndarray,
        moves: np.ndarray | None = None,
    ) -> None:
        """Goes on by one frame.

        Args:
            columns: `(positions,)` index into `costs` of each position's token.
            costs: costs of this frame's tokens; the first is the blank's.
            scratch: `(2, positions + 1)` to work in.
            moves: bool `(2, positions)`, set to where the best paths came from: whether the token
                was entered at this frame; whether the path was in the position's token, and not in
                its blank, before. Of equal costs, staying wins.
        """
        low, high, end = self.low, self.high, min(self.high + 1, len(columns))
        token, blank = self.in_token[low:high], self.in_blank[low:high]
        entering = scratch[0, : high - low + 1]
        entering[0] = np.inf  # no path is followed below
        here = np.minimum(token, blank, out=entering[1:])
        if moves is not None:
            np.less(token, blank, out=moves[1, low:high])
            np.less(entering[: end - low], self.in_token[low:end], out=moves[0, low:end])
        np.add(here, costs[0], out=blank)
        token = self.in_token[low:end]
        np.minimum(token, entering[: end - low], out=token)
        token += np.take(costs, columns[low:end], out=scratch[1, : end - low], mode="clip")
        self.high = end

    def prune(self, bound: float, beam: float) -> None:
        """Drops paths that cost more than `bound`, or over `beam` more than the cheapest.

        Only from both ends inwards: positions between two that are followed are followed as well.
        """
        low, high = self.low, self.high
        cost = np.minimum(self.in_token[low:high], self.in_blank[low:high])
        bound = min(bound, float(cost.min()) + beam)
        if bound < np.inf:
            alive = np.flatnonzero(cost <= bound)
            self.low, self.high = low + int(alive[0]), low + int(alive[-1]) + 1
            self.in_token[self.high : high] = self.in_blank[self.high : high] = np.inf


class _ForwardResult(NamedTuple):
    """The best path's cost and end, and the front before each block with its lowest position."""

    cost: float
    in_token: bool
    fronts: list[tuple[int, _Front]]


class Trellis:
    """The matrix of positions in the token sequence and frames.

    The blank that CTC requires between two equal tokens is a position of its own, so that every
    position can follow the one before it.
    """

    def __init__(
        self,
        log_probabilities: np.ndarray,
        tokens: Sequence[int],
        blank: int,
        progress: Callable[[float], None] | None = None,
    ) -> None:
        self._log_probabilities = log_probabilities
        self._progress, self._passed = progress, 0  # frames
        self._frames = len(log_probabilities)
        used = sorted(set(tokens) - {WILDCARD})
        self._used = [blank, *used]
        self._wildcard = WILDCARD in tokens
        column = {token: at for at, token in enumerate([*self._used, WILDCARD])}
        columns, token_at = [0], [-1]
        for index, token in enumerate(tokens):
            if index and token == tokens[index - 1]:
                columns.append(0)
                token_at.append(-1)
            columns.append(column[token])
            token_at.append(index)
        self._columns = np.array(columns)
        """Column of the costs for each position's token; the blank's is 0."""
        self._token_at = np.array(token_at, np.int32)
        """Index of each position's token; -1 for a blank."""

    def _costs(self, start: int, stop: int) -> np.ndarray:
        """Returns the cost of each token at each frame: `(frames, columns)` float64, 0 or more."""
        rows = self._log_probabilities[start:stop]
        if self._progress is not None:
            self._progress(self._passed / (PASSES * self._frames))
        self._passed += len(rows)
        best = rows.max(axis=1, keepdims=True).astype(np.float64)
        if not np.isfinite(best).all():
            raise UserError(
                "the model's output has NaN or infinite values: its weights may be damaged"
            )
        scores = rows[:, self._used].astype(np.float64)
        if self._wildcard:
            scores = np.concatenate([scores, best - WILDCARD_COST], axis=1)
        return scores.max(axis=1, keepdims=True) - scores

    def forward(self, block: int, bound: float, beam: float) -> _ForwardResult | None:
        """Follows all paths that cost up to `bound`, and up to `beam` more than the cheapest.

        Returns:
            The cheapest complete path; None if no path reaches the end.
        """
        last = len(self._columns) - 1
        front = _Front.start(last + 1)
        scratch = np.empty((2, last + 2))
        kept = []
        for start in range(0, self._frames, block):
            kept.append((front.low, front.part(front.low, front.high)))
            for frame, costs in enumerate(self._costs(start, start + block), start):
                front.step(self._columns, costs, scratch)
                # every token that is left takes a frame
                front.low = max(front.low, last - (self._frames - 1 - frame))
                if front.low >= front.high:
                    return None
                if frame % PRUNE_EVERY == 0:
                    front.prune(bound, beam)
        in_token, in_blank = front.in_token[last], front.in_blank[last]
        cost = float(min(in_token, in_blank))
        return None if np.isinf(cost) else _ForwardResult(cost, bool(in_token <= in_blank), kept)

    def trace(self, found: _ForwardResult, block: int) -> np.ndarray:
        """Returns the best path, `(frames,)` token indices, from the last block to the first."""
        path = np.empty(self._frames, np.int32)
        position, in_token, cost = len(self._columns) - 1, found.in_token, found.cost
        starts = range(0, self._frames, block)
        for start, (low, kept) in zip(reversed(starts), reversed(found.fronts), strict=True):
            costs = self._costs(start, start + block)
            # nothing lower can come to this position within the block
            left = max(low, position - len(costs))
            front = kept.part(left - low, position + 1 - low)
            columns = self._columns[left : position + 1]
            scratch = np.empty((2, len(columns) + 1))
            moves = _Moves(len(costs), len(columns))
            for frame, row in enumerate(costs):
                if frame % PRUNE_EVERY == 0:
                    front.prune(cost, np.inf)
                front.step(columns, row, scratch, moves.buffer)
                moves.keep(frame)
                front.low = max(front.low, len(columns) - (len(costs) - frame))
            for frame in reversed(range(len(costs))):
                path[start + frame] = self._token_at[position] if in_token else -1
                if in_token:
                    if not moves.entered(frame, position - left):
                        continue
                    position -= 1
                in_token = moves.from_token(frame, position - left)
            before = kept.in_token if in_token else kept.in_blank
            cost = float(before[position - low])
        return path


class _Moves:
    """Where the best paths of a block came from, as 2 bits for each frame and position."""

    def __init__(self, frames: int, positions: int) -> None:
        self._positions = positions
        self._bits = np.zeros((frames, (2 * positions + 7) // 8), np.uint8)
        self.buffer = np.zeros((2, positions), bool)
        """The moves of one frame, which `_Front.step` sets."""

    def keep(self, frame: int) -> None:
        """Stores the buffer as the moves of a frame."""
        self._bits[frame] = np.packbits(self.buffer)

    def entered(self, frame: int, position: int) -> bool:
        return self._bit(frame, position)

    def from_token(self, frame: int, position: int) -> bool:
        return self._bit(frame, self._positions + position)

    def _bit(self, frame: int, at: int) -> bool:
        return bool(self._bits[frame, at >> 3] >> (7 - (at & 7)) & 1)
