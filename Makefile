# tukur: `make` lists the targets.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
PY := .venv/bin/python
ARGS ?=
# For `make images`: where the images belong, and another Docker-compatible command.
IMAGE_PREFIX ?= docker.io/tukur
DOCKER ?= docker
# Python's bytecode is kept, whatever the environment says: without it each start of tukur compiles 700 files again.
unexport PYTHONDONTWRITEBYTECODE
export PYTHONPYCACHEPREFIX := $(CURDIR)/.cache/bytecode

EBPF_SOURCES := $(wildcard native/bpf/*.c native/bpf/*.h native/include/*.h) build_tools/ebpf.py
PAGE_SOURCES := $(shell find web -path web/node_modules -prune -o -path web/dist -prune -o -type f -print 2>/dev/null) build_tools/page.py
C_SOURCES := $(filter-out %.mod.c,$(wildcard native/*/*.[ch]))
SHELL_SCRIPTS := build_tools/setup $(wildcard src/tukur/hub/installer/*.sh) \
	$(addprefix deploy/debian/,preinst postinst prerm postrm tukur-agent-join)

.PHONY: help
help: # this text: the targets with their groups
	@echo "tukur: every process, every second, now or at any past instant"
	@awk -F ':.*## ' '/^##@/ { printf "\n%s\n", substr($$0, 5) } /^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' \
		$(MAKEFILE_LIST)
	@echo
	@echo "ARGS is passed on: make run ARGS='--port 9000', make bench ARGS='collect --quick'"

##@ Use

.PHONY: run
run: .cache/built ## set everything up and start hub, agent and page (http://127.0.0.1:8787)
	@exec $(PY) -m tukur up $(ARGS)

.PHONY: build
build: .cache/built .cache/venv-test ## build the wheel in dist/
	@$(PY) -m build_tools.wheel

.PHONY: images
images: .cache/built .cache/venv-test ## build the images (IMAGE_PREFIX=docker.io/NAME; `make images push` pushes them)
	@$(PY) -m build_tools.images build --docker "$(DOCKER)" --prefix "$(IMAGE_PREFIX)" $(ARGS)

.PHONY: push
push: images ## push the images to the registry that IMAGE_PREFIX names
	@$(PY) -m build_tools.images push --docker "$(DOCKER)" --prefix "$(IMAGE_PREFIX)"

.PHONY: installer
installer: .cache/built .cache/venv-test ## make what a hub's /install.sh installs, in dist/installer (ARGS: --python, --architecture)
	@$(PY) -m build_tools.installer $(ARGS)

.PHONY: deb
deb: installer ## make the Debian packages of the agent in dist/, from dist/installer (ARGS: see make installer)
	@$(PY) -m build_tools.deb $(ARGS)

.PHONY: docs
docs: .cache/venv-test ## build the documentation in build/site, and check its links
	@NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs --quiet build

##@ Develop

.PHONY: check
check: .cache/built .cache/venv-test docs ## formatting, lint, types, layers, documentation, known vulnerabilities
	@$(PY) -m ruff format --check .
	@$(PY) -m ruff check .
	@.venv/bin/clang-format --dry-run -Werror $(C_SOURCES)
	@$(PY) -m mypy
	@.venv/bin/lint-imports
	@.venv/bin/shellcheck $(SHELL_SCRIPTS)
	@$(PY) -m build_tools.page check
	@.venv/bin/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	@.venv/bin/check-jsonschema --builtin-schema vendor.compose-spec deploy/compose/*.yaml
	@.venv/bin/zizmor --quiet --offline .github/workflows
	@$(PY) -m build_tools.audit

.PHONY: test
test: .cache/built .cache/venv-test ## install what the tests need, then run them all (ARGS: pytest's)
	@build_tools/setup system-test
	@$(PY) -m build_tools.tests $(ARGS)
	@$(PY) -m build_tools.page test

.PHONY: soak
soak: .cache/built .cache/venv-test ## kill -9 agent, hub and writer, two thousand times each (takes hours)
	@build_tools/setup system-test
	@TUKUR_TEST_ROUNDS=2000 $(PY) -m pytest tests/store/test_killed_writer.py tests/system/test_durability.py \
		tests/system/test_spool.py $(ARGS)

##@ Measure

.PHONY: cloud-rehearsal
cloud-rehearsal: .cache/built .cache/venv-test ## walk through Google Cloud on this machine, free of charge (as root; ARGS: --most, --picture)
	@$(PY) -m tests.rehearsal $(ARGS)

.PHONY: bench
bench: .cache/built .cache/venv-test ## run a benchmark (ARGS: its name, --quick; without ARGS: list them)
	@$(PY) -m bench $(ARGS)

.PHONY: measurements
measurements: .cache/built .cache/venv-test ## run the benchmarks and make docs/measurements.md of them (ARGS: names, --quick)
	@$(PY) -m build_tools.measurements $(ARGS)

##@ Maintain

.PHONY: lock
lock: ## resolve the dependencies again, and lock them with hashes
	@build_tools/setup lock

.PHONY: screenshots
screenshots: .cache/built .cache/venv-test ## take the documentation's screenshots again, from real data
	@$(PY) -m build_tools.screenshots

.PHONY: clean
clean: ## remove what was built and installed in the checkout; never the record
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
