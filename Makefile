# Alatau Pay. `make` alone prints what there is.
# Everything is installed into this folder (.venv, node_modules) and runs out of it (var); nothing else is touched.
.DEFAULT_GOAL := help
SHELL := /bin/sh
.SHELLFLAGS := -eu -c
MAKEFLAGS += --no-print-directory

PYTHON_STAMP := .venv/ready-$(shell cat requirements.txt requirements-dev.txt | cksum | tr -d ' ')
NODE_STAMP := node_modules/ready-$(shell cksum < package-lock.json | tr -d ' ')
RUN := .venv/bin/python
TESTS ?= tests

.PHONY: help
help:  ## Print this list
	@printf 'Alatau Pay: shops ask tenge, residents pay in digital assets.\n\n'
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

.PHONY: install
install: $(PYTHON_STAMP) $(NODE_STAMP)  ## Install everything into this folder (the other targets do it when needed)

$(PYTHON_STAMP): requirements.txt requirements-dev.txt
	@test -e $@ || devnet/prepare.sh python $@
	@touch $@

$(NODE_STAMP): package-lock.json
	@test -e $@ || devnet/prepare.sh node $@
	@touch $@

.PHONY: demo
demo: $(PYTHON_STAMP) $(NODE_STAMP)  ## Start the whole gateway with its development chains; Ctrl-C stops it
	@exec $(RUN) -m devnet.demo $(if $(PORT),--port $(PORT))

.PHONY: story
story: $(PYTHON_STAMP) $(NODE_STAMP)  ## Walk the whole way without a person, from onboarding to webhooks, and print the table
	@exec $(RUN) -m devnet.story

.PHONY: pay
pay: $(PYTHON_STAMP) $(NODE_STAMP)  ## Pay like a resident: make pay INVOICE=<checkout URL> ASSET=BTC|ETH|USDT
	@exec $(RUN) -m devnet.pay --invoice '$(INVOICE)' --asset '$(ASSET)'

.PHONY: test
test: $(PYTHON_STAMP) $(NODE_STAMP)  ## Run the tests on real servers, in parallel; TESTS=path for some of them
	@exec $(RUN) -m pytest -m 'not long' $(TESTS)

.PHONY: test-long
test-long: $(PYTHON_STAMP) $(NODE_STAMP)  ## Run the long tests: whole-way stories, browsers, soak
	@exec $(RUN) -m pytest -m long $(TESTS)

.PHONY: check
check: $(PYTHON_STAMP)  ## Lint, types, import directions, migrations, deployment settings
	@exec $(RUN) -m devnet.check

.PHONY: fix
fix: $(PYTHON_STAMP)  ## Mend what ruff can mend by itself
	@.venv/bin/ruff check --fix .
	@.venv/bin/ruff format .

.PHONY: bench
bench: $(PYTHON_STAMP) $(NODE_STAMP)  ## Measure; one JSON line a figure. NAME=one for one program
	@exec $(RUN) -m bench $(NAME)

.PHONY: bitcoind
bitcoind:  ## Build Bitcoin Core's bitcoind once, into a cache outside this folder
	@python=$$(devnet/prepare.sh which-python); exec "$$python" -m devnet.build_bitcoind

.PHONY: clean
clean:  ## Remove what was installed and made here, the demo's data included
	@if test -e var/demo.lock && command -v flock >/dev/null && ! flock -n var/demo.lock true; then \
		echo 'alatau-pay: the demo is running; stop it first' >&2; exit 1; fi
	@rm -rf .venv node_modules var staticfiles .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
