# Each target does all its own set-up in .venv. PYTHON chooses the interpreter (3.10 or newer).
PYTHON ?= python3
BIN := .venv/bin
# Tests start a thousand interpreters: compile each module once.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo dist site test test-all test-frameworks test-gpu coverage lint bench bench-faults fuzz mutate-guards schema clean

.venv/demo-ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[torch]"
	touch $@

# pip reads dependency groups from 25.1 on.
.venv/dev-ready: .venv/demo-ready
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt "pip>=25.1"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[torch]" --group dev
	touch $@

# Puts a project up in demo/, reproduces the published result, and tests that it did. An earlier one may have work in it.
demo: .venv/demo-ready
	@test ! -e demo || { echo "demo/ is there already; if you need nothing of it: rm -rf demo"; exit 1; }
	$(BIN)/mlloop-new demo --from digits-cnn --no-input
	cd demo && ../$(BIN)/scaffold verify
	cd demo && ../$(BIN)/pytest

# On all cores, a file's tests together. test-all adds what runs our own recipes, whole.
TESTS := $(BIN)/python -m pytest --numprocesses auto --dist loadfile --ignore tests/frameworks --ignore tests/gpu
test: .venv/dev-ready
	$(TESTS) --ignore tests/stories --ignore tests/recipes

test-all: .venv/dev-ready
	$(TESTS)

# How much of the package the tests run in their own process; fails below what pyproject.toml says.
coverage: .venv/dev-ready
	$(TESTS) --cov --cov-report term:skip-covered

# Trainer, Lightning, accelerate, DDP and LBFGS under the tracer, a Hub model evaluated, a dataset placed, a Ray cluster, and exports read back by their own tools, in an environment of their own (some 1 GB).
test-frameworks:
	test -d .venv-frameworks || $(PYTHON) -m venv .venv-frameworks
	.venv-frameworks/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt "pip>=25.1"
	.venv-frameworks/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt \
		--editable ".[torch,exports]" --group dev transformers lightning accelerate datasets pandas pyarrow scikit-learn ray psutil \
		in-toto-attestation roc-validator tensorboard
	.venv-frameworks/bin/python -m pytest tests/frameworks

# On a machine with a GPU whose Python has torch for it: `make test-gpu PYTHON=...`. Three minutes on an H100.
test-gpu:
	$(PYTHON) -m pytest tests/gpu

lint: .venv/dev-ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell
	$(BIN)/mypy
	$(BIN)/lint-imports

# What is released: built, checked, installed into an empty environment and started; sbom.cdx.json lists what came with it.
dist:
	rm -rf dist .venv-dist .venv-wheel
	$(PYTHON) -m venv .venv-dist
	.venv-dist/bin/python -m pip install --quiet --disable-pip-version-check build twine check-wheel-contents cyclonedx-bom
	.venv-dist/bin/python -m build --outdir dist
	.venv-dist/bin/twine check --strict dist/*
	.venv-dist/bin/check-wheel-contents dist/*.whl
	$(PYTHON) -m venv .venv-wheel
	.venv-wheel/bin/python -m pip install --quiet --disable-pip-version-check dist/*.whl
	.venv-wheel/bin/mlloop-new --version
	.venv-wheel/bin/scaffold recipes list
	.venv-dist/bin/cyclonedx-py environment --output-reproducible -o sbom.cdx.json .venv-wheel/bin/python

# The documentation as a site in site/, every link checked; its pages open from disk.
site:
	test -d .venv-docs || $(PYTHON) -m venv .venv-docs
	.venv-docs/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable . \
		mkdocs==1.6.1 mkdocs-material==9.8.2
	NO_MKDOCS_2_WARNING=1 .venv-docs/bin/mkdocs build --strict --quiet

# Prints each goal of docs/performance.md as a ratio against a peer, measured in turn in the same run.
bench: .venv/dev-ready
	$(BIN)/python benchmarks/run.py

# Which planted faults the parity checks see, and metrics do not; from recorded runs.
bench-faults: .venv/dev-ready
	$(BIN)/python benchmarks/fault_bench.py

# Feeds every reader, recipes and evidence with bytes that reach ever more of their code, 20 s each.
fuzz: .venv/dev-ready
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "atheris>=2.3"
	for target in stdout json csv tensorboard trainer_state recipe evidence reports; do \
		echo "== $$target"; \
		$(BIN)/python tests/fuzz/by_coverage.py $$target -max_total_time=20 -max_len=4096 -verbosity=0 || exit 1; \
	done

# Removes each guard of tests/hostile in turn and shows that a test fails without it.
mutate-guards: .venv/dev-ready
	$(BIN)/python tests/hostile/mutate_guards.py

# Writes docs/schemas anew from the records and answers.
schema: .venv/dev-ready
	$(BIN)/python -c "import json, pathlib; from scaffold.views.schemas import make_schemas; [pathlib.Path('docs/schemas', name).write_text(json.dumps(schema, indent=1) + '\n') for name, schema in make_schemas().items()]"

clean:
	rm -rf .venv .venv-frameworks demo dist .bench
