"""v1 only grows: the contract that the agent serves against the frozen ones, and breaks that the comparison must see."""
import copy
import json
import subprocess
import sys

import pytest

from conftest import ROOT

sys.path.insert(0, str(ROOT / "schemas" / "gen"))
import contract_diff  # noqa: E402

FROZEN = sorted((ROOT / "schemas" / "contract").glob("*.json.gz"))
NEWEST = contract_diff.load(str(FROZEN[-1]))


def schema(doc, name):
    return doc["components"]["schemas"][name]


def fields(doc, name):
    return schema(doc, name)["properties"]


def operation(doc, path, method="get"):
    return doc["paths"][path][method]


# what is changed, and where the comparison has to say so
BREAKS = [
    (lambda d: d["paths"].pop("/v1/peers"), "GET /v1/peers: is gone"),
    (lambda d: d["paths"]["/v1/peers/{id}"].pop("put"), "PUT /v1/peers/{id}: is gone"),
    (lambda d: operation(d, "/v1/node").update({"operationId": "other"}), "GET /v1/node: was node_get, is other"),
    (lambda d: operation(d, "/v1/node").update({"x-vx6-role": "admin"}), "GET /v1/node: needs the role admin"),
    (lambda d: operation(d, "/v1/services", "post").update({"x-vx6-max-body": 10}), "POST /v1/services: takes a smaller body"),
    (lambda d: operation(d, "/v1/services")["parameters"].pop(0), "GET /v1/services?limit: is gone"),
    (lambda d: d["components"]["parameters"]["limit"].update(required=True), "GET /v1/peers?limit: has to be given"),
    (lambda d: d["components"]["parameters"]["limit"]["schema"].update(maximum=10), "GET /v1/peers?limit: maximum was 1000000, is 10"),
    (lambda d: operation(d, "/v1/peers", "post")["responses"].pop("201"), "POST /v1/peers: no longer answers 201"),
    (lambda d: operation(d, "/v1/peers", "post")["requestBody"]["content"].pop("application/json"),
     "POST /v1/peers body: application/json is gone"),
    (lambda d: fields(d, "Peer")["status"].update({"$ref": "#/components/schemas/Time"}), "GET /v1/peers 200/items/*/status: may now be string"),
    (lambda d: fields(d, "PeerStatus").pop("rtt_ms"), "GET /v1/peers 200/items/*/status/rtt_ms: is gone"),
    (lambda d: schema(d, "Peer")["required"].remove("id"), "GET /v1/peers 200/items/*/id: may be missing"),
    (lambda d: fields(d, "Peer")["id"].update(type=["string", "null"]), "GET /v1/peers 200/items/*/id: may now be null"),
    (lambda d: fields(d, "PeerInput").pop("labels"), "POST /v1/peers body/labels: is gone"),
    (lambda d: schema(d, "PeerInput")["required"].append("name"), "POST /v1/peers body/name: has to be given"),
    (lambda d: fields(d, "PeerInput")["addresses"].update(maxItems=1), "POST /v1/peers body/addresses: maxItems was 8, is 1"),
    (lambda d: fields(d, "PeerInput")["addresses"].update(minItems=2), "POST /v1/peers body/addresses: minItems was 0, is 2"),
    (lambda d: fields(d, "PeerInput")["enabled"].update(type="string"), "POST /v1/peers body/enabled: no longer takes boolean"),
    (lambda d: fields(d, "PeerInput")["enabled"].update(const=True), "POST /v1/peers body/enabled: no longer takes other values"),
    (lambda d: schema(d, "TransportMode")["enum"].remove("tcp"), "POST /v1/forwards body/transport: no longer takes tcp"),
    (lambda d: schema(d, "Name").update(pattern="^a$"), "POST /v1/services body/name: another pattern"),
]
GROWTH = [
    lambda d: d["paths"].update({"/v1/new": d["paths"]["/v1/node"]}),
    lambda d: fields(d, "Peer").update(more={"type": "string"}),
    lambda d: schema(d, "Peer")["required"].append("more"),
    lambda d: fields(d, "PeerInput").update(more={"type": "string"}),
    lambda d: fields(d, "PeerInput")["addresses"].update(maxItems=100),
    lambda d: schema(d, "TransportMode")["enum"].append("pigeon"),
    lambda d: operation(d, "/v1/node").update({"x-vx6-role": "public"}),
    lambda d: fields(d, "Peer")["id"].update(description="other words"),
]


@pytest.mark.parametrize("frozen", FROZEN, ids=lambda path: path.name)
def test_clients_of_an_older_contract_are_not_broken(agent, frozen):
    old = contract_diff.load(str(frozen))
    assert old["info"]["version"] + ".json.gz" == frozen.name
    assert contract_diff.breaks(old, agent.contract.doc) == []


@pytest.mark.parametrize("change,said", BREAKS, ids=[said for _, said in BREAKS])
def test_a_break_is_seen(change, said):
    doc = copy.deepcopy(NEWEST)
    change(doc)
    assert said in contract_diff.breaks(NEWEST, doc)


@pytest.mark.parametrize("change", GROWTH)
def test_growth_is_no_break(change):
    doc = copy.deepcopy(NEWEST)
    change(doc)
    assert doc != NEWEST and contract_diff.breaks(NEWEST, doc) == []


def test_the_tool_compares_files_and_freezes(tmp_path):
    def tool(*argv):
        return subprocess.run([sys.executable, "-B", ROOT / "schemas" / "gen" / "contract_diff.py", *map(str, argv)], capture_output=True, text=True)

    doc, file, frozen = copy.deepcopy(NEWEST), tmp_path / "new.json", tmp_path / "new.json.gz"
    doc["paths"].pop("/v1/node")
    file.write_text(json.dumps(doc))
    assert tool(FROZEN[-1], FROZEN[-1]).returncode == 0
    done = tool(FROZEN[-1], file)
    assert done.returncode == 1 and done.stdout == "GET /v1/node: is gone\nPATCH /v1/node: is gone\n"
    assert tool("--freeze", frozen, file).returncode == 0
    assert contract_diff.load(str(frozen)) == doc
