# tukur: `make` alone explains itself.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
PY := .venv/bin/python
ARGS ?=

EBPF_SOURCES := $(wildcard native/bpf/*.c native/bpf/*.h native/include/*.h) build_tools/ebpf.py
PAGE_SOURCES := $(shell find web -path web/node_modules -prune -o -path web/dist -prune -o -type f -print 2>/dev/null) build_tools/page.py
C_SOURCES := $(filter-out %.mod.c,$(wildcard native/*/*.[ch]))

.PHONY: help
help: ## this text
	@echo "tukur: every process, every second, now or then - and a safe way to stop one"
	@echo
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 22
	@echo
	@echo "  ARGS=... is passed on: make run ARGS='--port 9000', make bench ARGS='collect --quick'"

.PHONY: run
run: .cache/built ## set everything up and start hub, agent and page (http://127.0.0.1:8787)
	@exec $(PY) -m tukur up $(ARGS)

.PHONY: test
test: .cache/built .cache/venv-test ## install what the tests need, then run them all (ARGS: pytest's)
	@build_tools/setup system-test
	@$(PY) -m build_tools.tests $(ARGS)
	@$(PY) -m build_tools.page test

.PHONY: soak
soak: .cache/built .cache/venv-test ## kill -9 of agent, hub and writer, two thousand times each (hours)
	@build_tools/setup system-test
	@TUKUR_TEST_ROUNDS=2000 $(PY) -m pytest tests/store/test_killed_writer.py tests/system/test_durability.py \
		tests/system/test_spool.py $(ARGS)

.PHONY: check
check: .cache/built .cache/venv-test ## formatting, lint, types, layers, known vulnerabilities
	@$(PY) -m ruff format --check .
	@$(PY) -m ruff check .
	@.venv/bin/clang-format --dry-run -Werror $(C_SOURCES)
	@$(PY) -m mypy
	@.venv/bin/lint-imports
	@$(PY) -m build_tools.page check
	@$(PY) -m build_tools.audit

.PHONY: bench
bench: .cache/built .cache/venv-test ## measure (ARGS: a name, --quick; none: the names)
	@$(PY) -m bench $(ARGS)

.PHONY: build
build: .cache/built .cache/venv-test ## the wheel, in dist/
	@$(PY) -m build_tools.wheel

.PHONY: lock
lock: ## resolve the dependencies anew, with hashes and without addresses
	@build_tools/setup lock

.PHONY: screenshots
screenshots: .cache/built .cache/venv-test ## take the manual's pictures anew, from real data
	@$(PY) -m build_tools.screenshots

.PHONY: clean
clean: ## remove what was built and installed here; never the record
	@rm -rf .venv .cache dist build web/node_modules src/tukur/hub/web src/tukur/sources/*.bpf.o
	@rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

.cache/venv-run: requirements/run.txt requirements/uv.txt build_tools/setup
	@build_tools/setup run
	@mkdir -p .cache && touch $@

.cache/venv-test: requirements/test.txt .cache/venv-run
	@build_tools/setup test
	@touch $@

.cache/built: .cache/venv-run $(EBPF_SOURCES) $(PAGE_SOURCES)
	@$(PY) -m build_tools
	@touch $@
