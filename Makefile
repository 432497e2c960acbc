# Every verb a person types. Each one does its own set-up: packages from the lock file, tools through apt when root.
SHELL := /bin/sh
NODE ?= node
HOMEWARD := $(NODE) dist/cli/main.js
PACKAGES := node_modules/.installed

.DEFAULT_GOAL := help
.PHONY: help console demo test bench soak netlab build clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 22

demo: build ## P2P server, storage device and camera on this machine, until Ctrl-C (DEMO="--seconds 20 --source fake")
	@scripts/need ffmpeg
	@exec $(HOMEWARD) demo $(DEMO)

test: build ## everything that is checked: format, lint, types, shell scripts, all tests (ONLY=ring for some)
	@scripts/need ffmpeg shellcheck strace iproute2:ip nftables:nft conntrack
	-@scripts/need redis-server
	@scripts/check
	@exec $(NODE) --import tsx scripts/test/run.ts $(ONLY)

bench: build ## speed and memory, each beside a rival or the bare limit in the same run
	@scripts/need ffmpeg
	-@scripts/need iproute2:ip nftables:nft conntrack coturn:turnserver
	@exec $(NODE) --import tsx scripts/bench/run.ts $(ONLY)

soak: build ## the long versions of some tests (ONLY=fuzz for one, ONLY=list says which)
	@scripts/need ffmpeg
	@exec $(NODE) --import tsx scripts/soak/run.ts $(ONLY)

netlab: build ## the programs behind real NATs, as root (NETLAB="try two-cones 20" or "up same-lan")
	@scripts/need iproute2:ip nftables:nft conntrack
	@exec $(NODE) --import tsx scripts/netlab/run.ts $(or $(NETLAB),try all 3)

console: $(PACKAGES) ## a device's serial console on this terminal (PORT=/dev/ttyUSB0 BAUD=115200)
	@exec $(NODE) --import tsx scripts/serial/console.ts $(PORT) $(if $(BAUD),--baud $(BAUD))

build: $(PACKAGES) ## compile firmware/ into dist/
	@rm -rf dist
	@node_modules/.bin/tsc -p tsconfig.build.json
	@chmod +x dist/cli/main.js

$(PACKAGES): package.json package-lock.json
	@scripts/need-node
	npm ci --no-fund --no-audit
	@touch $@

clean: ## remove what was built and installed
	rm -rf dist out node_modules
