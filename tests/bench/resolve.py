#!/usr/bin/env python3
"""Names resolved over real links: ./dev bench resolve

One agent asks; the others, each with an address of its own, are on the far side of the WAN emulator at 0, 20
and 100 ms of round trip. "get" is where a node is, by its id, asked anew although the registry knows: two disjoint paths must
agree, and nobody may know of a revocation, which takes as long as the last of those near the key needs to answer; "name" is from
user.service to node, addresses and service: a lookup for who claims the name, which hears everybody near it out, then the former. Warm: sessions are up; cold: the agent has just been
started again from its disk; cached: a name in use, answered by the registry. All as a client of the API sees it. Beside each time stands how many
round trips of the link it is; the link's own is measured in the same run, by TCP's connect. Also: how long it takes until a new
record is proved at eight holders, what a lookup costs on the wire, what an idle agent sends in an hour, and what 10,000 entries of
the registry take.

Writes build/bench/resolve.json and prints a table. `--check` makes a missed goal a failure.
"""
import argparse
import pathlib
import re
import socket
import statistics
import subprocess
import sys
import time

sys.dont_write_bytecode = True
ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "net"))
from direct import machine, main  # noqa: E402
from lab import Lab, cpu_seconds, wait_for  # noqa: E402
from overlay import Agent  # noqa: E402

PORT = 4242
FLAGS = ("--lan", "off")
KINDS = ("cached", "get warm", "get cold", "name warm", "name cold")


def say(*words):
    print(*words, flush=True)


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


class Network:
    """`count` agents on the far host, one on the near host, a link between."""

    def __init__(self, lab, rtt, count):
        self.lab, self.rtt = lab, rtt
        self.near, self.far = lab.host(f"near{rtt}"), lab.host(f"far{rtt}")
        self.wan = lab.wan(self.near, self.far, delay=0, rate=0)
        prefix = self.far.ip6.rsplit("::", 1)[0]
        self.agents = []
        for i in range(count):
            address = f"{prefix}::{0x100 + i:x}"
            self.far.ip("addr", "add", f"{address}/128", "dev", self.wan.dev, "nodad")
            peers = [self.agents[0].where] if i else []
            agent = Agent(self.far, f"node{rtt}-{i}", peers=peers, listen=f"[{address}]:{PORT}", flags=FLAGS)
            agent.where = f"[{address}]:{PORT}"
            self.agents.append(agent)
        self.asker = Agent(self.near, f"asker{rtt}", peers=[self.agents[1].where], listen=f"[{self.near.ip6}]:{PORT}", flags=FLAGS)

    def start(self):
        for agent in self.agents:
            agent.spawn()
        wait_for(lambda: all(a.is_ready() for a in self.agents), 60, "the agents")
        for agent in self.agents:
            agent.add_service("web", "127.0.0.1:80")
        self.asker.start()
        names = [f"{a.name}.web" for a in self.agents]
        for name in names:
            wait_for(lambda name=name: self.lookup(name)["state"] == "done", 60, f"{name} to be found")
        wait_for(self.is_published, 60, "records to be proved")
        self.wan.set(delay=self.rtt / 2)
        time.sleep(2)
        return self

    def is_published(self):
        kept = self.asker.api.items("/v1/dht/replicas")
        return len(kept) >= 2 and all(r["proved"] >= min(r["wanted"], 8) for r in kept)

    def lookup(self, what, **how):
        """what: a name, or the id of a node."""
        field = "node_id" if what.startswith("vx1") else "service"
        _, _, op = self.asker.api.request("POST", "/v1/dht/lookups", {field: what, **how}, timeout=40, headers={"Prefer": "wait=30"})
        return op

    def stop(self):
        for agent in [self.asker, *self.agents]:
            agent.proc.kill()


def link_ms(network):
    """The link's round trip: the middle of what TCP takes to connect."""
    host, port = network.agents[0].where[1:].split("]:")
    took = []
    with network.near.enter():
        for _ in range(9):
            begun = time.monotonic()
            socket.create_connection((host, int(port)), timeout=10).close()
            took.append((time.monotonic() - begun) * 1e3)
    return statistics.median(took)


