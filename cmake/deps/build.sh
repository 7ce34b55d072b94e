#!/usr/bin/env bash
# Builds the libraries of versions.sh once, into a private prefix, and prints the prefix on standard output.
#
#   cmake/deps/build.sh             build what is missing, then print the prefix
#   cmake/deps/build.sh --prefix    print where the prefix is or would be
#
# VX6_CACHE_DIR  where prefixes and tarballs live (default: ~/.cache/vx6)
# VX6_DEPS_DIR   a folder that holds the tarballs, used when no address serves them
# VX6_DEPS_OFFLINE=1  use VX6_DEPS_DIR only
# VX6_DEPS_CC    the compiler (default: gcc)
#
# Sources come from the Debian pool of the mirror that apt is configured with, then from the upstream release address,
# then from VX6_DEPS_DIR; whichever serves, the SHA-256 of versions.sh decides whether the file is taken.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=versions.sh
. "$here/versions.sh"

cache=${VX6_CACHE_DIR:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/vx6}
cc=${VX6_DEPS_CC:-gcc}
jobs=$(nproc 2>/dev/null || echo 2)

say() { printf 'deps: %s\n' "$*" >&2; }
fail() {
	say "error: $*"
	exit 1
}

# Everything that changes the result is part of the name: versions, flags, build steps, compiler, distribution.
prefix_name() {
	{
		declare -p VX6_DEPS VX6_DEPS_CFLAGS WOLFSSL_CPPFLAGS WOLFSSL_FLAGS BBR_LOSS_PER_CENT NGTCP2_FLAGS LIBMICROHTTPD_FLAGS
		declare -f build_wolfssl build_ngtcp2 build_libmicrohttpd
		"$cc" -dumpfullversion 2>/dev/null || true
		"$cc" -dumpmachine 2>/dev/null || true
		(. /etc/os-release && echo "${ID:-} ${VERSION_ID:-}") 2>/dev/null || true
	} | sha256sum | cut -c1-16
}

# The addresses of the Debian archives that apt is configured with, one a line, in apt's order.
apt_mirrors() {
	command -v apt-get >/dev/null || return 0
	# shellcheck disable=SC2016 # apt fills these in
	apt-get indextargets --format '$(REPO_URI) $(COMPONENT) $(ORIGIN)' 'Created-By: Packages' 2>/dev/null |
		awk '$2 == "main" && ($3 == "Debian" || $3 == "") && $1 ~ /^https?:/ && $1 !~ /security/ && !seen[$1]++ { print $1 }'
}

sha_ok() { [ -f "$1" ] && [ "$(sha256sum <"$1" | cut -d' ' -f1)" = "$2" ]; }

# get URL FILE: downloads by what the machine has; apt's own helper knows apt's proxy settings.
get() {
	if [ -x /usr/lib/apt/apt-helper ] && /usr/lib/apt/apt-helper -o Acquire::Retries=2 download-file "$1" "$2" >/dev/null 2>&1; then
		return 0
	fi
	if command -v curl >/dev/null; then
		curl -fsSL --connect-timeout 15 --retry 2 -o "$2" "$1" 2>/dev/null
	elif command -v wget >/dev/null; then
		wget -q --timeout=30 -O "$2" "$1"
	else
		return 1
	fi
}

# fetch FILE SHA POOL UPSTREAM: leaves the verified tarball in the cache.
fetch() {
	local file=$1 sha=$2 pool=$3 upstream=$4 dest=$cache/tarballs/$1 tmp from mirror
	local -a sources=()
	if sha_ok "$dest" "$sha"; then return 0; fi
	tmp=$(mktemp -d "$cache/tarballs/.get.XXXXXX")
	if [ -z "${VX6_DEPS_OFFLINE:-}" ]; then
		while read -r mirror; do
			[ -z "$mirror" ] || sources+=("${mirror%/}/$pool/$file")
		done < <(apt_mirrors)
		sources+=("$upstream")
	fi
	for from in "${sources[@]}"; do
		if get "$from" "$tmp/$file"; then
			if sha_ok "$tmp/$file" "$sha"; then
				say "$file served by $from"
				mv -f "$tmp/$file" "$dest"
				rm -rf "$tmp"
				return 0
			fi
			say "$from gave a file with another SHA-256, not used"
		fi
		rm -f "$tmp/$file"
	done
	rm -rf "$tmp"
	if [ -n "${VX6_DEPS_DIR:-}" ] && [ -f "$VX6_DEPS_DIR/$file" ]; then
		if sha_ok "$VX6_DEPS_DIR/$file" "$sha"; then
			cp "$VX6_DEPS_DIR/$file" "$dest"
			say "$file served by VX6_DEPS_DIR ($VX6_DEPS_DIR)"
			return 0
		fi
		say "$VX6_DEPS_DIR/$file has another SHA-256, not used"
	fi
	fail "nobody serves $file (SHA-256 $sha): put it into a folder and set VX6_DEPS_DIR to that folder"
}

