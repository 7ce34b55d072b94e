"""Following what happens: streams that resume, long-polls that wait, followers that vanish."""
import json
import socket
import threading
import time


class Stream:
	"""A server-sent event stream over the unix socket."""

	def __init__(self, agent, query="", last=None):
		self.socket = agent.unix_socket()
		head = f"GET /v1/events{query} HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n"
		head += f"Last-Event-ID: {last}\r\n" if last is not None else ""
		self.socket.sendall((head + "\r\n").encode())
		self.file = self.socket.makefile("rb")
		self.status = int(self.file.readline().split()[1])
		while self.file.readline().strip():
			pass
		self.text = b""

	def block(self, timeout=10):
		"""One event or comment, as a dictionary of its fields."""
		self.socket.settimeout(timeout)
		while b"\n\n" not in self.text:
			size = int(self.file.readline(), 16)
			if size == 0:
				return None
			self.text += self.file.read(size)
			self.file.readline()
		block, _, self.text = self.text.partition(b"\n\n")
		return dict(line.split(": ", 1) for line in block.decode().splitlines() if ": " in line)

	def event(self, timeout=10):
		while True:
			block = self.block(timeout)
			if block is None or "event" in block:
				return block

	def close(self):
		self.file.close()
		self.socket.close()


def rename(agent, n):
	assert agent.call("PATCH", "/v1/services/name:ev", {"labels": {"n": str(n)}}).status == 200


def service(agent):
	agent.call("DELETE", "/v1/services/name:ev")
	assert agent.call("POST", "/v1/services", {"name": "ev", "target": "127.0.0.1:1"}).status == 201


def test_stream_tells_changes_as_they_happen(agent):
	stream = Stream(agent)
	assert stream.status == 200 and stream.block() == {"retry": "3000"}
	service(agent)
	event = stream.event()
	data = json.loads(event["data"])
	assert event["event"] == "service.created" and int(event["id"]) == data["seq"]
	agent.contract.validate("Event", data)
	assert data["subject"]["id"] == agent.call("GET", "/v1/services/name:ev").json["id"]
	stream.close()


def test_stream_resumes_after_the_last_event_without_gap_or_repeat(agent):
	service(agent)
	stream = Stream(agent)
	rename(agent, 0)
	first = int(stream.event()["id"])
	stream.close()
	for n in range(1, 8):
		rename(agent, n)
	stream = Stream(agent, last=first)
	assert [int(stream.event()["id"]) for _ in range(7)] == list(range(first + 1, first + 8))
	rename(agent, 8)
	assert int(stream.event()["id"]) == first + 8
	stream.close()


def test_stream_reads_the_database_beyond_what_memory_holds(make_agent):
	agent = make_agent()
	service(agent)
	for n in range(300):
		rename(agent, n)
	newest = agent.call("GET", "/v1/services").json["index"]
	stream = Stream(agent, last=1)
	seen = [int(stream.event()["id"]) for _ in range(newest - 1)]
	assert seen == list(range(2, newest + 1))
	rename(agent, 300)
	assert int(stream.event()["id"]) == newest + 1
	stream.close()
	# and after a restart, with nothing in memory
	agent.stop()
	agent.start()
	stream = Stream(agent, last=newest - 5)
	assert [int(stream.event()["id"]) for _ in range(5)] == list(range(newest - 4, newest + 1))
	stream.close()


def test_number_from_the_future_is_a_reset(agent):
	stream = Stream(agent, last=10**9)
	event = stream.event()
	assert event["event"] == "reset"
	service(agent)
	assert int(stream.event()["id"]) > int(event["id"])
	stream.close()
	assert agent.call("GET", f"/v1/events?since={10**9}").json["reset"] is True


def test_types_are_filtered(agent):
	service(agent)
	stream = Stream(agent, "?types=forward.*,peer.created")
	rename(agent, 1)
	agent.call("POST", "/v1/forwards", {"name": "ev", "listen": "127.0.0.1:0", "to": "a.b"})
	assert stream.event()["event"] == "forward.created"
	agent.call("DELETE", "/v1/forwards/name:ev")
	assert stream.event()["event"] == "forward.removed"
	stream.close()


def test_long_poll_waits_for_the_next_event(agent):
	service(agent)
	since = agent.call("GET", "/v1/services").json["index"]
	begun = time.monotonic()
	empty = agent.call("GET", f"/v1/events?since={since}&wait=700ms").json
	assert empty["items"] == [] and empty["next_since"] >= since and 0.6 < time.monotonic() - begun < 3
	threading.Timer(0.3, rename, (agent, 1)).start()
	begun = time.monotonic()
	answer = agent.call("GET", f"/v1/events?since={since}&wait=20s&types=service.*").json
	assert [e["type"] for e in answer["items"]] == ["service.updated"] and time.monotonic() - begun < 5
	threading.Timer(0.3, rename, (agent, 2)).start()
	assert agent.call("GET", "/v1/events?wait=20s&types=service.*").json["items"][0]["seq"] > since + 1


def test_pages_of_events(agent):
	service(agent)
	for n in range(10):
		rename(agent, n)
	index, since, seen = agent.call("GET", "/v1/services").json["index"], 0, []
	while since < index:
		page = agent.call("GET", f"/v1/events?since={since}&limit=3").json
		assert 0 < len(page["items"]) <= 3 and page["next_since"] > since
		since = page["next_since"]
		seen += [e["seq"] for e in page["items"]]
	assert seen[:index] == list(range(1, index + 1))


def test_heartbeat_comes_within_15_seconds(agent):
	stream = Stream(agent)
	stream.block()
	begun = time.monotonic()
	while True:
		block = stream.block(16)
		if block == {}:
			break
	assert time.monotonic() - begun < 15
	stream.close()


def test_event_types_are_all_in_the_registry(agent):
	from conftest import ROOT
	known = {e["type"] for e in json.loads((ROOT / "schemas" / "events.json").read_text())["events"]}
	since = 0
	while True:
		page = agent.call("GET", f"/v1/events?since={since}&limit=500").json
		assert {e["type"] for e in page["items"]} <= known
		if not page["items"]:
			break
		since = page["next_since"]


def test_two_hundred_followers_that_never_read(make_agent):
	agent = make_agent()
	service(agent)
	before, descriptors = agent.memory_kib(), agent.descriptors()
	sockets = []
	for _ in range(200):
		s = agent.unix_socket()
		s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
		s.sendall(b"GET /v1/events HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n")
		sockets.append(s)
	for n in range(200):
		rename(agent, n)
	assert agent.call("GET", "/v1/health/live").status == 200
	assert agent.call("GET", "/v1/events").code == "rate_limited"  # 32 follow, the rest was told to wait
	assert agent.memory_kib() - before < 12 * 1024
	for s in sockets:
		s.close()
	for _ in range(100):
		if agent.descriptors() <= descriptors + 2:
			break
		time.sleep(0.25)
	assert agent.descriptors() <= descriptors + 2
	assert agent.call("GET", "/v1/events").status == 200


def test_stop_with_followers_and_waiting_requests_is_orderly(make_agent):
	agent = make_agent()
	streams = [Stream(agent) for _ in range(8)]
	answers = []
	polls = [threading.Thread(target=lambda: answers.append(agent.raw("GET", "/v1/events?wait=60s"))) for _ in range(4)]
	for t in polls:
		t.start()
	time.sleep(0.3)
	begun = time.monotonic()
	assert agent.stop() == 0
	assert time.monotonic() - begun < 8
	for t in polls:
		t.join(5)
	assert [a.status for a in answers] == [200] * 4
	for s in streams:
		while s.block() is not None:
			pass
		s.close()
