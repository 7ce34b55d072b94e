#!/usr/bin/env python3
"""Turns schemas/ into the C tables of api/contract/contract.h, the bundled OpenAPI document and the API reference.

  gen_contract.py --schemas DIR --out DIR      writes api/contract/ids.h, contract.c, openapi.json and api.md there

The schemas keep to a profile of JSON Schema 2020-12 (docs/api-conventions.md); a keyword outside it is an error here,
so that nothing is promised which the agent does not check. Needs only the standard library.
"""
import argparse
import copy
import json
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from emit import Emitter  # noqa: E402
from reference import reference  # noqa: E402

MAX_BODY = 256 * 1024
# Problems that a route can answer because of what it is.
EVERY = ["bad_request", "origin_refused", "host_refused", "uri_too_long", "rate_limited", "headers_too_large",
	"internal", "unavailable"]
WITH_AUTH = ["unauthenticated", "forbidden", "timeout"]
WITH_BODY = ["invalid_json", "length_required", "payload_too_large", "media_type_unsupported", "invalid_body"]


class ContractError(ValueError):
	pass


def load(path):
	def no_duplicates(pairs):
		keys = [k for k, _ in pairs]
		if len(keys) != len(set(keys)):
			raise ContractError(f"{path}: duplicate key")
		return dict(pairs)

	try:
		return json.loads(path.read_text(), object_pairs_hook=no_duplicates)
	except ValueError as e:
		raise ContractError(f"{path}: {e}") from e


def ref_name(ref):
	"""'Time.json', 'api/Time.json' and '#/components/schemas/Time' all name the component Time."""
	return ref.rsplit("/", 1)[-1].removesuffix(".json")


def nullable(schema):
	return {"oneOf": [schema, {"type": "null"}]}


class Components:
	"""The schemas by name, with those that are derived from a resource: Input (what a client may write), Patch, List."""

	def __init__(self, folder):
		self.by_name = {}
		for path in sorted(folder.glob("*.json")):
			if path.stem != load(path).get("title"):
				raise ContractError(f"{path}: title and file name differ")
			self.by_name[path.stem] = load(path)
		for name, schema in list(self.by_name.items()):
			self.derive(name, schema)

	def derive(self, name, schema):
		wanted = schema.pop("x-vx6-derive", [])
		required = schema.pop("x-vx6-required", [])
		examples = schema.pop("x-vx6-examples", {})
		if not wanted:
			return
		writable = {k: v for k, v in schema["properties"].items() if not v.get("readOnly")}
		base = {"type": "object", "additionalProperties": False,
			"x-vx6-read-only": [k for k in schema["properties"] if k not in writable]}
		made = {
			"Input": dict(base, description=f"What a client writes of a {name}.", required=required, properties=writable),
			"Patch": dict(base, description=f"A merge patch of a {name}: null takes a field back to its default.",
				properties={k: self.patch(v) for k, v in writable.items()}),
			"List": {"description": f"One page of {name} objects.", "type": "object", "required": ["items", "next_cursor", "index"],
				"properties": {"items": {"type": "array", "items": {"$ref": name + ".json"}},
					"next_cursor": {"description": "Cursor of the next page; null on the last.", "type": ["string", "null"]},
					"index": {"description": "Number of the newest event that the page reflects.", "type": "integer", "minimum": 0}}},
		}
		for suffix in wanted:
			made[suffix]["title"] = name + suffix
			if examples.get(suffix):
				made[suffix]["examples"] = examples[suffix]
			self.by_name[name + suffix] = made[suffix]
		schema.pop("additionalProperties", None)  # a client must tolerate fields of later versions

	def patch(self, schema):
		"""The merge-patch form: every member may be left out or null, at every depth."""
		notes = {k: schema[k] for k in ("description",) if k in schema}
		target = self.resolve(schema)
		if "oneOf" in schema:
			inner = self.resolve(schema["oneOf"][0])
			return dict(self.patch(schema["oneOf"][0]), **notes) if inner.get("type") == "object" and "properties" in inner else schema
		if target.get("type") != "object":
			return dict(nullable({k: v for k, v in schema.items() if k not in ("description", "default")}), **notes)
		out = {k: v for k, v in target.items() if k in ("type", "maxProperties", "propertyNames", "additionalProperties")}
		out.update({"type": ["object", "null"]}, **notes)
		if "properties" in target:
			out["properties"] = {k: self.patch(v) for k, v in target["properties"].items()}
		if isinstance(target.get("additionalProperties"), dict):
			out["additionalProperties"] = self.patch(target["additionalProperties"])
		out.pop("maxProperties", None)  # counted after the merge
		return out

	def resolve(self, schema):
		seen = set()
		while "$ref" in schema:
			name = ref_name(schema["$ref"])
			if name in seen or name not in self.by_name:
				raise ContractError(f"$ref {schema['$ref']}: unknown or circular")
			seen.add(name)
			schema = self.by_name[name]
		return schema


