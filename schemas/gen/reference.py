"""Writes the API reference (Markdown) from the bundled OpenAPI document."""
import json


def kind_of(schema):
	if "$ref" in schema:
		name = schema["$ref"].rsplit("/", 1)[-1]
		return f"[{name}](#{name.lower()})"
	if "oneOf" in schema:
		return " or ".join(kind_of(s) for s in schema["oneOf"])
	if "enum" in schema:
		return ", ".join(f"`{json.dumps(v)}`" for v in schema["enum"])
	if "const" in schema:
		return f"`{json.dumps(schema['const'])}`"
	kind = schema.get("type", "any")
	kind = " or ".join(kind) if isinstance(kind, list) else kind
	return f"{kind} of {kind_of(schema['items'])}" if "items" in schema else kind


def routes(doc):
	shared = doc["components"]["parameters"]
	for path, item in doc["paths"].items():
		for method, op in item.items():
			yield f"### `{method.upper()} {path}`\n\n{op['summary']}. Role: {op['x-vx6-role']}."
			if op.get("x-vx6-cli"):
				yield f" Command: `vx6 {op['x-vx6-cli']}`."
			yield "\n\n"
			for p in op.get("parameters", []):
				p = shared[p["$ref"].rsplit("/", 1)[-1]]
				yield f"- `{p['name']}` ({p['in']}): {p['description']}\n"
			for media, content in op.get("requestBody", {}).get("content", {}).items():
				yield f"- body `{media}`: {kind_of(content['schema'])}\n"
			for status, answer in op["responses"].items():
				yield f"- **{status}** {answer['description']}"
				for media, content in answer.get("content", {}).items():
					if "problem" not in media:
						yield f" `{media}`: {kind_of(content['schema'])}."
				yield "\n"
			yield "\n"


def schemas(doc):
	for name, schema in doc["components"]["schemas"].items():
		yield f"### {name}\n\n{schema.get('description', '')}\n\n"
		if "properties" in schema:
			required = schema.get("required", [])
			yield "| field | type | |\n| --- | --- | --- |\n"
			for key, value in schema["properties"].items():
				kind = kind_of(value).replace("|", "\\|")
				yield f"| `{key}`{' *' if key in required else ''} | {kind} | {value.get('description', '')} |\n"
			yield "\n"
		for example in schema.get("examples", []):
			yield f"```json\n{json.dumps(example, indent=2, ensure_ascii=False)}\n```\n\n"


def reference(doc, problems, events):
	out = [f"# API reference\n\n{doc['info']['title']}, contract {doc['info']['version']}. Made from `schemas/`.\n\n## Routes\n\n"]
	out += routes(doc)
	out.append("## Objects\n\nA star marks a field that is always there (of a request: that must be).\n\n")
	out += schemas(doc)
	out.append("## Problems\n\n| code | status | | what to do |\n| --- | --- | --- | --- |\n")
	out += [f"| `{p['code']}` | {p['status']} | {p['title']} | {p['detail']} |\n" for p in problems]
	out.append("\n## Events\n\n| type | about | |\n| --- | --- | --- |\n")
	out += [f"| `{e['type']}` | {e['subject']} | {e['detail']} |\n" for e in events]
	return "".join(out)
