# ikvm-mcp: everything a developer or a newcomer runs. `make` alone lists the targets.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
CARGO ?= cargo
MUSL := x86_64-unknown-linux-musl
STATIC := target/$(MUSL)/release/ikvm-mcp

.PHONY: help rust demo build test lint check oldest bench static dist audit fuzz miri peers clean

help: ## what can be made
	@sed -n 's/^\([a-z]*\):.*## /make \1\t/p' Makefile | expand -t 16

rust:
	@command -v $(CARGO) >/dev/null || { echo "Rust is missing: install it from https://rustup.rs, or with your system's packages (1.85 or newer), then run make again."; exit 1; }

demo: rust ## build, and serve http://localhost:3001/mcp with demo servers (no credentials, no network)
	$(CARGO) build --release --locked
	target/release/ikvm-mcp --demo

build: rust ## the release binary, target/release/ikvm-mcp
	$(CARGO) build --release --locked

test: rust ## the offline tests
	$(CARGO) test --locked

lint: rust ## format, clippy and documentation, warnings as errors
	$(CARGO) fmt --check
	$(CARGO) fmt --check --manifest-path tests/fuzz/Cargo.toml
	$(CARGO) clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --no-deps --document-private-items

check: lint test static ## lint + test + static

oldest: OLDEST = $(shell sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml).0
oldest: rust ## compiles with the oldest Rust that it says it does
	@rustup run $(OLDEST) cargo --version >/dev/null || rustup toolchain install $(OLDEST) --profile minimal
	CARGO_TARGET_DIR=target/oldest rustup run $(OLDEST) cargo check --locked --all-targets

bench: rust ## the speed figures
	$(CARGO) bench --locked --bench bench

# ring compiles a little C for the target: musl-gcc where it is installed, else the system's compiler, which does.
static: export CC_x86_64_unknown_linux_musl := $(shell command -v musl-gcc || echo cc)
static: rust ## one static binary for x86_64 Linux, proved static
	@rustup target list --installed 2>/dev/null | grep -qx $(MUSL) || rustup target add $(MUSL) || { echo "the target $(MUSL) is missing: run \`rustup target add $(MUSL)\`"; exit 1; }
	$(CARGO) build --release --locked --target $(MUSL)
	@test -x $(STATIC)
	@! readelf --dynamic $(STATIC) | grep -q NEEDED || { echo "$(STATIC) needs shared libraries"; exit 1; }
	@! readelf --program-headers $(STATIC) | grep -q INTERP || { echo "$(STATIC) needs a loader"; exit 1; }
	@rm -rf target/alone && mkdir -p target/alone && cp $(STATIC) target/alone/ && cd target/alone && env -i ./ikvm-mcp list --demo >/dev/null
	@cd target/alone && { env -i PORT=0 timeout -s INT 2 ./ikvm-mcp --demo 2>log || true; } && grep -q 'listening on' log || { echo "$(STATIC) does not serve"; exit 1; }
	@echo "$(STATIC): static, runs alone, $$(stat --format=%s $(STATIC)) bytes"

dist: rust ## what is shipped: static binaries for x86_64 and aarch64, their sums and SBOM, in target/dist
	tests/dist/run.sh

audit: export PATH := $(CURDIR)/target/tools/bin:$(PATH)
audit: rust ## the dependencies: licenses, duplicates, sources, known vulnerabilities
	@command -v cargo-deny >/dev/null || $(CARGO) install --locked --root target/tools cargo-deny
	$(CARGO) deny --config .cargo-deny.toml check bans licenses sources
	@if $(CARGO) deny --config .cargo-deny.toml fetch db 2>/dev/null; then \
		$(CARGO) deny --config .cargo-deny.toml check advisories; \
	else \
		echo "RustSec's database cannot be reached: known vulnerabilities were not looked for"; \
	fi

fuzz: rust ## every parser against damaged input, FUZZ_SECONDS (60) each
	tests/fuzz/run.sh

# What goes through so much that Miri would need more than minutes for each.
LONG := a_frame_without_end damage_never_panics a_dc_coefficient_alone the_two_transforms_agree a_jpeg_cut_anywhere \
	multipliers_are_the_exact sixteen_bits_are_enough every_byte_and_length gzip_that_unpacks_without_end paints_for_ever server_init_is_checked \
	junk_without_end_is_given_up
miri: rust ## the decoders' tests under Miri, which sees undefined behavior, in what they use, too
	@$(CARGO) +nightly miri --version >/dev/null 2>&1 || { echo "Miri is missing: run \`rustup toolchain install nightly --profile minimal --component miri,rust-src\`"; exit 1; }
	CARGO_TARGET_DIR=target/miri $(CARGO) +nightly miri test --locked --lib -- ast2500:: ivtp:: rfb:: text:: \
		base::jpeg base::png base::frame base::bytes base::base64 base::url $(addprefix --skip ,$(LONG))

peers: $(if $(IKVM_MCP),rust,build) ## the real outside world: conformance suite, MCP clients (installed into target/peers), VNC servers, a booting Linux
	$(CARGO) build --locked --example fakes
	tests/peers/run.sh

clean:
	$(CARGO) clean
