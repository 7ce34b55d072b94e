"""One key, two live nodes: an alarm. A node that meets itself, or its own past, is not."""
import itertools
import shutil
import time

import pytest
from lab import wait_for
from overlay import Agent

FLAGS = ("--lan", "off")
_ports = itertools.count(4300)


@pytest.fixture(scope="module")
def yard(lab):
    """One host is enough."""
    return lab.host("yard")


@pytest.fixture
def agents(yard):
    """agents("alice", hub): an agent whose peer is another one; gone with the test."""
    made = []

    def make(name, *peers):
        port = next(_ports)
        agent = Agent(yard, name, peers=[p.at for p in peers], listen=f"[::]:{port}", flags=FLAGS)
        agent.at = f"127.0.0.1:{port}"
        made.append(agent)
        return agent

    yield make
    for agent in made:
        if agent.proc:
            agent.proc.kill()


def alarms(agent):
    return agent.events("identity.clone")


def copy_state(source, target):
    shutil.copytree(source, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.sock"))


@pytest.mark.limit(180)
def test_two_nodes_with_one_key_are_noticed(agents):
    """By what a common peer knows better than one of them; the other learns it when its own records are renewed, if not before.
    Mostly within seconds; the peer keeps one session with the two, and the other one tries again at growing intervals."""
    hub = agents("hub").start()
    left, right = agents("alice", hub).start(), agents("alice", hub)
    left.wait_peers()
    left.stop()
    copy_state(left.state, right.state)
    left.start()
    left.wait_peers()
    assert not alarms(left)
    time.sleep(4)  # what was signed as this run began may be of the run before
    began = time.monotonic()
    right.start()
    wait_for(lambda: alarms(left) + alarms(right), 120, "an alarm")
    print(f"alarm {time.monotonic() - began:.1f} s after the second one was started")
    assert {e["data"]["found"] for e in alarms(left) + alarms(right)} <= {"record", "equivocation", "session"}
    assert hub.alive() and not alarms(hub)


def test_a_node_that_dials_itself_is_no_clone(yard, agents):
    """A peer's address that is our own is a mistake, and not an attack."""
    alice = agents("alice").start()
    port = alice.at.rsplit(":", 1)[1]
    for address in (alice.at, f"[::1]:{port}", f"127.0.0.2:{port}"):
        alice.add_peer(address)
    time.sleep(8)  # several dials of each
    states = [p["status"]["state"] for p in alice.api.items("/v1/peers")]
    assert len(states) == 3 and "up" not in states, states
    assert not alarms(alice)


def test_a_node_that_comes_back_is_no_clone(agents):
    """Others still hold what it said before it was killed, even when its state is that of yesterday."""
    hub = agents("hub").start()
    alice = agents("alice", hub).start()
    alice.wait_peers()
    alice.stop()
    backup = alice.state.with_name(alice.state.name + "-backup")
    copy_state(alice.state, backup)
    alice.start()
    alice.api.call("POST", "/v1/services", {"name": "later", "target": "127.0.0.1:9"})
    alice.wait_peers()
    time.sleep(1)
    alice.proc.kill()
    shutil.rmtree(alice.state)
    backup.rename(alice.state)
    alice.start()
    alice.wait_peers()
    time.sleep(3)
    assert not alarms(alice)
