"""Writes the C of the contract: schema nodes, patterns, routes, problems, event types and documents."""
import json

from pattern import PatternError, compile_pattern

TYPES = {"null": 1, "boolean": 2, "integer": 4, "number": 8, "string": 16, "array": 32, "object": 64}
ANY = 127
ANNOTATIONS = {"$schema", "$id", "title", "description", "examples", "default", "readOnly", "writeOnly", "deprecated"}
KEYWORDS = {"type", "enum", "const", "required", "properties", "additionalProperties", "propertyNames", "items",
	"minItems", "maxItems", "uniqueItems", "minLength", "maxLength", "minProperties", "maxProperties", "minimum",
	"maximum", "pattern", "format", "oneOf", "$ref", "x-vx6-read-only"}
LIMITS = (("Length", "length"), ("Items", "items"), ("Properties", "props"))
UPPER = "VX6_SCHEMA_NO_MAX"


def c_string(text):
	if text is None:
		return "NULL"
	out = []
	for byte in text.encode():
		c = chr(byte)
		if c in '"\\?':
			out.append("\\" + c)
		elif 32 <= byte < 127:
			out.append(c)
		else:
			out.append("\\%03o" % byte)
	return '"' + "".join(out) + '"'


def c_name(text):
	return "".join(c if c.isalnum() else "_" for c in text).upper()


def c_bytes(data):
	rows = [",".join(map(str, data[i:i + 32])) for i in range(0, len(data), 32)]
	return "{\n" + ",\n".join(rows) + "\n}"


def c_double(value):
	return repr(float(value))


