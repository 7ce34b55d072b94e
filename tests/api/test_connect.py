"""GET /v1/connect: the connection becomes a stream to a service of another agent; each failure has its own answer."""
import socket
import threading
import time

import pytest

UPGRADE = {"Connection": "Upgrade", "Upgrade": "vx6-stream"}


class Server:
	"""A program on loopback that greets, echoes until the end of input, then says goodbye."""

	def __init__(self):
		self.listener = socket.create_server(("127.0.0.1", 0))
		self.port = self.listener.getsockname()[1]
		threading.Thread(target=self.run, daemon=True).start()

	def run(self):
		while True:
			try:
				s, _ = self.listener.accept()
			except OSError:
				return
			threading.Thread(target=self.serve, args=(s,), daemon=True).start()

	@staticmethod
	def serve(s):
		with s:
			try:
				s.sendall(b"hello\n")
				while part := s.recv(65536):
					s.sendall(part)
				s.sendall(b"bye\n")
			except OSError:
				pass  # the other side left


def free_port():
	with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as s:
		s.bind(("::1", 0))
		return s.getsockname()[1]


@pytest.fixture(scope="module")
def pair(folder):
	"""Alice publishes, bob connects."""
	import tempfile
	from conftest import Agent
	alice = Agent(tempfile.mkdtemp(prefix="alice-", dir=folder), "alice")
	bob = Agent(tempfile.mkdtemp(prefix="bob-", dir=folder), "bob")
	try:
		publish(alice, bob)
		yield alice, bob
	finally:
		codes = [agent.stop() for agent in (bob, alice)]
	assert codes == [0, 0], bob.log() + alice.log()


def publish(alice, bob):
	alice.address = f"[::1]:{free_port()}"
	server = Server()
	alice.start("--listen", alice.address)
	bob.start("--peer", alice.address)
	for name, target, access in (("echo", f"127.0.0.1:{server.port}", {"default": "any"}), ("dead", "127.0.0.1:1", {"default": "any"}),
			("private", f"127.0.0.1:{server.port}", {"default": "none"})):
		assert alice.call("POST", "/v1/services", {"name": name, "target": target, "access": access}).status == 201
	for _ in range(100):
		peers = bob.call("GET", "/v1/peers").json["items"]
		if peers and peers[0]["status"]["state"] == "up" and "echo" in peers[0]["status"]["services"]:
			return
		time.sleep(0.1)
	raise AssertionError(peers)


def upgrade(agent, query):
	"""The socket after the 101, and what came right behind it."""
	s = agent.unix_socket()
	s.sendall(f"GET /v1/connect?{query} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: vx6-stream\r\n\r\n".encode())
	text = b""
	while b"\r\n\r\n" not in text:
		part = s.recv(65536)
		assert part, text
		text += part
	head, _, rest = text.partition(b"\r\n\r\n")
	assert head.startswith(b"HTTP/1.1 101 ") and b"\r\nUpgrade: vx6-stream" in head, head
	return s, rest


def read_to_end(s, text=b""):
	while part := s.recv(65536):
		text += part
	return text


def test_bytes_pass_both_ways_and_half_close_is_kept(pair):
	alice, bob = pair
	s, rest = upgrade(bob, "to=alice.echo")
	payload = bytes(range(256)) * 4096
	threading.Thread(target=lambda: (s.sendall(payload), s.shutdown(socket.SHUT_WR))).start()
	assert read_to_end(s, rest) == b"hello\n" + payload + b"bye\n"
	s.close()


def test_many_streams_come_and_go(pair):
	alice, bob = pair
	before = bob.descriptors()
	for _ in range(5):
		streams = [upgrade(bob, f"address={alice.address}&service=echo") for _ in range(20)]
		for s, rest in streams:
			s.shutdown(socket.SHUT_WR)
		for s, rest in streams:
			assert read_to_end(s, rest) == b"hello\nbye\n"
			s.close()
	for _ in range(50):
		if bob.descriptors() <= before:
			break
		time.sleep(0.1)
	assert bob.descriptors() <= before


def test_client_that_vanishes_frees_everything(pair):
	alice, bob = pair
	before = bob.descriptors()
	for _ in range(20):
		upgrade(bob, "to=alice.echo")[0].close()
	for _ in range(50):
		if bob.descriptors() <= before:
			break
		time.sleep(0.1)
	assert bob.descriptors() <= before


