# Fenxiao's commands; `make` alone lists them. They need make, git and Python 3.13, and set everything else up below
# .venv and .local. STACK and AWS's own settings say which stack on AWS `make deploy` and `make redrive` mean.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# The interpreter itself: a shim of pyenv would depend on the folder from which it is called.
FIND_PYTHON = for python in python3.13 python3 $${PYENV_ROOT:-$$HOME/.pyenv}/versions/3.13*/bin/python; do \
	(cd / && $$python -c 'import ensurepip, sys; assert sys.version_info[:2] == (3, 13); print(sys.executable)') 2>/dev/null && break; \
	done
PYTHON = $(shell $(FIND_PYTHON))

LOCAL := .local
DEV := .venv/bin
SETUP := .venv/.stamp $(LOCAL)/ministack-venv/.stamp $(LOCAL)/lambda-venv/.stamp
PIP_INSTALL := install -qq --disable-pip-version-check --no-deps --require-hashes
PYTEST := $(DEV)/python -m pytest
WORKERS := -n 2 --dist worksteal

.PHONY: help
help: ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# --- set-up ---

.PHONY: setup
setup: $(SETUP)

.venv/.stamp: requirements/dev.txt
	@echo "setting up .venv (half a minute)"
	@$(call make_venv,.venv)
	@.venv/bin/python -m pip $(PIP_INSTALL) --requirement $<
	@touch $@

$(LOCAL)/ministack-venv/.stamp: requirements/ministack.txt
	@echo "setting up $(@D) (half a minute)"
	@mkdir -p $(LOCAL)
	@$(call make_venv,$(@D))
	@$(@D)/bin/python -m pip $(PIP_INSTALL) --requirement $<
	@touch $@

# What the Lambda runtime has besides the standard library; pip is not part of it.
$(LOCAL)/lambda-venv/.stamp: requirements/lambda.txt .venv/.stamp
	@echo "setting up $(@D)"
	@$(call make_venv,$(@D) --without-pip)
	@.venv/bin/python -m pip --python $(@D)/bin/python $(PIP_INSTALL) --requirement $<
	@touch $@

define make_venv
if [ -z "$(PYTHON)" ]; then \
	echo "Python 3.13 with venv is needed, as python3.13 on the PATH or through pyenv; or name it: make PYTHON=/path/to/python3.13" >&2; \
	exit 1; \
fi; \
"$(PYTHON)" -m venv --clear $(1)
endef

# --- the embedded stack ---

.PHONY: run
run: $(SETUP) ## start the embedded stack with a demo shop; Ctrl-C stops it
	@$(DEV)/python -u -m infra.local.stack run

.PHONY: status
status: .venv/.stamp ## show the running stack
	@$(DEV)/python -m infra.local.stack status

.PHONY: stop
stop: .venv/.stamp ## stop the running stack from another terminal
	@$(DEV)/python -m infra.local.stack stop

.PHONY: demo
demo: $(SETUP) ## play the whole story and check every fen; starts a stack if none runs
	@$(DEV)/python -u -m infra.local.demo

.PHONY: audit
audit: .venv/.stamp ## fold all journals of the running stack and compare everything (MONTH=2026-10 AS_OF=time: as known then)
	@PYTHONPATH=layers/fenxiao $(DEV)/python -m infra.local.audit $(if $(STACK),--aws $(STACK)) $(if $(MONTH),--month $(MONTH)) $(if $(AS_OF),--as-of $(AS_OF))

.PHONY: bench
bench: $(SETUP) ## measure, and write .local/bench.json
	@PYTHONPATH=layers/fenxiao $(DEV)/python -u -m tests.bench

# --- tests ---

.PHONY: test
test: $(SETUP) ## every test; what this machine cannot run is named at the end with the reason (CI=1: fails instead)
	@$(PYTEST) $(WORKERS) tests

.PHONY: test-unit
test-unit: .venv/.stamp ## rules, use cases and handlers, in process
	@$(PYTEST) $(WORKERS) tests/unit

.PHONY: test-properties
test-properties: .venv/.stamp ## properties that hold always (HYPOTHESIS_PROFILE=thorough: many more examples)
	@$(PYTEST) $(WORKERS) tests/properties

.PHONY: test-simulation
test-simulation: .venv/.stamp ## seeded histories of the whole product against an independent model
	@$(PYTEST) $(WORKERS) tests/simulation

.PHONY: test-contract
test-contract: $(SETUP) ## the stores on the engine in memory, moto, MiniStack and DynamoDB Local
	@$(PYTEST) $(WORKERS) tests/contract

.PHONY: test-sandbox
test-sandbox: .venv/.stamp ## the WeChat sandbox, and the adapters that speak to it
	@$(PYTEST) $(WORKERS) tests/sandbox tests/sandbox_adapters

