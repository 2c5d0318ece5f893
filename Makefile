# `make demo` shows what the library does, on bundled data; `make test` runs the tests. Both set up
# what they need in .venv. CONTRIBUTING.md explains the targets.

# The first Python that runs: a pyenv shim may be on the path for a version that is not chosen.
PYTHON ?= $(firstword $(foreach v,3.11 3.12 3.13,$(shell python$(v) -c 'print("python$(v)")' 2>/dev/null)) python3)
VENV := .venv
RUN := $(VENV)/bin/python
PIP := $(RUN) -m pip --disable-pip-version-check install
# Test processes; each takes up to 5 GB.
PROCESSES ?= 2
# More arguments for pytest, such as PYTEST="-k lengths" or PYTEST=--forbid-skips.
PYTEST ?=

# Another PYTHON than that of an existing .venv is a mistake: `make clean` comes first.
ifneq ($(origin PYTHON),file)
ifneq ($(wildcard $(VENV)/bin/python),)
ifneq ($(shell $(PYTHON) -V 2>&1),$(shell $(VENV)/bin/python -V 2>&1))
ifneq ($(MAKECMDGOALS),clean)
$(error $(VENV) was made with another Python than $(PYTHON): run make clean first)
endif
endif
endif
endif

.PHONY: demo test test-slow check docs verify bench small-model page clean

demo: $(VENV)/demo
	$(RUN) -m convert.demo build/demo

test: $(VENV)/test
	$(RUN) -m pytest -q -n $(PROCESSES) --dist loadgroup --durations=20 $(PYTEST)

test-slow: $(VENV)/test
	$(RUN) -m pytest -q -n $(PROCESSES) --dist loadgroup --durations=20 -m slow $(PYTEST)

check: $(VENV)/test
	$(VENV)/bin/ruff check . && $(VENV)/bin/ruff format --check . && $(VENV)/bin/mypy && $(VENV)/bin/lint-imports

# Builds the documentation site into build/site; a broken link or a missing object is an error.
docs: $(VENV)/docs
	NO_MKDOCS_2_WARNING=1 $(RUN) -m mkdocs build --quiet --strict

# Parity with PyTorch: every published size, every family × format × head, and the published
# snippets on a model of real size. Ends with the table of figures, docs/parity.md.
verify: $(VENV)/test
	rm -f build/figures.jsonl
	$(RUN) -m pytest -q -m full_size --durations=0 $(PYTEST)
	$(RUN) -m tests.tools.parity_table build/figures.jsonl docs/parity.md

# Speed beside PyTorch, ONNX Runtime and OpenVINO, at base size: about an hour on 2 cores, which
# should have nothing else to do, and 7 GB of disk. Ends with docs/speed.md and docs/speed.png.
bench: $(VENV)/test
	$(RUN) -m eval speed --keep build/speed --json build/speed.json --table docs/speed.md --plot docs/speed.png

# Trains the bundled model, speaks its corpus again and records PyTorch's outputs: an hour and a half
# on 2 cores. Needs flite and bible-kjv (Debian packages). Keeping freed memory takes a third off the
# time of a step.
small-model: export MALLOC_MMAP_THRESHOLD_ = 4000000000
small-model: export MALLOC_TRIM_THRESHOLD_ = 8000000000
small-model: export MALLOC_TOP_PAD_ = 500000000
small-model: $(VENV)/test
	$(RUN) -m convert.small_model build/small-model wav2vec2_tf/data/bundled/model tests/data/corpus tests/data/new_voice
	$(RUN) -m convert verify wav2vec2_tf/data/bundled/model wav2vec2_tf/data/bundled/model --json build/parity.json --record wav2vec2_tf/data/bundled/pytorch_outputs.safetensors

# Builds the page of `serve --ui` into the package; needs Node.js 20 or newer and npm.
page:
	cd page && npm ci && npm run build

# The lists name every package, so pip resolves nothing but PyTorch's (--no-deps). The demonstration
# imports few of the modules: compiling them all would take longer and 0.1 GB more.
$(VENV)/demo: constraints/demo.txt pyproject.toml
	@$(PYTHON) -c 'import sys; assert (3, 11) <= sys.version_info[:2] <= (3, 13), "needs Python 3.11, 3.12 or 3.13: make PYTHON=python3.11 …"'
	@echo "Installing TensorFlow and the packages of constraints/demo.txt into $(VENV): 0.3 GB to download, 1.6 GB on disk"
	$(PYTHON) -m venv --clear $(VENV)
	$(PIP) --no-deps --no-compile -r constraints/demo.txt
	$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/test: $(VENV)/demo constraints/test.txt constraints/torch.txt
	@echo "Installing the packages of constraints/test.txt and PyTorch into $(VENV): 0.6 GB to download, 2.6 GB on disk; 1.8 and 6.5 GB if pip finds the CUDA build of PyTorch only (CONTRIBUTING.md)"
	$(PIP) --no-deps -r constraints/test.txt
	@$(RUN) -m compileall -q -j 0 $(VENV)/lib > $(VENV)/compileall.log || true  # some packages hold templates
	$(PIP) -c constraints/demo.txt -c constraints/test.txt -r constraints/torch.txt
	@$(RUN) -m pip uninstall --quiet --yes triton 2> /dev/null  # of the CUDA build: it crashes a process that has TensorFlow
	@touch $@

$(VENV)/docs: $(VENV)/test constraints/docs.txt
	$(PIP) --no-deps -r constraints/docs.txt
	@touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info
