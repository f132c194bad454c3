# Runbell: `make` alone lists what there is.

SHELL := /bin/sh
PYTHON ?= python3
ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
UV_VERSION := 0.13.9
BLOCK_TYPES := local/slack/types
CODE := layers/runbell/python/runbell functions local ops tests benchmarks

.DEFAULT_GOAL := help
.PHONY: help setup demo up counts gallery test season chaos lint audit format build deploy redrive restore bench profile lock block-types clean

help: ## List what there is
	@echo "Runbell tells a team on Slack what happens to their Algolia ingestion runs."
	@echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/.done .venv-aws/.done .venv-lambda/.done ## Install the tools this folder needs, into it (the others do so too)

demo: $(VENV)/.done .venv-aws/.done ## Show a day of runs on a local AWS, Algolia and Slack; ends by itself
	@$(BIN)/python -m local demo $(ARGS)

up: $(VENV)/.done .venv-aws/.done ## The same and stays; with credentials in the environment, for real
	@$(BIN)/python -m local up $(ARGS)

counts: $(VENV)/.done .venv-aws/.done ## Count what a tick asks of Algolia and DynamoDB, with few runs and with many
	@$(BIN)/python -m local counts $(ARGS)

gallery: $(VENV)/.done ## Write every kind of message into docs/gallery anew, with pictures; needs Chromium
	@$(BIN)/python -m local.gallery

test: setup ## Run all tests
	@! command -v npm >/dev/null || $(MAKE) --no-print-directory $(BLOCK_TYPES)/node_modules/.done || true
	@$(BIN)/python -m local build
	@$(BIN)/python -m pytest -n 2 --dist loadgroup $(ARGS)

season: $(VENV)/.done .venv-aws/.done ## Play 20 seasons of 500 tasks each, check every announcement
	@$(BIN)/python -m local season $(ARGS)

chaos: $(VENV)/.done .venv-aws/.done ## Have Algolia, Slack and AWS fail at random, count what is told, five times
	@$(BIN)/python -m local chaos $(ARGS)

lint: $(VENV)/.done ## Check style, types, imports and the template
	@echo "ruff …" && $(BIN)/ruff check $(CODE) && $(BIN)/ruff format --check --quiet $(CODE)
	@echo "mypy …" && $(BIN)/mypy && for f in poll api notify interact; do $(BIN)/mypy functions/$$f/app.py || exit 1; done
	@echo "imports …" && PYTHONPATH=layers/runbell/python $(BIN)/lint-imports --no-cache | grep -E "KEPT|BROKEN|->|kept"
	@echo "cfn-lint …" && $(BIN)/cfn-lint template.yaml
	@echo "sam validate …" && AWS_DEFAULT_REGION=us-east-1 SAM_CLI_TELEMETRY=0 PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/sam validate --lint

audit: $(VENV)/.done .venv-audit/.done ## Check the template's security, and the packages for known weaknesses
	@echo "checkov …" && .venv-audit/bin/checkov --file template.yaml --framework cloudformation --skip-download --compact --quiet
	@echo "pip-audit …" && $(BIN)/python -m local.audit

format: $(VENV)/.done ## Put the code into its usual form
	@$(BIN)/ruff check --fix --quiet $(CODE); $(BIN)/ruff format --quiet $(CODE)

build: $(VENV)/.done ## Build the template's artifacts with SAM
	@$(BIN)/python -m local build

deploy: $(VENV)/.done ## Deploy to AWS: make deploy ARGS="--guided"
	@command -v python3.13 >/dev/null || echo "make: python3.13 is not here, so Lambda finds no bytecode in the layers: cold starts take longer" >&2
	@PATH="$(CURDIR)/$(BIN):$$PATH" SAM_CLI_TELEMETRY=0 $(BIN)/sam build --cached --parallel
	@PATH="$(CURDIR)/$(BIN):$$PATH" SAM_CLI_TELEMETRY=0 $(BIN)/sam deploy $(ARGS)