# step NAME COMMAND...: runs quietly, shows the end of the output when it fails.
step() {
	local name=$1
	shift
	if ! "$@" >"$work/$name.log" 2>&1; then
		tail -n 30 "$work/$name.log" >&2
		fail "$name failed: $*"
	fi
}

unpack() { # NAME FILE
	mkdir -p "$work/$1"
	tar -xf "$cache/tarballs/$2" -C "$work/$1" --strip-components=1
}

build_wolfssl() {
	cd "$work/wolfssl"
	[ -x configure ] || step wolfssl-autoreconf autoreconf -fi
	step wolfssl-configure ./configure --prefix="$prefix" "${WOLFSSL_FLAGS[@]}" CC="$cc" CFLAGS="$VX6_DEPS_CFLAGS" CPPFLAGS="$WOLFSSL_CPPFLAGS"
	step wolfssl-make make -j"$jobs"
	step wolfssl-install make install DESTDIR="$work/dest"
}

# The libraries are staged under DESTDIR, so later ones find earlier ones by pkg-config with a sysroot.
#
# BBR takes more than so many per cent of loss for a sign that it sends too much. At 2, one lost packet of fifty in flight
# is a sign, and a transfer that meets it early on a lossy path stays slow (docs/adr/0004-bbr-loss-threshold.md).
build_ngtcp2() {
	cd "$work/ngtcp2"
	sed -i "s/\\(define NGTCP2_BBR_LOSS_THRESH_NUMER\\) 2\$/\\1 $BBR_LOSS_PER_CENT/" lib/ngtcp2_bbr.c
	grep -q "define NGTCP2_BBR_LOSS_THRESH_NUMER $BBR_LOSS_PER_CENT\$" lib/ngtcp2_bbr.c || fail "ngtcp2's BBR is not as expected"
	step ngtcp2-configure env PKG_CONFIG_PATH="$work/dest$prefix/lib/pkgconfig" PKG_CONFIG_SYSROOT_DIR="$work/dest" \
		./configure --prefix="$prefix" "${NGTCP2_FLAGS[@]}" CC="$cc" CFLAGS="$VX6_DEPS_CFLAGS"
	step ngtcp2-make make -j"$jobs"
	step ngtcp2-install make install DESTDIR="$work/dest"
}

build_libmicrohttpd() {
	cd "$work/libmicrohttpd"
	step libmicrohttpd-configure ./configure --prefix="$prefix" "${LIBMICROHTTPD_FLAGS[@]}" CC="$cc" CFLAGS="$VX6_DEPS_CFLAGS"
	step libmicrohttpd-make make -j"$jobs"
	step libmicrohttpd-install make install DESTDIR="$work/dest"
}

command -v "$cc" >/dev/null || fail "no compiler ($cc): run ./dev setup"
prefix=$cache/deps/$(prefix_name)
if [ "${1:-}" = --prefix ] || [ -f "$prefix/built" ]; then
	echo "$prefix"
	exit 0
fi

mkdir -p "$cache/deps" "$cache/tarballs"
exec 9>"$cache/deps/.lock"
if ! flock -n 9; then
	say "another build of the libraries is running, waiting for it"
	flock 9
fi
if [ ! -f "$prefix/built" ]; then
	for tool in autoconf automake libtool make pkg-config xz; do
		command -v "$tool" >/dev/null || command -v "${tool}ize" >/dev/null || fail "$tool is missing: run ./dev setup"
	done
	work=$(mktemp -d "$cache/deps/.work.XXXXXX")
	trap 'rm -rf "$work"' EXIT
	begun=$SECONDS
	for row in "${VX6_DEPS[@]}"; do
		IFS='|' read -r name file sha pool upstream <<<"$row"
		fetch "$file" "$sha" "$pool" "$upstream"
	done
	for row in "${VX6_DEPS[@]}"; do
		IFS='|' read -r name file sha pool upstream <<<"$row"
		say "building $name from $file"
		one=$SECONDS
		(unpack "$name" "$file" && "build_$name")
		say "$name done in $((SECONDS - one)) s"
	done
	date -u +%Y-%m-%dT%H:%M:%SZ >"$work/dest$prefix/built"
	rm -rf "$prefix"
	mv "$work/dest$prefix" "$prefix"
	say "all built in $((SECONDS - begun)) s: $prefix"
fi
echo "$prefix"
