"""Lookups over circuits: what is not known here is found, and nobody but the first relays hears from who asks."""
import concurrent.futures
import contextlib
import os
import signal
import socket
import threading
import time

import pytest

from lab import wait_for
from overlay import Agent
from relays import RelayNet


@pytest.fixture(scope="module")
def net(lab):
    made = RelayNet(lab, count=8, delays=(2, 2), bob=["--dht", "client"])  # nobody has a reason to dial it
    try:
        made.start()
        yield made
    finally:
        made.stop()


def look(who, name, **how):
    status, _, op = who.api.request("POST", "/v1/dht/lookups", {"name": name, **how}, timeout=40, headers={"Prefer": "wait=30"})
    assert status < 400, op
    return op


CARRIERS = {socket.IPPROTO_TCP, socket.IPPROTO_UDP}


class Tap:
    """Who a host exchanges packets with: whom it wrote to first, and who wrote to it first. Others dial a host too, at times of their own."""

    def __init__(self, host):
        self.spoke, self.heard, self.stop = set(), set(), threading.Event()
        with host.enter():
            self.tap = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
        self.tap.settimeout(0.2)
        self.thread = threading.Thread(target=self.listen)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()
        self.tap.close()

    def listen(self):
        while not self.stop.is_set():
            with contextlib.suppress(TimeoutError):
                packet, where = self.tap.recvfrom(2048)
                away = where[2] == socket.PACKET_OUTGOING
                if where[1] == 0x86DD and len(packet) >= 40 and packet[6] in CARRIERS:
                    there = socket.inet_ntop(socket.AF_INET6, packet[24:40] if away else packet[8:24])
                elif where[1] == 0x0800 and len(packet) >= 20 and packet[9] in CARRIERS:
                    there = socket.inet_ntop(socket.AF_INET, packet[16:20] if away else packet[12:16])
                else:
                    continue
                if there not in self.spoke | self.heard:
                    (self.spoke if away else self.heard).add(there)

    def known(self):
        return self.spoke | self.heard

    def settle(self, quiet=3, timeout=45):
        """Until the host has met nobody new for so long."""
        last, since = None, 0
        until = time.monotonic() + timeout
        while time.monotonic() < until:
            now = self.known()
            if now != last:
                last, since = now, time.monotonic()
            if time.monotonic() - since >= quiet:
                return
            time.sleep(0.1)
        raise TimeoutError(f"new ones come all the time: {last}")


def addresses(host):
    return {host.ip6, host.ip4}


def publish_carol(net, name):
    """A node that bob has never heard of: it knows one relay, and its records are in the DHT alone."""
    host = net.star.host(name, delay=2)
    carol = Agent(host, name, flags=["--lan", "off", "--relay", "off", "--peer", net.relays[4].address]).start()
    carol.add_service("web", "127.0.0.1:80")

    def kept():
        rows = carol.api.items("/v1/dht/replicas")
        return {r["type"] for r in rows} >= {"name", "endpoint"} and all(4 <= r["proved"] == r["wanted"] for r in rows)

    wait_for(kept, 30, lambda: f"{name}'s records to be in the DHT: {carol.api.items('/v1/dht/replicas')}")
    return carol


@pytest.mark.limit(120)
def test_a_name_is_found_and_only_first_relays_are_asked(lab, net):
    carol = publish_carol(net, "carol")
    try:
        with Tap(net.bob.host) as tap:
            tap.settle()
            before, known = {c["id"] for c in net.circuits()}, tap.known()
            op = look(net.bob, "carol", anonymous=True, fresh=True, trace=True)
            new = tap.spoke - known
        assert op["result"]["found"] and op["result"]["node_id"] == carol.node_id(), op
        made = [c for c in net.circuits() if c["id"] not in before]
        assert [c for c in made if c["anonymous"]], "no circuit was built for it"
        # those it spoke with anyway, and the first relays, also of what came to nothing: nobody was dialled to be asked
        first = set().union(*(addresses(net.path(c)[0].host) for c in made))
        assert new <= first, (new - first, known, tap.heard)
        asked = {s["node_id"] for s in op["result"]["steps"]}
        assert asked
        # each path has a proxy to itself
        paths = {s["path"] for s in op["result"]["steps"]}
        ends = {c["hops"][-1]["node_id"] for c in made if c["anonymous"] and c["target"]}
        assert len(ends) >= len(paths) > 1, (paths, ends)
        print(f"asked {len(asked)} nodes on {len(paths)} paths over {len(made)} circuits; new are {len(new)} addresses")
    finally:
        carol.stop()


@pytest.mark.limit(120)
def test_a_proxy_that_goes_under_way_costs_its_path(lab, net):
    dora = publish_carol(net, "dora")
    stopped = None
    try:
        op = look(net.bob, "dora", anonymous=True, fresh=True, trace=True)
        assert op["result"]["found"], op
        mine = [net.path(c) for c in net.circuits(anonymous=True, state="open") if c["target"]]
        ends = {p[-1].name for p in mine}
        between = {a.name for p in mine for a in p[:-1]}
        gone = sorted(ends - between) or sorted(ends - {p[0].name for p in mine})
        stopped = next(r for r in net.relays if r.name == gone[0])
        with concurrent.futures.ThreadPoolExecutor() as pool:
            running = pool.submit(look, net.bob, "dora", anonymous=True, fresh=True, trace=True)
            os.kill(stopped.pid, signal.SIGSTOP)
            op = running.result()
        assert op["result"]["found"] and op["result"]["node_id"] == dora.node_id(), op

        def others():
            assert look(net.bob, "dora", anonymous=True, fresh=True)["result"]["found"]
            now = {net.path(c)[-1].name for c in net.circuits(anonymous=True, state="open") if c["target"]}
            return now - ends

        wait_for(others, 40, f"another proxy in the place of {stopped.name}, of {ends}")
    finally:
        if stopped:
            os.kill(stopped.pid, signal.SIGCONT)
        dora.stop()


def test_without_relays_nothing_is_asked(lab):
    host = lab.host("lonely")
    lone = Agent(host, "lonely", flags=["--lan", "off"]).start()
    try:
        op = look(lone, "nobody", anonymous=True)
        assert not (op["result"] or {}).get("found")
    finally:
        lone.stop()