def counters(host, dev):
    line = next(ln for ln in host.run(["cat", "/proc/net/dev"]).stdout.splitlines() if ln.strip().startswith(dev + ":"))
    f = line.split(":")[1].split()
    return [int(f[0]) + int(f[8]), int(f[1]) + int(f[9])]


def timed(network, name, **how):
    """(ms, queries) of one lookup as a client of the API sees it, or None."""
    begun = time.monotonic()
    op = network.lookup(name, **how)
    took = (time.monotonic() - begun) * 1e3
    return (took, op["result"]["queries"]) if op.get("state") == "done" else None


def series(samples, rtt_ms):
    found = [s for s in samples if s]
    times = [s[0] for s in found]
    return {"n": len(samples), "failed": len(samples) - len(found), "p50": statistics.median(times), "p90": percentile(times, 0.9),
            "p99": percentile(times, 0.99), "queries": statistics.mean(s[1] for s in found),
            "links_p50": statistics.median(times) / rtt_ms if rtt_ms >= 5 else None}


def restart_and_look(network, name):
    network.asker.proc.kill()
    network.asker.start()
    return timed(network, name, fresh=True)


def measure(lab, rtt, options):
    say(f"  {rtt} ms: {options.nodes} agents")
    network = Network(lab, rtt, options.nodes).start()
    link = link_ms(network)
    names, ids = [f"{a.name}.web" for a in network.agents], [a.node_id() for a in network.agents]
    result = {"link_ms": link}
    pick = [names[i % len(names)] for i in range(options.lookups)]
    nodes = [ids[i % len(ids)] for i in range(options.lookups)]
    result["get warm"] = series([timed(network, n, fresh=True) for n in nodes], link)
    before = counters(network.near, network.wan.dev)
    begun = time.monotonic()
    result["name warm"] = series([timed(network, n, fresh=True) for n in pick], link)
    took = time.monotonic() - begun
    after = counters(network.near, network.wan.dev)
    time.sleep(max(5.0, took))
    still = counters(network.near, network.wan.dev)
    quiet = (still[0] - after[0]) / max(5.0, took) * took, (still[1] - after[1]) / max(5.0, took) * took
    result["lookup_bytes"] = (after[0] - before[0] - quiet[0]) / len(pick)
    result["lookup_packets"] = (after[1] - before[1] - quiet[1]) / len(pick)
    result["get cold"] = series([restart_and_look(network, n) for n in nodes[:options.cold]], link)
    result["name cold"] = series([restart_and_look(network, n) for n in pick[:options.cold]], link)
    for agent, ident in zip(network.agents, ids):  # what using a name once does
        network.asker.api.call("PUT", f"/v1/names/pin:{agent.name}", {"node_id": ident})
    result["cached"] = series([timed(network, n) for n in pick], link)
    wait_for(network.is_published, 60, "records to be proved after the restarts")
    result["publish"] = publish(network, options.publish)
    if rtt == 0:
        result["idle"] = idle(network, options.idle)
    network.stop()
    return result


def publish(network, count):
    """From adding a service to the proof that all its holders give it back, in ms, as the agent measured it."""
    took = []
    for i in range(count):
        network.asker.add_service(f"new{i}", "127.0.0.1:80")

        def row(i=i):
            rows = [r for r in network.asker.api.items("/v1/dht/replicas") if r["name"] == f"new{i}"]
            return rows[0] if rows and rows[0]["proved"] >= min(8, rows[0]["wanted"]) > 0 else None

        wait_for(row, 30, "a new service to be proved")
        took.append(row())
    return {"n": count, "holders": min(r["proved"] for r in took), "p50": statistics.median(r["took_ms"] for r in took),
            "max": max(r["took_ms"] for r in took)}


def idle(network, seconds):
    time.sleep(10)
    pids = [network.asker.pid]
    cpu, before = cpu_seconds(pids), counters(network.near, network.wan.dev)
    time.sleep(seconds)
    after = counters(network.near, network.wan.dev)
    return {"seconds": seconds, "bytes_hour": (after[0] - before[0]) / seconds * 3600, "packets_hour": (after[1] - before[1]) / seconds * 3600,
            "cpu_s_hour": (cpu_seconds(pids) - cpu) / seconds * 3600, "peers": len(network.asker.peers_up())}


