"""A real agent for every module of tests, and a client that holds each answer against the contract."""
import copy
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.parse

import jsonschema
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("VX6_BIN", ROOT / "build" / "vx6"))


def free_port():
	with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as s:
		s.bind(("127.0.0.1", 0))
		return s.getsockname()[1]


class UnixConnection(http.client.HTTPConnection):
	def __init__(self, path, timeout=20):
		super().__init__("localhost", timeout=timeout)
		self.path = path

	def connect(self):
		self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
		self.sock.settimeout(self.timeout)
		self.sock.connect(self.path)


class Answer:
	def __init__(self, status, headers, body):
		self.status, self.headers, self.body = status, headers, body
		kind = headers.get("Content-Type", "")
		self.json = json.loads(body) if body and "json" in kind else None

	def __repr__(self):
		return f"<{self.status} {self.body[:500]!r}>"

	@property
	def code(self):
		return (self.json or {}).get("code")

	@property
	def faults(self):
		return {(e["pointer"], e["code"]) for e in self.json.get("errors", [])}


class Agent:
	def __init__(self, folder, name="alice"):
		self.dir, self.name, self.port = pathlib.Path(folder), name, free_port()
		self.socket = str(self.dir / "api.sock")
		self.process = None
		self.contract = None

	def start(self, *more):
		log = open(self.dir.parent / f"{self.dir.name}.log", "ab")
		# what is on the network of the machine that tests must not show in them
		env = {"VX6_LAN": "off", **os.environ}
		self.process = subprocess.Popen([str(BIN), "agent", "--state-dir", str(self.dir), "--name", self.name, "--listen", "[::1]:0",
			"--api-listen", f"127.0.0.1:{self.port}", *more], stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env)
		log.close()
		for _ in range(200):
			assert self.process.poll() is None, self.log()
			try:
				if self.raw("GET", "/v1/health/ready").status == 200:
					break
			except OSError:
				pass
			time.sleep(0.05)
		else:
			raise AssertionError("agent does not become ready: " + self.log())
		self.contract = Contract(self.raw("GET", "/v1/openapi.json").json)
		return self

	def log(self):
		return (self.dir.parent / f"{self.dir.name}.log").read_text(errors="replace")[-4000:]

	def stop(self, sig=signal.SIGTERM):
		if self.process and self.process.poll() is None:
			self.process.send_signal(sig)
			try:
				self.process.wait(15)
			except subprocess.TimeoutExpired:
				self.process.kill()
				self.process.wait()
				raise AssertionError("agent does not stop: " + self.log()) from None
		return self.process.returncode

	@property
	def token(self):
		return (self.dir / "admin.token").read_text().strip()

	def connection(self, tcp=False, timeout=20):
		return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout) if tcp else UnixConnection(self.socket, timeout)

	def raw(self, method, path, body=None, headers=None, tcp=False):
		"""One request, its answer unchecked."""
		connection = self.connection(tcp)
		try:
			connection.request(method, path, body, headers or {})
			r = connection.getresponse()
			return Answer(r.status, r.headers, r.read())
		finally:
			connection.close()

	def call(self, method, path, body=None, headers=None, tcp=False, token=True):
		"""One request; the answer must be one that the contract allows for it."""
		headers = dict(headers or {})
		if body is not None and not isinstance(body, (bytes, str)):
			body = json.dumps(body)
		if body is not None:
			headers.setdefault("Content-Type", "application/merge-patch+json" if method == "PATCH" else "application/json")
		if tcp and token:
			headers.setdefault("Authorization", f"Bearer {self.token}")
		answer = self.raw(method, path, body, headers, tcp)
		self.contract.check(method, path, answer)
		return answer

	def tcp_socket(self):
		return socket.create_connection(("127.0.0.1", self.port), timeout=20)

	def unix_socket(self):
		s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
		s.settimeout(20)
		s.connect(self.socket)
		return s

	def memory_kib(self):
		text = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
		return int(re.search(r"VmRSS:\s+(\d+)", text)[1])

	def descriptors(self):
		return len(os.listdir(f"/proc/{self.process.pid}/fd"))


