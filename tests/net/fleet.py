"""Many agents on one network, and the questions that are asked of all of them."""
import concurrent.futures
import json
import os
import re
import pathlib
import random
import time

from lab import cpu_seconds, wait_for
from overlay import PORT, Agent, ApiError

WORKERS = 8


class Fleet:
    """`count` agents with a service `web` each, no beacons. Agents from `entries` on enter through one of the first.

    `per_host` of them share a host, each with an address of its own: the kernel has one table of neighbours for all hosts, and
    a hundred of them would overflow it.
    """

    made = 0

    def __init__(self, lab, count, entries=3, seed=1, flags=(), per_host=1):
        self.lab, self.flags, self.random = lab, ["--lan", "off", *flags], random.Random(seed)
        Fleet.made += 1
        self.hosts = [lab.host(f"f{Fleet.made}-{i}") for i in range(-(-count // per_host))]
        self.entries = range(entries)
        lab.lan(*self.hosts)
        self.agents = []
        for i in range(count):
            host = self.hosts[i // per_host]
            address = host.ip6
            if per_host > 1:
                address = f"{host.ip6.rsplit('::', 1)[0]}::{0x100 + i:x}"
                host.ip("addr", "add", f"{address}/64", "dev", host.lan_dev, "nodad")
            peers = [self.agents[0].where] if 0 < i < entries else [self.agents[i % entries].where] if i else []
            agent = Agent(host, f"node{i}", peers=peers, listen=f"[{address}]:{PORT}", flags=self.flags)
            agent.where = f"[{address}]:{PORT}"
            self.agents.append(agent)
        self.ids = {}

    def start(self, timeout=60):
        for agent in self.agents:
            agent.spawn()
        wait_for(lambda: all(a.is_ready() for a in self.agents), timeout, f"{len(self.agents)} agents to be ready")
        for agent in self.agents:
            agent.add_service("web", "127.0.0.1:80")
            self.ids[agent.name] = agent.node_id()
        return self

    def close(self):
        for agent in self.agents:
            if agent.proc:
                agent.proc.kill()

    def each(self, what, items):
        """what(item) for every item, a few at a time."""
        with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
            return list(pool.map(what, items))

    def pairs(self, agents, count):
        """Random pairs (who asks, who is asked for), no two the same."""
        found = set()
        while len(found) < min(count, len(agents) * (len(agents) - 1)):
            a, b = self.random.sample(range(len(agents)), 2)
            found.add((a, b))
        return [(agents[a], agents[b]) for a, b in sorted(found)]

    def resolve(self, who, name, **how):
        """The lookup's operation, once it has ended."""
        status, _, op = who.api.request("POST", "/v1/dht/lookups", {"service": name, **how}, timeout=30,
                                        headers={"Prefer": "wait=20"})
        if status >= 400:
            raise ApiError(status, op)
        return op

    def misses(self, pairs, **how):
        """The pairs of which one does not find the service of the other."""
        def is_found(pair):
            who, whom = pair
            result = self.resolve(who, f"{whom.name}.web", **how)["result"] or {}
            return result.get("found") and result.get("node_id") == self.ids[whom.name]

        return [p for p, found in zip(pairs, self.each(is_found, pairs)) if not found]

    def wait_all_found(self, pairs, timeout, **how):
        """Waits until every pair is found; returns how long that took."""
        begun, left = time.monotonic(), list(pairs)
        while left:
            left = self.misses(left, **how)
            if not left:
                break
            if time.monotonic() - begun > timeout:
                why = json.dumps(self.resolve(left[0][0], f"{left[0][1].name}.web", fresh=True, **how), indent=1)
                raise AssertionError(f"{len(left)} of {len(pairs)} are not found after {timeout} s: "
                                     + ", ".join(f"{a.name} -> {b.name}" for a, b in left[:10])
                                     + f"\nthe first of them, asked anew, and what the one asked for publishes:\n{why}\n"
                                     + json.dumps(left[0][1].api.get("/v1/dht/replicas"), indent=1))
            time.sleep(0.5)
        return time.monotonic() - begun

    def sessions_of(self, agent):
        return {p["status"]["node_id"] for p in agent.peers_up() if p["status"].get("node_id")}


def traffic(hosts):
    """Bytes and packets that the hosts' interfaces have sent, loopback left out."""
    total = [0, 0]
    for host in hosts:
        for line in host.run(["cat", "/proc/net/dev"]).stdout.splitlines()[2:]:
            name, counters = line.split(":")
            if name.strip() != "lo":
                fields = counters.split()
                total[0] += int(fields[8])
                total[1] += int(fields[9])
    return total


def tcp_and_udp_opened(hosts):
    """Connections that TCP of the hosts has opened, and UDP datagrams they sent: what was done anew shows here."""
    opened = 0
    for host in hosts:
        lines = host.run(["cat", "/proc/net/snmp"]).stdout.splitlines()
        names = next(ln for ln in lines if ln.startswith("Tcp:")).split()
        values = [ln for ln in lines if ln.startswith("Tcp:")][1].split()
        opened += int(values[names.index("ActiveOpens")])
    return opened


def wakeups(pids):
    """How often any thread of theirs has gone to sleep, which it did after it had woken."""
    tasks = [t for pid in pids for t in pathlib.Path(f"/proc/{pid}/task").glob("*/status")]
    return sum(int(re.search(r"^voluntary_ctxt_switches:\s*(\d+)", t.read_text(), re.M)[1]) for t in tasks)


def idle_cost(fleet, seconds):
    """What the whole fleet costs while nobody asks for anything: CPU seconds, wake-ups, bytes, packets, sessions opened."""
    agents = [a for a in fleet.agents if a.proc and a.proc.running()]
    hosts, pids = [a.host for a in agents], [a.pid for a in agents]

    def opened():
        return tcp_and_udp_opened(hosts), sum(len([e for e in a.events("peer.up")]) for a in agents)

    cpu, woken, (sent, packets), before = cpu_seconds(pids), wakeups(pids), traffic(hosts), opened()
    time.sleep(seconds)
    after_cpu, after_woken, (after_sent, after_packets) = cpu_seconds(pids), wakeups(pids), traffic(hosts)
    after = opened()
    return {"cpu_s": after_cpu - cpu, "wakeups": after_woken - woken, "bytes": after_sent - sent, "packets": after_packets - packets,
            "tcp_opened": after[0] - before[0], "sessions_opened": after[1] - before[1], "seconds": seconds,
            "agents": len(agents)}


def scale():
    """How many agents: $VX6_FLEET, else a hundred."""
    return int(os.environ.get("VX6_FLEET", "100"))
