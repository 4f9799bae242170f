# The developer's commands; `make` alone lists them. Needs make and Python 3.11 or newer with venv.

PYTHON ?= python3
VENV ?= .venv
DIST ?= dist
# More arguments for pytest, as in: make test ARGS="tests/dpe -x"
ARGS ?=
# Processes that train dynfocus-tiny together: as many as there are cores to spare. A run keeps to its number.
WORKERS ?= 2

VIDEO := examples/demo.mp4
QUESTION_1 ?= What color is the 7 at 00:17?
QUESTION_2 ?= What color is the 7 at 00:20?

BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
WIDE := "$(BIN)/python" -m torch.distributed.run --standalone --nproc-per-node $(WORKERS) -m -- \
	dynfocus_tiny.wide --materials runs/materials

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-fast lint types docs bench tiny further materials wheel

help:  ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

setup: $(INSTALLED)  ## install dynfocus and its tools into .venv

# torch goes first: its pin decides which build all the rest must fit.
$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or newer is needed and this is " + sys.version.split()[0] + ": name another one with make PYTHON=...")'
	$(PYTHON) -m venv "$(VENV)"
	"$(BIN)/python" -m pip install --quiet --constraint constraints.txt torch
	"$(BIN)/python" -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch "$@"

demo: setup  ## ask two questions about examples/demo.mp4
	"$(BIN)/dynfocus" ask $(VIDEO) "$(QUESTION_1)"
	"$(BIN)/dynfocus" ask $(VIDEO) "$(QUESTION_2)"

test: setup  ## run all tests: about 15 minutes on two cores
	"$(BIN)/python" -m pytest $(ARGS)

test-fast: setup  ## run the tests but the slow ones: under 2 minutes
	"$(BIN)/python" -m pytest -m 'not slow' $(ARGS)

lint: setup  ## check style and formatting
	"$(BIN)/ruff" check .
	"$(BIN)/ruff" format --check .

types: setup  ## check types
	"$(BIN)/mypy"

docs: setup  ## write docs/cli.md and the help pages anew, from the commands
	"$(BIN)/python" -m dynfocus_cli.cli.reference

bench: setup  ## measure accuracy, frame selection and start-up time
	"$(BIN)/python" benchmarks/accuracy.py
	"$(BIN)/python" benchmarks/selection.py
	"$(BIN)/python" benchmarks/startup.py

tiny: setup materials  ## train dynfocus-tiny from nothing; resumes where it stopped
	"$(BIN)/python" -m dynfocus_tiny
	$(WIDE)
	mv weights/dynfocus-tiny/training_log.jsonl weights/dynfocus-tiny-training_log.jsonl
	"$(BIN)/python" -m dynfocus_tiny.retrieval --materials runs/materials

further: setup materials  ## train dynfocus-tiny further, into runs/further-model; resumes
	$(WIDE) --start weights/dynfocus-tiny --work runs/further --out runs/further-model \
		--first-clip 4306800 --vision-steps 0 --phase again=0 --start-share 0.4
	"$(BIN)/python" -m dynfocus_tiny.retrieval --model runs/further-model --work runs/further-retrieval --materials runs/materials

materials: setup
	test -d runs/materials || { rm -rf runs/materials.partial && \
		"$(BIN)/python" -m dynfocus_tiny.gather runs/materials.partial && mv runs/materials.partial runs/materials; }

wheel: setup  ## build the wheel, weights included
	"$(BIN)/python" -m pip wheel --quiet --no-deps --wheel-dir "$(DIST)" .
