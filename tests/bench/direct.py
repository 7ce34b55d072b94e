#!/usr/bin/env python3
"""The direct path measured beside its peers: ./dev bench direct

One client and one server joined by raw TCP, by stunnel (TLS 1.3, AES-128-GCM, certificates on both
sides), by `ssh -L` (aes128-gcm) and by VX6 over TCP and over QUIC, on loopback and through the WAN
emulator. Every repeat takes all of them in turn, so that noise on the machine meets them alike; the
medians count. CPU-seconds are those of all daemons between client and server, not of the load tool.

Writes build/bench/direct.json and prints a table. `--check` makes a missed goal a failure.
"""
import argparse
import json
import os
import pathlib
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "net"))
import lab as lab_module  # noqa: E402
import overlay  # noqa: E402
import programs  # noqa: E402
from lab import Lab, cpu_seconds, tool, wait_for  # noqa: E402

WAN = {"delay": 25, "loss": 1, "rate": 1000, "queue": 100}
SUBJECTS = ("raw", "stunnel", "ssh", "vx6-tcp", "vx6-quic")
PORTS = {"raw": programs.LOAD_PORT, "stunnel": 7101, "ssh": 7102, "vx6-tcp": 7103, "vx6-quic": 7104}
IDLE_CONNS = 2000
MB = 1 << 20


class Subject:
    """A way from 127.0.0.1:port of the client's host to the load server of the server's host."""

    def __init__(self, name, client, server, procs=()):
        self.name, self.client, self.server, self.port = name, client, server, PORTS[name]
        self.procs = procs  # client side first
        self.address = "127.0.0.1"

    def load(self, what, *args, timeout=180):
        argv = [tool("vx6-load"), what, self.address, self.port, *args]
        return json.loads(self.client.run(argv, timeout=timeout).stdout)

    def cpu(self):
        return cpu_seconds([p.pid for p in self.procs])

    def rss(self):
        """Resident bytes of each end, descendants included."""
        return [tree_rss(p.pid) for p in self.procs]

    def works(self):
        try:
            return self.load("ttfb", 1, timeout=10).get("failed") == 0
        except (RuntimeError, subprocess.TimeoutExpired, ValueError):
            return False

    def stop(self):
        for proc in self.procs:
            proc.stop()


def tree_rss(pid):
    try:
        own = int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
    return own + sum(tree_rss(child) for child in lab_module.children(pid))


def raw(lab, client, server, at):
    """No daemon at all: the load server itself, on the address that the others' daemons use."""
    subject = Subject("raw", client, server)
    subject.address = at
    lab.spawn(server, [tool("vx6-load"), "serve", at, str(programs.LOAD_PORT)], "load-raw")
    return subject


def stunnel(lab, client, server, at):
    exe, openssl = programs.need("stunnel", "openssl")
    where = lab.dir / f"stunnel-{client.name}-{server.name}"
    where.mkdir()
    for who in ("client", "server"):
        subprocess.run([openssl, "req", "-x509", "-newkey", "ed25519", "-nodes", "-days", "2", "-subj", f"/CN={who}",
                        "-keyout", where / f"{who}.key", "-out", where / f"{who}.pem"], check=True, capture_output=True)
    common = "foreground = yes\ndebug = 3\npid =\nsslVersion = TLSv1.3\nciphersuites = TLS_AES_128_GCM_SHA256\nverifyPeer = yes\n" \
             "socket = l:TCP_NODELAY=1\nsocket = r:TCP_NODELAY=1\n"
    procs = []
    for who, other, role in (("server", "client", f"accept = {at}:7201\nconnect = 127.0.0.1:{programs.LOAD_PORT}\n"),
                             ("client", "server", f"client = yes\naccept = 127.0.0.1:{PORTS['stunnel']}\nconnect = {at}:7201\n")):
        conf = where / f"{who}.conf"
        conf.write_text(f"{common}[load]\ncert = {where}/{who}.pem\nkey = {where}/{who}.key\nCAfile = {where}/{other}.pem\n{role}")
        procs.insert(0, lab.spawn(server if who == "server" else client, [exe, conf], f"stunnel-{who}"))
    return Subject("stunnel", client, server, procs)


