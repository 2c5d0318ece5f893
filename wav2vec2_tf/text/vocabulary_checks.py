"""Checks of a vocabulary: what its tokens and their ids may be."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from wav2vec2_tf.utils.errors import UserError, brief
from wav2vec2_tf.utils.files import encodable

LONGEST_TOKEN = 500  # characters
MOST_TOKENS = 2**18
"""The vocabulary of the largest head that a config may ask for."""


def check_tokens(tokens: Iterable[Any]) -> None:
    """Raises `UserError` for a token that is not text, is too long or cannot be written."""
    for token in tokens:
        if not isinstance(token, str):
            raise UserError(f"a token must be text, got {brief(token)}")
        if len(token) > LONGEST_TOKEN:
            raise UserError(
                f"a token must have at most {LONGEST_TOKEN} characters, got {len(token)} in "
                f"{brief(token)}"
            )
        if not encodable(token):
            raise UserError(
                f"the token {brief(token)} is not valid Unicode (half of a surrogate pair); fix "
                "the file"
            )


def check_ids(ids: Mapping[str, Any]) -> None:
    """Raises `UserError` unless the tokens have the ids 0, 1, 2, …, each once."""
    if not ids:
        raise UserError("the vocabulary is empty")
    if len(ids) > MOST_TOKENS:
        raise UserError(f"the vocabulary must have at most {MOST_TOKENS} tokens, got {len(ids)}")
    for token, index in ids.items():
        if type(index) is not int:
            raise UserError(f"the id of {brief(token)} must be an integer, got {brief(index)}")
        if index < 0:
            raise UserError(f"the id of {brief(token)} must not be negative, got {brief(index)}")
    in_order = sorted(ids, key=ids.__getitem__)
    for index, token in enumerate(in_order):
        if ids[token] != index:
            problem = f"no token has id {index}"
            if index and ids[token] == ids[in_order[index - 1]]:
                problem = (
                    f"{brief(in_order[index - 1])} and {brief(token)} both have id {ids[token]}"
                )
            raise UserError(f"{problem}, but {len(ids)} tokens need ids 0 to {len(ids) - 1}")
