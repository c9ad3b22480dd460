# make install | demo | serve | bench | test | test-all | lint | scenarios | docs | image | up
# PYTHON=python3.12 or PYTHON=/path/to/python chooses the interpreter; .venv is kept and re-used.

VENV := .venv
BIN := $(VENV)/bin

.PHONY: install demo serve bench test test-all lint tools clean
install:
	@PYTHON='$(PYTHON)' sh .ci/install $(VENV)
demo: install
	@$(BIN)/selam-agent demo
serve: install
	@$(BIN)/selam-agent serve
bench: install
	@$(BIN)/selam-agent bench --all --json demo/bench.json --html demo/bench.html
tools:
	@PYTHON='$(PYTHON)' sh .ci/install $(VENV) dev
test: tools
	@$(BIN)/python -m pytest -n 2 --dist loadfile -m "not exhaustive"
test-all: tools
	@$(BIN)/python -m pytest -n 2 --dist loadfile
.PHONY: scenarios
scenarios: tools
	@$(BIN)/python -m tests.scenarios --live --html demo/scenarios.html
# The container: docker/Dockerfile and docker/compose.yaml. PROFILES="ollama monitoring" adds those services.
.PHONY: image up docs
image:
	docker build -f docker/Dockerfile -t selam-agent:0.1.0 .
up:
	docker compose -f docker/compose.yaml $(foreach each,$(PROFILES),--profile $(each)) up --build --detach
docs:
	@PYTHON='$(PYTHON)' sh .ci/install $(VENV) docs
	@$(BIN)/mkdocs build --strict -f .ci/mkdocs.yml
lint: tools
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy
clean:
	rm -rf $(VENV) build dist demo .pytest_cache .mypy_cache .ruff_cache .hypothesis
