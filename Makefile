# A thin front: everything real is in CMake, scripts/ and tests/.
PRESET ?= release
BUILD  := build

.PHONY: run build kernel test soak fuzz bench lint format install clean setup

run: build ## installs, builds, and runs a container in a VM of its own
	scripts/run-hello.sh $(BUILD)

setup:
	scripts/setup.sh

build: setup ## all programs into build/bin, what they need into build/share
	cmake --preset $(PRESET) --log-level=WARNING
	cmake --build --preset $(PRESET) --target programs

kernel: setup
	kernel/build.sh

test: ## all tests: unit, layers, black box
	scripts/setup.sh test
	$(MAKE) build
	cmake --build --preset $(PRESET)
	scripts/test.sh $(BUILD)

soak: build ## the long forms: hundreds of kill rounds, long loops
	scripts/setup.sh test soak
	HAKO_SOAK=1 scripts/test.sh $(BUILD) --parallel 1 --tests-regex blackbox

fuzz: ## each fuzz target for HAKO_FUZZ_SECONDS (60), by clang's libFuzzer
	scripts/setup.sh fuzz
	scripts/fuzz.sh

bench: build ## writes the figures of docs/benchmarks.md to the terminal
	scripts/setup.sh bench
	bench/starts.py --build $(BUILD)
	bench/translations.py --build $(BUILD)
	cmake --build $(BUILD) --target bench_executed_instructions
	bench/executed.py --build $(BUILD)
	bench/containers.py --build $(BUILD)
	bench/images.py --build $(BUILD)
	cmake --build $(BUILD) --target bench_network_host
	bench/network.py --build $(BUILD)
	bench/network_guests.py --build $(BUILD)
	bench/volumes.py --build $(BUILD)

lint: ## format, clang-tidy, headers that stand alone
	scripts/setup.sh lint
	scripts/lint.sh

format:
	scripts/setup.sh lint
	git ls-files '*.cc' '*.h' ':!kernel/changes' | xargs clang-format-16 -i

install: build ## into PREFIX (default /usr/local), with systemd units
	cmake --install $(BUILD) --prefix $(or $(PREFIX),/usr/local)

clean: ## the kernel stays in its cache
	rm -rf $(BUILD)
