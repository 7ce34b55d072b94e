"""Introductions that are worth nothing, ten thousand a second at one owner, from introduction points that are the flooder's: real cells over real circuits.
Honest guests come meanwhile, each over a rendezvous of its own; the owner's memory and time are measured.

First at an owner as it is by default, who leaves such introduction points; then at one who allows them that many. Five seconds of each, of bad proofs;
with VX6_NET_FULL=1 a minute of each kind. All nodes on one host: an emulated line costs more than a cell.
"""
import json
import os
import pathlib
import threading
import time

import pytest

import hidden
from hiddenrogues import RogueNet, Shelf
from lab import FULL, ROOT, wait_for
from rogue import vx
import ref_aead  # isort: skip
import ref_hs  # isort: skip

RATE, SECONDS, POINTS = 10000, 60 if FULL else 5, 2
WORST_S = 2 if FULL else 8
MB = 1 << 20
EFFORT = 10000
RESULTS = {}


@pytest.fixture(scope="module")
def net(lab):
    made = RogueNet(lab, delays=(0, 0))
    try:
        made.start("--open", guests=[], timeout=90)
        key = made.service("echo")["key"]
        for guest in (made.bob, made.carol):
            hidden.accept(guest, "echo", key)
        made.bobs, made.carols = made.door(made.bob), made.door(made.carol)
        yield made
    finally:
        made.stop()


def opened(layer, secret, head, name):
    """What a layer of a descriptor says. What is sealed once more is open."""
    _, key = vx.hkdf(layer[:16], secret, name, 32)
    return ref_aead.xchacha20poly1305_seal(key, layer[16:40], head, layer[40:-16])[:-16]


def seed_of(net):
    """What proofs of work are to be made for, as whoever knows the key of an open service reads it."""
    shelf = Shelf(net)
    try:
        _, record = shelf.newest(shelf.places[0])
    finally:
        shelf.close()
    blinded, sub, _ = ref_hs.names(shelf.key, shelf.period)
    secret = blinded + sub + record[40:48]
    outer = opened(record[67:-64], secret, record[:64], b"VX6 hsdesc L1")
    inner = opened(outer[33 + 56 * outer[32]:], secret + bytes(32), record[:64], b"VX6 hsdesc L2")
    assert inner[0] == 1 and inner[1] & 4, inner[:2]
    return inner[2:34]


def keep(name, seen):
    print(f"{name}: {json.dumps(seen)}")
    RESULTS[name] = seen
    out = pathlib.Path(ROOT) / "build" / "test"
    out.mkdir(parents=True, exist_ok=True)
    (out / "hidden_flood.json").write_text(json.dumps(RESULTS, indent=1) + "\n")


KINDS = {  # what they are refused for, and the proof that they carry: version, nonce, effort, of which seed, a solution that is none
    "seal": lambda net: bytes(41),
    "bad_proof": lambda net: vx.u8(1) + bytes(16) + vx.u32(EFFORT) + seed_of(net)[:4] + b"".join(vx.u16(i) for i in range(8)),
    "stale_proof": lambda net: vx.u8(1) + bytes(16) + vx.u32(EFFORT) + os.urandom(4) + b"".join(vx.u16(i) for i in range(8)),
}


class Comers:
    """carol, who comes anew all the time, over a rendezvous of its own each time; and bob, over the one that he has."""

    def __init__(self, net):
        self.took, self.failed, self.over = {"anew": [], "live": []}, [], threading.Event()
        self.threads = [threading.Thread(target=self._run, args=a, daemon=True) for a in
                        (("anew", net.carol, net.carols, net.comes_anew), ("live", net.bob, net.bobs, net.answers))]
        for t in self.threads:
            t.start()

    def _run(self, how, guest, port, come):
        while not self.over.wait(0.25):
            begun = time.monotonic()
            if come(guest, port):
                self.took[how].append(round(time.monotonic() - begun, 3))
            else:
                forward = next(f for f in guest.api.items("/v1/forwards") if f["listen"].endswith(f":{port}"))
                self.failed.append((how, round(time.monotonic() - begun, 3), forward["status"]["last_error"]))

    def close(self):
        self.over.set()
        for t in self.threads:
            t.join(30)

    def worst(self, how):
        """The time that 99 % stay under."""
        took = sorted(self.took[how])
        return took[min(len(took) - 1, int(len(took) * 0.99))]


