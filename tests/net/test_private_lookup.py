"""Lookups over circuits: what is not known here is found, and nobody but the first relays hears from who asks."""
import contextlib
import socket
import threading

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


def talked_to(host, run):
    """The addresses that a host's packets went to meanwhile."""
    seen, stop = set(), threading.Event()
    with host.enter():
        tap = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
    tap.settimeout(0.2)

    def listen():
        while not stop.is_set():
            with contextlib.suppress(TimeoutError):
                packet, where = tap.recvfrom(2048)
                if where[2] == socket.PACKET_OUTGOING and where[1] == 0x86DD and len(packet) >= 40 and packet[0] >> 4 == 6:
                    seen.add(socket.inet_ntop(socket.AF_INET6, packet[24:40]))

    thread = threading.Thread(target=listen)
    thread.start()
    try:
        result = run()
    finally:
        stop.set()
        thread.join()
        tap.close()
    return result, seen


@pytest.mark.limit(120)
def test_a_name_is_found_and_only_first_relays_are_asked(lab, net):
    # a node that bob has never heard of: it knows one relay, and its records are in the DHT alone
    host = net.star.host("carol", delay=2)
    carol = Agent(host, "carol", flags=["--lan", "off", "--relay", "off", "--peer", net.relays[4].address]).start()
    try:
        carol.add_service("web", "127.0.0.1:80")
        wait_for(lambda: any(r["type"] == "name" and r["proved"] for r in carol.api.items("/v1/dht/replicas")), 30,
                 lambda: f"carol's name to be in the DHT: {carol.api.items('/v1/dht/replicas')}")
        before = {c["id"] for c in net.circuits()}
        known = {net.by_id[p["status"]["node_id"]].host.ip6 for p in net.bob.peers_up() if p["status"].get("node_id") in net.by_id}
        op, where = talked_to(net.bob.host, lambda: look(net.bob, "carol", anonymous=True, fresh=True, trace=True))
        assert op["result"]["found"] and op["result"]["node_id"] == carol.node_id(), op
        made = [c for c in net.circuits(anonymous=True) if c["id"] not in before]
        assert made, "no circuit was built for it"
        # those it had a session with anyway, and the first relays: nobody was dialled to be asked
        first = {net.path(c)[0].host.ip6 for c in made}
        assert where and where <= known | first, where - known - first
        assert host.ip6 not in where
        asked = {s["node_id"] for s in op["result"]["steps"]}
        assert asked and op["result"]["steps"]
        print(f"asked {len(asked)} nodes over {len(made)} circuits; packets went to {len(where)} addresses")
    finally:
        carol.stop()


def test_without_relays_nothing_is_asked(lab):
    host = lab.host("lonely")
    lone = Agent(host, "lonely", flags=["--lan", "off"]).start()
    try:
        op = look(lone, "nobody", anonymous=True)
        assert not (op["result"] or {}).get("found")
    finally:
        lone.stop()
