# `make demo` and `make test` need Linux, Python 3.11 (`PYTHON=python3.11` if python3 is another version), make, git and a package registry.
PYTHON ?= python3
CORES ?= $(shell nproc)
DIRECTORY ?= .
TESTS ?= tests/slurm tests/workflow tests/unit
BIN := .venv/bin

.PHONY: help install demo plan progress report test test-unit lint gpu-check real-speech reference clean
help: ## Show this help
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 13
	@printf '%s\n' "" "To make one result: $(BIN)/snakemake NAME --cores $(CORES) (add -n for a dry run). NAME is one of" \
		"  corpora audit table1 table2 table2_converged figure2 figure2_converged figure3 figure3_converged adaptation " \
		"  gap claims confusion recall training_curves scores provenance"

install: .venv/installed ## Create the environment .venv from envs/requirements.txt

demo: .venv/installed ## Run the whole workflow on synthetic speech, in demo/
	$(BIN)/snakemake --directory demo --cores $(CORES)
	@printf '%s\n' "" "Done. Look at demo/results/tables/table2.png, demo/results/figures/ and demo/results/claims.md," \
		"or write an offline report: make report DIRECTORY=demo"

# plan, progress and report have no prerequisites: nothing must be installed during a run.
plan: ## List remaining jobs, their estimated hours and downloads in DIRECTORY, with configuration files CONFIG
	@$(BIN)/python workflow/scripts/plan.py --directory "$(DIRECTORY)" $(if $(CONFIG),--configfile $(CONFIG))

progress: ## Count finished training runs and prediction jobs in DIRECTORY, with configuration files CONFIG
	@$(BIN)/python workflow/scripts/progress.py --directory "$(DIRECTORY)" $(if $(CONFIG),--configfile $(CONFIG))

report: ## Write an offline report of DIRECTORY, once all results exist, with configuration files CONFIG
	$(BIN)/snakemake --directory "$(DIRECTORY)" $(if $(CONFIG),--configfile $(CONFIG)) --report results/report.zip
	@echo "Unzip $(DIRECTORY)/results/report.zip and open report/report.html."

# three processes on two cores, since one of them mostly waits for Slurm
test: .venv/installed ## Run all tests that the machine allows, or those in TESTS
	$(BIN)/python -m pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder $(TESTS)

test-unit: .venv/installed ## Run the unit tests
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile tests/unit

lint: .venv/installed ## Check style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workflow/Snakefile workflow/rules
	$(BIN)/snakemake --lint

gpu-check: .venv/installed ## Check exactness, training and speed on this machine's GPU, in some minutes
	$(BIN)/python benchmarks/gpu_check.py

real-speech: .venv/installed ## Copy the finished results of config/laptop.yaml in DIRECTORY to docs/real-speech/
	$(BIN)/python workflow/scripts/publish.py "$(DIRECTORY)" docs/real-speech

reference: .venv/installed ## Write the table of keys in config/README.md from the schema
	$(BIN)/python workflow/scripts/config_reference.py

clean: ## Remove the demo's results
	rm -rf demo/results demo/resources demo/.snakemake

.venv/installed: envs/requirements.txt
	@echo "Installing envs/requirements.txt into .venv (takes some minutes)"
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --no-compile --requirement envs/requirements.txt
	$(BIN)/python -m compileall -qq -j 0 .venv/lib || true  # on all cores; some packages have files of other versions of Python
	touch $@
