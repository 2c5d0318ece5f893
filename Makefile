# `make demo` runs the main job on bundled data; `make test` runs the tests. Both set up all they need.

PYTHON ?= $(firstword $(foreach v,3.11 3.12 3.13,$(shell command -v python$(v) 2>/dev/null)) python3)
VENV := .venv
RUN := $(VENV)/bin/python
# of the tests; each takes up to 9 GB
PROCESSES ?= 2
export TF_CPP_MIN_LOG_LEVEL ?= 3

.PHONY: demo test check verify bench small-model page clean

demo: $(VENV)/ready
	$(RUN) -m convert.demo build/demo

test: $(VENV)/ready
	$(RUN) -m pytest -q -n $(PROCESSES) --dist loadfile

check: $(VENV)/ready
	$(VENV)/bin/ruff check . && $(VENV)/bin/ruff format --check . && $(VENV)/bin/mypy

# Parity with PyTorch: every published size, every family × format × head, and the published
# snippets on a model of real size. Ends with the table of figures, docs/parity.md.
verify: $(VENV)/ready
	rm -f build/figures.jsonl
	$(RUN) -m pytest -q -m full_size --durations=0
	$(RUN) tests/full_size/table.py build/figures.jsonl docs/parity.md

# Speed beside PyTorch, ONNX Runtime and OpenVINO, at base size: about an hour on 2 cores, which
# should have nothing else to do, and 7 GB of disk. Ends with docs/speed.md and docs/speed.png.
bench: $(VENV)/ready
	$(RUN) -m eval speed --keep build/speed --json build/speed.json --table docs/speed.md --plot docs/speed.png

# Trains the bundled model and speaks its corpus again: an hour and a half on 2 cores. Needs flite
# and bible-kjv (Debian packages). Keeping freed memory takes a third off the time of a step.
small-model: export MALLOC_MMAP_THRESHOLD_ = 4000000000
small-model: export MALLOC_TRIM_THRESHOLD_ = 8000000000
small-model: export MALLOC_TOP_PAD_ = 500000000
small-model: $(VENV)/ready
	$(RUN) -m convert.small_model build/small-model wav2vec2_tf/bundled/model tests/data/corpus tests/data/new_voice

# Builds the page of `serve --ui` into the package; needs Node.js 20 or newer and npm.
page:
	cd page && npm ci && npm run build

$(VENV)/ready: requirements.txt pyproject.toml
	$(PYTHON) -c 'import sys; assert (3, 11) <= sys.version_info[:2] <= (3, 13), "needs Python 3.11, 3.12 or 3.13: make PYTHON=python3.11 …"'
	$(PYTHON) -m venv --clear $(VENV)
	$(RUN) -m pip install --quiet --upgrade pip
	$(RUN) -m pip install --quiet -r requirements.txt
	$(RUN) -m pip install --quiet --no-deps -e .
	touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info
