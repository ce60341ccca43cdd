# make setup   everything the project needs, into .venv (and a Java 17/21 where there is none)
# make test    lint, types, the import rule and all tests, the tests in two processes (PROCESSES=1 for one after another)
# make demo    the whole path on a small generated archive, in a few minutes

VENV := .venv
DEMO ?= .demo
PROCESSES ?= 2
UV_VERSION := 0.13.9

.PHONY: setup test check demo lock clean

setup: $(VENV)/.ready

# One environment with all extras, pinned by requirements.lock. The stamp makes a second call instant.
$(VENV)/.ready: requirements.lock pyproject.toml Makefile
	@set -e; \
	for python in python3.11 python3.12 python3.13 python3.14 python3; do \
	    if $$python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' 2>/dev/null; then break; fi; \
	    python=; \
	done; \
	if [ -z "$$python" ]; then echo "setup: no Python 3.11 to 3.14 found on PATH; install one and run make setup again" >&2; exit 1; fi; \
	if command -v uv >/dev/null 2>&1; then uv=uv; else \
	    if [ ! -e .uv/bin/uv ]; then echo "setup: fetching uv"; $$python -m pip install --quiet --target .uv uv==$(UV_VERSION); fi; \
	    uv=.uv/bin/uv; \
	fi; \
	echo "setup: packages into $(VENV) (some minutes the first time)"; \
	[ -e $(VENV)/bin/python ] || $$uv venv --quiet --no-project --python "$$(command -v $$python)" $(VENV); \
	$$uv pip sync --quiet --python $(VENV)/bin/python requirements.lock; \
	$$uv pip install --quiet --python $(VENV)/bin/python --no-deps --editable .; \
	$(VENV)/bin/python -m lake.java; \
	touch $@

lock:  ## choose versions again; the list names no host
	uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --no-annotate --no-header \
	    --extra etl --extra teacher-cpu --extra trainer --extra serving --extra dev -o requirements.lock

check: setup
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

test: check
	$(VENV)/bin/pytest -n $(PROCESSES) --dist loadfile

demo: setup
	$(VENV)/bin/python -m pipeline.demo --dir $(DEMO)

clean:
	rm -rf $(DEMO) dist build