class Contract:
	"""The OpenAPI document that the agent serves, used as the judge of its answers."""

	def __init__(self, doc):
		self.doc = doc
		self.strict = copy.deepcopy(doc)
		self.close(self.strict["components"]["schemas"])

	@classmethod
	def close(cls, node):
		"""In a test a field that the contract does not know is an error."""
		if isinstance(node, dict):
			if "properties" in node and node.get("type") == "object":
				node.setdefault("additionalProperties", False)
			for value in node.values():
				cls.close(value)
		elif isinstance(node, list):
			for value in node:
				cls.close(value)

	def operations(self):
		for path, item in self.doc["paths"].items():
			for method, op in item.items():
				yield method.upper(), path, op

	def parameters(self, op):
		for p in op.get("parameters", []):
			yield self.doc["components"]["parameters"][p["$ref"].rsplit("/", 1)[-1]] if "$ref" in p else p

	def parameter(self, op):
		"""The one of the path."""
		return next((p for p in self.parameters(op) if p["in"] == "path"), None)

	def fit(self, template, op, path):
		"""How well a path fits a template: literally, before a verb, as a parameter, or not at all."""
		if "{" not in template:
			return 3 if template == path else 0
		head, tail = re.fullmatch(r"(.*)\{[a-z_]+\}(.*)", template).groups()
		arg = path[len(head):len(path) - len(tail)] if path.startswith(head) and path.endswith(tail) else ""
		if not arg or "/" in arg:
			return 0
		if tail and not re.fullmatch(self.parameter(op)["schema"]["pattern"], arg):
			return 0
		return 2 if tail else 1

	def operation(self, method, path):
		path = urllib.parse.unquote(path.split("?")[0])
		fits = [(self.fit(template, op, path), m, op) for m, template, op in self.operations()]
		best = max(f for f, _, _ in fits)
		wanted = "GET" if method == "HEAD" else method
		return next((op for f, m, op in fits if f == best > 0 and m == wanted), None)

	def absent(self, path, op, name="no-such"):
		"""The path of something that is not there."""
		p = self.parameter(op)
		if p and path.endswith("}"):
			return re.sub(r"\{id\}", f"name:{name}", path).replace("{schema}", "NoSuch")
		value = f"name:{name}" if p and re.fullmatch(p["schema"]["pattern"], f"name:{name}") else p and next(iter(p["examples"].values()))["value"]
		return re.sub(r"\{[a-z_]+\}", value, path) if p else path

	def validator(self, schema):
		return jsonschema.Draft202012Validator({**schema, "components": self.strict["components"]}, format_checker=jsonschema.FormatChecker())

	def validate(self, name, value):
		self.validator({"$ref": f"#/components/schemas/{name}"}).validate(value)

	def check(self, method, path, answer):
		op = self.operation(method, path)
		problem = answer.headers.get("Content-Type") == "application/problem+json"
		if problem:
			self.validate("Problem", answer.json)
			assert answer.json["status"] == answer.status
		if op is None:
			assert answer.code in ("route_unknown", "method_not_allowed", "uri_too_long", "headers_too_large", "host_refused", "origin_refused", "bad_request"), answer
			return
		if answer.status == 304:
			assert not answer.body
			return
		if problem:
			assert answer.code in op["x-vx6-problems"], f"{op['operationId']}: {answer.code} is not in the contract"
		response = op["responses"].get(str(answer.status))
		assert response, f"{op['operationId']}: status {answer.status} is not in the contract: {answer}"
		assert "X-Request-Id" in answer.headers and answer.headers["Cache-Control"] == "no-store"
		if method == "HEAD" or not answer.body:
			return
		kind = answer.headers["Content-Type"]
		assert kind in response["content"], f"{op['operationId']}: {kind} is not in the contract"
		if kind not in ("application/octet-stream", "application/x-tar"):
			self.validator(response["content"][kind]["schema"]).validate(answer.json if "json" in kind else answer.body.decode())


@pytest.fixture(scope="session")
def folder():
	if not BIN.exists():
		pytest.fail(f"{BIN} is not built")
	path = tempfile.mkdtemp(prefix="vx6-api-")
	yield pathlib.Path(path)
	shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def make_agent(folder):
	made = []

	def make(name="alice", *more):
		agent = Agent(tempfile.mkdtemp(prefix=f"{name}-", dir=folder), name)
		made.append(agent)
		return agent.start(*more)

	yield make
	for agent in made:
		agent.stop()


@pytest.fixture(scope="module")
def agent(folder):
	a = Agent(tempfile.mkdtemp(prefix="alice-", dir=folder)).start()
	yield a
	assert a.process.poll() is None, "the agent died: " + a.log()
	assert a.stop() == 0, a.log()
