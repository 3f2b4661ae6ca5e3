# The DMT book. `make help` lists what can be asked for; `make book`, `make test` and `make check` are those that matter.

PYTHON ?= python3#  the interpreter that makes the environment, 3.10 or newer
VENV ?= .venv#      the environment; one made elsewhere can be shared between clones
BUILD ?= _build#    where everything made goes
BUDGET ?=#          the share of full training that the chapters spend, 0.1 say; empty: what each chapter states
ARGS ?=#            more arguments for pytest, or JupyterLab: make test ARGS="-k slider"
URL ?=#             for make repo-url

BIN := $(VENV)/bin
EXECUTED := $(BUILD)/executed
SITE := $(BUILD)/html/index.html
TOC := $(shell sed -nE 's/^[- ]*(root|file): *//p' book/_toc.yml)
LONGEST := 07_honest_evaluation 09_mutual_training 12_your_data 04_curriculum 06_cifar10 05_augmentation 08_segmentation# begun first, so that none ends alone
CHAPTERS := $(patsubst book/%.py,%,$(wildcard $(TOC:%=book/%.py)))
CHAPTERS := $(filter $(CHAPTERS),$(LONGEST)) $(filter-out $(LONGEST),$(CHAPTERS))
PAGES := $(wildcard $(TOC:%=book/%.md))
LIBRARY := $(shell find dmtlib -name '*.py' -o -name '*.yml')
RECORDS := $(shell find results -type f 2>/dev/null)

# Only the book's own environment follows requirements.txt; one given from elsewhere is taken as it is once it exists.
ifeq ($(VENV),.venv)
ENVIRONMENT := $(VENV)/.installed
$(ENVIRONMENT): requirements.txt constraints.txt pyproject.toml
else
ENVIRONMENT := $(BIN)/jupyter-book
endif

# As it was typed: make would run a $(shell …) in it, and a shell whatever else is no number.
override BUDGET := $(value BUDGET)
REST := $(BUDGET)
$(foreach sign,. 0 1 2 3 4 5 6 7 8 9,$(eval REST := $$(subst $(sign),,$$(REST))))
ifneq ($(BUDGET),)
ifneq ($(if $(REST),0,$(shell awk 'BEGIN { b = "$(BUDGET)"; print (b ~ /^(0|[1-9][0-9]*)?([.][0-9]*)?$$/ && b + 0 > 0 && b + 0 <= 10) }')),1)
$(error BUDGET must be a number above 0 and up to 10, as 0.1, got $(BUDGET))
endif
endif

export PYTHONPATH := $(CURDIR)# this clone's dmtlib, whichever clone the environment was made by
export PYTHONHASHSEED := 0
export PYDEVD_DISABLE_FILE_VALIDATION := 1# or each kernel warns about frozen modules
export URL
unexport PYTHONDONTWRITEBYTECODE# or each process would compile anew what it imports
COMMIT_TIME := $(shell git log -1 --format=%ct 2>/dev/null)
ifneq ($(COMMIT_TIME),)
export SOURCE_DATE_EPOCH := $(COMMIT_TIME)
endif

PYTEST := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 $(BIN)/python -m pytest -n 2

MAKEFLAGS += --jobs=2# chapters at a time

.PHONY: book test check lab sync venv wheel records picture repo-url clean help FORCE
.PRECIOUS: book/%.ipynb
.DEFAULT_GOAL := help

book: $(SITE) ## Run every chapter that changed and render the site
	@echo $(abspath $(SITE))

test: $(ENVIRONMENT) ## Test all that needs no made book, some minutes
	$(PYTEST) $(ARGS)

check: $(SITE) ## Test the rest: the book's pages in a browser, its chapters on Colab, make itself
	$(PYTEST) -m book $(ARGS)

# The kernel is installed anew, named by its path: jupytext starts one without asking only if it knows it for its own Python.
lab: export JUPYTER_PATH := $(abspath $(BUILD))/lab/share/jupyter
lab: export JUPYTER_CONFIG_PATH := $(CURDIR)/tools/lab
lab: $(ENVIRONMENT) ## Open the chapters' texts in JupyterLab, as notebooks
	@$(BIN)/python -m ipykernel install --prefix $(BUILD)/lab >/dev/null
	$(BIN)/jupyter lab --notebook-dir=. --LabApp.default_url=/lab/tree/book/$(firstword $(TOC)).py $(ARGS)

