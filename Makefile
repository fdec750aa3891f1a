# make test is what CI runs. Go is needed, and Node.js, a Chromium and PostgreSQL, which
# it installs on Debian and Ubuntu; the tools are pinned in go.mod.

GO       ?= go
FUZZTIME ?= 30s
# A package that takes so long hangs; a busy machine may be ten times slower than a quiet one.
TIMEOUT  ?= 1h
TORTURE  ?= 10m
SOAK     ?= 1h
COUNT    ?= 6

.PHONY: all fmt lint vuln test check js node chromium postgres screenshots race torture soak fuzz bench generate build release test-packages test-install test-image site clean

all: fmt lint test

fmt:
	$(GO) tool gofumpt -w .

lint:
	@unformatted=$$($(GO) tool gofumpt -l .) && test -z "$$unformatted" || { echo "not formatted (make fmt):"; echo "$$unformatted"; exit 1; }
	$(GO) vet ./...
	$(GO) tool staticcheck ./...

# Apart from test, because it asks a server. Not to reach it is no failure; a known
# vulnerability in what is called is (govulncheck then ends with 3).
vuln:
	@$(GO) build -o bin/govulncheck golang.org/x/vuln/cmd/govulncheck; \
	bin/govulncheck ./...; status=$$?; \
	if [ $$status = 3 ]; then exit 1; fi; \
	if [ $$status != 0 ]; then echo "vuln: not checked, govulncheck could not ask its database"; fi

test: check js chromium postgres
	$(GO) test -timeout $(TIMEOUT) ./...
	$(MAKE) --no-print-directory -C bench test
	$(MAKE) --no-print-directory -C examples test
	$(MAKE) --no-print-directory -C release test
	@$(MAKE) --no-print-directory race

# Everything builds without C, and for the systems that the tests do not run on.
check:
	CGO_ENABLED=0 $(GO) build ./...
	GOOS=darwin GOARCH=arm64 CGO_ENABLED=0 $(GO) vet ./...
	GOOS=windows GOARCH=amd64 CGO_ENABLED=0 $(GO) vet ./...

# The browser's client: its types and unit tests.
js: node
	cd js && npm ci --no-audit --no-fund && PATH="$(CURDIR)/bin/node/node_modules/.bin:$$PATH" npm test

# What js is checked with; nothing of it is in what is built. Where the system's
# Node.js is older than the tests need, as Debian's is, a newer one comes from the
# npm registry into bin, and is used by js alone.
NODE_MAJOR := 20
NODE_NEWER := 22

node:
	@if ! command -v node >/dev/null || ! command -v npm >/dev/null; then \
		if ! command -v apt-get >/dev/null; then \
			echo "js: there is no node and npm, and no apt-get to install them with: install Node.js $(NODE_MAJOR) or newer" >&2; exit 1; \
		fi; \
		root=; [ "$$(id -u)" = 0 ] || root=sudo; \
		$$root apt-get update && $$root apt-get install -y --no-install-recommends nodejs npm || exit 1; \
	fi; \
	enough() { PATH="$(CURDIR)/bin/node/node_modules/.bin:$$PATH" node -e 'process.exit(+(parseInt(process.versions.node) < $(NODE_MAJOR)))'; }; \
	if ! enough; then \
		echo "js: node is $$(node --version), the tests need $(NODE_MAJOR): installing $(NODE_NEWER) in bin/node"; \
		npm install --prefix bin/node --no-audit --no-fund --no-save --loglevel error node@$(NODE_NEWER) && enough || \
			{ echo "js: install Node.js $(NODE_MAJOR) or newer" >&2; exit 1; }; \
	fi

# The browser that the pages are tested in. CHROMIUM may name one that is not in
# PATH.
chromium:
	@for name in "$$CHROMIUM" chromium chromium-browser google-chrome google-chrome-stable; do \
		if [ -n "$$name" ] && command -v "$$name" >/dev/null; then exit 0; fi; \
	done; \
	if ! command -v apt-get >/dev/null; then \
		echo "chromium: there is none, and no apt-get to install it with: install Chromium or Chrome, or let CHROMIUM name it" >&2; exit 1; \
	fi; \
	root=; [ "$$(id -u)" = 0 ] || root=sudo; \
	$$root apt-get update && $$root apt-get install -y --no-install-recommends chromium

# The PostgreSQL that tests start servers of, each in a temporary directory. Its
# package would start one as well, which is not wanted.
POSTGRES_CONF := /etc/postgresql-common/createcluster.d/wirepost-tests.conf

