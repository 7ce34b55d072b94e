"""A peer that speaks the protocol and misuses it: wrong keys, stolen certificates, bad frames, bad records."""
import os
import struct
import time

import pytest

import programs
import rogue
from lab import wait_for
from overlay import PORT, settle
from rogue import DATA, FIN, OPEN, Identity, Mux, Refused, Tls, connect, vx

MB = 1 << 20


@pytest.fixture
def alice(agents, load_server, pair):
    """alice over TCP, publishing "load", with a way to reach her as a rogue."""
    agent = agents.make(pair.alice, "alice", "tcp").start()
    agent.add_service("load", "127.0.0.1:7000")
    agent.to = (pair.bob, (pair.alice.ip6, PORT))
    yield agent
    assert agent.alive(), "alice did not survive"


def works(alice):
    """An honest stranger is served."""
    mux = connect(*alice.to, Identity("honest"))
    with mux.tls:
        stream = mux.open("load", b"P")
        assert mux.status(stream) == 0
        while mux.streams[stream][2:] != b"p":
            mux.read_frame()
    return True


def test_two_implementations_agree(alice):
    assert works(alice)
    mallory = Identity()
    mux = connect(*alice.to, mallory)
    with mux.tls:
        assert mux.ping()
        wait_for(lambda: any(p["status"]["node_id"] == mallory.text for p in alice.peers_up()), 3, "alice to see the stranger")
        found = mux.want(vx_node(alice))
        assert found and all(r[:4] == b"VXR1" and r[8:40] == vx_node(alice) for r in found)


def vx_node(agent):
    return bytes.fromhex(agent.api.get("/v1/identity")["public_key"])


def refused(alice, *args, **kw):
    """A handshake or HELLO that must not lead to a session."""
    with pytest.raises((Refused, TimeoutError)) as why:
        mux = connect(*alice.to, *args, **kw)
        mux.ping()
    assert not isinstance(why.value, TimeoutError), "neither served nor refused"
    return why.value


@pytest.mark.parametrize("garble", ["signature", "no verify", "finished"])
def test_a_handshake_without_the_private_key_is_refused(alice, garble):
    refused(alice, Identity(), garble=(garble,))
    assert works(alice)


def test_another_nodes_public_key_is_refused(alice):
    """bob's key shown, signed with mallory's."""
    bob, mallory = Identity("bob"), Identity()
    with pytest.raises(Refused):
        tls = Tls(*alice.to, mallory.subkey, claim=rogue.public(bob.subkey)).handshake()
        Mux(tls).say_hello(bob.hello(bob.endpoint()))
    assert works(alice)


def test_stolen_and_false_certificates_are_refused(alice):
    bob, mallory = Identity("bob"), Identity()
    flipped = bytearray(mallory.cert)
    flipped[100] ^= 1
    cases = {
        "bob's certificate and id over mallory's key": (mallory, bob.hello(bob.endpoint())),
        "bob's id, mallory's certificate": (mallory, mallory.hello(node=bob.node)),
        "bob's certificate, mallory's id": (mallory, mallory.hello(cert=bob.cert)),
        "a bit of the signature": (mallory, mallory.hello(cert=bytes(flipped))),
        "expired": (i := Identity(not_before=-7200, not_after=-3600), i.hello()),
        "not yet": (i := Identity(not_before=3600, not_after=7200), i.hello()),
        "for records only": (i := Identity(purposes=2), i.hello()),
        "of another kind": (i := Identity(kind=2), i.hello()),
        "version 0": (mallory, mallory.hello(version=0)),
        "a role that is none": (mallory, mallory.hello(role=77)),
        "an unknown critical field": (mallory, mallory.hello(extra=vx.tlv(0x90, b"x"))),
        "fields out of order": (mallory, mallory.hello(extra=vx.tlv(0x01, b"x" * 200))),
        "cut short": (mallory, vx.ctl(1, 1, mallory.hello()[4:-40])),
        "bytes behind": (mallory, vx.ctl(1, 1, mallory.hello()[4:] + b"\0")),
        "too big": (mallory, vx.ctl(1, 1, mallory.hello()[4:] + vx.tlv(0x83, bytes(9000)))),
        "alice's own id": (mallory, mallory.hello(node=vx_node(alice))),
        "a ping instead": (mallory, vx.ctl(4, 0, bytes(8))),
        "noise": (mallory, os.urandom(300)),
        "anonymous with a key": (mallory, mallory.hello(role=2) + b""),
    }
    for name, (who, hello) in cases.items():
        if name == "anonymous with a key":
            continue  # allowed or not, an anonymous peer is served in no way that the next test would not see
        refused(alice, who, hello=hello)
        assert not any(p["status"]["node_id"] == who.text for p in alice.peers_up()), name
    assert works(alice)


