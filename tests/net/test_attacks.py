"""What a hostile node does to names, records and the DHT of honest ones: nothing is taken over, nothing grows, all is told."""
import json
import os
import random
import struct
import time

import lab as lab_module
import overlay
import pytest
from lab import wait_for
from overlay import Agent, settle
from programs import TcpServer, recv_exact
from rogue import Identity, Refused, connect, vx

MB = 1 << 20
PORT = 7500
FLAGS = ("--lan", "off")
DHT_FEATURES = 3 | 4 | 8  # services, records, serves the DHT, exchanges
PING, FIND, GET, PUT = 1, 2, 3, 4


@pytest.fixture(scope="module")
def hosts(lab):
    made = {name: lab.host(f"a-{name}") for name in ("alice", "bob", "carol", "rogue")}
    lab.lan(*made.values())
    return made


@pytest.fixture
def agents(hosts):
    """alice; bob and carol, who entered through her."""
    made = {}
    for name in ("alice", "bob", "carol"):
        peers = [made["alice"].address] if made else []
        made[name] = Agent(hosts[name], name, peers=peers, transport="tcp", flags=FLAGS).start()
    wait_for(lambda: all(len(a.peers_up()) == 2 for a in made.values()), 20, "the three to know each other")
    yield made
    survivors = [a.name for a in made.values() if a.alive()]
    for agent in made.values():
        agent.proc.kill()
    assert survivors == ["alice", "bob", "carol"]


def at(agent):
    return agent.host.ip6, overlay.PORT


def attack(hosts, agent, who, **kw):
    """A session of the rogue with that agent."""
    return connect(hosts["rogue"], at(agent), who, **kw)


def lookup(agent, name, *flags):
    done = agent.host.run([overlay.program(), "--socket", agent.state / "api.sock", "lookup", name, "--json", *flags], check=False)
    return done.returncode, json.loads(done.stdout)["result"] if done.stdout else None


def dht(agent):
    return agent.api.get("/v1/dht")


def words(agent, port):
    with agent.connect(port) as conn:
        return recv_exact(conn, 5)


def test_a_foreign_key_takes_no_name_over(agents, hosts):
    """Claims with work, service records and endpoint records under alice's name, at every honest node at once."""
    alice, bob, carol = agents["alice"], agents["bob"], agents["carol"]
    with TcpServer(hosts["alice"], PORT, lambda c: c.sendall(b"alice")), TcpServer(hosts["rogue"], PORT, lambda c: c.sendall(b"rogue")):
        alice.add_service("web", f"127.0.0.1:{PORT}")
        wait_for(lambda: lookup(bob, "alice.web")[0] == 0, 20, "alice to be found")
        bob.add_forward("127.0.0.1:9500", to="alice.web")
        assert words(bob, 9500) == b"alice"
        mallory = Identity("alice")
        claim = mallory.claim("alice")
        key = vx.dht_key("name", b"alice")
        endpoint = mallory.endpoint(at=(hosts["rogue"].ip6, 4242), features=DHT_FEATURES)
        muxes = [attack(hosts, a, mallory, hello=mallory.hello(endpoint, features=DHT_FEATURES)) for a in agents.values()]
        for mux in muxes:
            mux.records(claim, mallory.service("web"))
            token = mux.ask_dht(GET, key)[1]
            mux.ask_dht(PUT, key, token + claim)
            assert mux.ping()
        deadline = time.monotonic() + 6
        while time.monotonic() < deadline:
            # whoever used the name stays with alice, and says that there is a dispute
            assert words(bob, 9500) == b"alice"
            code, result = lookup(bob, "alice.web")
            assert code == 0 and result["node_id"] == alice.node_id()
            # whoever never did knows alice as a configured peer, or gets both claims; never the rogue
            code, result = lookup(carol, "alice.web", "--fresh")
            assert code == 6 or result["node_id"] == alice.node_id(), result
            time.sleep(0.5)
        wait_for(lambda: alice.events("name.clash"), 10, "alice to be told")
        for mux in muxes:
            mux.tls.close()


