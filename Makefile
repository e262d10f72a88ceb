# Every target sets up what it needs in .venv/. Nothing else has to be typed.
PYTHON ?= python3
VENV := .venv
CLASSIC := .venv-classic
PY := $(VENV)/bin/python
# -qq: pip reports errors only.
PIP := $(PY) -m pip install -qq --disable-pip-version-check --constraint constraints.txt
WORKERS ?= 2

.PHONY: help lab test lint bench data notebooks browser clean

help:
	@echo "make lab        set up, and open JupyterLab on the live lab"
	@echo "make test       set up, and run every check"
	@echo "make notebooks  execute the notebooks and store their outputs"
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
	OMP_NUM_THREADS=1 $(PY) -m pytest -q -n $(WORKERS) --dist loadfile --nbval tests notebooks

notebooks: $(VENV)/.test
	$(PY) tools/run_notebooks.py

bench: $(VENV)/.test
	$(PY) -m benchmarks.peers
	$(PY) -m benchmarks --save

data: $(VENV)/.lab
	$(PY) tools/make_data.py

browser:
	@sh tools/install_browser.sh

clean:
	rm -rf $(VENV) $(CLASSIC) .venv-peers .mypy_cache .pytest_cache .ruff_cache build *.egg-info

# torch first and alone: what else needs it then finds it there, and no second build is fetched.
$(VENV)/.python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; name one: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "Python's venv module is needed (on Debian: apt-get install python3-venv)"; exit 1; }
	$(PIP) torch
	@touch $@

$(VENV)/.lab: $(VENV)/.python pyproject.toml constraints.txt
	$(PIP) --editable ".[lab,scale]"
	@touch $@

$(VENV)/.test: $(VENV)/.lab
	$(PIP) --editable ".[lab,scale,test]"
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
