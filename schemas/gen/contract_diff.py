#!/usr/bin/env python3
"""Says where a contract breaks the clients of an older one; v1 may only grow.

  contract_diff.py OLD NEW             each a bundled OpenAPI document (.json, .json.gz), or a git revision of this repository
  contract_diff.py --freeze FILE NEW   writes NEW to FILE (.json.gz) without its words: what later ones are held against

A break is a path, operation, success, media type, parameter or field that is gone; a field of an answer that may be
missing, null or of another type; and all that makes a request fail which was good: a value or type no longer taken, a
field that has to be given, a narrower limit, a higher role. Exit status 1: there are breaks.
"""
import argparse
import gzip
import io
import json
import pathlib
import subprocess
import sys
import tarfile
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import gen_contract  # noqa: E402

ROLES = ["public", "viewer", "operator", "admin"]
WORDS = {"description", "summary", "examples", "tags", "title", "default"}
LOWER = ["minLength", "minItems", "minProperties", "minimum"]
UPPER = ["maxLength", "maxItems", "maxProperties", "maximum"]


def of_revision(revision):
	root = pathlib.Path(__file__).resolve().parents[2]
	archive = subprocess.run(["git", "-C", root, "archive", revision, "schemas"], check=True, capture_output=True).stdout
	with tempfile.TemporaryDirectory() as folder:
		folder = pathlib.Path(folder)
		tarfile.open(fileobj=io.BytesIO(archive)).extractall(folder)
		gen_contract.generate(folder / "schemas", folder)
		return json.loads((folder / "openapi.json").read_text())


def load(what):
	if what.endswith(".gz"):
		return json.loads(gzip.decompress(pathlib.Path(what).read_bytes()))
	return json.loads(pathlib.Path(what).read_text()) if what.endswith(".json") else of_revision(what)


def bare(node, names=False):
	"""Without what is there for people. @p names: the keys are names of fields, not keywords."""
	if isinstance(node, dict):
		return {k: bare(v, not names and k in ("properties", "schemas")) for k, v in node.items() if names or k not in WORDS}
	return [bare(v) for v in node] if isinstance(node, list) else node


