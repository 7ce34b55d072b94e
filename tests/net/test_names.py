"""Names without an authority: found, pinned, disputed, never taken over; and who is told."""
import json
import subprocess
import time

import overlay
import pytest
from lab import wait_for
from overlay import Agent
from programs import TcpServer, recv_exact

PORT = 7400
FLAGS = ("--lan", "off")


@pytest.fixture(scope="module")
def town(lab):
    """Five hosts on one LAN; `hub` is where everybody enters."""
    hosts = {name: lab.host(f"n-{name}") for name in ("hub", "first", "second", "early", "late")}
    lab.lan(*hosts.values())
    return hosts


@pytest.fixture
def agents(town):
    """agents("late", name="carol"): an agent on that host that enters through the hub; gone with the test."""
    made = []

    def make(host, name=None, **kw):
        peers = [f"[{town['hub'].ip6}]:{overlay.PORT}"] if host != "hub" else []
        made.append(Agent(town[host], name or host, peers=peers, flags=FLAGS, **kw).start())
        return made[-1]

    yield make
    for agent in made:
        agent.proc.kill()


def cli(agent, *args, check=True):
    done = agent.host.run([overlay.program(), "--socket", agent.state / "api.sock", *args], check=False)
    if check and done.returncode != 0:
        raise AssertionError(f"vx6 {' '.join(args)}: {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done


def serve(host, word):
    """Says who it is to everybody who connects."""
    return TcpServer(host, PORT, lambda conn: conn.sendall(word))


def word_through(agent, port):
    with agent.connect(port) as conn:
        return recv_exact(conn, 5)


def found(agent, name):
    done = cli(agent, "lookup", name, "--json", check=False)
    return json.loads(done.stdout)["result"]["node_id"] if done.returncode == 0 else None


def test_two_claim_one_name(agents, town):
    """The one who met the first keeps it; a newcomer gets the dispute with both ids, not a pick; both owners hear of it."""
    agents("hub")
    first = agents("first", name="carol")
    early = agents("early")
    with serve(town["first"], b"first"), serve(town["second"], b"secnd"):
        first.add_service("web", f"127.0.0.1:{PORT}")
        wait_for(lambda: found(early, "carol.web") == first.node_id(), 20, "carol to be found")
        early.add_forward("127.0.0.1:9400", to="carol.web")
        assert word_through(early, 9400) == b"first"

        second = agents("second", name="carol")
        second.add_service("web", f"127.0.0.1:{PORT}")
        ids = {first.node_id(), second.node_id()}

        late = agents("late")
        wait_for(lambda: cli(late, "lookup", "carol.web", check=False).returncode == 6, 30, "the dispute to be seen")
        done = cli(late, "lookup", "carol.web", "--json", check=False)
        assert done.returncode == 6
        conflict = json.loads(done.stdout)["result"]["conflict"]
        assert {c["node_id"] for c in conflict["claims"]} == ids
        assert all(c["record_hash"] or c["direct"] for c in conflict["claims"])
        text = cli(late, "lookup", "carol.web", check=False)
        assert all(i in text.stdout + text.stderr for i in ids)

        # who knew carol before stays with her
        assert found(early, "carol.web") == first.node_id()
        assert word_through(early, 9400) == b"first"
        wait_for(lambda: early.events("name.conflict"), 20, "the notice that another one claims the name")

        # the user decides
        cli(late, "name", "petname", "caz", second.node_id())
        late.add_forward("127.0.0.1:9401", to="caz.web")
        assert word_through(late, 9401) == b"secnd"


def test_both_owners_are_told_within_five_seconds(agents):
    agents("hub")
    first = agents("first", name="dora")
    wait_for(lambda: claim_published(first), 20, "the first claim to be published")
    second = agents("second", name="dora")
    wait_for(lambda: claim_published(second), 30, "the second claim to be published", interval=0.05)
    begun = time.monotonic()
    wait_for(lambda: first.events("name.clash") and second.events("name.clash"), 20, "both owners to be told", interval=0.05)
    took = time.monotonic() - begun
    print(f"both owners told {took:.2f} s after the second claim was there")
    assert took <= 5
    for owner, other in ((first, second), (second, first)):
        assert other.node_id() in json.dumps(owner.events("name.clash"))


def claim_published(agent):
    return [r for r in agent.api.items("/v1/dht/replicas") if r["type"] == "name" and r["stored"] > 0]


def test_pin_differs_from_the_only_claim(agents, town):
    """The pinned node is gone, and another one has its name: a hard stop, for connections too."""
    agents("hub")
    first = agents("first", name="erin")
    late = agents("late")
    with serve(town["first"], b"first"), serve(town["second"], b"secnd"):
        first.add_service("web", f"127.0.0.1:{PORT}")
        wait_for(lambda: found(late, "erin.web"), 20, "erin to be found")
        forward = late.add_forward("127.0.0.1:9402", to="erin.web")
        assert word_through(late, 9402) == b"first"
        pin = [b for b in late.api.items("/v1/names") if b["name"] == "erin"]
        assert [b["node_id"] for b in pin] == [first.node_id()]
        first.proc.kill()
        second = agents("second", name="erin")
        second.add_service("web", f"127.0.0.1:{PORT}")
        wait_for(lambda: claim_published(second), 30, "the second claim")
        with pytest.raises((OSError, EOFError, ConnectionError)):
            word_through(late, 9402)
        wait_for(lambda: late.last_error(forward) is not None, 10, "the forward to say why")
        assert found(late, "erin.web") != second.node_id()
        # until the user says so
        cli(late, "name", "unpin", "erin")
        cli(late, "name", "pin", "erin", second.node_id())
        assert word_through(late, 9402) == b"secnd"


def test_catalog_is_found_by_its_holders_only(agents, town):
    agents("hub")
    owner, member, stranger = agents("first", name="olga"), agents("early"), agents("late")
    with serve(town["first"], b"first"):
        cli(owner, "service", "add", "wiki", "--target", f"127.0.0.1:{PORT}", "--visibility", "private")
        cli(owner, "catalog", "create", "club")
        cli(owner, "catalog", "add", "club", "wiki")
        invite = json.loads(cli(owner, "catalog", "invite", "club", "--json").stdout)["invite"]
        cli(member, "catalog", "join", "club", invite)
        wait_for(lambda: "wiki" in cli(member, "catalog", "show", "club", check=False).stdout, 30, "the catalog to be read")
        assert member.events("catalog.updated")
        cli(member, "forward", "add", "wiki", "--listen", "127.0.0.1:9403", "--to", "wiki@club")
        assert word_through(member, 9403) == b"first"
        name = json.loads(cli(member, "catalog", "show", "club", "--json").stdout)
        assert json.dumps(name).count(owner.node_id()) >= 1
        for agent in (stranger, member):
            services = agent.api.items("/v1/registry/services")
            assert not [s for s in services if s["name"] == "wiki"], "a private service is in a public registry"
        assert "wiki" not in subprocess.run(["strings", stranger.state / "registry.db"], capture_output=True, text=True, check=False).stdout
