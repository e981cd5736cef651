# `make` shows what there is; every recipe is a line that one could type.

.DEFAULT_GOAL := help
CARGO ?= cargo
PORT ?= 8080
# Where cargo puts what it builds; its tests have built the binary too.
BUILT = $(or $(CARGO_TARGET_DIR),$(CURDIR)/target)

.PHONY: help run build page test test-deploy test-deploy-command tools check format lint deploy deploy-status deploy-rollback destroy fuzz bench bench-quick bench-nodes bench-micro bench-instructions start-order chaos dist test-dist

help: ## Show the recipes
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 12

run: build ## Build all, and serve on http://localhost:8080 with the data in ./data
	$(BUILT)/release/sarangbang serve --listen 127.0.0.1:$(PORT) --data data

build: page ## Build target/release/sarangbang with the page in it
	$(CARGO) build --release --locked

page: web/dist/index.html web/bundled.json ## Build the page into web/dist

# One run makes both (a pattern, as older versions of make know no groups). Where nothing changed they keep their times, and
# cargo does not link the program again for the same page.
web/dist/index%html web/bundled%json: web/node_modules/.package-lock.json web/index.html web/tsconfig.json web/vite.config.ts \
    $(shell find web/src web/build -type f)
	cd web && npm run --silent build

.DELETE_ON_ERROR:

web/node_modules/.package-lock.json: web/package-lock.json
	cd web && npm ci --no-audit --no-fund

# Two thirds of what the tests of the server take is waiting, so twice as many run at once as there are cores.
test: tools page ## Run everything that proves it: Rust, page, real clients, real browser
	RUST_TEST_THREADS=$${RUST_TEST_THREADS:-$$((2 * $$(nproc)))} $(CARGO) test --locked
	cd web && npm test
	SARANGBANG_BIN=$(BUILT)/debug/sarangbang tests/clients/run
	SARANGBANG_BIN=$(BUILT)/debug/sarangbang tests/browser/run
	packaging/inventory --check
	tests/deploy/lint
	tests/deploy/units
	tests/deploy/run

dist: page ## Build what is given away into target/dist: archives, Debian packages, bills of materials, licences, sums
	packaging/dist

test-dist: page ## Install and purge the Debian package in a Debian made for it, and hold it against lintian; then all of target/dist
	tests/tools dist
	$(CARGO) build --locked
	SARANGBANG_BIN=$(BUILT)/debug/sarangbang tests/dist/run
	for package in target/dist/*_$$(dpkg --print-architecture).deb; do [ ! -e $$package ] || tests/dist/run $$package || exit 1; done

test-deploy: tools page ## Deploy to a Debian made for it, and live through everything that happens to a host; HOST=user@addr: to that one, which is wiped
	tests/deploy/host/run

test-deploy-command: tools page ## `make deploy` itself with its playbooks: to a Debian made for it, and to an emulated EC2 (six minutes)
	COMMANDS=1 tests/deploy/host/run

tools: ## Install what the tests need and is missing (Debian, Ubuntu), or say what is missing
	tests/tools

lint: ## What must be clean before a commit: format, clippy, types of the page
	$(CARGO) fmt --check
	$(CARGO) clippy --all-targets --locked -- -D warnings
	cd web && npm run --silent check

format: ## Format the Rust code
	$(CARGO) fmt

# Every other variable of deploy/deploy may stand behind these too; docs/OPERATIONS.md has the table.
DEPLOY = DOMAIN='$(DOMAIN)' EMAIL='$(EMAIL)' deploy/deploy

deploy: ## Bring it to EC2, or upgrade it there: DOMAIN=chat.example.com EMAIL=me@example.com (or HOST=address)
	@$(DEPLOY) up

deploy-status: ## What runs there, and whether people get in: DOMAIN=chat.example.com
	@$(DEPLOY) status

deploy-rollback: ## Back to the release before: DOMAIN=chat.example.com
	@$(DEPLOY) rollback

destroy: ## Take it all down but for a last snapshot of the data; asks before: DOMAIN=chat.example.com
	@$(DEPLOY) destroy

fuzz: ## Fuzz the STOMP decoder for ten minutes (SECONDS_MAX=n for another time)
	cargo fuzz --version >/dev/null 2>&1 || $(CARGO) install cargo-fuzz --locked
	cd fuzz && RUSTC_BOOTSTRAP=1 cargo fuzz run decode -- -max_total_time=$${SECONDS_MAX:-600}

chaos: ## Three nodes over a real Redis, 100 people, and everything that dies, for an hour (CHAOS_SECONDS=n, CHAOS_SEED=n, CHAOS_WORLD=cluster|sentinel)
	$(CARGO) test --locked --test it -- --ignored --exact --nocapture chaos::three_nodes_over_redis_for_hours

bench: bench-build ## Measure a fresh server against the ceiling, and write the table of docs/PERFORMANCE.md (ten minutes)
	$(BUILT)/release/sarangbang bench standard --runs $${RUNS:-5} --ceiling $(BUILT)/release/examples/ceiling --into docs/PERFORMANCE.md

bench-quick: bench-build ## The same with small numbers and no table written: to see that it works
	$(BUILT)/release/sarangbang bench standard --quick --runs 1 --ceiling $(BUILT)/release/examples/ceiling

bench-nodes: bench-build ## Measure several nodes on one Redis, and write their tables of docs/PERFORMANCE.md (five minutes)
	$(BUILT)/release/sarangbang bench nodes --runs $${RUNS:-5} --into docs/PERFORMANCE.md

bench-micro: ## How long frames, rings and rounds take, in nanoseconds (criterion; three minutes on a quiet machine)
	$(CARGO) bench --locked --bench codec --bench node

bench-instructions: ## How many instructions they take, against benches/instructions.json (valgrind; ACCEPT=1 writes it)
	$(CARGO) bench --locked --bench instructions -- $(if $(ACCEPT),--accept)

start-order: build ## Write anew which functions every server runs, for the linker: packaging/start.ld (valgrind)
	packaging/start-order $(BUILT)/release/sarangbang

.PHONY: bench-build
bench-build:
	$(CARGO) build --release --locked --bin sarangbang --example ceiling
