"""A relay of the path in use dies, goes deaf or slow, swallows, holds back or changes what it should pass on, or is told to stop, while bytes run:
all of them arrive, and what is measured is the pause.

The pauses are printed, and written to build/test/relay_failure.json; only one that no user would sit through fails a test.
VX6_NET_FULL=1: 200 MB, and each 20 times.
"""
import contextlib
import random
import threading
import time

import pytest

import paced
from lab import FULL, wait_for
from paced import BLOCK, EVERY, Stream
from relays import RelayNet

KILLS = 20 if FULL else 4
OTHERS = 20 if FULL else 1  # of everything that is not death
LONG = 1  # seconds; longer pauses are explained


@pytest.fixture(scope="module", params=["quic", "tcp"])
def net(lab, request):
    # a path of two relays has a round trip of 48 ms
    made = RelayNet(lab, count=8, delays=(4, 4), transport=request.param, rogues=True)
    try:
        made.start()
        yield made
    finally:
        made.stop()


def tell(name, pauses):
    paced.tell("relay_failure", name, pauses)


def in_use(net):
    """The circuit that carries the stream."""
    wait_for(net.carrying, 10, "a circuit with a stream")
    return net.carrying()[-1]


def has_spare(net):
    used = {c["id"] for c in net.carrying()}
    return any(c["id"] not in used for c in net.circuits(state="open") if c["target"])


def await_spare(net):
    with contextlib.suppress(TimeoutError):
        wait_for(lambda: has_spare(net), EVERY, "a spare")


def explain(net, victim, pause):
    """What bob decided meanwhile, for whoever wonders about a long pause."""
    print(f"{pause:.2f} s after {victim.name}:")
    for d in reversed(net.decisions()[:14]):
        print(f"  {d['time'][14:23]} {(d['circuit'] or '')[-6:]:6} {d['what']}: {d['reason']}")


def again_and_again(net, times, hurt, **stream):
    """hurt(victim) happens to a relay of the path in use, and what it returns before the next time. Returns the pauses."""
    pauses, heal, rng = [], None, random.Random(5)
    net.wait_known()
    with Stream(net, **{"via": "relay", "hops": 2, **stream}).running() as stream:
        for _ in range(times):
            await_spare(net)
            victim = rng.choice(net.path(in_use(net))[:-1])
            moment = time.monotonic()
            healed, heal = heal, hurt(victim)
            if healed:
                healed()
            pauses.append(stream.pause_at(moment))
            if pauses[-1] > LONG:
                explain(net, victim, pauses[-1])
    heal()
    return pauses


@pytest.mark.limit(240)
def test_a_relay_is_killed_again_and_again(net):
    def kill(victim):
        victim.proc.kill()
        return victim.spawn

    blocks = (200 << 20) // BLOCK if FULL else 0
    tell(f"{net.transport}: killed, a spare is warm", again_and_again(net, KILLS, kill, blocks=blocks))


@pytest.mark.limit(120)
def test_a_relay_goes_deaf(net):
    """Its line passes nothing, and nobody says so: the far ends notice by themselves."""
    def cut(victim):
        net.line(victim).command("down")
        return lambda: net.line(victim).command("up")

    tell(f"{net.transport}: deaf", again_and_again(net, OTHERS, cut))


def orders(net, name, times=OTHERS):
    def order(victim):
        victim.order(name)
        return lambda: victim.order("pass")

    return again_and_again(net, times, order)


@pytest.mark.limit(120)
def test_a_relay_swallows_what_it_should_pass_on(net):
    """And answers for itself as if nothing were."""
    tell(f"{net.transport}: swallows", orders(net, "swallow"))


@pytest.mark.limit(120)
def test_a_relay_holds_every_cell_for_a_second(net):
    tell(f"{net.transport}: holds for a second", orders(net, "hold"))


@pytest.mark.limit(180)
@pytest.mark.parametrize("what", ["flip", "twice", "shift"])
def test_a_relay_changes_a_cell(net, what):
    """The circuit ends where that is seen first, at one of its ends; nothing of it comes out as plain text, and the stream goes on elsewhere."""
    def errors(agents):
        return sum(a.api.get("/v1/node")["status"]["relay"]["protocol_errors"] for a in agents)

    pauses = []
    net.wait_known()
    with Stream(net, via="relay", hops=2).running() as stream:
        for n in range(OTHERS):
            for way in ("forward", "back"):
                await_spare(net)
                used = in_use(net)
                path = net.path(used)
                victim, behind = path[n % 2], path[n % 2 + 1:]
                before, moment = errors(behind), time.monotonic()
                victim.order(f"{what} {way}")
                wait_for(lambda: any(c["state"] == "closed" for c in net.circuits(id=used["id"])), 10, "the circuit to end")
                pauses.append(stream.pause_at(moment, until=1))
                victim.order("pass")
                assert f"rogue: {what} {way}" in victim.log()
                end = net.decisions(circuit=used["id"], what="close")[0]
                if way == "back":
                    assert "protocol" in end["reason"], end
                else:
                    assert errors(behind) > before
    tell(f"{net.transport}: {what}", pauses)


@pytest.mark.limit(120)
def test_a_relay_becomes_slow(net):
    """A second more there and back: streams go elsewhere, and lose nothing of what is still on that way."""
    def slow(victim):
        net.line(victim).set(delay=500)
        return net.line(victim).reset

    tell(f"{net.transport}: a second slower", again_and_again(net, OTHERS, slow))


@pytest.mark.limit(120)
def test_a_relay_that_stops_is_left_before_it_is_gone(net):
    def stop(victim):
        stopping = threading.Thread(target=victim.stop)
        stopping.start()

        def heal():
            stopping.join()
            victim.start()
        return heal

    tell(f"{net.transport}: told to stop", again_and_again(net, OTHERS, stop))


@pytest.mark.limit(120)
def test_a_stream_that_loses_its_direct_way_goes_on_over_relays(net):
    routes = [(net.alice.host, net.bob.host), (net.bob.host, net.alice.host)]
    pauses = []
    net.wait_known()
    for _ in range(OTHERS):
        with Stream(net).running() as stream:
            wait_for(lambda: not net.carrying() and len(stream.arrivals) > 100, 20, "bytes without a circuit")
            moment = time.monotonic()
            for host, other in routes:
                host.ip("-6", "route", "add", "blackhole", f"{other.ip6}/128")
                host.ip("route", "add", "blackhole", f"{other.ip4}/32")
            pauses.append(stream.pause_at(moment))
            wait_for(net.carrying, 10, "a circuit that carries it")
            for host, other in routes:
                host.ip("-6", "route", "del", "blackhole", f"{other.ip6}/128")
                host.ip("route", "del", "blackhole", f"{other.ip4}/32")
    tell(f"{net.transport}: the direct way is lost", pauses)
