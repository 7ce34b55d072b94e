#!/usr/bin/env bash
# Proves the two commands of the README on a machine with nothing installed: a bare root of Debian, a fresh clone of HEAD.
#
#   tests/fresh/run.sh bookworm|trixie [COMMAND...]
#
# Without COMMAND: `./dev run --once`, `./dev build` (nothing to do, under 5 s), `./dev test`. The bare root is made once by
# debootstrap from the mirror that apt is configured with, and kept in the cache; each run works on a layer over it, in
# mount and process namespaces of its own, and the layer is thrown away: nothing stays mounted or running.
# Needs root, git, debootstrap.
#
# VX6_CACHE_DIR: where bare roots are kept (default: ~/.cache/vx6)
set -euo pipefail

here=$(readlink -f "${BASH_SOURCE[0]}")
repo=$(cd "$(dirname "$here")/../.." && pwd)
cache=${VX6_CACHE_DIR:-${HOME:-/root}/.cache/vx6}/fresh

# What runs in the fresh clone when no command is given.
proof() {
	. /etc/os-release
	echo "fresh: $PRETTY_NAME, $(dpkg-query -W | wc -l) packages installed"
	time ./dev run --once
	begun=$(date +%s%3N)
	./dev build
	took=$(($(date +%s%3N) - begun))
	echo "fresh: a second build with no change took $took ms"
	[ "$took" -lt 5000 ]
	time ./dev test
}

fail() {
	printf 'error: %s\n' "$*" >&2
	exit 1
}

mirror() {
	# shellcheck disable=SC2016 # apt fills these in
	apt-get indextargets --format '$(REPO_URI) $(ORIGIN)' 'Created-By: Packages' |
		awk '$2 == "Debian" && $1 !~ /security/ { print $1; exit }'
}

# The second half, inside the namespaces; the mounts vanish with them.
inside() { # SUITE COMMAND...
	local base=$cache/$1 root
	shift
	mount --make-rprivate /
	mount -t tmpfs -o size=90% none "$work"
	mkdir "$work/upper" "$work/work" "$work/root"
	root=$work/root
	mount -t overlay overlay -o "lowerdir=$base,upperdir=$work/upper,workdir=$work/work" "$root"
	mount -t proc proc "$root/proc"
	mount --rbind /dev "$root/dev"
	mount --rbind /sys "$root/sys"
	mount -t tmpfs tmpfs "$root/run"
	cp -L /etc/resolv.conf "$root/etc/resolv.conf"
	git clone -q "file://$repo" "$root/root/vx6"
	env -i HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 TERM=dumb \
		${http_proxy:+http_proxy="$http_proxy"} ${https_proxy:+https_proxy="$https_proxy"} \
		chroot "$root" bash -c 'cd /root/vx6 && "$@"' bash "$@"
}

if [ "${1:-}" = --inside ]; then
	shift
	inside "$@"
	exit 0
fi

suite=${1:-}
case $suite in
bookworm | trixie) shift ;;
*) fail "usage: tests/fresh/run.sh bookworm|trixie [COMMAND...]" ;;
esac
[ "$(id -u)" = 0 ] || fail "a root of its own needs root: sudo tests/fresh/run.sh $suite"
for tool in git debootstrap unshare; do
	command -v "$tool" >/dev/null || fail "$tool is missing: apt-get install git debootstrap util-linux"
done
if [ ! -d "$cache/$suite" ]; then
	echo "fresh: making a bare root of $suite"
	mkdir -p "$cache"
	rm -rf "$cache/$suite.new"
	debootstrap --variant=minbase "$suite" "$cache/$suite.new" "$(mirror)" >"$cache/$suite.log" 2>&1 ||
		fail "debootstrap failed ($cache/$suite.log)"
	mv "$cache/$suite.new" "$cache/$suite"
fi

[ $# -gt 0 ] || set -- bash -ec "$(declare -f proof); proof"

work=$(mktemp -d /tmp/vx6-fresh.XXXXXX)
export work
trap 'rmdir "$work"' EXIT
unshare --mount --pid --fork --kill-child "$here" --inside "$suite" "$@"
echo "fresh: $suite passed"