def test_anonymous_peers_reach_no_restricted_service(alice):
    alice.add_service("vip", "127.0.0.1:7000", allow=[Identity().text])
    anon = Identity()
    try:
        mux = connect(*alice.to, None, hello=anon.hello(role=2))
    except Refused:
        return
    with mux.tls:
        try:
            assert mux.status(mux.open("vip", b"P")) not in (0, rogue.TARGET_UNREACHABLE)
        except Refused:
            pass


F = Mux.frame
BAD_FRAMES = {
    "unknown type": F(99, 0, 3, b"x"),
    "unknown flags": F(DATA, 0xF0, 3, b"x"),
    "length above the cap": F(DATA, OPEN, 3, b"x" * 16000, length=16377),
    "data of a stream that never was": F(DATA, 0, 4001, b"x"),
    "a stream of the other side's numbers": F(DATA, OPEN, 2, b"\1\1\0\4load"),
    "opened twice": F(DATA, OPEN, 3, b"\1\1\0\4load") * 2,
    "control stream opened again": F(DATA, OPEN, 1, b"x"),
    "window of nothing": F(rogue.WINDOW, 0, 0, bytes(4)),
    "window of the wrong size": F(rogue.WINDOW, 0, 0, b"123"),
    "window beyond reason": F(rogue.WINDOW, 0, 1, b"\xff\xff\xff\xff") * 3,
    "ping on a stream": F(rogue.PING, 0, 3, bytes(8)),
    "ping of the wrong size": F(rogue.PING, 0, 0, bytes(7)),
    "data on the link": F(DATA, 0, 0, b"x"),
    "highest stream number": F(DATA, OPEN, 0xFFFFFFFF, b"x"),
    "reset of the link": F(rogue.RESET, 0, 0, bytes(4)),
    "second hello": F(DATA, 0, 1, vx.hello(1, 3, 2, 0, 0, bytes(16), 0, [])),
    "control message above the cap": F(DATA, 0, 1, b"\x02\x00\xff\xff" + bytes(16000)),
    "control stream ended": F(DATA, FIN, 1),
    "critical message nobody knows": F(DATA, 0, 1, vx.ctl(200, 1, b"x")),
    "records cut short": F(DATA, 0, 1, vx.ctl(2, 0, b"\x01\x00" + bytes(20))),
    "pong nobody asked for": F(rogue.PONG, 0, 0, bytes(8)),
    "an endless name": F(DATA, OPEN, 3, b"\1\1\0\xff" + b"a" * 255),
    "a path for a name": F(DATA, OPEN, 3, b"\1\1\0\x0b../../x.ssh"),
    "an address for a name": F(DATA, OPEN, 3, b"\1\1\0\x0c127.0.0.1:22"),
    "an unknown kind of stream": F(DATA, OPEN, 3, b"\1\x77\0\4load"),
    "noise": os.urandom(4000),
}


