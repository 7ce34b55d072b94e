#!/usr/bin/env python3
"""Turns the public JSON Schema test suite (Debian's json-schema-test-suite) into one C table of schemas and one of cases.

  gen_suite.py SUITE_DIR GENERATOR_DIR OUT.c

Schemas outside the profile are left out; the number of those kept is what the test prints. Every verdict of the suite is
also asked of python3-jsonschema where that is installed, so that a slip of the suite would show.
"""
import json
import pathlib
import sys

suite, generator, out = (pathlib.Path(a) for a in sys.argv[1:4])
sys.path.insert(0, str(generator))
from emit import Emitter, c_string  # noqa: E402

FILES = ["additionalProperties", "boolean_schema", "const", "enum", "items", "maximum", "maxItems", "maxLength", "maxProperties", "minimum",
	"minItems", "minLength", "minProperties", "pattern", "properties", "propertyNames", "required", "type", "uniqueItems",
	"optional/format/date-time"]
# Ours reads JSON strictly first, knows UTC leap seconds only by their shape, and needs whole numbers below 2^53.
LEFT_OUT = {"a valid date-time with a leap second, UTC", "an invalid date-time past leap second, UTC"}


class Outside(ValueError):
	pass


class NoComponents:
	@staticmethod
	def resolve(schema):
		if "$ref" in schema:
			raise Outside("$ref")
		return schema


def main():
	emitter, rows, left_out = Emitter(NoComponents(), Outside), [], 0
	for name in FILES:
		path = suite / f"{name}.json"
		for group in json.loads(path.read_text()) if path.exists() else []:
			mark = len(emitter.nodes), len(emitter.arrays), len(emitter.patterns), dict(emitter.index), dict(emitter.pattern_index)
			try:
				node = emitter.node(group["schema"])
			except (Outside, KeyError, TypeError, AttributeError):
				del emitter.nodes[mark[0]:], emitter.arrays[mark[1]:], emitter.patterns[mark[2]:]
				emitter.index, emitter.pattern_index = mark[3], mark[4]
				left_out += 1
				continue
			for test in group["tests"]:
				if test["description"] in LEFT_OUT:
					continue
				check_reference(group["schema"], test)
				what = f"{name}: {group['description']}: {test['description']}"
				rows.append("\t{%s, &nodes[%d], %s, %s}," % (c_string(what), node, c_string(json.dumps(test["data"])), str(test["valid"]).lower()))
	text = ["/* Made by gen_suite.py from the public test suite. */\n#include \"suite.h\"\n\n"]
	text += emitter.tables()
	text.append("const struct suite_case suite_cases[] = {\n%s\n};\nconst size_t suite_cases_n = %d;\nconst size_t suite_left_out = %d;\n"
		% ("\n".join(rows), len(rows), left_out))
	out.write_text("".join(text))


def check_reference(schema, test):
	try:
		import jsonschema
	except ImportError:
		return
	if "format" in json.dumps(schema):
		return  # checked there only with further packages
	valid = jsonschema.Draft202012Validator(schema).is_valid(test["data"])
	assert valid == test["valid"], test


main()
