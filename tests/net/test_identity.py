"""Who may be talked to, and who may not."""
import pytest

import overlay
from lab import wait_for
from overlay import PORT, ApiError
from programs import TcpServer
from test_failure import refused


class Listener(TcpServer):
    """What mallory would like to receive."""

    def __init__(self, host, port):
        self.bytes = b""

        def serve(conn):
            while got := conn.recv(4096):
                self.bytes += got
                conn.sendall(b"p" * len(got))

        super().__init__(host, port, serve)


@pytest.mark.parametrize("known", ["by name, pinned peer", "by name, learned peer", "by petname", "by pinned address"])
def test_impostor_gets_not_one_byte(agents, load_server, pair, transport, known):
    """Another key answers on a known address, with the right name and the right service."""
    alice = agents.alice = agents.make(pair.alice, "alice", transport).start()
    alice.add_service("load", "127.0.0.1:7000")
    ident = alice.node_id()
    peers = {"by name, pinned peer": [f"{ident}@{alice.address}"], "by name, learned peer": [alice.address], "by petname": [], "by pinned address": []}
    bob = agents.bob = agents.make(pair.bob, "bob", transport, peers=peers[known]).start()
    if known == "by pinned address":
        forward = bob.add_forward("127.0.0.1:9000", address=alice.address, service="load", node_id=ident)
    else:
        name = "alice"
        if known == "by petname":
            name = "box"
            bob.api.call("POST", "/v1/peers", {"name": name, "addresses": [alice.address]})
        bob.wait_peers()
        forward = bob.add_forward("127.0.0.1:9000", to=f"{name}.load")
    wait_for(agents.ping, 5, "the honest alice")
    alice.stop()

    mallory = agents.make(pair.alice, "alice", transport).start()
    assert mallory.node_id() != ident
    with Listener(pair.alice, 7300) as ear:
        mallory.add_service("load", "127.0.0.1:7300")
        if known == "by petname":  # worst case: a session with her is up already
            wait_for(lambda: mallory.node_id() in str(bob.api.items("/v1/peers")), 10, "mallory as a peer")
            assert bob.peers_up()
        for _ in range(3):
            refused(agents, 9000, 12)
        assert ear.bytes == b"" and ear.accepted == 0
    wait_for(lambda: bob.last_error(forward), 3, "an error")
    if known == "by name, learned peer":
        assert bob.last_error(forward) in ("wrong_peer", "peer_unreachable", "ambiguous_name", "peer_unknown")
    else:
        assert bob.last_error(forward) == "wrong_peer", bob.forward(forward)["status"]
        assert "wrong_peer" in bob.log()

    mallory.stop()
    alice.start()
    wait_for(agents.ping, 12, "the honest alice again")


def test_an_impostor_that_vanishes_is_not_waited_for(agents, load_server, pair, transport):
    """She is killed while a session with her is up, which nothing is sent on. Who then wants the honest one under that petname gets him soon, not when
    the idle session times out after a minute."""
    alice = agents.alice = agents.make(pair.alice, "alice", transport).start()
    alice.add_service("load", "127.0.0.1:7000")
    bob = agents.bob = agents.make(pair.bob, "bob", transport).start()
    box = bob.api.call("POST", "/v1/peers", {"name": "box", "addresses": [alice.address]})
    bob.wait_peers()
    forward = bob.add_forward("127.0.0.1:9000", to="box.load")
    wait_for(agents.ping, 5, "the honest alice")
    alice.stop()
    mallory = agents.make(pair.alice, "alice", transport).start()

    def answered_for_box():
        status = bob.api.get(f"/v1/peers/{box['id']}")["status"]
        return status["state"] == "up" and status["node_id"]

    wait_for(lambda: answered_for_box() == mallory.node_id(), 10, "mallory as the peer")
    mallory.proc.kill()
    alice.start()
    if transport == "quic":  # over TCP the kernel tells
        assert not agents.ping() and bob.last_error(forward) == "wrong_peer"
    wait_for(agents.ping, 12, lambda: f"the honest alice again: {bob.api.get('/v1/peers/' + box['id'])['status']}")


def test_allow_list(agents, load_server, pair, transport):
    """A service for bob alone: carol is refused, until she is admitted."""
    agents.duo(transport)
    alice, bob = agents.alice, agents.bob
    carol = agents.make(pair.bob, "carol", transport, peers=[alice.address], listen="[::]:4243").start()
    carol.wait_peers()
    service = alice.add_service("vip", "127.0.0.1:7000", allow=[bob.node_id()])
    bob.add_forward("127.0.0.1:9301", to="alice.vip")
    forward = carol.add_forward("127.0.0.1:9302", to="alice.vip")
    assert agents.ping(9301)
    assert not agents.ping(9302)
    wait_for(lambda: carol.last_error(forward) == "access_refused", 3, "the refusal")
    access = {"access": {"default": "none", "node_ids": [carol.node_id()]}}
    alice.api.call("PATCH", f"/v1/services/{service['id']}", access)
    wait_for(lambda: agents.ping(9302), 5, "carol to be let in")
    assert not agents.ping(9301)
    assert alice.events("service.refused")


def test_a_peer_reaches_nothing_but_published_services(agents, load_server, pair, transport):
    agents.duo(transport)
    alice, bob = agents.alice, agents.bob
    with Listener(pair.alice, 7400) as secret:
        for service in ("secret", "127", "localhost", "api", "7400"):
            try:
                bob.add_forward("127.0.0.1:0", address=alice.address, service=service)
            except ApiError as e:
                assert e.status in (400, 422)
        for forward in bob.api.items("/v1/forwards"):
            port = int(forward["status"]["bound"].rsplit(":", 1)[1])
            if port != overlay.FORWARD_PORT:
                refused(agents, port, 5)
                assert bob.last_error(forward["id"]) == "service_unknown"
        service = alice.add_service("brief", "127.0.0.1:7400")
        bob.add_forward("127.0.0.1:9401", to="alice.brief")
        wait_for(lambda: agents.ping(9401), 5, "the published service")
        accepted, heard = secret.accepted, secret.bytes
        alice.api.call("PATCH", f"/v1/services/{service['id']}", {"enabled": False})
        refused(agents, 9401, 5)
        alice.api.call("DELETE", f"/v1/services/{service['id']}")
        refused(agents, 9401, 5)
        assert (secret.accepted, secret.bytes) == (accepted, heard)


def test_listeners_stay_on_loopback(agents, load_server, pair):
    """What was bound to 127.0.0.1 is not to be had from the network, at either end."""
    import socket
    agents.duo("auto")
    with pair.alice.enter(), pytest.raises(OSError):
        socket.create_connection((pair.bob.ip6, overlay.FORWARD_PORT), timeout=2)
    with pair.alice.enter(), pytest.raises(OSError):
        socket.create_connection((pair.bob.ip4, overlay.FORWARD_PORT), timeout=2)


@pytest.mark.parametrize("target", ["[fd00:6:1::1]:80", "10.66.1.1:80", "0.0.0.0:80", "[::]:80", "[::ffff:10.66.1.1]:80"])
def test_targets_beyond_loopback_are_refused(agents, pair, target):
    alice = agents.make(pair.alice, "alice").start()
    with pytest.raises(ApiError) as refusal:
        alice.add_service("evil", target)
    assert refusal.value.status in (400, 403, 422), refusal.value
    assert alice.api.items("/v1/services") == []
    assert PORT  # the agent itself listens on the network; services do not
