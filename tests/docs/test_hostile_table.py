"""The table of hostile inputs names tests that there are."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
TABLE = TESTS / "data/hostile/README.md"


def test_every_row_has_its_tests() -> None:
    file, found = "", 0
    for line in TABLE.read_text().splitlines():
        cells = line.strip("|").split(" | ")
        if not line.startswith("| ") or not cells[-1].strip(" |") or cells[0].strip() == "input":
            continue
        names = re.findall(r"`([\w/]+\.py|…|)(?:::)(test_\w+)`", cells[-1])
        assert names or cells[-1].strip() == "the same", line
        for path, name in names:
            file = path if path.endswith(".py") else file
            assert f"def {name}(" in (TESTS / file).read_text(), (file, name)
            found += 1
    assert found > 100
