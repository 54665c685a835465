# Teal. "make demo" shows it, "make test" tests it; both set the machine up first.

STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.7.0
GOFUMPT     = mvdan.cc/gofumpt@v0.9.2
VERSION    ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)

.PHONY: build demo test lint bench bench-build bench-git bench-router proof-router proof-disk proof-systemd image install clean

build: ## bin/teal, static
	CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=$(VERSION)" -o bin/teal ./cmd/teal

demo: ## set up and run the main job; DEMO_EXIT=1 ends by itself
	go run ./cmd/dev setup demo
	go run ./cmd/dev demo

test: ## set up and run every test: real Engine, SSH, mail and browser
	go run ./cmd/dev setup test
	go test -race -run '^$$' ./... >/dev/null # compiles side by side; the tests then have the machine to themselves
	go test -race -p 1 -timeout 40m ./...
	go test -count 1 -run Alloc ./router ./router/http1 # the race detector allocates

lint: ## vet, staticcheck, gofumpt
	go vet ./...
	go run $(STATICCHECK) ./...
	test -z "$$(go run $(GOFUMPT) -l $$(git ls-files '*.go') | tee /dev/stderr)"

bench: ## figures with a peer in the same run
	go run ./cmd/dev setup bench
	go test -run '^$$' -bench Deploy -benchtime 1x ./cmd/teal
	go test -run '^$$' -bench LiveAppBesideABuild -benchtime 1x ./cmd/teal
	go test -run '^$$' -bench Router -benchtime 5x ./router
	go test -run '^$$' -bench Rollback ./store

bench-build: ## first builds, rebuilds and rebases of apps against a plain BuildKit client
	go run ./cmd/dev setup test
	go test -run '^$$' -bench 'Build$$|Rebase' -benchtime 1x -timeout 60m ./builder

bench-git: ## pushes and exports against git's own server behind sshd, as ratios
	go run ./cmd/dev setup bench-git
	go test -run '^$$' -bench 'Git$$|LogOfABuild' -benchtime 1x -timeout 40m ./gitserver

bench-router: ## CPU, latency and memory against HAProxy, nginx and others; ARGS=-quick for a first look
	go run ./cmd/dev setup bench-router
	go run ./cmd/dev/benchrouter $(ARGS)

proof-router: ## the router's proofs in full, with figures: about 40 minutes; SOAK=30s for a shorter one
	go run ./cmd/dev setup proof-router
	go test -count 1 -timeout 2h -v ./router/prooftest -full $(if $(SOAK),-soak $(SOAK))

proof-disk: ## 200 deployments on the real Engine leave the disk flat and rollback working: about 10 minutes
	go run ./cmd/dev setup test
	go test -count 1 -timeout 1h -v ./cmd/teal -run LeaveTheDiskFlat -deployments 200

proof-systemd: ## the systemd unit on Debian with cgroup v2, in a machine that it makes and boots itself: 5 to 15 minutes
	go run ./cmd/dev setup proof-systemd
	go run ./cmd/dev/proofsystemd $(ARGS)

image: ## the server's own container image
	go run ./cmd/dev setup image
	go run ./cmd/dev image

install: build ## binary and systemd units, as root
	install -D -m 0755 bin/teal /usr/local/bin/teal
	install -D -m 0644 teal.service /etc/systemd/system/teal.service
	install -D -m 0644 teal.socket /etc/systemd/system/teal.socket

clean: ## what the targets made here; containers of the demo end with it
	rm -rf bin .teal