def ssh(lab, client, server, at):
    sshd = programs.Ssh(lab, server, at, 7202)
    options = ["-N", "-c", "aes128-gcm@openssh.com", "-o", "ExitOnForwardFailure=yes", "-o", "Compression=no",
               "-L", f"127.0.0.1:{PORTS['ssh']}:127.0.0.1:{programs.LOAD_PORT}"]
    proc = lab.spawn(client, sshd.argv(7202, options=options, to=at), "ssh-L")
    return Subject("ssh", client, server, [proc, sshd.proc])


def vx6(transport):
    def make(lab, client, server, at):
        n = 4300 + (transport == "quic")
        alice = overlay.Agent(server, f"alice-{transport}", transport, listen=f"[::]:{n}").start()
        idle = alice.proc.rss()
        alice.add_service("load", f"127.0.0.1:{programs.LOAD_PORT}")
        bob = overlay.Agent(client, f"bob-{transport}", transport, listen=f"[::]:{n + 100}", peers=[f"[{at}]:{n}"]).start()
        bob.wait_peers()
        bob.add_forward(f"127.0.0.1:{PORTS['vx6-' + transport]}", to=f"alice-{transport}.load")
        subject = Subject(f"vx6-{transport}", client, server, [bob.proc, alice.proc])
        subject.idle_at_start = idle
        return subject
    return make


MAKERS = {"raw": raw, "stunnel": stunnel, "ssh": ssh, "vx6-tcp": vx6("tcp"), "vx6-quic": vx6("quic")}


def start_subjects(lab, names, client, server, at):
    made, absent = {}, {}
    for name in names:
        try:
            made[name] = MAKERS[name](lab, client, server, at)
            wait_for(made[name].works, 10, f"{name} to carry a byte")
        except Exception as why:  # a peer that is not installed, or cannot start here, is left out and named
            if name.startswith("vx6") and not isinstance(why, FileNotFoundError):
                raise
            absent[name] = str(why).splitlines()[0]
            made.pop(name, None)
    return made, absent


def bulk(subject, streams, seconds):
    before, began = subject.cpu(), time.monotonic()
    result = subject.load("send", streams, seconds)
    used = subject.cpu() - before
    gb = result["bytes"] / 1e9
    if result["failed"] or not gb:
        raise RuntimeError(f"{subject.name}: {result['failed']} of {streams} streams failed")
    return {"gbit_s": result["gbit_s"], "gb": gb, "cpu_s": used, "cpu_s_per_gb": used / gb, "took": time.monotonic() - began}