.PHONY: test-canary
test-canary: $(SETUP) ## what the launcher repairs in MiniStack
	@$(PYTEST) tests/canary

.PHONY: test-stack
test-stack: $(SETUP) ## the deployed stack, by HTTP only
	@$(PYTEST) $(WORKERS) tests/stack

N := 10000
SEED := 0

.PHONY: simulate
simulate: .venv/.stamp ## so many seeded histories (N=10000 SEED=0); one that goes wrong tells its story and its seed
	@PYTHONPATH=layers/fenxiao $(DEV)/python -m tests.simulation --histories $(N) --seed $(SEED)

.PHONY: check
check: $(SETUP) ## format, lint, types, architecture, template, dead code
	$(DEV)/python -m ruff format --check .
	$(DEV)/python -m ruff check .
	$(DEV)/python -m mypy layers/fenxiao/fenxiao functions infra tests
	PYTHONPATH=layers/fenxiao $(DEV)/lint-imports
	$(DEV)/python -m vulture layers/fenxiao/fenxiao functions infra --min-confidence 80
	$(DEV)/cfn-lint template.yaml tests/canary/fixture/template.yaml
	SAM_CLI_TELEMETRY=0 $(LOCAL)/ministack-venv/bin/sam validate --lint --region us-east-1
	PYTHONPATH=layers/fenxiao $(DEV)/python -m infra.openapi --check

# --- documents, AWS, upkeep ---

.PHONY: openapi
openapi: .venv/.stamp ## write the OpenAPI document from the contracts
	@PYTHONPATH=layers/fenxiao $(DEV)/python -m infra.openapi

.PHONY: verify-evidence
verify-evidence: .venv/.stamp ## check a proof offline: PROOF=file KEY=pem [OLDER=checkpoint CONSISTENCY=file]
	@PYTHONPATH=layers/fenxiao $(DEV)/python -m infra.verify_evidence $(PROOF) --key $(KEY) \
		$(if $(OLDER),--older $(OLDER)) $(if $(CONSISTENCY),--consistency $(CONSISTENCY))

.PHONY: redrive
redrive: .venv/.stamp ## send parked records again (STACK=name: on AWS)
	@$(DEV)/python -m infra.local.redrive $(if $(STACK),--aws $(STACK))

.PHONY: deploy
deploy: $(SETUP) ## build and deploy to AWS, guided
	PATH="$(CURDIR)/$(LOCAL)/ministack-venv/bin:$$PATH" PYTHON="$(CURDIR)/$(LOCAL)/ministack-venv/bin/python" \
		sam build --cached --parallel
	PATH="$(CURDIR)/$(LOCAL)/ministack-venv/bin:$$PATH" sam deploy --guided --capabilities CAPABILITY_IAM

# What the Lambda runtime has, and what only Chalice's command line needs, stays out of the layers: pip-compile counts it
# in, but does not write it down. Its warning that pip would miss it is cut off: everything is installed with --no-deps.
RUNTIME_HAS := boto3 botocore jmespath python-dateutil s3transfer six urllib3
CHALICE_CLI := ansicon blessed click editor inquirer jinxed packaging pip pyyaml readchar runs setuptools wcwidth wheel xmod
LOCK := PIP_CONFIG_FILE=/dev/null $(DEV)/pip-compile --quiet --generate-hashes --strip-extras --no-header \
	--no-emit-index-url --no-emit-find-links
WITHOUT = $(addprefix --unsafe-package ,$(1))

.PHONY: lock
lock: .venv/.stamp ## write the versions and hashes of all requirements anew after a change of *.in
	$(LOCK) $(call WITHOUT,$(RUNTIME_HAS) $(CHALICE_CLI)) \
		-o layers/runtime/requirements.txt layers/runtime/requirements.in requirements/lambda.in
	$(LOCK) $(call WITHOUT,$(RUNTIME_HAS)) -c layers/runtime/requirements.txt \
		-o layers/wechat/requirements.txt layers/wechat/requirements.in requirements/lambda.in
	$(LOCK) -o requirements/lambda.txt requirements/lambda.in
	$(LOCK) $(call WITHOUT,pip) -c layers/runtime/requirements.txt -c layers/wechat/requirements.txt \
		-c requirements/lambda.txt -o requirements/dev.txt requirements/dev.in
	$(LOCK) $(call WITHOUT,pip) -o requirements/ministack.txt requirements/ministack.in
	for file in requirements/*.txt layers/*/requirements.txt; do \
		sed '/^# WARNING/,$$d' $$file > $$file.new && mv $$file.new $$file; done

.PHONY: clean
clean: ## remove everything that these commands made
	rm -rf .venv $(LOCAL) .aws-sam .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