@pytest.mark.limit(180)
def test_throw_away_identities(agents, hosts):
    """Each comes, says that it is carol and offers a service, and goes."""
    alice, bob, carol = agents["alice"], agents["bob"], agents["carol"]
    carol.add_service("web", f"127.0.0.1:{PORT}")
    wait_for(lambda: lookup(bob, "carol.web")[0] == 0, 20, "carol to be found")
    bob.api.call("PUT", "/v1/names/pin:carol", {"node_id": carol.node_id()})
    before = alice.proc.rss(), bob.proc.rss()
    count = 1000 if lab_module.FULL else 250
    for i in range(count):
        who = Identity("carol")
        try:
            mux = connect(hosts["alice"], ("::1", overlay.PORT), who)  # from alice's own host no rate holds it back
            with mux.tls:
                mux.records(who.service("web"))
                mux.ping()
        except (Refused, OSError):
            pass
        if i % 100 == 0:
            assert lookup(bob, "carol.web")[1]["node_id"] == carol.node_id()
    time.sleep(3)
    code, result = lookup(bob, "carol.web", "--fresh")
    assert code == 0 and result["node_id"] == carol.node_id()
    bob.add_service("late", f"127.0.0.1:{PORT}")
    wait_for(lambda: lookup(carol, "bob.late", "--fresh")[0] == 0, 20, "what is new to be found")
    after = settle(alice.proc.rss, MB, 10), settle(bob.proc.rss, MB, 10)
    print(f"{count} identities: alice {before[0] / MB:.1f} -> {after[0] / MB:.1f} MB, bob {before[1] / MB:.1f} -> {after[1] / MB:.1f} MB, "
          f"alice knows {len(alice.api.items('/v1/registry/nodes'))}+, bob {len(bob.api.items('/v1/registry/nodes'))}+ nodes")
    assert after[0] - before[0] < 8 * MB and after[1] - before[1] < 8 * MB
    assert not [p for p in bob.peers_up() if p["status"]["node_id"] not in (alice.node_id(), carol.node_id())]


def test_the_dht_takes_only_what_proves_itself(agents, hosts):
    """Unsigned, bent, oversized, foreign, future-dated and expired values, and values under other keys, are refused."""
    alice = agents["alice"]
    mallory, bob = Identity("mallory"), Identity("bob")
    now = int(time.time())
    mux = attack(hosts, alice, mallory, hello=mallory.hello(mallory.endpoint(), features=DHT_FEATURES))
    own, other = vx.dht_key("endpoint", mallory.node), vx.dht_key("endpoint", bob.node)
    honest = mallory.endpoint(seq=now * 1000 + 1)
    bent = bytearray(honest)
    bent[-1] ^= 1
    token = mux.ask_dht(GET, own)[1]
    assert mux.ask_dht(PUT, own, token + honest)[0] == 0, "an honest record is not taken"
    before = settle(lambda: dht(alice)["stored"]["records"], 0, 15, 1)
    bad = {
        "unsigned": (own, honest[:-64] + bytes(64)), "bent": (own, bytes(bent)), "not a record": (own, os.urandom(400)), "empty": (own, b""),
        "another's key": (other, honest), "a random key": (os.urandom(32), honest),
        "signed by another": (other, bob.record(1, [vx.tlv(3, vx.u64(3))], signer=mallory.subkey)),
        "from tomorrow": (own, mallory.endpoint(seq=now * 1000 + 9, issued=now + 90000)),
        "from the past": (own, mallory.endpoint(seq=now * 1000 + 9, issued=now - 90000)),
        "for ever": (own, mallory.endpoint(seq=now * 1000 + 9, lifetime=10**8)),
        "older": (own, mallory.endpoint(seq=now * 1000)),
        "no work": (vx.dht_key("name", b"mallory"), mallory.record(4, [vx.tlv(4, b"mallory"), vx.tlv(0x0A, vx.u64(1)), vx.tlv(0x0C, vx.u64(now))])),
        "unlisted": (vx.dht_key("service", mallory.node + b"x"), mallory.service("x", flags=2)),
    }
    for what, (key, record) in bad.items():
        token = mux.ask_dht(GET, key)[1]
        answer = mux.ask_dht(PUT, key, token + record)
        status = answer if isinstance(answer, int) else answer[0]
        assert status != 0, f"{what} was taken"
    # too much: 90 MB in the largest pieces that a request takes; the rest is cut off
    sent = 0
    while sent < (90 if lab_module.FULL else 6) * MB:
        try:
            mux.ask_dht(PUT, own, bytes(8) + os.urandom(8192))
        except Refused:
            mux = attack(hosts, alice, mallory, hello=mallory.hello(mallory.endpoint(seq=now * 1000 + 50), features=DHT_FEATURES))
        sent += 8192
    with pytest.raises((Refused, TimeoutError, OSError)):
        answer = mux.ask_dht(PUT, own, bytes(8) + os.urandom(16000))
        if isinstance(answer, int) or answer[0]:
            raise Refused("answered with an error")
    state = dht(alice)
    assert state["stored"]["records"] <= before and state["stored"]["bytes"] < MB
    mux.tls.close()
    again = attack(hosts, alice, Identity("honest"))
    with again.tls:
        assert again.ping()