class Emitter:
	def __init__(self, components, error):
		self.components, self.error = components, error
		self.nodes, self.index, self.roots = [], {}, {}
		self.patterns, self.pattern_index = [], {}
		self.arrays = []  # C text of the arrays that nodes point to
		self.routes = []

	# ---- schemas ----

	def named(self, name):
		self.roots[name] = self.node({"$ref": name})

	def node(self, schema):
		"""Returns the number of the table entry for a schema."""
		if isinstance(schema, bool):
			schema = {} if schema else {"x-vx6-never": True}
		if "$ref" in schema:
			extra = set(schema) - ANNOTATIONS - {"$ref"}
			if extra:
				raise self.error(f"{schema['$ref']}: {extra} beside $ref")
			name = schema["$ref"].rsplit("/", 1)[-1].removesuffix(".json")
			target = self.components.resolve(schema)
			return self.memo(("ref", name), target, name)
		return self.memo(("text", json.dumps(schema, sort_keys=True)), schema, None)

	def memo(self, key, schema, name):
		if key not in self.index:
			self.index[key] = len(self.nodes)
			self.nodes.append(None)
			self.nodes[self.index[key]] = self.fill(schema, name)
		return self.index[key]

	def fill(self, schema, name):
		if "oneOf" in schema:
			return self.fill_nullable(schema, name)
		unknown = set(schema) - ANNOTATIONS - KEYWORDS - {"x-vx6-never"}
		if unknown:
			raise self.error(f"{name or schema}: {unknown} is outside the profile")
		out = {"name": c_string(name), "types": self.types(schema.get("type"))}
		flags = [flag for key, flag in (("minimum", "MIN"), ("maximum", "MAX"), ("x-vx6-never", "NEVER")) if key in schema]
		flags += ["UNIQUE"] if schema.get("uniqueItems") else []
		flags += ["CONST"] if "const" in schema else []
		if schema.get("format") not in (None, "date-time"):
			raise self.error(f"{name}: format {schema['format']} is outside the profile")
		flags += ["DATE_TIME"] if "format" in schema else []
		for json_name, c_field in LIMITS:
			if "min" + json_name in schema:
				out["min_" + c_field] = int(schema["min" + json_name])
			out["max_" + c_field] = int(schema["max" + json_name]) if "max" + json_name in schema else UPPER
		for key in ("minimum", "maximum"):
			if key in schema:
				out[key[:3]] = c_double(schema[key])
		self.fill_object(schema, out, flags)
		for key, field in (("items", "items"), ("propertyNames", "key")):
			if key in schema:
				out[field] = "&nodes[%d]" % self.node(schema[key])
		if "const" in schema or "enum" in schema:
			values = [schema["const"]] if "const" in schema else schema["enum"]
			out["values"], out["values_n"] = self.values(values), len(values)
		if "pattern" in schema:
			out["pattern"] = "&patterns[%d]" % self.pattern(schema["pattern"])
		if flags:
			out["flags"] = " | ".join("VX6_SF_" + f for f in flags)
		return out

	def fill_nullable(self, schema, name):
		"""The one form of oneOf in the profile: a schema or null."""
		inner, null = schema["oneOf"] if len(schema["oneOf"]) == 2 else (None, None)
		if null != {"type": "null"} or set(schema) - ANNOTATIONS - {"oneOf"}:
			raise self.error(f"{name or schema}: oneOf is only for [schema, null]")
		out = dict(self.nodes[self.node(inner)] or {})
		if not out or "CONST" in out.get("flags", "") or "values" in out:
			target = self.components.resolve(inner)
			out = self.fill({**target, "enum": target.get("enum", [target.get("const")]) + [None], "type": self.with_null(target)}, name)
		else:
			out["types"] |= TYPES["null"]
		return out

	@staticmethod
	def with_null(schema):
		kinds = schema.get("type", list(TYPES))
		return (kinds if isinstance(kinds, list) else [kinds]) + ["null"]

	def types(self, kinds):
		if kinds is None:
			return ANY
		kinds = kinds if isinstance(kinds, list) else [kinds]
		mask = sum({TYPES[k] for k in kinds})
		return mask | TYPES["integer"] if "number" in kinds else mask

	def fill_object(self, schema, out, flags):
		extra = schema.get("additionalProperties", True)
		if extra is False:
			flags.append("CLOSED")
		elif extra is not True:
			out["extra"] = "&nodes[%d]" % self.node(extra)
		required = schema.get("required", [])
		props = dict(schema.get("properties", {}))
		rows = []
		for key, value in props.items():
			target = {} if isinstance(value, bool) else value
			resolved = self.components.resolve(target) if "$ref" in target else target
			note = target.get("description", resolved.get("description"))
			fallback = target.get("default", resolved.get("default", ...))
			rows.append("{%s, &nodes[%d], %s, %s, %s}" % (c_string(key), self.node(value), c_string(note),
				"NULL" if fallback is ... else c_string(json.dumps(fallback)), str(key in required).lower()))
		for key in required:
			if key not in props:
				rows.append("{%s, &nodes[%d], NULL, NULL, true}" % (c_string(key), self.node(True)))
		for key in schema.get("x-vx6-read-only", []):
			rows.append("{%s, NULL, NULL, NULL, false}" % c_string(key))
		if rows:
			out["props"] = self.array("static const struct vx6_schema_prop %s[]", "props", rows)
			out["props_n"] = len(rows)

	def values(self, values):
		rows = []
		for v in values:
			if isinstance(v, (list, dict)):
				raise self.error(f"{v}: enum and const are for scalars only")
			kind = "NULL" if v is None else "BOOL" if isinstance(v, bool) else "STRING" if isinstance(v, str) else "NUMBER"
			number = c_double(v) if kind in ("BOOL", "NUMBER") else "0"
			rows.append("{VX6_JT_%s, %s, %s, %s}" % (kind, number, c_string(json.dumps(v, ensure_ascii=False)),
				c_string(v if kind == "STRING" else None)))
		return self.array("static const struct vx6_schema_value %s[]", "values", rows)

	def array(self, declaration, stem, rows):
		name = "%s_%d" % (stem, len(self.arrays))
		self.arrays.append(declaration % name + " = {\n\t" + ",\n\t".join(rows) + ",\n};\n")
		return name

	def pattern(self, text):
		if text not in self.pattern_index:
			try:
				of_byte, rows, accept = compile_pattern(text)
			except PatternError as e:
				raise self.error(f"pattern {text}: {e}") from e
			n = self.pattern_index[text] = len(self.patterns)
			flat = [s for row in rows for s in row]
			self.arrays.append("static const uint8_t class_%d[256] = %s;\n" % (n, c_bytes(of_byte)))
			self.arrays.append("static const uint16_t next_%d[] = %s;\n" % (n, c_bytes(flat)))
			self.arrays.append("static const uint8_t accept_%d[] = %s;\n" % (n, c_bytes([int(a) for a in accept])))
			self.patterns.append("{%s, class_%d, next_%d, accept_%d, %d}" % (c_string(text), n, n, n, len(rows[0])))
		return self.pattern_index[text]

	# ---- routes ----

	def add_route(self, route):
		places = {"path": "PATH", "query": "QUERY", "header": "HEADER"}
		rows = []
		for p in route.params:
			resolved = self.components.resolve(p["schema"])
			fallback = resolved.get("default", ...)
			rows.append("{%s, VX6_PARAM_%s, &nodes[%d], %s, %s}" % (c_string(p["name"]), places[p["in"]],
				self.node(p["schema"]), c_string(p["description"]), "NULL" if fallback is ... else c_string(json.dumps(fallback))))
		params = self.array("static const struct vx6_param %s[]", "params", rows) if rows else "NULL"
		problems = self.array("static const uint8_t %s[]", "problems", ["VX6_PROBLEM_" + c_name(c) for c in route.problems])
		body = "&nodes[%d]" % self.node(route.body) if route.body else "NULL"
		self.routes.append("""	[VX6_OP_%s] = {
		.op = VX6_OP_%s, .id = %s, .method = %s, .path = %s,
		.role = VX6_API_ROLE_%s, .max_body = %d, .merge_patch = %s, .params_n = %d, .problems_n = %d,
		.params = %s, .body = %s, .problems = %s,
		.cli = %s, .summary = %s,
	},""" % (c_name(route.id), c_name(route.id), c_string(route.id), c_string(route.method), c_string(route.path),
			c_name(route.role), route.max_body, str(route.media == "application/merge-patch+json").lower(), len(rows),
			len(route.problems), params, body, problems, c_string(route.cli), c_string(route.op["summary"])))

	# ---- files ----

	@staticmethod
	def ids(routes, problems, version):
		ops = "".join("\tVX6_OP_%s,\n" % c_name(r.id) for r in routes)
		codes = "".join("\tVX6_PROBLEM_%s,\n" % c_name(p["code"]) for p in problems)
		return f"""/* Made by schemas/gen/gen_contract.py. */
#ifndef VX6_API_CONTRACT_IDS_H
#define VX6_API_CONTRACT_IDS_H

#define VX6_CONTRACT_VERSION {c_string(version)}

enum vx6_op {{
{ops}	VX6_OP_N,
}};

enum vx6_problem_code {{
{codes}	VX6_PROBLEM_N,
}};

#endif
"""

	def tables(self):
		"""The schema nodes and what they point to."""
		yield "static const struct vx6_schema nodes[%d];\n" % len(self.nodes)
		yield from self.arrays
		yield "static const struct vx6_pattern patterns[] = {\n\t%s,\n};\n" % ",\n\t".join(self.patterns or ["{0}"])
		rows = ["\t{%s}," % ", ".join(".%s = %s" % kv for kv in node.items()) for node in self.nodes]
		yield "static const struct vx6_schema nodes[%d] = {\n%s\n};\n" % (len(self.nodes), "\n".join(rows))

	def source(self, routes, problems, events, openapi, docs):
		out = ["/* Made by schemas/gen/gen_contract.py. */\n#include \"api/contract/contract.h\"\n\n#include <string.h>\n\n"]
		out += self.tables()
		out.append("const struct vx6_route vx6_routes[VX6_OP_N] = {\n%s\n};\n" % "\n".join(self.routes))
		out.append("const struct vx6_problem_info vx6_problems[VX6_PROBLEM_N] = {\n%s\n};\n" % "\n".join(
			"\t[VX6_PROBLEM_%s] = {%s, %d, %s, %s, %s}," % (c_name(p["code"]), c_string(p["code"]), p["status"],
				str(p.get("retryable", False)).lower(), c_string(p["title"]), c_string(p["detail"])) for p in problems))
		out.append("const struct vx6_event_info vx6_event_types[] = {\n%s\n};\nconst size_t vx6_event_types_n = %d;\n" % ("\n".join(
			"\t{%s, %s, %s}," % (c_string(e["type"]), c_string(e["subject"]), c_string(e["detail"])) for e in events), len(events)))
		out.append("static const uint8_t openapi_bytes[] = %s;\n" % c_bytes(openapi.encode()))
		out.append("const struct vx6_document vx6_openapi = {\"openapi\", openapi_bytes, sizeof openapi_bytes};\n")
		for n, text in enumerate(docs.values()):
			out.append("static const uint8_t doc_%d[] = %s;\n" % (n, c_bytes(text.encode())))
		out.append("const struct vx6_document vx6_schema_docs[] = {\n%s\n};\nconst size_t vx6_schema_docs_n = %d;\n" % ("\n".join(
			"\t{%s, doc_%d, sizeof doc_%d}," % (c_string(name), n, n) for n, name in enumerate(docs)), len(docs)))
		out.append("\nstatic const struct {\n\tconst char *name;\n\tconst struct vx6_schema *schema;\n} roots[] = {\n%s\n};\n" % "\n".join(
			"\t{%s, &nodes[%d]}," % (c_string(name), n) for name, n in self.roots.items()))
		out.append("""
const struct vx6_schema *vx6_schema_find(const char *name)
{
	for (size_t i = 0; i < sizeof roots / sizeof *roots; i++)
		if (strcmp(roots[i].name, name) == 0)
			return roots[i].schema;
	return NULL;
}
""")
		return "".join(out)
