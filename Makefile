# Every target sets up what it needs in .venv/. Nothing else has to be typed.
PYTHON ?= python3
VENV := .venv
CLASSIC := .venv-classic
COLAB := .venv-colab
TENSORFLOW := .venv-tensorflow
PY := $(VENV)/bin/python
# -qq: pip reports errors only.
PIP := $(PY) -m pip install -qq --disable-pip-version-check --constraint constraints.txt
WORKERS ?= 2

.PHONY: help lab test test-colab test-tensorflow test-all lint bench data notebooks book gettext browser clean

help:
	@echo "make lab        set up, and open JupyterLab on the live lab"
	@echo "make test       set up, and run every check"
	@echo "make test-colab run the notebooks under the versions that Google Colab has"
	@echo "make test-tensorflow  run chapter 5b, which needs TensorFlow"
	@echo "make test-all   all of the above, more seeds, and faults planted to see whether the checks notice"
	@echo "make notebooks  execute the notebooks and store their outputs"
	@echo "make book       build the web book in book/_build/html, and check every page of it"
	@echo "make gettext    extract the book's sentences for translators"
	@echo "make bench      measure speed beside other GAN packages"
	@echo "make data       rebuild the packed data files from their sources"
	@echo "make clean      remove the environment and caches"

lab: $(VENV)/.lab
	$(PY) -m gan_tutorial lab

lint: $(VENV)/.test
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy

# One thread a worker: many small jobs side by side beat a few wide ones.
test: lint browser $(CLASSIC)/.made
	OMP_NUM_THREADS=1 $(PY) -m pytest -q -n $(WORKERS) --dist loadfile --nbval tests notebooks \
		--nbval-sanitize-with tests/notebooks/sanitize.cfg \
		--ignore notebooks/05b_tensorflow.ipynb

test-colab: $(VENV)/.test $(COLAB)/.made
	OMP_NUM_THREADS=1 $(COLAB)/bin/python tests/colab/run.py

# The seeds are other ones than those of make test.
test-all: test book test-colab test-tensorflow
	OMP_NUM_THREADS=1 $(PY) -m pytest -q tests/damage/planted.py
	OMP_NUM_THREADS=1 NOTEBOOK_SEEDS="1 22 333 4444 55555" $(PY) -m pytest -q -n $(WORKERS) tests/notebooks -k claims_hold

# Chapter 5b alone, with TensorFlow, in an environment of its own (1.3 GB).
test-tensorflow: $(TENSORFLOW)/.made
	OMP_NUM_THREADS=1 $(TENSORFLOW)/bin/python -m pytest -q --nbval notebooks/05b_tensorflow.ipynb \
		tests/tensorflow/check_tensorflow.py

notebooks: $(VENV)/.test
	$(PY) tools/run_notebooks.py

# What the pages are made from: recorded runs (kept in build/), converted notebooks, lists and tables.
SPHINX := $(PY) -m sphinx -q -W --keep-going
book: browser $(VENV)/.book
	OMP_NUM_THREADS=1 $(PY) tools/make_replays.py
	$(PY) tools/make_book.py
	rm -rf book/_build/html
	$(SPHINX) -b html -d book/_build/doctrees book book/_build/html
	OMP_NUM_THREADS=1 $(PY) -m pytest -q -n $(WORKERS) tests/book/check_pages.py

gettext: $(VENV)/.book
	OMP_NUM_THREADS=1 $(PY) tools/make_replays.py
	$(PY) tools/make_book.py
	$(SPHINX) -b gettext -d book/_build/doctrees-gettext book book/_build/gettext

bench: $(VENV)/.test
	$(PY) -m benchmarks.peers
	$(PY) -m benchmarks --save

data: $(VENV)/.lab
	$(PY) tools/make_data.py

browser:
	@sh tools/install_browser.sh

clean:
	rm -rf $(VENV) $(CLASSIC) $(COLAB) $(TENSORFLOW) .venv-peers .mypy_cache .pytest_cache .ruff_cache build *.egg-info

# torch first and alone: what else needs it then finds it there, and no second build is fetched.
$(VENV)/.python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; name one: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "Python's venv module is needed (on Debian: apt-get install python3-venv)"; exit 1; }
	$(PIP) torch
	@touch $@

$(VENV)/.lab: $(VENV)/.python pyproject.toml constraints.txt
	$(PIP) --editable ".[lab,hub,scale]"
	@touch $@

$(VENV)/.test: $(VENV)/.lab
	$(PIP) --editable ".[lab,hub,scale,test]"
	@touch $@

$(VENV)/.book: $(VENV)/.test
	$(PIP) --editable ".[lab,hub,scale,test,book]"
	@touch $@

# Colab's Jupyter for the browser tests. What else their kernels import (torch, ...) they find in $(VENV), looked at last.
PURELIB := -c 'import sysconfig; print(sysconfig.get_path("purelib"))'
$(CLASSIC)/.made: $(VENV)/.python tests/browser/classic.txt
	$(PY) -m venv --clear --without-pip $(CLASSIC)
	$(PY) -m pip --python $(CLASSIC)/bin/python install -qq --disable-pip-version-check --no-deps \
		--requirement tests/browser/classic.txt
	$(PY) -m pip --python $(CLASSIC)/bin/python check -qq
	$(PY) $(PURELIB) > "$$($(CLASSIC)/bin/python $(PURELIB))/environment.pth"
	@touch $@

# Colab's versions of what the notebooks import; PyTorch alone is that of $(VENV), looked at last.
$(COLAB)/.made: $(VENV)/.python tests/browser/classic.txt tests/colab/pins.txt
	$(PY) -m venv --clear --without-pip $(COLAB)
	$(PY) -m pip --python $(COLAB)/bin/python install -qq --disable-pip-version-check --no-deps \
		--requirement tests/browser/classic.txt --requirement tests/colab/pins.txt
	$(PY) -m pip --python $(COLAB)/bin/python check -qq
	$(PY) $(PURELIB) > "$$($(COLAB)/bin/python $(PURELIB))/environment.pth"
	@touch $@

# TensorFlow's own requirements are pinned beside its test. torch first, as in $(VENV).
TF_PIP := $(TENSORFLOW)/bin/python -m pip install -qq --disable-pip-version-check --constraint constraints.txt \
	--constraint tests/tensorflow/pins.txt
$(TENSORFLOW)/.made: pyproject.toml constraints.txt tests/tensorflow/pins.txt
	$(PYTHON) -m venv $(TENSORFLOW)
	$(TF_PIP) torch
	$(TF_PIP) --editable ".[lab,tensorflow]" nbval papermill pytest pytest-timeout
	@touch $@
