"""Agents on one local network that nobody told of each other: the beacon, and its off switch."""
import itertools
import time

import pytest
from lab import wait_for
from overlay import Agent
from programs import TcpServer, recv_exact

PORT = 7450
GROUP, BEACON_PORT = "ff02::5658:3642", 22104
_ports = itertools.count(9201)


@pytest.fixture(scope="module")
def street(lab):
    """Three hosts on one LAN, and nothing else."""
    hosts = [lab.host(f"l-{name}") for name in ("one", "two", "three")]
    lab.lan(*hosts)
    return hosts


@pytest.fixture
def agents(street):
    """agents(0, "alice", …): an agent without any peer on that host, with a service `word`; gone with the test."""
    made = []

    def make(where, name, **kw):
        agent = Agent(street[where], name, **kw).start()
        made.append(agent)
        agent.words = TcpServer(street[where], PORT + len(made), lambda conn: conn.sendall(f"{name:5}"[:5].encode()))
        agent.add_service("word", f"127.0.0.1:{PORT + len(made)}")
        return agent

    yield make
    for agent in made:
        agent.proc.kill()
        agent.words.close()


def heard(agent):
    """Names of the nodes that were met by beacon first."""
    return {e["data"]["node_name"] for e in agent.events("lan.heard")}


def word(agent, port):
    try:
        with agent.connect(port, timeout=2) as conn:
            return recv_exact(conn, 5).decode()
    except (OSError, EOFError, AssertionError):
        return None


def reach(agent, name, timeout=10):
    """Connects to NAME.word through `agent`, as soon as that can be done."""
    port = next(_ports)
    ident = agent.add_forward(f"127.0.0.1:{port}", to=f"{name}.word")
    want = f"{name:5}"[:5]
    wait_for(lambda: word(agent, port) == want, timeout,
             lambda: f"{name} from {agent.name}: {agent.forward(ident)['status']}, heard {heard(agent)}")


def test_three_agents_find_each_other(agents):
    began = time.monotonic()
    everybody = [agents(i, name) for i, name in enumerate(("alice", "bob", "carol"))]
    for agent, other in itertools.permutations(everybody, 2):
        reach(agent, other.name)
    print(f"each reached each by name {time.monotonic() - began:.1f} s after the first was started")
    assert heard(everybody[0])  # the others may have been told by their first peer


def test_agents_of_one_host_share_the_port(agents):
    everybody = [agents(0, "first"), agents(0, "secnd", listen="[::]:4252"), agents(1, "third")]
    for agent, other in itertools.permutations(everybody, 2):
        reach(agent, other.name)


def test_off_means_off(agents):
    quiet = agents(0, "quiet", flags=("--lan", "off"))
    loud, other = agents(1, "loud"), agents(2, "other")
    reach(loud, "other")
    time.sleep(3)  # three beacons at the start
    assert not heard(quiet) and not quiet.api.items("/v1/peers")
    assert "quiet" not in heard(loud) | heard(other)
    port = next(_ports)
    ident = loud.add_forward(f"127.0.0.1:{port}", to="quiet.word")
    assert word(loud, port) is None
    assert loud.last_error(ident) == "peer_unknown"
    assert not quiet.host.run(["ss", "-Hlun", f"sport = :{BEACON_PORT}"]).stdout.strip()


def test_garbage_on_the_group_does_no_harm(street, agents):
    alice, bob = agents(0, "alice"), agents(1, "bob")
    reach(bob, "alice")
    before = heard(bob)
    script = (
        "import os, socket\n"
        "s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)\n"
        f"to = ('{GROUP}', {BEACON_PORT}, 0, [i for i, n in socket.if_nameindex() if n != 'lo'][0])\n"
        "for i in range(3000):\n"
        "    s.sendto((b'VX6B\\x01\\x01' if i % 2 else b'') + os.urandom(i % 700), to)\n")
    street[2].run(["python3", "-c", script])
    assert bob.alive() and alice.alive() and heard(bob) == before
    assert "beacons a second" in bob.log() and bob.log().count("beacons a second") == 1
    reach(bob, "alice")
