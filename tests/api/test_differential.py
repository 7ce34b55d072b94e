"""The agent's validator against python3-jsonschema, on bodies made from the examples by random changes."""
import copy
import json
import random

import jsonschema
import pytest

ODD = [None, True, False, 0, 1, -1, 0.5, 2**53 - 1, "", "a", "A", "web", "127.0.0.1:80", "[::1]:0", "unix:/x", "any", "none", "auto", [], [None], ["[::1]:1", "[::1]:1"],
	{}, {"a": "b"}, {"A": 1}, {"default": "any"}, {"default": "none", "node_ids": []}, "x" * 33, "é" * 32, "a-", "-a", "alice.web", "vx1" + "q" * 59 + ".web", "\n", "web\n"]


def places(value, path=()):
	yield path
	if isinstance(value, dict):
		for k, v in value.items():
			yield from places(v, path + (k,))
	elif isinstance(value, list):
		for i, v in enumerate(value):
			yield from places(v, path + (i,))


def mutate(rng, body, names):
	body = copy.deepcopy(body)
	for _ in range(rng.randint(0, 3)):
		path = rng.choice(list(places(body)))
		holder = body
		for step in path[:-1]:
			holder = holder[step]
		if path and rng.random() < 0.7:
			holder[path[-1]] = copy.deepcopy(rng.choice(ODD))
		elif path and isinstance(holder, dict):
			del holder[path[-1]]
		elif isinstance(body, dict):
			body[rng.choice(names + ["nonsense"])] = copy.deepcopy(rng.choice(ODD))
	return body


@pytest.mark.parametrize("name,method,path", [("ServiceInput", "PUT", "/v1/services/name:no-such"), ("ForwardInput", "PUT", "/v1/forwards/name:no-such"),
	("PeerInput", "PUT", "/v1/peers/name:no-such"), ("ServicePatch", "PATCH", "/v1/services/name:no-such"),
	("ForwardPatch", "PATCH", "/v1/forwards/name:no-such")])
def test_same_verdict(agent, name, method, path):
	rng = random.Random(name)
	schema = agent.contract.doc["components"]["schemas"][name]
	judge = jsonschema.Draft202012Validator({**schema, "components": agent.contract.doc["components"]})
	bodies = schema["examples"] + [agent.contract.doc["components"]["schemas"][name.replace("Patch", "Input")]["examples"][0]]
	verdicts = {True: 0, False: 0}
	for _ in range(400):
		body = mutate(rng, rng.choice(bodies), list(schema["properties"]))
		# Python's $ matches before a final newline, that of JSON Schema does not
		expected = judge.is_valid(body) and "\\n" not in json.dumps(body)
		answer = agent.call(method, path, body)
		assert answer.status == (404 if expected else 422), (body, answer, [e.message for e in judge.iter_errors(body)])
		verdicts[expected] += 1
	assert min(verdicts.values()) > 30, verdicts