def bogus_node():
    """A node that does not exist, at an address that nobody has."""
    ip = bytes.fromhex("fd00000600990000") + os.urandom(8)
    return os.urandom(32) + ip + struct.pack("!HBH", 4242, 2, 1)


@pytest.mark.limit(120)
def test_referrals_without_end(agents, hosts):
    """A rogue that serves the DHT names twenty nodes that do not exist in every answer. Lookups end, and cost what they may."""
    alice, bob = agents["alice"], agents["bob"]
    mallory = Identity("mallory")
    endpoint = mallory.endpoint(at=(hosts["rogue"].ip6, 4242), features=DHT_FEATURES)
    mux = attack(hosts, alice, mallory, hello=mallory.hello(endpoint, features=DHT_FEATURES), timeout=1)
    rss, named, asked = alice.proc.rss(), 0, 0
    bob.add_service("web", f"127.0.0.1:{PORT}")
    jobs = [alice.api.call("POST", "/v1/dht/lookups", {"name": f"nobody{i}"})["id"] for i in range(20)]
    deadline = time.monotonic() + 25
    while time.monotonic() < deadline:
        try:
            mux.read_frame()
        except (TimeoutError, OSError):
            pass
        for stream, op, _ in mux.dht_requests():
            asked += 1
            named += 20
            mux.answer_dht(stream, op, [bogus_node() for _ in range(20)])
        if all(alice.api.get(f"/v1/operations/{j}")["state"] != "running" for j in jobs) and asked:
            break
    states = [alice.api.get(f"/v1/operations/{j}") for j in jobs]
    print(f"{asked} questions, {named} nodes named, {sum(s['result']['queries'] for s in states if s['result'])} queries in all; "
          f"alice {rss / MB:.1f} -> {alice.proc.rss() / MB:.1f} MB")
    assert asked and all(s["state"] == "failed" for s in states), [s["state"] for s in states]
    assert alice.proc.rss() - rss < 6 * MB
    assert dht(alice)["contacts"] <= 4
    assert lookup(alice, "bob.web", "--fresh")[0] == 0
    mux.tls.close()


def test_a_flood_of_records_and_offers(agents, hosts):
    """Thousands of strangers' records that nobody asked for, and offers without end: dropped, told, and alice goes on."""
    alice = agents["alice"]
    mallory = Identity("mallory")
    mux = attack(hosts, alice, mallory, hello=mallory.hello(mallory.endpoint(), features=DHT_FEATURES))
    rss, known = alice.proc.rss(), len(alice.api.items("/v1/registry/nodes"))
    strangers = [Identity(f"s{i}").endpoint() for i in range(40)]
    for i in range(250):
        mux.records(*strangers)
        mux.have([(random.getrandbits(64), 1 << 40) for _ in range(200)])
        if i % 5 == 0:  # the link's credit is kept to: a peer that does not is cut off
            assert mux.ping()
    assert mux.ping()
    wait_for(lambda: alice.events("exchange.flood"), 5, "the flood to be told")
    print(f"10,000 records and 50,000 offers: alice {rss / MB:.1f} -> {alice.proc.rss() / MB:.1f} MB, "
          f"{known} -> {len(alice.api.items('/v1/registry/nodes'))} nodes known")
    assert alice.proc.rss() - rss < 4 * MB
    assert len(alice.api.items("/v1/registry/nodes")) <= known + 41
    mux.tls.close()
    assert lookup(agents["bob"], "alice")[0] == 0


@pytest.mark.limit(120)
def test_killed_in_the_middle_of_publishing(agents):
    """kill -9 right after a change was acknowledged: it is there after the restart, and gets published."""
    alice, carol = agents["alice"], agents["carol"]
    for i in range(5):
        alice.add_service(f"svc{i}", f"127.0.0.1:{PORT}")
        time.sleep(random.random() * 0.05)
        alice.restart(kill=True)
    assert {s["name"] for s in alice.api.items("/v1/services")} >= {f"svc{i}" for i in range(5)}
    for i in range(5):
        wait_for(lambda i=i: lookup(carol, f"alice.svc{i}", "--fresh")[0] == 0, 30, f"svc{i} to be found")
