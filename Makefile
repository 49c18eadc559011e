# `make demo` and `make test` need Python 3.11, make and a package registry; nothing else.
PYTHON ?= python3
CORES ?= $(shell nproc)
DIRECTORY ?= .
TESTS ?= tests
BIN := .venv/bin

.PHONY: help install demo plan progress report test lint reference clean
help: ## Show what can be made
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 11
	@printf '%s\n' "" "One result: $(BIN)/snakemake NAME --cores $(CORES) (-n: what would run, and why). NAME is one of" \
		"  corpora audit table1 table2 figure2 figure3 claims confusion recall training_curves scores provenance"

install: .venv/installed ## Make the environment, .venv, from the lock

demo: .venv/installed ## Run the whole workflow on the embedded synthetic demo
	$(BIN)/snakemake --directory demo --cores $(CORES)
	@printf '%s\n' "" "Done. Look at demo/results/tables/table2.png, demo/results/figures/ and demo/results/claims.md," \
		"or put all of it on pages: make report DIRECTORY=demo"

# no prerequisites from here to report: while a run goes on, nothing may be installed
plan: ## Say what is left of a run, why, and what it will cost: in DIRECTORY, with CONFIG if it has its own, on GPUS or CORES
	@$(BIN)/python workflow/scripts/plan.py --directory $(DIRECTORY) $(if $(CONFIG),--configfile $(CONFIG)) \
		$(if $(GPUS),--gpus $(GPUS)) $(if $(findstring command,$(origin CORES)),--cores $(CORES))

progress: ## Show what of a run in DIRECTORY, with CONFIG if it has its own, is done, running, missing
	@$(BIN)/python workflow/scripts/progress.py --directory $(DIRECTORY) $(if $(CONFIG),--configfile $(CONFIG))

report: ## Put a finished run of DIRECTORY, with CONFIG if it has its own, on pages that open offline
	$(BIN)/snakemake --directory $(DIRECTORY) $(if $(CONFIG),--configfile $(CONFIG)) --report results/report.zip
	@echo "Unzip $(DIRECTORY)/results/report.zip, and open report/report.html in it."

test: .venv/installed ## Run all tests, or TESTS
	$(BIN)/python -m pytest $(TESTS)

lint: .venv/installed ## Check style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workflow/Snakefile workflow/rules
	$(BIN)/snakemake --lint

reference: .venv/installed ## Write the keys of config/README.md from the schema
	$(BIN)/python workflow/scripts/config_reference.py

clean: ## Remove the demo's results
	rm -rf demo/results demo/resources demo/.snakemake

.venv/installed: envs/requirements.txt
	@echo "Installing what envs/requirements.txt pins into .venv: some minutes"
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --requirement envs/requirements.txt
	touch $@