redrive: $(VENV)/.done ## Send dead letters back: make redrive ARGS="--stack runbell --dry-run"
	@$(BIN)/python -m ops redrive $(ARGS)

restore: $(VENV)/.done ## Put a restored table's items back: make restore ARGS="--stack runbell --from TABLE"
	@$(BIN)/python -m ops restore $(ARGS)

bench: $(VENV)/.done .venv-aws/.done .venv-lambda/.done .venv-peer/.done ## Measure beside a plain handler, pair by pair
	@$(BIN)/python -m benchmarks $(ARGS)

profile: $(VENV)/.done .venv-aws/.done .venv-lambda/.done .venv-peer/.done ## Show where a quiet tick's CPU time goes
	@$(BIN)/python -m benchmarks.tick_profile

lock: $(VENV)/.done ## Pin every dependency anew, with hashes
	@for group in dev aws lambda peer audit; do \
		echo "requirements/$$group.txt" && $(BIN)/uv pip compile --quiet --universal --python-version 3.11 \
			--generate-hashes --no-annotate --no-header --upgrade --group $$group -o requirements/$$group.txt || exit 1; done
	@echo "layers/dependencies/requirements.txt" && $(BIN)/uv pip compile --quiet --universal --python-version 3.13 \
		--generate-hashes --no-annotate --no-header --upgrade --group layer -o layers/dependencies/requirements.txt

block-types: $(BLOCK_TYPES)/node_modules/.done ## Make the schema of Slack's block types anew; needs Node.js 20
	@cd $(BLOCK_TYPES) && node schema.mjs

clean: ## Remove what was built and installed here
	rm -rf .venv .venv-aws .venv-lambda .venv-peer .venv-audit .aws-sam .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache $(BLOCK_TYPES)/node_modules

# Each environment is made anew when its requirements have changed. `.venv` comes first: it holds
# the installer of the others.
$(VENV)/.done: requirements/dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "make: Python 3.11 or newer is needed, and \`$(PYTHON)\` is $$($(PYTHON) --version 2>/dev/null | head -n 1 | grep . || echo 'no Python')." >&2; \
		echo "      Install one and name it: make PYTHON=python3.12 …" >&2; exit 1; }
	@echo "setup: tools and tests, once (a minute or so) …"
	@rm -rf $(VENV) && $(PYTHON) -m venv $(VENV) || { \
		echo "make: Python's venv module is missing; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION) || { $(OFFLINE); }
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements/dev.txt || { $(OFFLINE); }
	@touch $@

.venv-%/.done: requirements/%.txt $(VENV)/.done
	@echo "setup: $(SETTING_UP_$*) …"
	@rm -rf .venv-$* && $(PYTHON) -m venv .venv-$*
	@$(BIN)/uv pip install --quiet --python .venv-$*/bin/python --require-hashes $(COMPILED_$*) \
		-r requirements/$*.txt || { $(OFFLINE); }
	@touch $@

$(BLOCK_TYPES)/node_modules/.done: $(BLOCK_TYPES)/package-lock.json
	@node --version >/dev/null 2>&1 && npm --version >/dev/null 2>&1 || { \
		echo "make: Node.js 20 or newer is needed for this, with npm." >&2; exit 1; }
	@cd $(BLOCK_TYPES) && npm ci --ignore-scripts --no-audit --no-fund --silent || { \
		echo "make: installing failed; is the npm registry reachable from here?" >&2; exit 1; }
	@touch $@

SETTING_UP_aws := the local AWS
SETTING_UP_lambda := what the Lambda runtime brings
# Lambda's runtime is taken to bring bytecode of its packages; a cold start here would not write any.
COMPILED_lambda := --compile-bytecode
SETTING_UP_peer := the plain handler that is measured beside
SETTING_UP_audit := what looks for weak spots

define OFFLINE
echo "make: installing failed; the lines above say why. Is the Python package index reachable from here?" >&2; exit 1
endef
