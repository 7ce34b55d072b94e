#!/usr/bin/env bash
# Two agents on this machine: alice publishes a web page that only her 127.0.0.1 serves, bob opens a port that leads to
# it, and the page is fetched through the overlay. Runs until Ctrl-C and leaves nothing behind.
#
#   demo/two-agents.sh [--once]     --once: stop after the page was fetched
#
# VX6_BIN: the program (default: build/vx6)
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
vx6=${VX6_BIN:-$root/build/vx6}
once=''
[ "${1:-}" != --once ] || once=1

[ -x "$vx6" ] || {
	echo "error: no program at $vx6: run ./dev build" >&2
	exit 1
}

if [ -t 1 ]; then
	bold=$'\e[1m' green=$'\e[32m' red=$'\e[31m' plain=$'\e[0m'
else
	bold='' green='' red='' plain=''
fi

work=$(mktemp -d "${TMPDIR:-/tmp}/vx6-demo.XXXXXX")
pids=()
ok=''

still_running() {
	local pid
	for pid in "${pids[@]}"; do
		if kill -0 "$pid" 2>/dev/null; then return 0; fi
	done
	return 1
}

leave() {
	local log i
	trap '' INT TERM HUP
	if [ -z "$ok" ]; then
		for log in "$work"/*.log; do
			[ ! -s "$log" ] || printf -- '---- %s\n%s\n' "${log##*/}" "$(tail -n 15 "$log")" >&2
		done
	fi
	for ((i = ${#pids[@]} - 1; i >= 0; i--)); do
		kill -TERM "${pids[i]}" 2>/dev/null || true
	done
	for ((i = 0; i < 50; i++)); do
		still_running || break
		sleep 0.1
	done
	for ((i = 0; i < ${#pids[@]}; i++)); do
		kill -KILL "${pids[i]}" 2>/dev/null || true
		wait "${pids[i]}" 2>/dev/null || true
	done
	rm -rf "$work"
	[ -z "$ok" ] || echo "Stopped. The agents, the web server and $work are gone."
}
trap leave EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

fail() {
	printf '%serror:%s %s\n' "$red" "$plain" "$*" >&2
	exit 1
}

now_ms() { date +%s%3N; }
begun=$(now_ms)
phase() { # NAME: prints how long it took since the last phase
	local now
	now=$(now_ms)
	printf '%-11s %d.%03d s\n' "$1" $(((now - begun) / 1000)) $(((now - begun) % 1000))
	begun=$now
}

# start NAME COMMAND...
start() {
	local name=$1
	shift
	"$@" >"$work/$name.log" 2>&1 </dev/null &
	pids+=($!)
}

# until_ok SECONDS WHAT COMMAND...
until_ok() {
	local end=$((SECONDS + $1)) what=$2 pid
	shift 2
	until "$@" >/dev/null 2>&1; do
		for pid in "${pids[@]}"; do
			kill -0 "$pid" 2>/dev/null || fail "$what: a program of the demo ended early"
		done
		[ "$SECONDS" -lt "$end" ] || fail "$what: still waiting after the time allowed"
		sleep 0.05
	done
}

# Free ports, all held at once while they are picked, so that they differ.
read -r host port_web port_alice port_forward port_api_alice port_api_bob < <(python3 - <<-'EOP'
	import socket
	try:
	    probe = socket.socket(socket.AF_INET6)
	    probe.bind(("::1", 0))
	    family, host, text = socket.AF_INET6, "::1", "[::1]"
	except OSError:
	    family, host, text = socket.AF_INET, "127.0.0.1", "127.0.0.1"
	held = [(socket.AF_INET, "127.0.0.1", socket.SOCK_STREAM), (family, host, socket.SOCK_DGRAM)]
	held += [(socket.AF_INET, "127.0.0.1", socket.SOCK_STREAM)] * 3
	socks = []
	for fam, address, kind in held:
	    sock = socket.socket(fam, kind)
	    sock.bind((address, 0))
	    socks.append(sock)
	print(text, *(sock.getsockname()[1] for sock in socks))
EOP
)

alice=$work/alice/api.sock
bob=$work/bob/api.sock
mkdir -m 700 "$work/www"
cat >"$work/www/index.html" <<-'EOP'
	<!doctype html>
	<title>alice</title>
	<h1>Hello from alice</h1>
	<p>This page is served on 127.0.0.1 only. You are reading it through VX6.</p>
EOP

start web python3 -m http.server "$port_web" --bind 127.0.0.1 --directory "$work/www"
start alice "$vx6" agent --state-dir "$work/alice" --name alice --listen "$host:$port_alice" \
	--api-listen "127.0.0.1:$port_api_alice"
start bob "$vx6" agent --state-dir "$work/bob" --name bob --listen "$host:0" \
	--api-listen "127.0.0.1:$port_api_bob" --peer "$host:$port_alice"
until_ok 20 "alice starts" "$vx6" --socket "$alice" health --check ready
until_ok 20 "bob starts" "$vx6" --socket "$bob" health --check ready
until_ok 20 "the web page" curl -fsS -o /dev/null "http://127.0.0.1:$port_web/"
phase agents

"$vx6" --socket "$alice" --quiet service add web --target "127.0.0.1:$port_web" >>"$work/commands.log" 2>&1 ||
	fail "alice could not publish the service"
"$vx6" --socket "$bob" --quiet forward add web --listen "127.0.0.1:$port_forward" --to alice.web \
	>>"$work/commands.log" 2>&1 || fail "bob could not open the forward"
until_ok 20 "the page through the overlay" curl -fsS -o "$work/fetched.html" "http://127.0.0.1:$port_forward/"
cmp -s "$work/www/index.html" "$work/fetched.html" || fail "the page that came through differs"
phase fetched
ok=1

cat <<-EOP

	${green}The page came through${plain}, $(wc -c <"$work/fetched.html") bytes, equal to what alice serves:
	$(sed 's/^/    /' "$work/fetched.html")

	${bold}URLs${plain}
	    http://127.0.0.1:$port_forward/    bob's local port: alice.web, through the overlay
	    http://127.0.0.1:$port_web/    the same page where only alice's machine sees it
	    http://127.0.0.1:$port_api_alice/v1/openapi.json    alice's API, with her token; bob's is on port $port_api_bob

	${bold}Next${plain}
	    export VX6_SOCKET=$bob
	    $vx6 status
	    $vx6 peer list
	    $vx6 forward list
	    $vx6 events -f
	    curl -H "Authorization: Bearer \$(cat $work/bob/admin.token)" http://127.0.0.1:$port_api_bob/v1/peers
	    $vx6 --socket $alice service add ssh --target 127.0.0.1:22
	    ssh -o ProxyCommand='$vx6 --socket $bob connect alice.ssh' alice
EOP

[ -z "$once" ] || exit 0
printf '\nRunning until Ctrl-C.\n'
wait -n "${pids[@]}" || true
sleep 0.3 # Ctrl-C reaches the agents too, and may reach them first: then the trap takes over here
ok=''
fail "a program of the demo ended"