def walk_refs(doc, change):
	if isinstance(doc, dict):
		return {k: change(v) if k == "$ref" else walk_refs(v, change) for k, v in doc.items()}
	return [walk_refs(v, change) for v in doc] if isinstance(doc, list) else doc


class Route:
	def __init__(self, method, path, op, shared, components):
		self.method, self.path, self.op, self.id = method.upper(), path, op, op["operationId"]
		self.role, self.cli = op["x-vx6-role"], op.get("x-vx6-cli")
		self.params = [shared[ref_name(p["$ref"])] for p in op.get("parameters", [])]
		content = op.get("requestBody", {}).get("content", {})
		self.media = next(iter(content), None)
		self.body = content[self.media]["schema"] if content else None
		self.max_body = op.get("x-vx6-max-body", MAX_BODY) if content else 0
		specific = op.get("x-vx6-problems", [])
		found = set(EVERY) | set(specific) | (set(WITH_AUTH) if self.role != "public" else set())
		found |= set(WITH_BODY) if content else {"payload_too_large"}
		found |= {"invalid_parameter"}  # an unknown one is refused everywhere
		self.problems = sorted(found)
		in_path = {p["name"] for p in self.params if p["in"] == "path"}
		if in_path != set(re.findall(r"\{([a-z_]+)\}", path)):
			raise ContractError(f"{path}: path parameters do not match the template")


def bundle(doc, routes, components, problems):
	"""One self-contained document: refs turned inwards, problems spelled out as responses."""
	out = copy.deepcopy(doc)
	by_code = {p["code"]: p for p in problems}
	for r in routes:
		op = out["paths"][r.path][r.method.lower()]
		if r.role == "public":
			op["security"] = []
		if r.max_body:
			op["x-vx6-max-body"] = r.max_body
		op["x-vx6-problems"] = r.problems
		for code in r.problems:
			status = str(by_code[code]["status"])
			answer = op["responses"].setdefault(status, {"description": "", "content": {}})
			answer["content"]["application/problem+json"] = {"schema": {"$ref": "Problem"}}
			answer["description"] = (answer["description"] + f" `{code}`: {by_code[code]['title']}.").strip()
		op["responses"] = dict(sorted(op["responses"].items()))
	out["components"]["schemas"] = {}
	for name, schema in sorted(components.by_name.items()):
		out["components"]["schemas"][name] = {k: v for k, v in schema.items() if not k.startswith(("$schema", "$id"))}
	return walk_refs(out, lambda r: r if r.startswith("#/components/parameters/") else "#/components/schemas/" + ref_name(r))


def standalone(name, schema):
	"""The form served at /v1/schemas/{name}: relative refs lead to its neighbours there."""
	out = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": "urn:vx6:schema:" + name}
	out.update((k, v) for k, v in schema.items() if not k.startswith("$"))
	return walk_refs(out, lambda r: "urn:vx6:schema:" + ref_name(r))


def check_problems(problems, routes):
	known = [p["code"] for p in problems]
	if len(set(known)) != len(known):
		raise ContractError("problems.json: a code appears twice")
	for r in routes:
		unknown = set(r.problems) - set(known)
		if unknown:
			raise ContractError(f"{r.id}: unknown problems {unknown}")


def compact(doc):
	return json.dumps(doc, separators=(",", ":"), ensure_ascii=False)


def generate(schemas, out):
	components = Components(schemas / "api")
	doc, problems, events = (load(schemas / f) for f in ("openapi.json", "problems.json", "events.json"))
	problems, events = problems["problems"], events["events"]
	shared = doc["components"]["parameters"]
	routes = [Route(m, p, op, shared, components) for p, item in doc["paths"].items() for m, op in item.items()]
	if len({r.id for r in routes}) != len(routes):
		raise ContractError("an operationId appears twice")
	check_problems(problems, routes)
	openapi = bundle(doc, routes, components, problems)

	emitter = Emitter(components, ContractError)
	for r in routes:
		emitter.add_route(r)
	for name in components.by_name:
		if name.endswith(("Input", "Patch")):
			emitter.named(name)
	docs = {n: compact(standalone(n, s)) for n, s in sorted(components.by_name.items())}
	folder = out / "api" / "contract"
	folder.mkdir(parents=True, exist_ok=True)
	write(folder / "ids.h", emitter.ids(routes, problems, doc["info"]["version"]))
	write(folder / "contract.c", emitter.source(routes, problems, events, compact(openapi), docs))
	write(out / "openapi.json", json.dumps(openapi, indent=2, ensure_ascii=False) + "\n")
	write(out / "api.md", reference(openapi, problems, events))


def write(path, text):
	"""Leaves an equal file alone, so that nothing is rebuilt for it."""
	if not path.exists() or path.read_text() != text:
		path.write_text(text)


def main():
	args = argparse.ArgumentParser()
	args.add_argument("--schemas", type=pathlib.Path, required=True)
	args.add_argument("--out", type=pathlib.Path, required=True)
	args = args.parse_args()
	try:
		generate(args.schemas, args.out)
	except ContractError as e:
		sys.exit(f"gen_contract: {e}")


if __name__ == "__main__":
	main()