def registry_growth():
    """What 10,000 entries cost a process, in MB, as its test program measures it."""
    for preset in ("release", "dev"):
        program = ROOT / "build" / preset / "tests" / "unit" / "state" / "unit_state_registry_size"
        if program.exists():
            out = subprocess.run([program], capture_output=True, text=True, check=False)
            found = re.search(r"nodes, (\d+) bytes of records: (\d+) kB", out.stdout + out.stderr)
            return {"preset": preset, "record_bytes": int(found[1]), "mb": int(found[2]) / 1024} if found else None
    return None


def goals(result):
    found = []
    for rtt, r in result["rtt"].items():
        found.append({"goal": f"lookups that failed at {rtt} ms", "limit": 0, "got": sum(r[k]["failed"] for k in KINDS),
                      "pass": all(r[k]["failed"] == 0 for k in KINDS)})
    growth = result.get("registry")
    if growth:
        found.append({"goal": "10,000 entries of the registry, MB", "limit": 4, "got": growth["mb"], "pass": growth["mb"] <= 4})
    return found


def table(result):
    lines = ["  RTT  link   kind        p50 ms  p90 ms  p99 ms  round trips  queries"]
    for rtt, r in result["rtt"].items():
        for kind in KINDS:
            s = r[kind]
            trips = f"{s['links_p50']:11.1f}" if s["links_p50"] is not None else " " * 11
            lines.append(f"{rtt:>5} {r['link_ms']:6.1f}  {kind:9} {s['p50']:8.1f} {s['p90']:7.1f} {s['p99']:7.1f}  {trips}  {s['queries']:7.1f}")
    lines.append("")
    for rtt, r in result["rtt"].items():
        p = r["publish"]
        lines.append(f"{rtt:>5} ms: a new record proved at {p['holders']} holders in {p['p50']:.0f} ms (at most {p['max']:.0f}); "
                     f"a warm lookup moves {r['lookup_bytes']:.0f} bytes in {r['lookup_packets']:.1f} packets")
    i = result["rtt"]["0"]["idle"] if "0" in result["rtt"] else None
    if i:
        lines.append(f"   idle agent with {i['peers']} sessions, an hour: {i['bytes_hour'] / 1e6:.2f} MB in {i['packets_hour']:.0f} packets, {i['cpu_s_hour']:.1f} CPU-s")
    if result["registry"]:
        lines.append(f"   10,000 entries of the registry: {result['registry']['mb']:.2f} MB ({result['registry']['preset']} build)")
    lines.append("")
    for g in result["goals"]:
        lines.append(f"{'PASS' if g['pass'] else 'MISS'}  {g['goal']}: {g['got']:.2f} (limit {g['limit']})")
    return "\n".join(lines)


def parse(argv):
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--quick", action="store_true", help="few lookups")
    p.add_argument("--rtt", default="0,20,100", help="round trips in ms")
    p.add_argument("--nodes", type=int, default=32)
    p.add_argument("--lookups", type=int, default=200)
    p.add_argument("--cold", type=int, default=30)
    p.add_argument("--publish", type=int, default=10)
    p.add_argument("--idle", type=int, default=60)
    p.add_argument("--out", default=str(ROOT / "build" / "bench" / "resolve.json"))
    p.add_argument("--check", action="store_true", help="fail when a goal is missed")
    options = p.parse_args(argv)
    if options.quick:
        options.lookups, options.cold, options.publish, options.idle = 40, 5, 3, 15
    return options


def run(options):
    result = {"machine": machine(), "options": vars(options), "rtt": {}}
    with Lab() as lab:
        for rtt in options.rtt.split(","):
            result["rtt"][rtt] = measure(lab, int(rtt), options)
    result["registry"] = registry_growth()
    result["goals"] = goals(result)
    return result


if __name__ == "__main__":
    sys.exit(main(parse, run, table))