class Diff:
	def __init__(self, old, new):
		self.old, self.new, self.breaks, self.seen = old, new, [], set()

	def say(self, where, what):
		if (where, what) not in self.breaks:
			self.breaks.append((where, what))

	@staticmethod
	def shape(doc, schema):
		"""A schema with its references followed, and the set of its types; *this or null* becomes this, with null among them."""
		null = False
		while "$ref" in schema or "oneOf" in schema:
			if "oneOf" in schema:
				null, schema = True, schema["oneOf"][0]
			else:
				*_, kind, name = schema["$ref"].split("/")
				schema = doc["components"][kind][name]
		kinds = schema.get("type") or {str: "string", bool: "boolean", int: "integer", float: "number"}.get(type(schema.get("const")), [])
		kinds = {kinds} if isinstance(kinds, str) else set(kinds)
		return schema, kinds | ({"null"} if null else set()) | ({"integer"} if "number" in kinds else set())

	def schema(self, where, old_ref, new_ref, request):
		key = (json.dumps(old_ref, sort_keys=True), json.dumps(new_ref, sort_keys=True), request)
		if key in self.seen:
			return
		self.seen.add(key)
		(old, had), (new, has) = self.shape(self.old, old_ref), self.shape(self.new, new_ref)
		if request and has and (had - has or not had):
			self.say(where, f"no longer takes {', '.join(sorted(had - has)) or 'every type'}")
		if not request and had and (has - had or not has):
			self.say(where, f"may now be {', '.join(sorted(has - had)) or 'of any type'}")
		if request:
			self.limits(where, old, new)
		self.fields(where, old, new, request)
		for word in ("items", "additionalProperties"):
			if isinstance(old.get(word), dict) and isinstance(new.get(word), dict):
				self.schema(f"{where}/*", old[word], new[word], request)

	def limits(self, where, old, new):
		for word in LOWER + UPPER:
			was, now = old.get(word, 0 if word in LOWER[:3] else None), new.get(word)
			if now is not None and (was is None or (now > was if word in LOWER else now < was)):
				self.say(where, f"{word} was {was}, is {now}")
		for word in ("enum", "const"):
			values = new.get("enum", [new["const"]] if "const" in new else None)
			gone = [v for v in old.get("enum", [old["const"]] if "const" in old else []) if values is not None and v not in values]
			if gone or (values is not None and not {"enum", "const"} & set(old)):
				self.say(where, f"no longer takes {', '.join(map(str, gone)) or 'other values'}")
		for word in ("pattern", "format", "uniqueItems", "propertyNames"):
			if word in new and bare(old.get(word)) != bare(new[word]):
				self.say(where, f"another {word}")
		if new.get("additionalProperties") is False and old.get("additionalProperties", True) is not False:
			self.say(where, "no longer takes other fields")

	def fields(self, where, old, new, request):
		before, after = old.get("properties", {}), new.get("properties", {})
		must, may = set(new.get("required", [])) - set(old.get("required", [])), set(old.get("required", [])) - set(new.get("required", []))
		for name in sorted(must if request else may & set(after)):
			self.say(f"{where}/{name}", "has to be given" if request else "may be missing")
		for name, schema in before.items():
			if name in after:
				self.schema(f"{where}/{name}", schema, after[name], request)
			else:
				self.say(f"{where}/{name}", "is gone")

	def content(self, where, old, new, request):
		for media, content in old.items():
			if media not in new:
				self.say(where, f"{media} is gone")
			elif "schema" in content and "schema" in new[media]:
				self.schema(where, content["schema"], new[media]["schema"], request)

	def parameters(self, where, old, new):
		before, after = ({p["name"]: p for p in (self.shape(doc, p)[0] for p in op.get("parameters", []))}
			for doc, op in ((self.old, old), (self.new, new)))
		for name, parameter in after.items():
			if parameter.get("required") and not before.get(name, {}).get("required"):
				self.say(f"{where}?{name}", "has to be given")
		for name, parameter in before.items():
			if name in after:
				self.schema(f"{where}?{name}", parameter["schema"], after[name]["schema"], True)
			else:
				self.say(f"{where}?{name}", "is gone")

	def operation(self, where, old, new):
		if old["operationId"] != new["operationId"]:
			self.say(where, f"was {old['operationId']}, is {new['operationId']}")
		if ROLES.index(new["x-vx6-role"]) > ROLES.index(old["x-vx6-role"]):
			self.say(where, f"needs the role {new['x-vx6-role']}")
		if new.get("x-vx6-max-body", 0) < old.get("x-vx6-max-body", 0):
			self.say(where, "takes a smaller body")
		self.parameters(where, old, new)
		body = new.get("requestBody", {})
		if body.get("required") and not old.get("requestBody", {}).get("required"):
			self.say(where, "needs a body")
		self.content(f"{where} body", old.get("requestBody", {}).get("content", {}), body.get("content", {}), True)
		for status, answer in old["responses"].items():
			if status not in new["responses"] and status.startswith("2"):
				self.say(where, f"no longer answers {status}")
			self.content(f"{where} {status}", answer.get("content", {}) if status in new["responses"] else {},
				new["responses"].get(status, {}).get("content", {}), False)

	def run(self):
		for path, item in self.old["paths"].items():
			for method, op in item.items():
				where = f"{method.upper()} {path}"
				if method in self.new["paths"].get(path, {}):
					self.operation(where, op, self.new["paths"][path][method])
				else:
					self.say(where, "is gone")
		return [f"{where}: {what}" for where, what in self.breaks]


def breaks(old, new):
	"""@return a line for each place where clients of @p old would fail with @p new"""
	return Diff(bare(old), bare(new)).run()


def main():
	args = argparse.ArgumentParser()
	args.add_argument("--freeze", metavar="FILE")
	args.add_argument("documents", nargs="+")
	args = args.parse_args()
	documents = [load(what) for what in args.documents]
	if args.freeze:
		text = gen_contract.compact(bare(documents[-1]))
		pathlib.Path(args.freeze).write_bytes(gzip.compress(text.encode(), 9, mtime=0))
		return 0
	found = breaks(documents[0], documents[1])
	print("\n".join(found) or "no breaks")
	return 1 if found else 0


if __name__ == "__main__":
	sys.exit(main())