sync: $(ENVIRONMENT) ## Write each chapter's first cell and notebook from its text
	@$(BIN)/python tools/chapters.py sync

venv: $(ENVIRONMENT) ## Make the environment

wheel: ## Build the library's package into dist/, and try it in an environment of its own
	@PYTHON=$(PYTHON) .ci/wheel

repo-url: $(ENVIRONMENT) ## Set the book's public address: make repo-url URL=https://github.com/OWNER/NAME
	@$(BIN)/python tools/chapters.py repository "$$URL"

records: $(ENVIRONMENT) ## Record digits-40, every method of its table (an hour on two cores), going on where it was stopped
	@OMP_NUM_THREADS=1 $(BIN)/python -m dmtlib reproduce digits --jobs 2

picture: $(ENVIRONMENT) ## Draw README's picture from the records
	@$(BIN)/python tools/picture.py

clean: ## Remove everything that was built (not the environment)
	rm -rf $(BUILD)

help: ## Show this list
	@sed -nE 's/^([a-z-]+):[^#]*## (.*)/make \1 \2/p' Makefile | awk '{ printf "%s %-9s ", $$1, $$2; $$1 = $$2 = ""; print }'

# Not compiled: of 16,000 modules few are ever imported, and each of these is compiled then.
$(ENVIRONMENT):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "Python 3.10 or newer is needed: make PYTHON=…")'
	@echo 'Installing into $(VENV): some minutes and 6 GB, most of it torch'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile -r requirements.txt \
		$$($(BIN)/python -c 'import sys; print("-c constraints.txt" if sys.version_info[:2] == (3, 11) else "")')
	@touch $@

# What the chapters' results depend on besides files' contents: which files there are, and the budget. Kept when the same.
# (The + looks even in a dry run, which would otherwise announce every chapter.)
$(BUILD)/inputs.txt: FORCE
	+@mkdir -p $(BUILD)
	+@printf '%s\n' 'budget $(BUDGET)' $(sort $(LIBRARY) $(RECORDS)) | cmp -s - $@ || \
		printf '%s\n' 'budget $(BUDGET)' $(sort $(LIBRARY) $(RECORDS)) > $@

# One thread: on a busy machine two that wait for each other can be many times slower; and where a chapter trains several
# models, they train side by side anyway.
# A chapter runs again when its text, its notebook, a helper that it imports, the library or a record changed.
$(EXECUTED)/%.ipynb: book/%.py book/%.ipynb $(LIBRARY) $(RECORDS) $(BUILD)/inputs.txt tools/run_chapter.py | $(ENVIRONMENT)
	@OMP_NUM_THREADS=1 DMT_STATIC=1 $(BIN)/python tools/run_chapter.py $< $@ $(if $(BUDGET),budget=$(BUDGET))

-include $(CHAPTERS:%=$(EXECUTED)/%.d)# the helpers, as of its last run: one that it didn't import then can't have changed it
# What a page reads besides:
$(EXECUTED)/08_segmentation.ipynb: benchmarks/selection.py
$(EXECUTED)/14_deviations.ipynb: book/deviations.yml

# A chapter that has no notebook yet gets one.
book/%.ipynb: | book/%.py $(ENVIRONMENT)
	@$(BIN)/python tools/chapters.py sync

# Rendered from scratch, because a second, incremental rendering would not repeat the first one's warnings.
# The site is replaced only once its successor is complete.
$(SITE): $(CHAPTERS:%=$(EXECUTED)/%.ipynb) $(PAGES) $(shell find book/_static -type f) book/_toc.yml book/references.bib \
		_config.yml tools/api_pages.py tools/goals.py tools/light_icons.py tools/numbered_links.py tools/numbered_outputs.py tools/repository_links.py | $(ENVIRONMENT)
	@rm -rf $(BUILD)/stage $(BUILD)/render
	@mkdir -p $(BUILD)/stage
	@cp -R $(CHAPTERS:%=$(EXECUTED)/%.ipynb) $(PAGES) book/_static book/_toc.yml book/references.bib $(BUILD)/stage
	@echo rendering
	@$(BIN)/jupyter-book build $(BUILD)/stage --config _config.yml --path-output $(BUILD)/render -W -n --keep-going -q >$(BUILD)/render.log
	@rm -rf $(BUILD)/html
	@mv $(BUILD)/render/_build/html $(BUILD)/html
	@touch $@