def test_each_failure_has_its_own_answer(pair):
	alice, bob = pair
	bob_id = bob.call("GET", "/v1/node").json["node_id"]
	for query, status, code in ((f"to=alice.nothing", 404, "service_unknown"), ("to=alice.private", 403, "access_refused"),
			("to=alice.dead", 502, "target_unreachable"), ("to=nobody.echo", 404, "peer_unknown"),
			(f"address={alice.address}&service=echo&node_id={bob_id}", 502, "wrong_peer"),
			(f"address=[::1]:{free_port()}&service=echo&transport=tcp", 502, "peer_unreachable")):
		answer = bob.call("GET", "/v1/connect?" + query, headers=UPGRADE)
		assert (answer.status, answer.code) == (status, code), (query, answer)
		assert answer.json["detail"]


def test_parameters_are_checked(pair):
	_, bob = pair
	for query, pointer in (("", "?to"), ("to=alice.echo&service=x", "?to"), ("to=alice.echo&address=[::1]:1", "?to"), ("address=[::1]:1", "?service"),
			("to=alice.", "?to"), ("address=nowhere:1&service=x", "?address"), ("to=a.b&transport=udp", "?transport"), ("to=a.b&node_id=vx1x", "?node_id")):
		answer = bob.call("GET", "/v1/connect?" + query, headers=UPGRADE)
		assert answer.code == "invalid_parameter" and pointer in {p for p, _ in answer.faults}, (query, answer)
	for headers in ({}, {"Connection": "Upgrade"}, {"Upgrade": "vx6-stream"}, {"Connection": "Upgrade", "Upgrade": "websocket"}):
		answer = bob.call("GET", "/v1/connect?to=alice.echo", headers=headers)
		assert answer.code == "upgrade_required" and answer.headers["Upgrade"] == "vx6-stream"


def test_over_tcp_with_a_token(pair):
	alice, bob = pair
	s = bob.tcp_socket()
	s.sendall(f"GET /v1/connect?to=alice.echo HTTP/1.1\r\nHost: localhost:{bob.port}\r\nAuthorization: Bearer {bob.token}\r\n"
		"Connection: upgrade\r\nUpgrade: vx6-stream\r\n\r\n".encode())
	s.settimeout(10)
	text = b""
	while not text.endswith(b"hello\n"):
		text += s.recv(1000)
	s.sendall(b"x")
	s.shutdown(socket.SHUT_WR)
	assert read_to_end(s) == b"xbye\n"
	s.close()
	answer = bob.call("GET", "/v1/connect?to=alice.nothing", headers=UPGRADE, tcp=True)
	assert answer.code == "service_unknown"


def eventually(agent, path, good):
	"""Counters in answers may be a moment old."""
	for _ in range(30):
		value = agent.call("GET", path).json["status"]
		if good(value):
			return
		time.sleep(0.1)
	raise AssertionError(value)


def test_streams_are_counted(pair):
	alice, bob = pair
	eventually(alice, "/v1/services/name:echo", lambda s: s["sessions"]["active"] == 0)
	total = alice.call("GET", "/v1/services/name:echo").json["status"]["sessions"]["total"]
	s, _ = upgrade(bob, "to=alice.echo")
	eventually(alice, "/v1/services/name:echo", lambda s: s["sessions"] == {"active": 1, "total": total + 1})
	s.close()


def test_failures_show_in_the_service_and_in_events(pair):
	alice, bob = pair
	since = alice.call("GET", "/v1/services").json["index"]
	bob.call("GET", "/v1/connect?to=alice.dead", headers=UPGRADE)
	bob.call("GET", "/v1/connect?to=alice.private", headers=UPGRADE)
	eventually(alice, "/v1/services/name:dead", lambda s: s["phase"] == "failing" and s["last_error"]["code"] == "target_unreachable")
	types = set()
	for _ in range(20):
		types |= {e["type"] for e in alice.call("GET", f"/v1/events?since={since}&wait=1s").json["items"]}
		if "service.refused" in types:
			break
	assert "service.refused" in types
	eventually(alice, "/v1/services/name:private", lambda s: s["last_error"] and s["last_error"]["code"] == "access_refused")


def test_stop_with_open_streams_is_orderly(pair, make_agent):
	alice, _ = pair
	carol = make_agent("carol")
	streams = [upgrade(carol, f"address={alice.address}&service=echo") for _ in range(5)]
	begun = time.monotonic()
	assert carol.stop() == 0
	assert time.monotonic() - begun < 10
	for s, rest in streams:
		try:
			read_to_end(s, rest)
		except ConnectionResetError:
			pass
		s.close()
