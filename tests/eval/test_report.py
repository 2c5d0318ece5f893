"""The report page: self-contained, escaped, and equal to the counts."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser
from pathlib import Path

import jiwer
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eval.wer.evaluate import measure
from eval.wer.options import MODES
from eval.wer.report import ERROR_GROUPS, LOOKS, MARKS, alignment, render
from eval.wer.results import Evaluation, score
from tests.support.corpus import Parrot, bucket, write_corpus
from wav2vec2_tf.data.corpus import open_corpus

VOID = {"meta", "br", "img", "link", "input", "hr"}


class Page(HTMLParser):
    """Checks nesting; collects tags with attributes, and text by the class it stands in."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[tuple[str, str]] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[tuple[str, str]] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append((tag, dict(attributes).get("class") or ""))

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop()[0] == tag

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.text.append((" ".join(name for _, name in self.open), data.strip()))


def measured(tmp_path: Path, parrot: Parrot, modes: tuple[str, ...] = MODES) -> Evaluation:
    folder = write_corpus(tmp_path / "corpus", parrot.spoken)
    return measure(
        parrot,
        open_corpus(str(folder)),
        modes=modes,
        length=16000,
        bucket=bucket,
        model="some/model",
        options={"limit": None, "modes": list(modes)},
    )


def test_page_stands_alone(tmp_path: Path) -> None:
    """The page loads nothing: it has no scripts, and no URLs but XML namespaces."""
    html = render(measured(tmp_path, Parrot()))
    page = Page(html)
    addresses = set(re.findall(r"\w+://[^\s\"'<>]+", html))
    assert addresses == {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    assert "@import" not in html
    assert not {"script", "link", "img", "iframe", "object"} & {tag for tag, _ in page.tags}
    for _, attributes in page.tags:
        assert not {"src", "srcset", "action", "onload", "onerror"} & attributes.keys()
        for name in ("href", "xlink:href"):
            assert (attributes.get(name) or "#").startswith("#")
    for target in re.findall(r"url\(([^)]*)\)", html):
        assert target.startswith("#")


def test_page_has_the_figures(tmp_path: Path) -> None:
    evaluation = measured(tmp_path, Parrot())
    page = Page(render(evaluation))
    texts = [text for _, text in page.text]
    row = texts.index("padded")
    assert texts[row : row + 9] == ["padded", "36.36", "32.48", "33", "0", "8", "4", "7", "2"]
    assert "0 to 1 s" in texts
    assert "1 to 5 s" in texts
    assert evaluation.versions["jiwer"] in texts
    assert "padded, variable, masked" in texts
    assert "not given" in texts  # the limit


def test_same_figures_same_page(tmp_path: Path) -> None:
    evaluation = measured(tmp_path, Parrot())
    assert render(evaluation) == render(evaluation)


def test_hostile_text_is_text(tmp_path: Path) -> None:
    """Transcripts, names, reasons and versions are untrusted."""
    attack = "</div><script>alert(1)</script><img/src=x/onerror=alert(2)>&\"'"
    spoken = {"1-1-1": (f"A {attack} B", 5000), "1-1-2": ("]]> --> <!-- C", 6000)}
    parrot = Parrot(spoken, {"1-1-1": f"{attack} D {attack}", "1-1-2": "<B>"})
    evaluation = measured(tmp_path, parrot)
    evaluation.options[attack] = attack
    evaluation.versions[attack] = attack
    evaluation.failed[attack] = attack
    object.__setattr__(evaluation, "model", attack)
    html = render(evaluation)
    page = Page(html)
    assert not {"script", "img"} & {tag for tag, _ in page.tags}
    assert "<!--" not in html.split("<article>", 1)[1]
    assert attack.upper() in [text for _, text in page.text]


def test_alignment_by_hand() -> None:
    row = score("padded", "x", 1, 1, "THE CAT SAT ON A MAT", "THE BAT SAT A MAT TOO")
    assert alignment(row) == [
        ("equal", "THE", "THE"),
        ("substitute", "CAT", "BAT"),
        ("equal", "SAT", "SAT"),
        ("delete", "ON", ""),
        ("equal", "A", "A"),
        ("equal", "MAT", "MAT"),
        ("insert", "", "TOO"),
    ]


words = st.lists(st.sampled_from("ABCD"), max_size=8).map(" ".join)


@settings(deadline=None)
@given(words.filter(bool), words)
def test_alignment_has_the_counted_errors(reference: str, hypothesis: str) -> None:
    row = score("padded", "x", 1, 1, reference, hypothesis)
    pairs = alignment(row)
    kinds = [kind for kind, _, _ in pairs]
    assert " ".join(word for _, word, _ in pairs if word) == reference
    assert " ".join(word for _, _, word in pairs if word) == hypothesis
    assert kinds.count("substitute") == row.substitutions
    assert kinds.count("delete") == row.deletions
    assert kinds.count("insert") == row.insertions
    assert row.errors / row.words == pytest.approx(jiwer.wer(reference, hypothesis))


def test_worst_utterances_come_first_with_marks(tmp_path: Path) -> None:
    """A letter marks every wrong word, so colour carries no information of its own."""
    html = render(measured(tmp_path, Parrot(), ("masked",)))
    articles = re.findall(r"<article><h3>(.*?):", html)
    assert articles == ["12-3-0002", "12-3-0000"]
    page = Page(html)
    for kind, mark in MARKS.items():
        pairs = html.count(f'class="pair {kind}"')
        assert sum(text == mark and f"pair {kind}" in place for place, text in page.text) == pairs
    assert html.count('class="pair delete"') == 8


def test_no_errors_to_show(tmp_path: Path) -> None:
    html = render(measured(tmp_path, Parrot(), ("variable",)))
    assert "No utterance has errors." in html
    assert "<article>" not in html


def test_plots(tmp_path: Path) -> None:
    """The page has two well-formed plots with accessible labels that name the modes."""
    html = render(measured(tmp_path, Parrot()))
    drawings = re.findall(r"<svg.*?</svg>", html, flags=re.DOTALL)
    assert len(drawings) == 2
    ids: list[str] = []
    for drawing in drawings:
        root = ElementTree.fromstring(drawing)
        assert root.get("role") == "img"
        assert root.get("aria-label")
        text = [node.text for node in root.iter("{http://www.w3.org/2000/svg}text")]
        assert set(MODES) <= set(text)
        ids += [node.get("id", "") for node in root.iter() if node.get("id")]
    assert len(ids) == len(set(ids))
    used = re.findall(r'(?:url\(|href=")#([^)"]+)', html)
    assert used
    assert set(used) <= set(ids)


def test_error_groups_leave_no_number_out() -> None:
    counted = [low for low, _ in ERROR_GROUPS]
    ends = [high for _, high in ERROR_GROUPS]
    assert counted[0] == 0
    assert ends[-1] is None
    assert [low - 1 for low in counted[1:]] == ends[:-1]


def luminance(colour: str) -> float:
    """Returns WCAG 2's relative luminance of #rgb or #rrggbb."""
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    red, green, blue = (x / 12.92 if x <= 0.03928 else ((x + 0.055) / 1.055) ** 2.4 for x in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_contrast(tmp_path: Path) -> None:
    """Text on every background, and the curves on white, have WCAG's contrast of 4.5."""
    html = render(measured(tmp_path, Parrot()))
    backgrounds = re.findall(r"\.(?:substitute|delete|insert) \{ background: (#\w+)", html)
    assert len(backgrounds) == 3
    text = re.search(r"body \{[^}]*color: (#\w+)", html)
    assert text is not None
    pairs = [(text[1], background) for background in backgrounds]
    pairs += [(look[0], "#ffffff") for look in LOOKS.values()]
    for one, other in pairs:
        dark, light = sorted((luminance(one), luminance(other)))
        assert (light + 0.05) / (dark + 0.05) >= 4.5