def begin(net, points, proof):
    """So many a second from them together. @return how to find out whether it is over"""
    before = sum(r.log().count("rogue: flooded") for r in points)
    for r in points:
        net.tell(r, f"flood {RATE // len(points)} {SECONDS * 1000} {proof.hex()}")
    return lambda: sum(r.log().count("rogue: flooded") for r in points) == before + len(points)


def told(points):
    """How many introductions the points say that they have said."""
    return sum(int(r.log().rsplit("rogue: flooded with ", 1)[1].split()[0]) for r in points)


def flooded(net, proof):
    """What came of so many introductions a second with that proof, from some introduction points together."""
    points = net.introduction_points("echo", "active")[:POINTS]
    assert net.comes_anew(net.bob, net.bobs) and net.comes_anew(net.carol, net.carols)
    before, cpu, rss = net.service("echo"), net.alice.proc.cpu_seconds(), [net.alice.proc.rss()]
    comers, over = Comers(net), begin(net, points, proof)
    while not over():
        time.sleep(0.25)
        rss.append(net.alice.proc.rss())
    cpu = net.alice.proc.cpu_seconds() - cpu
    comers.close()
    after = net.service("echo")
    refused = {k: n - before["refused"][k] for k, n in after["refused"].items() if n > before["refused"][k]}
    n = sum(refused.values())
    return comers, {"said": told(points), "refused": refused, "a_second": n / SECONDS, "owner_cpu_s": round(cpu, 2), "owner_us_each": round(cpu / n * 1e6, 1),
                    "rss_mb": [round(x / MB, 1) for x in (rss[0], max(rss), rss[-1])], "effort": after["effort"]["suggested"],
                    **{f"{how}_{k}": v for how in comers.took for k, v in (("n", len(comers.took[how])), ("p99_s", comers.worst(how)))},
                    "failed": comers.failed}


@pytest.mark.limit(120)
def test_introduction_points_that_let_too_many_through_are_left(net):
    points = net.introduction_points("echo", "active")[:POINTS]
    liars = {i for i, r in net.by_id.items() if r in points}
    assert net.comes_anew(net.bob, net.bobs) and net.comes_anew(net.carol, net.carols)
    comers, cpu, begun = Comers(net), net.alice.proc.cpu_seconds(), time.monotonic()
    over = begin(net, points, bytes(41))
    wait_for(lambda: not liars & {p["node_id"] for p in net.service("echo")["introduction_points"]}, 10,
             lambda: f"{liars} to be left: {net.service('echo')['introduction_points']}")
    took = time.monotonic() - begun
    while not over():
        time.sleep(0.25)
    for r in points:
        net.tell(r, "pass")  # an order that says the same as the one before is none
    cpu = net.alice.proc.cpu_seconds() - cpu
    comers.close()
    after = net.service("echo")
    keep("left", {"after_s": round(took, 2), "said": told(points), "owner_cpu_s": round(cpu, 2),
                  **{f"{how}_{k}": v for how in comers.took for k, v in (("n", len(comers.took[how])), ("p99_s", comers.worst(how)))},
                  "failed": comers.failed})
    assert not comers.failed
    assert max(comers.worst("anew"), comers.worst("live")) <= WORST_S
    assert after["effort"]["suggested"] == 0, "nobody has to work for it"
    hidden.vx6(net.alice, "service", "update", "echo", "--rate", "10000", "--burst", "10000")  # for the other tests
    known = {p["since"] for p in after["introduction_points"]}
    wait_for(lambda: sum(p["state"] == "active" and p["since"] not in known for p in net.service("echo")["introduction_points"]) >= POINTS, 30,
             "introduction points that know of it")


@pytest.mark.limit(120)
@pytest.mark.parametrize("kind", KINDS if FULL else ["bad_proof"])
def test_a_flood_of(net, kind):
    comers, seen = flooded(net, KINDS[kind](net))
    keep(kind, seen)
    assert seen["refused"].get(kind, 0) > RATE * SECONDS / 10, "it did not get there"
    assert not comers.failed
    assert max(comers.worst("anew"), comers.worst("live")) <= WORST_S
    assert max(seen["rss_mb"]) - seen["rss_mb"][0] < 4
    assert seen["owner_us_each"] < 100, "all that one costs the owner, its network and the guests that come meanwhile included"
    wait_for(lambda: net.comes_anew(net.carol, net.carols), 10, "the flood to be over")
