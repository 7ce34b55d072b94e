"""Bad input on the wire: refused, memory flat, agent alive, honest peers unharmed."""
import threading
import time

import pytest

import hostile
import overlay
import programs
from lab import FULL, wait_for
from overlay import PORT, settle

KB = 1024


@pytest.fixture
def recorded(agents, load_server, pair, transport):
    """bob reached alice through a recorder; what he said is in `.relay`."""
    with programs.TcpServer(pair.alice, 7500, lambda c: [c.sendall(b"p" * len(d)) for d in iter(lambda: c.recv(4096), b"")]) as target:
        relay = hostile.Recorder(pair.bob, 5555, (pair.alice.ip6, PORT))
        alice = agents.make(pair.alice, "alice").start()
        alice.add_service("load", "127.0.0.1:7500")
        bob = agents.make(pair.bob, "bob", transport, peers=["[::1]:5555"]).start()
        bob.wait_peers()
        bob.add_forward("127.0.0.1:9000", to="alice.load")
        agents.alice, agents.bob, agents.relay, agents.target = alice, bob, relay, target
        wait_for(agents.ping, 5, "the forward")
        yield agents
        relay.close()


def test_replayed_sessions_do_nothing(recorded, pair):
    """Every byte bob ever sent is sent again: nothing of it reaches the service."""
    relay, to = recorded.relay, (pair.alice.ip6, PORT)
    for _ in range(5):
        assert recorded.ping()
    recorded.bob.stop()
    time.sleep(0.5)
    accepted = recorded.target.accepted
    assert relay.tcp and any(relay.tcp) or relay.udp
    left = hostile.say_tcp(pair.bob, to, [bytes(t) for t in relay.tcp] * 5, hold=8)
    assert left == 0
    for _ in range(5):
        hostile.say_udp(pair.bob, to, relay.udp)
    time.sleep(1)
    assert recorded.target.accepted == accepted
    assert recorded.alice.alive()
    assert recorded.alice.peers_up() == []


@pytest.mark.limit(120)
def test_bent_input_is_refused_and_memory_stays_flat(recorded, pair):
    rng = hostile.rng_of(None)
    alice, to = recorded.alice, (pair.alice.ip6, PORT)
    hellos = [bytes(t[:1500]) for t in recorded.relay.tcp if t]
    sizes, fds = [], []
    for turn in range(30 if FULL else 3):
        items = hostile.bent_tcp(hellos, rng, 250)
        slow = threading.Thread(target=hostile.say_tcp, args=(pair.bob, to, items[:9], 8, True))
        slow.start()  # the same, byte by byte
        left = hostile.say_tcp(pair.bob, to, items, hold=9)
        assert left == 0, f"{left} bad connections are still open"
        slow.join()
        hostile.say_udp(pair.bob, to, hostile.bent_udp(recorded.relay.udp, rng, 3000))
        assert alice.alive()
        fds.append(settle(alice.proc.fds, 0, 10))
        sizes.append(alice.proc.rss())
        assert recorded.ping(timeout=10)
    print(f"rss KB {[s // KB for s in sizes]}, descriptors {fds}")
    assert sizes[-1] - sizes[0] < 1024 * KB, [s // KB for s in sizes]
    assert max(fds) - min(fds) <= 2, fds
    assert len(alice.log()) < 200 * KB, "peers can make the log grow"


def test_damage_on_the_way_never_reaches_the_application(agents, load_server, pair, transport):
    """Bits flip under valid checksums. QUIC drops the packet and goes on; TLS ends the link, and a new one is made."""
    agents.duo(transport)
    data = programs.pattern(4 << 20)
    with programs.TcpServer(pair.alice, 7600, lambda c: c.sendall(data)):
        agents.alice.add_service("data", "127.0.0.1:7600")
        agents.bob.add_forward("127.0.0.1:9600", to="alice.data")
        pair.wan.set(corrupt=0.5)
        whole = 0
        for _ in range(4):
            got = bytearray()
            try:
                with agents.bob.connect(9600, timeout=15) as conn:
                    while piece := conn.recv(1 << 16):
                        got += piece
            except OSError:
                pass
            assert data.startswith(got), "damaged bytes reached the application"
            whole += len(got) == len(data)
        pair.wan.set(corrupt=0)
        assert pair.wan.stats()["ab"]["corrupted"] > 0
        if transport == "quic":
            assert whole == 4
    wait_for(lambda: agents.ping(timeout=2), 10, "the forward on a healthy path")
    assert agents.alice.alive() and agents.bob.alive()


def test_a_flood_of_handshakes_leaves_room(agents, load_server, pair, transport):
    """Half-open handshakes by the thousand while an honest session works and a new one is made."""
    agents.duo(transport)
    stop, hello, to = threading.Event(), hostile.client_hello(), (pair.alice.ip6, PORT)

    def flood():
        while not stop.is_set():
            hostile.say_udp(pair.bob, to, [b"\xc3\0\0\0\1\x08" + hostile.os.urandom(1194) for _ in range(200)])
            hostile.say_tcp(pair.bob, to, [hello[:100]] * 50, hold=0)

    thread = threading.Thread(target=flood)
    thread.start()
    try:
        time.sleep(2)
        assert agents.p99_ms(100) < 100
    finally:
        stop.set()
        thread.join()
    eve = agents.make(pair.bob, "eve", transport, peers=[agents.alice.address], listen="[::]:4249").start()
    eve.wait_peers(timeout=15)
    assert agents.alice.alive()


def test_wrong_protocol_version_is_refused(agents, pair):
    """An ALPN of somebody else is refused at once; none at all ends with the handshake, at the latest by its timeout."""
    alice = agents.make(pair.alice, "alice").start()
    started = time.monotonic()
    items = [hostile.client_hello(("vx6/999",)), hostile.client_hello(("h2",)), hostile.client_hello(tls12=True)]
    assert hostile.say_tcp(pair.bob, (pair.alice.ip6, PORT), items, hold=4) == 0
    assert time.monotonic() - started < 3
    assert hostile.say_tcp(pair.bob, (pair.alice.ip6, PORT), [hostile.client_hello(())], hold=8) == 0
    assert alice.alive() and overlay.PORT
