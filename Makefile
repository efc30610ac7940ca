# The commands of this project. Each sets up what it needs: a virtual environment in .venv, from hash-locked files.

PYTHON ?= python3
BIN := .venv/bin

.PHONY: setup demo test lint check bench format lock clean

setup: .venv/.ready

.venv/.ready: requirements/dev.txt pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 or newer is needed: install it, or say PYTHON=/path/to/python3"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; say PYTHON=/path/to/python3.11"; exit 1; }
	@test -x $(BIN)/python || { echo "Making .venv"; $(PYTHON) -m venv .venv; }
	@echo "Installing what is needed (once)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements/dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

# REAL=openai/gpt-5-mini also sends 24 of the messages to that model, which may cost money.
demo: setup
	@$(BIN)/python -m demo $(if $(REAL),--real "$(REAL)") $(if $(DATA),--data "$(DATA)")

test: setup
	@$(BIN)/python -m pytest

# Without ruff's cache: it does not see that a module which others import has come, gone or moved.
lint: setup
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check --no-cache .
	@$(BIN)/pyright
	@$(BIN)/lint-imports

check: lint test

bench: setup
	@$(BIN)/python -m bench

format: setup
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

# New versions: needs `uv` on the path. Hashes of every platform are kept, the address of an index is not.
lock:
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --group dev --extra postgres --extra flywheel pyproject.toml -o requirements/dev.txt

clean:
	rm -rf .venv build .pytest_cache .ruff_cache .hypothesis
