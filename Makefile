# "make help" prints the text after "##" of each target, grouped by the lines
# that start with "##-".

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

CLUSTER ?= prod
FUZZTIME ?= 10s
NODE ?=
NODES ?= 1000
BENCH ?= .
STEPS ?= .*
PREFIX ?= /usr/local
DESTDIR ?=

# Everything that is built but not part of the tree.
CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/ingot-build

# Tests that bake and boot keep what they baked.
E2E = INGOT_E2E_DIR='$(CACHE)/e2e' go test -count=1 -v

# Root can make what every test needs; a normal user only needs the programs.
export INGOT_TEST_REQUIRE ?= $(if $(filter 0,$(shell id -u)),1,tools)

# Without a repository that git reads (a tarball, another user's clone) there
# is no version to write into the program.
COMMIT := $(shell git rev-parse --verify --quiet HEAD 2>/dev/null)
VERSION ?= $(or $(if $(COMMIT),$(shell git describe --tags --always --dirty 2>/dev/null)),dev)
BUILDVCS := -buildvcs=$(if $(COMMIT),auto,false)
LDFLAGS := -s -w -X github.com/ingot-k8s/ingot/internal/cli.Version=$(VERSION) -X github.com/ingot-k8s/ingot/internal/packerplugin.Version=$(VERSION)

# The program inside images, which ingot carries within itself. What does not
# change it does not change images: no version is written into it.
NODE_PROGRAM := internal/nodeprogram/program/ingot-node

# A linter must be built by the Go whose code it reads.
GO_VERSION := $(shell go env GOVERSION 2>/dev/null)
GOLANGCI_VERSION := $(shell awk '$$1 == "github.com/golangci/golangci-lint/v2" { print $$2 }' tools/go.mod)
GOLANGCI := $(CACHE)/golangci-lint-$(GOLANGCI_VERSION)-$(GO_VERSION)

# Packer itself is no part of Ingot: who has one uses that, and tests build the
# one that they are written for.
PACKER_VERSION := $(shell awk '$$1 == "github.com/hashicorp/packer" { print $$2 }' tools/packer/go.mod)
PINNED_PACKER := $(CACHE)/packer-$(PACKER_VERSION)-$(GO_VERSION)
PACKER ?= $(or $(shell command -v packer),$(PINNED_PACKER))

# Packer's plugin for Ansible, of which a test has ansible-local play in an image.
ANSIBLE_VERSION := $(shell awk '$$1 == "github.com/hashicorp/packer-plugin-ansible" { print $$2 }' tools/ansible/go.mod)
PINNED_ANSIBLE := $(CACHE)/ansible-$(ANSIBLE_VERSION)-$(GO_VERSION)/packer-plugin-ansible

