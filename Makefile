# Every verb a person types. Each one does its own set-up: packages from the lock file, tools through apt when root.
SHELL := /bin/sh
NODE ?= node
HOMEWARD := $(NODE) dist/cli/main.js
PACKAGES := node_modules/.installed
# What an image is built with: PACKAGE:PROGRAM where they differ.
IMAGE_TOOLS := git squashfs-tools:mksquashfs mtools:mcopy dosfstools:mkfs.vfat e2fsprogs:mke2fs fdisk:sfdisk kmod:depmod cpio zstd \
	xz-utils:xz bzip2 patch make gcc u-boot-tools:mkimage qemu-user-static:qemu-aarch64-static \
	gcc-aarch64-linux-gnu:aarch64-linux-gnu-gcc libc6-dev-arm64-cross:/usr/aarch64-linux-gnu/lib/libc.a pkgconf:pkg-config

.DEFAULT_GOAL := help
.PHONY: help console demo test bench soak netlab build list image rootfs flash qemu ota size-report boot-tools test-image clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 22

demo: build ## P2P server, storage device and camera on this machine, until Ctrl-C (DEMO="--seconds 20 --source fake")
	@scripts/need ffmpeg
	@exec $(HOMEWARD) demo $(DEMO)

test: build ## everything that is checked: format, lint, types, shell scripts, all tests (ONLY=ring for some)
	@scripts/need ffmpeg shellcheck busybox strace iproute2:ip nftables:nft conntrack
	-@scripts/need redis-server
	-@scripts/need chromium
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
	@node_modules/.bin/vite build --config firmware/storage/ui/vite.config.ts
	@chmod +x dist/cli/main.js

$(PACKAGES): package.json package-lock.json
	@scripts/need-node
	npm ci --no-fund --no-audit
	@touch $@

list: $(PACKAGES) ## the boards: what each offers, and how far that was tried
	@$(NODE) --import tsx scripts/image/list.ts

image: build ## BOARD=VENDOR/BOARD: an image to flash, into out/images/ (DEBIAN_MIRROR=URL where the host is no Debian bookworm)
	@scripts/need $(IMAGE_TOOLS)
	@exec nice -n 10 $(NODE) --import tsx scripts/image/run.ts $(BOARD)

rootfs: build ## BOARD=… ROOTFS=DIR: lay Homeward into a root filesystem that exists
	@scripts/need $(IMAGE_TOOLS)
	@exec $(NODE) --import tsx scripts/image/rootfs.ts "$(BOARD)" "$(ROOTFS)"

size-report: $(PACKAGES) ## BOARD=…: what is in the last image, against its caps
	@exec $(NODE) --import tsx scripts/image/size-report.ts "$(BOARD)"

flash: $(PACKAGES) ## BOARD=… DEVICE=/dev/sdX: write the image to a card; refuses mounted and doubtful disks
	@exec $(NODE) --import tsx scripts/flash/run.ts "$(BOARD)" "$(DEVICE)"

ota: $(PACKAGES) ## BOARD=… IP=…: sign the image and update a device with it
	@scripts/need openssl cpio
	@exec $(NODE) --import tsx scripts/ota/run.ts "$(BOARD)" "$(IP)"

qemu: $(PACKAGES) ## BOARD=qemu/…: a virtual device, its serial console on this terminal
	@scripts/need qemu-system-arm:qemu-system-aarch64 u-boot-qemu:/usr/lib/u-boot/qemu_arm64/u-boot.bin
	@exec $(NODE) --import tsx scripts/qemu/run.ts "$(BOARD)"

boot-tools:
	@scripts/need $(IMAGE_TOOLS) ffmpeg iproute2:ip dnsmasq-base:dnsmasq
	@scripts/need qemu-system-arm:qemu-system-aarch64 u-boot-qemu:/usr/lib/u-boot/qemu_arm64/u-boot.bin

test-image: build boot-tools ## two virtual devices from their images, as root: they start, film, and what they film is kept
	@for board in qemu/camera qemu/storage; do nice -n 10 $(NODE) --import tsx scripts/image/run.ts $$board || exit 1; done
	@$(NODE) --import tsx scripts/qemu/image-test.ts
	@$(NODE) --import tsx scripts/qemu/faults-test.ts
	@exec $(NODE) --import tsx scripts/qemu/update-test.ts

clean: ## remove what was built and installed
	rm -rf dist out node_modules
