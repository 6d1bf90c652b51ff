# The environment is .venv; a stamp .venv/has-EXTRA tells that an extra of pyproject.toml is
# installed as locked. A change of either file makes the stamps old, nothing else does.
PYTHON ?= python3
ARGS ?=

.PHONY: setup demo demo-emg test train proof peers peers-emg peers-lsl system
.NOTPARALLEL:

setup: .venv/has-hand .venv/has-view .venv/has-emg .venv/has-dev
	@echo "ready: .venv/bin/myoloop --help"

demo: .venv/has-hand .venv/has-view
	.venv/bin/myoloop demo $(ARGS)

demo-emg: .venv/has-hand .venv/has-emg
	.venv/bin/myoloop demo-emg $(ARGS)

test: .venv/has-hand .venv/has-train .venv/has-emg .venv/has-dev
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/pytest

# Hours are allowed here; docs/safety.md says what it proves.
proof: .venv/has-hand .venv/has-train .venv/has-dev .venv/has-proof peers
	.venv/bin/pytest -q tests/controller/supervisor --cov --cov-report=
	.venv/bin/coverage report -m --include='controller/supervisor/*' --fail-under=100
	rm -rf mutants
	.venv/bin/mutmut run --max-children 2 > /dev/null
	.venv/bin/mutmut results | sed 's/^ *//' | sort | grep . \
		| diff tests/controller/supervisor/equivalent_mutants.txt -
	.venv/bin/python tests/fuzz/fuzz_codecs.py -max_total_time=600
	.venv/bin/myoloop bench residual --device ability-hand
	.venv/bin/myoloop bench residual --device sciencemode

# Other people's clients of the real devices drive the emulators; docs/stimulator.md.
peers: .venv/has-hand .venv/has-dev .venv-peers/ready
	.venv/bin/pytest -q tests/peers/prove.py

.venv-peers/ready: tests/peers/requirements.txt
	$(PYTHON) -m venv .venv-peers
	.venv-peers/bin/pip install --quiet -r tests/peers/requirements.txt
	@touch $@

# EMG that was really recorded; docs/emg.md has what is said of it.
peers-emg: .venv/has-emg .venv-peers-emg/ready
	.venv/bin/python tests/peers_emg/prove.py .venv-peers-emg $(ARGS)

.venv-peers-emg/ready: tests/peers_emg/requirements.txt
	.venv/bin/pip download --quiet --no-deps -d .venv-peers-emg -r tests/peers_emg/requirements.txt
	@touch $@

# Other people's readers of our LSL streams; docs/lsl_out.md has the figures.
peers-lsl: .venv/has-hand .venv-peers-lsl/ready
	.venv-peers-lsl/bin/python tests/peers_lsl/prove.py .venv/bin/myoloop

.venv-peers-lsl/ready: tests/peers_lsl/requirements.txt
	$(PYTHON) -m venv .venv-peers-lsl
	.venv-peers-lsl/bin/pip install --quiet -r tests/peers_lsl/requirements.txt
	@touch $@

train: .venv/has-hand .venv/has-train
	.venv/bin/myoloop train configs/curriculum/baoding_gradients.yaml --resume

system:
	@$(PYTHON) -I bridges/system_packages.py

.venv/has-%: pyproject.toml constraints.txt | .venv/bin/pip
	.venv/bin/pip install --quiet -c constraints.txt -e ".[$*]"
	@touch $@

.venv/bin/pip:
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(not (3, 11) <= v <= (3, 13) and \
	"Python %d.%d found, myoloop needs 3.11, 3.12 or 3.13: make PYTHON=python3.12 ..." % v)'
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || \
	{ echo "Python can make no environment yet: sudo apt-get install -y python3-venv"; exit 1; }
	$(PYTHON) -m venv .venv