# Terraform, in its last release under a free licence, and the providers of our
# modules, which it gets from its registry.
TERRAFORM_VERSION := $(shell awk '$$1 == "github.com/hashicorp/terraform" { print $$2 }' tools/terraform/go.mod)
TERRAFORM := $(CACHE)/terraform-$(TERRAFORM_VERSION)-$(GO_VERSION)
PROVIDERS ?= $(CACHE)/terraform-providers-$(shell cat deploy/terraform/*/versions.tf | sha256sum | cut -c -12)

# What tests publish to: an S3 service, and what checks calls by the description
# of an API.
VERSITYGW_VERSION := $(shell awk '$$1 == "github.com/versity/versitygw" { print $$2 }' tools/versitygw/go.mod)
VERSITYGW := $(CACHE)/versitygw-$(VERSITYGW_VERSION)-$(GO_VERSION)
PRISM_VERSION := $(shell awk -F '"' '$$2 == "@stoplight/prism-cli" { print $$4 }' tools/prism/package.json)
PRISM := $(CACHE)/prism-$(PRISM_VERSION)/node_modules/@stoplight/prism-cli/dist/index.js
export INGOT_TEST_VERSITYGW ?= $(VERSITYGW)
export INGOT_TEST_PRISM ?= $(PRISM)

##- use it

.PHONY: help
help: ## Print this list
	@echo 'usage: make TARGET [NAME=value]'
	@awk -F ':.*## ' '/^##- / { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z0-9-]+:.*## / { printf "  %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: $(NODE_PROGRAM) ## Build bin/ingot: static, reproducible
	CGO_ENABLED=0 go build -trimpath $(BUILDVCS) -ldflags '$(LDFLAGS)' -o bin/ingot ./cmd/ingot

# Go knows best whether it is up to date.
.PHONY: $(NODE_PROGRAM)
$(NODE_PROGRAM):
	CGO_ENABLED=0 GOOS=linux GOARCH=amd64 GOAMD64=v1 go build -trimpath -buildvcs=false -ldflags '-s -w -buildid=' -o $@ ./cmd/ingot-node

.PHONY: images
images: setup-bake build ## Make all for CLUSTER=prod into out/: the image, and the identity of every node
	bin/ingot iso '$(CLUSTER)'
	bin/ingot images '$(CLUSTER)'

.PHONY: boot-iso
boot-iso: setup-bake build ## Make an ISO that runs or installs the image of CLUSTER=prod; NODE=name puts a node's identity on it
	bin/ingot boot-iso '$(CLUSTER)' $(if $(NODE),--node '$(NODE)')

.PHONY: plugin
plugin: $(NODE_PROGRAM) ## Build bin/packer-plugin-ingot, the plugin for Packer
	CGO_ENABLED=0 go build -trimpath $(BUILDVCS) -ldflags '$(LDFLAGS)' -o bin/packer-plugin-ingot ./cmd/packer-plugin-ingot

.PHONY: packer
packer: export PACKER_PLUGIN_PATH := $(CURDIR)/bin/packer-plugins
packer: export CHECKPOINT_DISABLE := 1
packer: setup-bake plugin $(PACKER) ## Bake CLUSTER=prod by Packer, from clusters/prod/prod.pkr.hcl; PACKER=path, else that in PATH, else one is built
	'$(PACKER)' plugins install --path bin/packer-plugin-ingot github.com/ingot-k8s/ingot
	'$(PACKER)' init 'clusters/$(CLUSTER)/$(CLUSTER).pkr.hcl'
	'$(PACKER)' build 'clusters/$(CLUSTER)/$(CLUSTER).pkr.hcl'

.PHONY: lab
lab: CLUSTER := lab
lab: images ## Run CLUSTER=lab in local QEMU machines, and wait until it is healthy; bin/ingot lab down ends it
	bin/ingot lab up '$(CLUSTER)'

.PHONY: install
install: build ## Install the program, its man pages and completions under PREFIX=/usr/local
	install -D -m 0755 bin/ingot '$(DESTDIR)$(PREFIX)/bin/ingot'
	install -d '$(DESTDIR)$(PREFIX)/share/man/man1'
	bin/ingot man '$(DESTDIR)$(PREFIX)/share/man/man1'
	install -d '$(DESTDIR)$(PREFIX)/share/bash-completion/completions'
	install -d '$(DESTDIR)$(PREFIX)/share/zsh/site-functions'
	install -d '$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d'
	bin/ingot completion bash >'$(DESTDIR)$(PREFIX)/share/bash-completion/completions/ingot'
	bin/ingot completion zsh >'$(DESTDIR)$(PREFIX)/share/zsh/site-functions/_ingot'
	bin/ingot completion fish >'$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/ingot.fish'

##- work on it

.PHONY: setup
setup: setup-packages $(VERSITYGW) $(PRISM) ## Install what the tests need (as root), or name what is missing

.PHONY: setup-packages
setup-packages:
	@scripts/setup.sh

.PHONY: setup-bake
setup-bake: ## Install what a bake needs (as root), or name what is missing
	@scripts/setup.sh builder/preflight/programs.txt

.PHONY: test
test: setup vet ## Run all tests, against the real programs; as root none is skipped
	go test ./...

.PHONY: e2e
e2e: e2e-bake e2e-packer e2e-ansible e2e-snapshot e2e-boot e2e-boot-iso e2e-cluster ## Bake, boot, and break a cluster, for real: an hour or more without KVM

.PHONY: e2e-bake
e2e-bake: setup setup-bake build ## Bake images, and spoil bakes in every way; RUN=TestBake/Killed does one thing
	$(E2E) -timeout 60m -run '$(RUN)' ./e2e/bake

.PHONY: e2e-packer
e2e-packer: setup setup-bake build $(PINNED_PACKER) ## Run the real Packer with the plugin; RUN=TestPacker/Same does one thing
	INGOT_TEST_PACKER='$(PINNED_PACKER)' $(E2E) -timeout 60m -run '$(or $(RUN),TestPacker)' ./e2e/packer

.PHONY: e2e-ansible
e2e-ansible: setup setup-bake build $(PINNED_PACKER) $(PINNED_ANSIBLE) ## Have Packer's ansible-local change an image, and bake it
	INGOT_TEST_PACKER='$(PINNED_PACKER)' INGOT_TEST_ANSIBLE='$(PINNED_ANSIBLE)' $(E2E) -timeout 60m -run TestAnsible ./e2e/packer

.PHONY: e2e-snapshot
e2e-snapshot: setup setup-bake build $(PINNED_PACKER) ## Make a node's image of a plain Debian in QEMU, by Packer over SSH, and boot it
	INGOT_TEST_PACKER='$(PINNED_PACKER)' $(E2E) -timeout 60m -run TestSnapshot ./e2e/packer

.PHONY: e2e-boot
e2e-boot: setup setup-bake build ## Boot images in QEMU, two machines at once; RUN=TestIgnition/Life does one thing
	$(E2E) -timeout 60m -parallel 2 -run '$(or $(RUN),Test(Ignition|CloudInit|Keys))' ./e2e/boot

.PHONY: e2e-boot-iso
e2e-boot-iso: setup setup-bake build ## Run and install from boot ISOs, and over the network, in QEMU; RUN=TestBootISO/Install does one thing
	$(E2E) -timeout 120m -parallel 2 -run '$(or $(RUN),Test(BootISO|Network))' ./e2e/boot

.PHONY: e2e-cluster
e2e-cluster: setup setup-bake build ## Bring up a cluster of three machines in QEMU and break it; STEPS='up|mesh|etcd' does some of it
	$(E2E) -timeout 150m -run 'TestCluster/^($(STEPS))$$' ./e2e/cluster

.PHONY: e2e-terraform
e2e-terraform: setup $(TERRAFORM) ## Make machines by the real Terraform, on loopback; PROVIDERS=folder, else they come from Terraform's registry
	@test -d '$(PROVIDERS)' || $(MAKE) --no-print-directory terraform-providers
	INGOT_TEST_TERRAFORM='$(TERRAFORM)' INGOT_TEST_TERRAFORM_PROVIDERS='$(PROVIDERS)' go test -count=1 -v -timeout 30m -run '$(RUN)' ./e2e/terraform

.PHONY: terraform-providers
terraform-providers: $(TERRAFORM)
	@rm -rf '$(PROVIDERS).part' && mkdir -p '$(PROVIDERS).part'
	for module in digitalocean vsphere; do '$(TERRAFORM)' -chdir="deploy/terraform/$$module" providers mirror '$(PROVIDERS).part'; done
	@mv '$(PROVIDERS).part' '$(PROVIDERS)'

.PHONY: lint
lint: setup fmt-check shellcheck tidy-check generate-check golangci ## Check format, Go, shell, go.mod and generated files

.PHONY: fuzz
fuzz: ## Run every fuzz target for FUZZTIME=10s each
	scripts/fuzz.sh '$(FUZZTIME)'

.PHONY: bench
bench: setup setup-bake build plugin $(PINNED_PACKER) ## Measure the generator with NODES=1000 and the bake beside their peers; then the benchmarks that match BENCH=.
	go run ./internal/bench -nodes '$(NODES)'
	go run ./internal/bench/bake -packer '$(PINNED_PACKER)'
	go test -run '^$$' -bench '$(BENCH)' -benchmem -timeout 30m ./...

.PHONY: vuln
vuln: ## Look for known vulnerabilities (needs the network: vuln.go.dev)
	go -C tools build -o '$(CACHE)/govulncheck' golang.org/x/vuln/cmd/govulncheck
	'$(CACHE)/govulncheck' ./...

.PHONY: clean
clean: ## Remove what was built and out/ (out/ holds private keys); caches stay
	rm -rf bin out '$(NODE_PROGRAM)'

##- parts of test and lint

.PHONY: vet
vet: ## Run go vet
	go vet ./...

.PHONY: fmt-check
fmt-check: ## Check the format of Go files
	@unformatted=$$(gofmt -l .); \
	if [ -n "$$unformatted" ]; then echo "error: not formatted (gofmt -w mends it):" $$unformatted >&2; exit 1; fi

.PHONY: shellcheck
shellcheck: ## Check every shell script
	find . -name .git -prune -o -path ./out -prune -o -path ./bin -prune -o -type f -size -128k -exec \
		awk 'FNR == 1 && /^#!.*[\/ ](ba|da)?sh( |$$)/ { print FILENAME } { nextfile }' {} + | xargs -r -d '\n' shellcheck

.PHONY: tidy-check
tidy-check: ## Check that go.mod and go.sum are tidy
	go mod tidy -diff

.PHONY: generate-check
generate-check: ## Check that generated files are what go generate makes
	@sum() { find . -name .git -prune -o -path ./out -prune -o -path ./bin -prune -o -type f -exec sha256sum {} + | sort -k 2; }; \
	before=$$(sum); go generate ./...; after=$$(sum); \
	if [ "$$before" != "$$after" ]; then \
		echo 'error: go generate changed these files; commit them:' >&2; \
		diff <(echo "$$before") <(echo "$$after") | awk '/^>/ { print "  " $$3 }' >&2; exit 1; \
	fi

.PHONY: golangci
golangci: $(GOLANGCI) ## Run golangci-lint, built on first use
	GOFLAGS='$(GOFLAGS) -buildvcs=false' '$(GOLANGCI)' run ./...

# The name holds the versions, so a fresh clone need not build it again.
$(CACHE)/golangci-lint-%:
	@mkdir -p '$(CACHE)'
	CGO_ENABLED=0 go -C tools build -trimpath -buildvcs=false -ldflags '-s -w' -o '$@.part' github.com/golangci/golangci-lint/v2/cmd/golangci-lint
	@mv '$@.part' '$@'

$(PINNED_PACKER):
	@mkdir -p '$(CACHE)'
	CGO_ENABLED=0 go -C tools/packer build -trimpath -buildvcs=false -ldflags '-s -w' -o '$@.part' github.com/hashicorp/packer
	@mv '$@.part' '$@'

# Packer takes a plugin by its name, and by a version without a suffix.
$(PINNED_ANSIBLE):
	@mkdir -p '$(@D)'
	CGO_ENABLED=0 go -C tools/ansible build -trimpath -buildvcs=false \
		-ldflags '-s -w -X github.com/hashicorp/packer-plugin-ansible/version.VersionPrerelease=' -o '$@.part' github.com/hashicorp/packer-plugin-ansible
	@mv '$@.part' '$@'

$(TERRAFORM):
	@mkdir -p '$(CACHE)'
	CGO_ENABLED=0 go -C tools/terraform build -trimpath -buildvcs=false -ldflags '-s -w' -o '$@.part' github.com/hashicorp/terraform
	@mv '$@.part' '$@'

$(VERSITYGW): | setup-packages
	@mkdir -p '$(CACHE)'
	CGO_ENABLED=0 go -C tools/versitygw build -trimpath -buildvcs=false -ldflags '-s -w' -o '$@.part' github.com/versity/versitygw/cmd/versitygw
	@mv '$@.part' '$@'

# Its folder holds the version; what it needs is in the lock, by checksums.
$(PRISM): | setup-packages
	@rm -rf '$(CACHE)/prism-$(PRISM_VERSION).part' '$(CACHE)/prism-$(PRISM_VERSION)'
	@mkdir -p '$(CACHE)/prism-$(PRISM_VERSION).part'
	cp tools/prism/package.json tools/prism/package-lock.json '$(CACHE)/prism-$(PRISM_VERSION).part/'
	npm ci --prefix '$(CACHE)/prism-$(PRISM_VERSION).part' --ignore-scripts --no-audit --no-fund --loglevel error
	@mv '$(CACHE)/prism-$(PRISM_VERSION).part' '$(CACHE)/prism-$(PRISM_VERSION)'
