"""The forms a forward can take: by name, by address, over standard input, to a unix socket; and what status tells."""
import socket

import overlay
import programs
from lab import wait_for
from overlay import FORWARD_PORT


def test_ssh_by_proxy_command(duo, sshd):
    """`vx6 connect` is a program's standard input and output."""
    proxy = f"ProxyCommand={overlay.program()} --socket {duo.bob.api.path} connect alice.ssh"
    duo.alice.add_service("ssh", f"127.0.0.1:{programs.SSH_PORT}")
    argv = sshd.argv(22, "echo from $(hostname) $((6 * 7))")
    done = duo.pair.bob.run([*argv[:1], "-o", proxy, *argv[1:]])
    assert done.stdout.split()[-1] == "42"


def test_address_form_needs_no_discovery(duo):
    """seed's direct mode: an address and a service name are enough, pinned or not, over IPv6 and IPv4."""
    alice, bob = duo.alice, duo.bob
    for port, how in ((9101, {"address": alice.address}),
                      (9102, {"address": alice.address, "node_id": alice.node_id()}),
                      (9103, {"address": f"{alice.host.ip4}:{overlay.PORT}"})):
        ident = bob.add_forward(f"127.0.0.1:{port}", service="load", **how)
        assert duo.ping(port), (how, bob.forward(ident)["status"])


def test_unix_socket_service(duo):
    path = duo.alice.state / "hello.sock"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        duo.alice.add_service("unixy", f"unix:{path}")
        duo.bob.add_forward("127.0.0.1:9104", to="alice.unixy")
        with duo.bob.connect(9104) as conn:
            server.settimeout(10)
            peer, _ = server.accept()
            with peer:
                conn.sendall(b"question")
                assert programs.recv_exact(peer, 8) == b"question"
                peer.sendall(b"answer")
                peer.shutdown(socket.SHUT_WR)
                assert programs.recv_exact(conn, 6) == b"answer" and conn.recv(1) == b""


def test_status_tells_the_path(duo, transport):
    peer = duo.bob.wait_peers()[0]["status"]
    assert peer["transport"] == transport
    assert peer["node_name"] == "alice" and peer["node_id"] == duo.alice.node_id()
    assert duo.ping()
    wait_for(lambda: duo.bob.forward(duo.load_forward)["status"]["path"], 3, "the counters to be seen")
    status = duo.bob.forward(duo.load_forward)["status"]
    assert status["path"]["transport"] == transport
    assert status["connections"]["total"] > 0 and status["bytes"]["tx"] > 0
    assert FORWARD_PORT == int(status["bound"].rsplit(":", 1)[1])
