"""A hidden service's alias that its owner publishes: who has nothing but that finds the service, two owners of one alias, and what was taken back.

alice and carol hide services, bob looks for them, and a guest that has never heard of any; ten relays.
"""
import json

import pytest

import hidden
import programs
from hidden import HiddenNet
from lab import wait_for


def echo(conn):
    while data := conn.recv(65536):
        conn.sendall(data)


@pytest.fixture(scope="module")
def net(lab):
    made = HiddenNet(lab, count=10, delays=(1, 4))
    made.carol.argv = hidden.without(made.carol.argv, "--relay", "off")
    try:
        made.start(timeout=90)
        for who in (made.alice, made.carol):
            made.wait_known(who=who, timeout=60)
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="module")
def guest(net):
    """Knows nothing of what bob has found."""
    made = net.visitor("guest")
    yield made
    made.stop()


@pytest.fixture(scope="module")
def doors(net):
    """A service of alice's and one of carol's that everybody may visit who has the key, both called ghost by their owners."""
    with programs.TcpServer(net.alice.host, 7430, echo), programs.TcpServer(net.carol.host, 7431, echo):
        hidden.publish(net.alice, "door", "127.0.0.1:7430", "ghost", "--open")
        hidden.publish(net.carol, "gate", "127.0.0.1:7431", "ghost", "--open")
        yield {who: hidden.status(who, "ghost")["key"] for who in (net.alice, net.carol)}


def find(agent, alias="ghost"):
    status, _, found = agent.api.request("POST", "/v1/hidden-aliases:find", {"alias": alias}, timeout=40)
    assert status == 200, found
    return found


def keys(found):
    return {c["key"] for c in found["claims"]}


def claim(owner):
    return hidden.status(owner, "ghost")["alias_claim"]


def claimed(owner, service):
    hidden.vx6(owner, "service", "update", service, "--publish-alias", "on")
    return wait_for(lambda: (c := claim(owner))["state"] == "published" and c, 60, lambda: f"the claim to be out: {claim(owner)}")


def answers(agent, port):
    with agent.connect(port, timeout=40) as s:
        s.sendall(b"is it you?")
        return s.recv(100) == b"is it you?"


@pytest.mark.limit(300)
def test_who_has_nothing_but_the_alias_finds_pins_and_connects(net, doors):
    assert claim(net.alice) is None
    assert find(net.bob)["outcome"] == "none", "it is found though its owner never asked for that"
    assert claimed(net.alice, "door")["others"] == []
    out = json.loads(hidden.vx6(net.bob, "hidden", "find", "ghost", "--json", timeout=60))
    assert out["outcome"] == "one" and out["key"] == doors[net.alice] and out["known_as"] is None
    assert not net.bob.api.items("/v1/hidden-aliases"), "who looks keeps nothing"
    hidden.vx6(net.bob, "hidden", "accept", "ghost", "--find", timeout=60)
    known = net.bob.api.items("/v1/hidden-aliases")
    assert [(a["alias"], a["key"]) for a in known] == [("ghost", doors[net.alice])]
    hidden.visit(net.bob, "ghost", "127.0.0.1:9480", "ghost")
    assert answers(net.bob, 9480)


@pytest.mark.limit(300)
def test_a_second_owner_is_shown_and_takes_nothing(net, doors, guest):
    both = set(doors.values())
    claimed(net.carol, "gate")
    others = wait_for(lambda: claim(net.carol)["others"], 30, "carol to be told of the other one")
    assert [o["key"] for o in others] == [doors[net.alice]]
    assert any("other services claim its alias" in w for w in hidden.status(net.carol, "ghost")["warnings"])
    told = [e for e in net.carol.api.get("/v1/events?since=0&types=hidden.alias_contested")["items"]]
    assert [e["data"]["detail"] for e in told] == [doors[net.alice]]
    # whoever had it first keeps it, and sees both
    found = find(net.bob)
    assert found["outcome"] == "known" and found["key"] == found["known_as"] == doors[net.alice] and keys(found) == both
    assert answers(net.bob, 9480)
    # who comes now is given none, but the evidence
    found = find(guest)
    assert found["outcome"] == "several" and found["key"] is None and keys(found) == both
    assert all(c["holders"] >= 2 and c["work_bits"] >= 20 and len(c["record_hash"]) == 64 for c in found["claims"]), found
    with pytest.raises(RuntimeError, match="ended with 6"):
        hidden.vx6(guest, "hidden", "accept", "ghost", "--find", timeout=60)
    assert not guest.api.items("/v1/hidden-aliases")
    # and decides himself
    hidden.vx6(guest, "hidden", "accept", "ghost", "--invite", doors[net.carol])
    hidden.visit(guest, "ghost", "127.0.0.1:9481", "ghost")
    assert answers(guest, 9481)
    assert find(guest)["known_as"] == doors[net.carol]


@pytest.mark.limit(300)
def test_what_is_taken_back_is_found_no_more(net, doors, guest):
    hidden.vx6(net.carol, "service", "update", "gate", "--publish-alias", "off")
    assert claim(net.carol) is None
    wait_for(lambda: keys(find(net.bob)) == {doors[net.alice]}, 60, "carol's claim to be gone", interval=1)
    found = find(guest)
    assert found["outcome"] == "mismatch" and found["key"] == doors[net.alice] and found["known_as"] == doors[net.carol]
    assert answers(guest, 9481), "what was found stays known"
    hidden.vx6(net.alice, "service", "remove", "door")
    wait_for(lambda: not find(net.bob)["claims"], 60, "alice's claim to go with its service", interval=1)
    hidden.vx6(net.bob, "hidden", "forget", "ghost")
    with pytest.raises(RuntimeError, match="ended with 5"):
        hidden.vx6(net.bob, "hidden", "accept", "ghost", "--find", timeout=60)
