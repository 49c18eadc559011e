# `make demo` and `make test` need Python 3.11, make and a package registry; nothing else.
PYTHON ?= python3
CORES ?= $(shell nproc)
DIRECTORY ?= .
TESTS ?= tests
BIN := .venv/bin

.PHONY: help install demo plan progress report test test-unit lint reference clean
help: ## Show this help
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 11
	@printf '%s\n' "" "One result: $(BIN)/snakemake NAME --cores $(CORES) (-n: only show what would run, and why). NAME is one of" \
		"  corpora audit table1 table2 figure2 figure3 claims confusion recall training_curves scores provenance"

install: .venv/installed ## Create the environment, .venv, from the lock

demo: .venv/installed ## Run the whole workflow on the embedded synthetic demo
	$(BIN)/snakemake --directory demo --cores $(CORES)
	@printf '%s\n' "" "Done. Look at demo/results/tables/table2.png, demo/results/figures/ and demo/results/claims.md," \
		"or collect them in an offline report: make report DIRECTORY=demo"

# No prerequisites for plan, progress and report: nothing may be installed while a run is going on.
plan: ## List the jobs and downloads left, in DIRECTORY, with configuration files CONFIG
	@$(BIN)/python workflow/scripts/plan.py --directory $(DIRECTORY) $(if $(CONFIG),--configfile $(CONFIG))

progress: ## Count finished training runs and predictions, in DIRECTORY, with configuration files CONFIG
	@$(BIN)/python workflow/scripts/progress.py --directory $(DIRECTORY) $(if $(CONFIG),--configfile $(CONFIG))

report: ## Collect the results of DIRECTORY, with configuration files CONFIG, in an offline report
	$(BIN)/snakemake --directory $(DIRECTORY) $(if $(CONFIG),--configfile $(CONFIG)) --report results/report.zip
	@echo "Unzip $(DIRECTORY)/results/report.zip, and open report/report.html in it."

# three processes on two cores: one of them mostly waits for Slurm
test: .venv/installed ## Run all tests, or those in TESTS
	$(BIN)/python -m pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder $(TESTS)

test-unit: .venv/installed ## Run the unit tests
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile tests/unit

lint: .venv/installed ## Check style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workflow/Snakefile workflow/rules
	$(BIN)/snakemake --lint

reference: .venv/installed ## Write the table of keys in config/README.md from the schema
	$(BIN)/python workflow/scripts/config_reference.py

clean: ## Remove the demo's results
	rm -rf demo/results demo/resources demo/.snakemake

.venv/installed: envs/requirements.txt
	@echo "Installing what envs/requirements.txt pins into .venv: some minutes"
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --requirement envs/requirements.txt
	touch $@
