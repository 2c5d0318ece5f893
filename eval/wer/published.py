"""The references of the published evaluation, as the notebook behind the published WER makes them.

The notebook, `librispeech_evaluation_WER_6.ipynb` of the authors of the published SavedModels, pads
labels to 256 tokens for `tf.data`. It so cuts every transcript at 256 characters, and scores what
the model says after them as insertions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

CHARACTERS = 256
"""Characters of a transcript that the notebook keeps."""
FEWEST_WORDS = 2
"""Words of a transcript below which the notebook leaves the utterance out."""


def published_references(references: Mapping[str, str]) -> dict[str, str]:
    """Returns the transcripts that the notebook scores, in capitals, by id.

    Hyphens become spaces, all but letters, apostrophes and spaces is removed, the rest is cut at
    256 characters, and transcripts of one word are left out.

    Args:
        references: the corpus's transcripts by id.
    """
    kept = {}
    for key, text in references.items():
        words = text.split()
        letters = re.sub("[^A-Z' ]", "", " ".join(words).replace("-", " ").upper())
        label = letters[:CHARACTERS].strip()
        if label and len(words) >= FEWEST_WORDS:
            kept[key] = label
    return kept