def idle_connections(subject):
    """Resident bytes for one idle connection, at each end."""
    wait_for(lambda: stable(subject.rss), 10, "memory to settle")
    before = subject.rss()
    argv = ["nsenter", f"--net={subject.client.path}", "--", tool("vx6-load"), "hold", subject.address, str(subject.port), str(IDLE_CONNS)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        result = json.loads(holder.stdout.readline())
        time.sleep(1)
        after = subject.rss()
        holder.stdin.close()
    return {"ok": result["ok"], "failed": result["failed"], "before": before, "after": after,
            "kib_per_conn": [round((b - a) / 1024 / max(1, result["ok"]), 2) for a, b in zip(before, after)]}


def stable(value):
    first = value()
    time.sleep(0.3)
    return value() == first


def measure(subjects, options, ttfb_count, label):
    """Every repeat takes the subjects in turn."""
    samples = {name: {"ttfb": [], "bulk1": [], "bulk8": []} for name in subjects}
    for turn in range(options.repeat):
        for name, subject in subjects.items():
            few = max(20, ttfb_count // 20) if name == "ssh" else ttfb_count
            samples[name]["ttfb"].append(subject.load("ttfb", few))
            for streams in (1, 8):
                samples[name][f"bulk{streams}"].append(bulk(subject, streams, options.seconds if label == "loopback" else options.wan_seconds))
            say(f"  {label} {turn + 1}/{options.repeat} {name:9}", brief(samples[name]))
    return samples


def brief(s):
    one, eight, first = s["bulk1"][-1], s["bulk8"][-1], s["ttfb"][-1]
    return f"{one['gbit_s']:7.2f} Gbit/s {one['cpu_s_per_gb']:6.2f} CPU-s/GB | 8: {eight['gbit_s']:7.2f} {eight['cpu_s_per_gb']:6.2f} | " \
           f"first byte p50 {first.get('p50_ms', 0):7.3f} p99 {first.get('p99_ms', 0):7.3f} ms"


def medians(samples):
    def middle(rows, key):
        values = [r[key] for r in rows if key in r]
        return round(statistics.median(values), 4) if values else None

    return {name: {"ttfb_p50_ms": middle(s["ttfb"], "p50_ms"), "ttfb_p99_ms": middle(s["ttfb"], "p99_ms"),
                   **{f"bulk{n}_{k}": middle(s[f"bulk{n}"], k) for n in (1, 8) for k in ("gbit_s", "cpu_s_per_gb")}}
            for name, s in samples.items()}


def goals(result):
    """(what, value, bound, "min"|"max") for everything that was measured."""
    lo, wan, mem = (result.get(k, {}) for k in ("loopback", "wan", "memory"))
    found = []

    def add(what, value, bound, sense):
        found.append({"goal": what, "value": value, "bound": bound, "sense": sense,
                      "pass": None if value is None else value >= bound if sense == "min" else value <= bound})

    def ratio(what, table, a, b, key, bound, inverse=False):
        if a in table and b in table and table[a][key] and table[b][key]:
            value = table[b][key] / table[a][key] if inverse else table[a][key] / table[b][key]
            add(what, round(value, 3), bound, "min")

    ratio("TCP / stunnel, GB per CPU-second", lo, "vx6-tcp", "stunnel", "bulk1_cpu_s_per_gb", 1.2, True)
    ratio("TCP / ssh -L, GB per CPU-second", lo, "vx6-tcp", "ssh", "bulk1_cpu_s_per_gb", 1.05, True)
    ratio("TCP / stunnel, Gbit/s", lo, "vx6-tcp", "stunnel", "bulk1_gbit_s", 1.0)
    ratio("TCP / ssh -L, Gbit/s", lo, "vx6-tcp", "ssh", "bulk1_gbit_s", 1.0)
    ratio("QUIC / TCP, GB per CPU-second", lo, "vx6-quic", "vx6-tcp", "bulk1_cpu_s_per_gb", 0.6, True)
    best = max(((wan[n]["bulk1_gbit_s"], n) for n in ("stunnel", "ssh", "vx6-tcp") if n in wan), default=None)
    if best and "vx6-quic" in wan:
        add(f"QUIC / best TCP peer ({best[1]}) at 50 ms, 1 % loss, Gbit/s", round(wan["vx6-quic"]["bulk1_gbit_s"] / best[0], 3), 2.0, "min")
    for name in ("vx6-tcp", "vx6-quic"):
        if name in lo:
            add(f"{name}: first byte p50, ms", lo[name]["ttfb_p50_ms"], 0.3, "max")
            add(f"{name}: first byte p99, ms", lo[name]["ttfb_p99_ms"], 2.0, "max")
        if name in mem:
            for end, kib in zip(("client", "server"), mem[name]["kib_per_conn"]):
                add(f"{name}: KiB per idle connection, {end}", kib, 12, "max")
    if "idle_rss_mb" in mem:
        add("idle agent, RSS MB", mem["idle_rss_mb"], 6.0, "max")
    if result.get("program_mb"):
        add("program, stripped MB", result["program_mb"], 4.0, "max")
    return found


def table(result):
    rows = []
    for label in ("loopback", "wan"):
        if label in result:
            rows.append([label, "Gbit/s", "CPU-s/GB", "8x Gbit/s", "CPU-s/GB", "p50 ms", "p99 ms"])
            for name, m in result[label].items():
                rows.append([f"  {name}"] + [f"{m[k]:.3f}" if m[k] is not None else "-" for k in (
                    "bulk1_gbit_s", "bulk1_cpu_s_per_gb", "bulk8_gbit_s", "bulk8_cpu_s_per_gb", "ttfb_p50_ms", "ttfb_p99_ms")])
    lines = ["".join(f"{c:>11}" if i else f"{c:<12}" for i, c in enumerate(row)) for row in rows]
    for name, m in result.get("memory", {}).items():
        if isinstance(m, dict):
            lines.append(f"  {name:10} KiB per idle connection (client, server): {m['kib_per_conn']}  at rest {[round(b / MB, 1) for b in m['before']]} MB")
    for goal in result["goals"]:
        verdict = {True: "PASS", False: "MISS", None: "----"}[goal["pass"]]
        bound = ("at least " if goal["sense"] == "min" else "at most ") + f"{goal['bound']:g}"
        lines.append(f"{verdict}  {goal['goal']:58} {goal['value']!s:>9}   {bound}")
    lines += [f"left out: {name}: {why}" for name, why in result["absent"].items()]
    return "\n".join(lines)


def stripped_size():
    """MB of the program without its debugging symbols."""
    with tempfile.TemporaryDirectory() as d:
        out = pathlib.Path(d) / "vx6"
        shutil.copy(overlay.program(), out)
        subprocess.run(["strip", out], check=True)
        return round(out.stat().st_size / 1e6, 3)


def idle_agent(lab):
    """RSS of an agent with its API, on the socket and on TCP, and its database, with nothing to do."""
    agent = overlay.Agent(lab.host("idle"), "idle", flags=["--api-listen", "127.0.0.1:4866"]).start()
    agent.api.get("/v1/node")
    time.sleep(2)
    mb = round(agent.proc.rss() / MB, 3)
    agent.stop()
    return mb


def machine():
    cpu = next((l.split(":", 1)[1].strip() for l in open("/proc/cpuinfo") if l.startswith("model name")), "?")
    return {"cpu": cpu, "cores": os.cpu_count(), "kernel": platform.release(), "load": os.getloadavg(),
            "tcp": pathlib.Path("/proc/sys/net/ipv4/tcp_congestion_control").read_text().strip(), "at": time.strftime("%FT%TZ", time.gmtime())}


def say(*words):
    print(*words, flush=True)


def parse(argv):
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--quick", action="store_true", help="one short repeat")
    p.add_argument("--repeat", type=int, default=5)
    p.add_argument("--seconds", type=float, default=2, help="of each bulk run on loopback")
    p.add_argument("--wan-seconds", type=float, default=8)
    p.add_argument("--only", choices=("loopback", "wan", "memory"))
    p.add_argument("--subjects", default=",".join(SUBJECTS))
    p.add_argument("--out", default=str(ROOT / "build" / "bench" / "direct.json"))
    p.add_argument("--check", action="store_true", help="fail when a goal is missed")
    options = p.parse_args(argv)
    if options.quick:
        options.repeat, options.seconds, options.wan_seconds = 1, 1, 4
    options.subjects = [s for s in SUBJECTS if s in options.subjects.split(",")]
    return options


def run(options):
    ours = any(s.startswith("vx6") for s in options.subjects)
    result = {"machine": machine(), "options": vars(options), "absent": {}, "samples": {}}
    with Lab() as lab:
        if options.only in (None, "loopback", "memory"):
            one = lab.host("loop")
            programs.load_server(lab, one)
            subjects, absent = start_subjects(lab, options.subjects, one, one, "::1")
            result["absent"].update(absent)
            if options.only != "loopback":
                result["memory"] = {n: idle_connections(s) for n, s in subjects.items() if s.procs}
                if ours and not any(a.startswith("vx6") for a in absent):
                    result["memory"]["idle_rss_mb"] = idle_agent(lab)
            if options.only != "memory":
                result["samples"]["loopback"] = measure(subjects, options, 2000, "loopback")
                result["loopback"] = medians(result["samples"]["loopback"])
            for subject in subjects.values():
                subject.stop()
        if options.only in (None, "wan"):
            client, server = lab.host("client"), lab.host("server")
            lab.wan(client, server, **WAN)
            programs.load_server(lab, server)
            subjects, absent = start_subjects(lab, options.subjects, client, server, server.ip6)
            result["absent"].update(absent)
            result["samples"]["wan"] = measure(subjects, options, 20, "wan")
            result["wan"] = medians(result["samples"]["wan"])
    if ours and not any(a.startswith("vx6") for a in result["absent"]):
        result["program_mb"] = stripped_size()
    result["goals"] = goals(result)
    return result


def main(parse=parse, run=run, table=table):
    """Of every benchmark: runs it, keeps the result as JSON, prints the table. @return what the process exits with"""
    reason = lab_module.why_not()
    if reason:
        sys.exit(f"bench: cannot run here: {reason}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    options = parse(sys.argv[1:])
    result = run(options)
    out = pathlib.Path(options.out)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(result, indent=1) + "\n")
    say()
    say(table(result))
    say(f"written to {out}")
    return 1 if options.check and any(g["pass"] is False for g in result["goals"]) else 0


if __name__ == "__main__":
    sys.exit(main())