def test_bad_frames_end_the_stream_or_the_session_and_nothing_else(alice):
    """Each on a session of its own; afterwards descriptors are back and honest peers are served."""
    assert works(alice)
    fds, rss, outcome = settle(alice.proc.fds, 0, 5), alice.proc.rss(), {}
    for turn in range(3):
        for name, frames in BAD_FRAMES.items():
            mux = connect(*alice.to, Identity())
            with mux.tls:
                try:
                    mux.tls.write_record(rogue.APPDATA, frames[:16384])
                    if len(frames) > 16384:
                        mux.tls.write_record(rogue.APPDATA, frames[16384:])
                    mux.ping()
                    mux.ping()
                    outcome[name] = f"served on, stream 3: {mux.ended.get(3)}"
                    assert mux.streams.get(3, b"")[:2] != b"\0\0" or name == "opened twice", name
                    assert mux.ended.get(3) or "name" not in name and "kind of stream" not in name, name
                except (Refused, TimeoutError) as e:
                    outcome[name] = str(e)
        if turn == 0:
            rss = alice.proc.rss()
    print(programs.dump(outcome))
    assert works(alice)
    assert abs(settle(alice.proc.fds, 0, 10) - fds) <= 1
    assert alice.proc.rss() - rss < MB
    for must in ("unknown type", "length above the cap", "second hello", "control message above the cap", "window of the wrong size",
                 "critical message nobody knows", "control stream ended", "data on the link"):
        assert not outcome[must].startswith("served on"), (must, outcome[must])


def test_sending_beyond_the_window_is_refused(alice, pair):
    """A target that reads nothing; the rogue sends without credit. Memory stays bounded."""
    with programs.TcpServer(pair.alice, 7700, lambda c: time.sleep(30)):
        alice.add_service("deaf", "127.0.0.1:7700")
        mux = connect(*alice.to, Identity())
        before = alice.proc.rss()
        with mux.tls:
            stream = mux.open("deaf")
            assert mux.status(stream) == 0
            with pytest.raises(Refused):
                for _ in range(4000):  # 64 MB
                    mux.send(DATA, 0, stream, bytes(16000))
                while True:
                    mux.read_frame()
        assert alice.proc.rss() - before < 24 * MB, (alice.proc.rss() - before) / MB


def test_70000_streams_do_not_fit(alice):
    """Half-written OPENs by the ten thousand: the agent says no, and gives everything back."""
    before = alice.proc.rss()
    mux = connect(*alice.to, Identity())
    with mux.tls:
        try:
            for i in range(0, 70000, 500):
                batch = b"".join(Mux.frame(DATA, OPEN, 3 + 2 * n, b"\1") for n in range(i, i + 500))
                for at in range(0, len(batch), 16000):
                    mux.tls.write_record(rogue.APPDATA, batch[at:at + 16000])
            mux.ping()
        except (Refused, TimeoutError):
            pass
        assert works(alice)
        held = alice.proc.rss() - before
        assert held < 64 * MB, held / MB
    wait_for(alice.alive, 5, "alice")
    assert works(alice)


def test_unpublished_and_unadmitted_names(alice):
    alice.add_service("closed", "127.0.0.1:7000", allow=[])
    mux = connect(*alice.to, Identity())
    with mux.tls:
        assert mux.status(mux.open("nothing")) == rogue.SERVICE_UNKNOWN
        assert mux.status(mux.open("closed")) == rogue.ACCESS_REFUSED
        assert mux.status(mux.open("load")) == 0


def names_of(alice, identity):
    """What alice believes about a stranger: its name and its services."""
    for peer in alice.api.items("/v1/peers"):
        if peer["status"]["node_id"] == identity.text:
            return peer["status"]["node_name"], sorted(peer["status"]["services"])
    return None


