"""The types that ./dev clients makes: what a real agent answers goes through them and comes out the same."""
import json
import re
import subprocess

import pytest

from conftest import ROOT, load


@pytest.fixture(scope="module")
def answers(agent):
    """(schema, JSON) of what an agent with something of everything answers."""
    seen = []

    def take(method, path, body=None):
        answer = agent.call(method, path, body)
        assert answer.status < 300, answer
        content = agent.contract.operation(method, path)["responses"][str(answer.status)].get("content", {})
        ref = content.get("application/json", {}).get("schema", {}).get("$ref")
        if ref:
            seen.append((ref.rsplit("/", 1)[-1], answer.json))
        return answer.json

    service = take("POST", "/v1/services", {"name": "web", "target": "127.0.0.1:1", "labels": {"site": "paris"}})
    peer = take("POST", "/v1/peers", {"name": "nobody", "addresses": ["192.0.2.1:1"]})
    forward = take("POST", "/v1/forwards", {"name": "one", "listen": "127.0.0.1:0", "to": "a.b", "route": {"via": "relay", "hops": 2}})
    take("PATCH", f"/v1/services/{service['id']}", {"enabled": False})
    catalog = take("POST", "/v1/catalogs", {"name": "friends"})
    take("POST", "/v1/catalogs/name:friends:add", {"service": "web"})
    take("POST", "/v1/catalogs/name:friends:invite")
    take("POST", "/v1/dht/lookups", {"name": "nobody-at-all"})
    take("PUT", "/v1/names/petname:me", {"node_id": agent.call("GET", "/v1/node").json["node_id"]})
    for path in [f"/v1/services/{service['id']}", f"/v1/peers/{peer['id']}", f"/v1/forwards/{forward['id']}", f"/v1/catalogs/{catalog['id']}"]:
        take("GET", path)
    for method, path, op in agent.contract.operations():
        if method == "GET" and "{" not in path and op["operationId"] not in ("connect_open", "openapi_get", "endpoints_list"):
            take(method, path + {"/v1/events": "?since=0", "/v1/stats/series": "?metric=sessions"}.get(path, ""))
    return seen


def bare(value):
    """Without fields that are null: the classes leave those out that need not be there."""
    if isinstance(value, dict):
        return {k: bare(v) for k, v in value.items() if v is not None}
    return [bare(v) for v in value] if isinstance(value, list) else value


def test_python_classes_take_what_an_agent_answers(answers, clients):
    module = load("vx6", clients / "python" / "vx6.py")
    classes = {name.lower(): value for name, value in vars(module).items() if hasattr(value, "from_dict")}
    names = {name for name, _ in answers}
    assert {"Node", "PeerList", "Peer", "ServiceList", "Service", "ForwardList", "Forward", "CatalogList", "EventList", "Lookup", "Version",
            "Health", "Dht", "RelayList", "CircuitList"} <= names
    for name, value in answers:
        assert bare(classes[name.lower()].from_dict(value).to_dict()) == bare(value), name
    with pytest.raises((AssertionError, KeyError, TypeError)):
        classes["node"].from_dict({"id": 5})
    grown = dict(next(value for name, value in answers if name == "Node"), of_a_later_agent=1)
    assert "of_a_later_agent" not in classes["node"].from_dict(grown).to_dict()


def test_typescript_types_fit_a_program(clients):
    tsc = clients / "npm" / "node_modules" / ".bin" / "tsc"
    done = subprocess.run([tsc, "--noEmit", "--strict", "--target", "es2022", "--module", "esnext", "--moduleResolution", "bundler",
                           ROOT / "tests" / "sdk" / "use.ts"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("file", ["kotlin/Vx6.kt", "swift/Vx6.swift", "python/vx6.py", "typescript/vx6.d.ts"])
def test_every_field_and_type_has_its_place(clients, file):
    text = (clients / file).read_text()
    schemas = json.loads((clients / "openapi.json").read_text())["components"]["schemas"]
    words = set(re.findall(r"\w+", text))
    lower = {word.lower() for word in words}

    def fields(schema):
        for value in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
            yield from fields(value)
        if isinstance(schema, dict) and isinstance(schema.get("properties"), dict):
            yield from (k for k, v in schema["properties"].items() if isinstance(v, dict))

    wanted = {name for schema in schemas.values() for name in fields(schema)}
    assert len(wanted) > 200 and wanted - words == set()
    objects = {name for name, schema in schemas.items() if schema.get("properties")}
    assert len(objects) > 60 and {name for name in objects if name.lower() not in lower} == set()


def test_nothing_generated_is_kept():
    kept = subprocess.run(["git", "-C", ROOT, "ls-files", "sdk"], capture_output=True, text=True).stdout.split()
    assert sorted(kept) == ["sdk/README.md", "sdk/generate.py", "sdk/package-lock.json", "sdk/package.json"]