postgres:
	@for initdb in "$$(command -v initdb)" /usr/lib/postgresql/*/bin/initdb /usr/pgsql-*/bin/initdb /opt/homebrew/opt/postgresql*/bin/initdb; do \
		if [ -x "$$initdb" ]; then exit 0; fi; \
	done; \
	if ! command -v apt-get >/dev/null; then \
		echo "postgres: there is no initdb, and no apt-get to install it with: install the PostgreSQL server, 14 or newer" >&2; exit 1; \
	fi; \
	root=; [ "$$(id -u)" = 0 ] || root=sudo; \
	$$root mkdir -p "$$(dirname $(POSTGRES_CONF))" && echo "create_main_cluster = false" | $$root tee $(POSTGRES_CONF) >/dev/null && \
	$$root apt-get update && $$root apt-get install -y --no-install-recommends postgresql; status=$$?; \
	$$root rm -f $(POSTGRES_CONF); exit $$status

# What the pages look like, as PNG files in screenshots/.
screenshots: chromium
	SCREENSHOTS=$(CURDIR)/screenshots $(GO) test -count 1 ./console

# The race detector needs a C compiler; where there is none, that is said. What is
# tested in the browser takes long, and has no goroutines of its own. Tests of the pages
# compile and start programs, which the detector does not see.
race:
	@if [ "$$($(GO) env CGO_ENABLED)" = 1 ] && command -v "$$($(GO) env CC)" >/dev/null; then \
		echo "$(GO) test -race"; \
		$(GO) test -timeout $(TIMEOUT) -race -skip '^Test(GoInDocs|CommandsInDocs|CommandDocumented|TestingPage)$$' $$($(GO) list ./... | grep -v -E '/(js|internal/browser|internal/knots|console)$$'); \
	else \
		echo "race: skipped, there is no C compiler"; \
	fi

# Faults for so long: the program is killed, drained and cut under load, and a server
# whose disk and clock fail besides, and clusters of three nodes in one process and in
# three, with an embedded log, one in NATS and one in PostgreSQL. SEED=n repeats the
# chance of a run.
torture:
	TORTURE=$(TORTURE) $(GO) test -v -count 1 -timeout 0 -run 'TestProgram|TestEvents|TestEscalation|TestDisk|TestCluster|TestNodes|Hostile' ./internal/torture

# Ordinary work for so long, after which the server's memory must have stopped growing.
soak:
	SOAK=$(SOAK) $(GO) test -v -count 1 -timeout 0 -run TestSoak ./internal/torture

# Each fuzz target for FUZZTIME.
fuzz:
	@set -e; for package in $$($(GO) list ./...); do \
		for target in $$($(GO) test -list '^Fuzz' $$package | grep '^Fuzz' || true); do \
			echo "$$package $$target"; \
			$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$package; \
		done; \
	done

# Keep bench.txt of two versions, and compare them with: go tool benchstat old new
bench:
	$(GO) test -run '^$$' -bench . -benchmem -count $(COUNT) ./... | tee bench.txt

generate:
	$(GO) generate ./...

build:
	CGO_ENABLED=0 $(GO) build -trimpath -o bin/wirepost ./cmd/wirepost

# Everything that is published of a version, in dist: binaries, archives, packages, bills of
# materials and checksums. VERSION=v1.2.3 or the tag of the commit; ONLY=linux/amd64 for
# some platforms.
release:
	cd release && $(GO) run . -out $(CURDIR)/dist $(if $(VERSION),-version $(VERSION)) $(if $(ONLY),-only $(ONLY))

# Installs the packages in a fresh Debian. It needs root and the network, and takes minutes, so
# that it is not a part of test, which does the same in an empty directory.
test-packages:
	@if ! command -v debootstrap >/dev/null || ! command -v rpm >/dev/null || ! command -v ip >/dev/null; then \
		apt-get update && apt-get install -y --no-install-recommends debootstrap rpm iproute2 || exit 1; \
	fi
	$(MAKE) --no-print-directory -C release packages

# Installs the program with go install from the module that a release publishes. It compiles
# everything, as on a machine where nothing was compiled yet.
test-install:
	$(MAKE) --no-print-directory -C release install

# Builds the image without Docker, and runs it with a read-only root. It needs root.
test-image:
	@for tool in debootstrap buildah; do \
		command -v $$tool >/dev/null || { apt-get update && apt-get install -y --no-install-recommends $$tool; } || exit 1; \
	done
	release/image.sh

# The documentation as one directory of static files, public, which a browser can also open
# from disk.
site:
	cd release && $(GO) run ./site -root .. -out $(CURDIR)/public
	@echo "open public/index.html"

clean:
	rm -rf bin dist public bench.txt coverage.out screenshots