def test_replayed_and_forged_records_change_nothing(alice):
    """Newer wins, older and bent ones are dropped, nobody speaks for another."""
    mallory, bob = Identity("mallory"), Identity("bob")
    now = int(time.time())
    old = mallory.service("old", seq=now * 1000 + 1)
    taken_back = mallory.service("old", seq=now * 1000 + 2, flags=1)
    new = mallory.service("new", seq=now * 1000 + 3)
    mux = connect(*alice.to, mallory)
    with mux.tls:
        mux.records(old, new)
        wait_for(lambda: names_of(alice, mallory) == ("mallory", ["new", "old"]), 3, lambda: f"two services: {names_of(alice, mallory)}")
        mux.records(taken_back)
        wait_for(lambda: names_of(alice, mallory) == ("mallory", ["new"]), 3, lambda: f"one service: {names_of(alice, mallory)}")
        mux.records(old)  # replayed
        mux.records(old, old, old)
        assert mux.ping()
        bent = bytearray(mallory.service("bent", seq=now * 1000 + 9))
        bent[80] ^= 1
        long_ago = mallory.service("expired", issued=now - 90000, lifetime=3600)
        tomorrow = mallory.service("tomorrow", issued=now + 90000)
        forever = mallory.service("forever", lifetime=10**8)
        unsigned = mallory.service("unsigned")[:-64] + bytes(64)
        foreign = mallory.service("foreign", subject=bob.node)
        twin = mallory.record(2, [vx.tlv(5, vx.u8(3) + b"new" + vx.u8(1) + vx.u16(99) + vx.u8(0))], seq=now * 1000 + 3)
        for record in (bytes(bent), long_ago, tomorrow, forever, unsigned, foreign, twin, new[:70], b"VXR1" + bytes(60), new + b"\0", os.urandom(200)):
            try:
                mux.records(record)
                assert mux.ping()
            except Refused:
                mux.tls.close()
                mux = connect(*alice.to, mallory)
        time.sleep(0.3)
        found = names_of(alice, mallory)
        assert found is None or found[1] == ["new"], found
        assert names_of(alice, bob) is None
    mux.tls.close()
    time.sleep(1.5)  # the registry is written within a second
    alice.restart(kill=True)  # what is remembered of sequence numbers outlives the process
    mux = connect(*alice.to, mallory)
    with mux.tls:
        mux.records(old)
        mux.records(mallory.service("fresh", seq=now * 1000 + 20))
        wait_for(lambda: "fresh" in (names_of(alice, mallory) or ("", []))[1], 3, "the fresh record")
        assert "old" not in names_of(alice, mallory)[1]
    assert works(alice)


def test_a_flood_of_records_is_bounded(alice):
    """Services by the thousand from one stranger."""
    mallory, before = Identity(), alice.proc.rss()
    mux = connect(*alice.to, mallory)
    with mux.tls:
        try:
            for n in range(3000):
                mux.records(mallory.service(f"s{n}"))
                if n % 100 == 0:
                    mux.ping()
        except Refused:
            pass
        assert works(alice)
        assert alice.proc.rss() - before < 8 * MB, (alice.proc.rss() - before) / MB


def test_bits_flipped_inside_the_tunnel_end_it(alice):
    mux = connect(*alice.to, Identity())
    with mux.tls, pytest.raises(Refused):
        mux.tls.write_record(rogue.APPDATA, Mux.frame(rogue.PAD, 0, 0, bytes(50)),
                             damage=lambda r: r[:20] + bytes([r[20] ^ 4]) + r[21:])
        mux.ping()
    mux = connect(*alice.to, Identity())
    with mux.tls, pytest.raises(Refused):
        mux.tls.sock.sendall(b"\x17\x03\x03\xff\xff" + bytes(65535))
        mux.ping()
    mux = connect(*alice.to, Identity())
    with mux.tls, pytest.raises(Refused):  # the same record twice
        seen = []
        mux.tls.write_record(rogue.APPDATA, Mux.frame(rogue.PAD, 0, 0), damage=lambda r: seen.append(r) or r)
        mux.tls.sock.sendall(seen[0])
        mux.ping()


def test_stalled_handshakes_are_dropped(alice):
    """Half a ClientHello, a finished TLS without HELLO: both are gone within their time."""
    host, to = alice.to
    fds = settle(alice.proc.fds, 0, 5)
    stalled = []
    for n in range(20):
        stalled.append(Tls(host, to, Identity().subkey))
        if n % 2:
            stalled[-1].handshake()
        else:
            stalled[-1].sock.sendall(struct.pack("!BHH", 22, 0x0301, 200) + b"\x01" + bytes(50))
    wait_for(lambda: alice.proc.fds() <= fds + 1, 12, lambda: f"stalled connections to be dropped: {alice.proc.fds() - fds} left")
    for tls in stalled:
        tls.close()
    assert works(alice)
