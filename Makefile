# What a newcomer types. The work is done by small programs that can be read and run on their own:
# tools/setup installs what is missing, demo/main_job.py is the demonstration, bench/lifecycle.py the benchmark.

.DEFAULT_GOAL := help
.PHONY: help run test lint types wheel-check bench bench-emulator bench-network bench-pull bench-streams clean ready
bin := .venv/bin

help: ## list these targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 22

run: ## do the main job: a real container from a real image, over the socket
	@tools/setup run
	@$(bin)/python demo/main_job.py

test: lint types wheel-check ## everything that CI runs: lint, types, the wheel, tests
	$(bin)/pytest -n auto -W error -rs

lint: ready ## style and formatting
	$(bin)/ruff check
	$(bin)/ruff format --check

types: ready ## static types, strictly
	tools/types

wheel-check: ready ## build a wheel, install it in an empty environment, use it there
	tools/wheel-check

bench: ## time the life of a container beside its floors
	@tools/setup run
	@$(bin)/python bench/lifecycle.py

bench-emulator: ## time the import, a fixture, lives of emulated containers, and a thousand
	@tools/setup run
	@$(bin)/python bench/emulator.py

bench-network: ## time what a network adds to a start and a stop
	@tools/setup run
	@$(bin)/python bench/network.py

bench-pull: ## time the pull of a large image beside GNU tar
	@tools/setup dev
	@$(bin)/python bench/pull.py

bench-streams: ## time what goes through a container's log, and attach
	@tools/setup run
	@$(bin)/python bench/streams.py

ready:
	@tools/setup dev

clean: ## remove what the other targets made in this folder
	rm -rf .venv build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
