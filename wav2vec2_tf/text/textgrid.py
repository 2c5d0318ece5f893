"""Transcripts as TextGrid files of Praat ("TextGrid file formats" in its manual)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from wav2vec2_tf.text.transcript import Transcript

WILDCARD_LABEL = "<star>"


def to_textgrid(name: str, seconds: float, transcript: Transcript) -> str:
    """Returns two interval tiers, "words" and "characters".

    A character that was aligned by a wildcard has the label `<star>`.

    Args:
        name: of the recording; the format has no place for it.
        seconds: length of the recording, where both tiers end.
        transcript: words with characters and times.
    """
    words = [(word.start, word.end, word.text) for word in transcript.words]
    characters = [
        (c.start, c.end, WILDCARD_LABEL if getattr(c, "wildcard", False) else c.text)
        for word in transcript.words
        for c in word.characters
    ]
    tiers = [("words", words), ("characters", characters)]
    lines = [
        'File type = "ooTextFile"',
        'Object class = "TextGrid"',
        "",
        *(f"xmin = 0\nxmax = {seconds}", "tiers? <exists>", f"size = {len(tiers)}", "item []:"),
    ]
    for number, (tier, labels) in enumerate(tiers, start=1):
        intervals = list(_intervals(labels, seconds))
        lines += [
            f"    item [{number}]:",
            '        class = "IntervalTier"',
            f'        name = "{tier}"',
            f"        xmin = 0\n        xmax = {seconds}",
            f"        intervals: size = {len(intervals)}",
        ]
        for at, (start, end, text) in enumerate(intervals, start=1):
            quoted = text.replace('"', '""')
            lines += [
                f"        intervals [{at}]:",
                f"            xmin = {start}\n            xmax = {end}",
                f'            text = "{quoted}"',
            ]
    return "\n".join(lines) + "\n"


def _intervals(
    labels: Iterable[tuple[float, float, str]], seconds: float
) -> Iterator[tuple[float, float, str]]:
    """Fills the gaps between labels, from 0 to `seconds`, with intervals of an empty label."""
    at = 0.0
    for start, end, text in labels:
        if start > at:
            yield at, start, ""
        yield start, end, text
        at = end
    if seconds > at:
        yield at, seconds, ""
