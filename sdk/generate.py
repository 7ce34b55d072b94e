#!/usr/bin/env python3
"""Makes types of the contract for other languages: sdk/generate.py OUT. Run by ./dev clients; needs node and npm."""
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / "schemas" / "gen"))
import gen_contract  # noqa: E402

# What quicktype is told for each language, beside names and schemas.
QUICKTYPE = {
	"python/vx6.py": ["--lang", "python", "--python-version", "3.7"],
	"kotlin/Vx6.kt": ["--lang", "kotlin", "--framework", "kotlinx", "--package", "vx6"],
	"swift/Vx6.swift": ["--lang", "swift", "--access-level", "public", "--protocol", "none"],
}
# Annotations, and checks that types cannot hold; as formats, times would become types whose text is another.
DROPPED = {"examples", "format", "pattern", "readOnly", "default", "$id", "$schema", "uniqueItems", "propertyNames", "minLength", "maxLength"}


def bundle(out):
	with tempfile.TemporaryDirectory() as folder:
		folder = pathlib.Path(folder)
		gen_contract.generate(ROOT / "schemas", folder)
		shutil.copy(folder / "openapi.json", out / "openapi.json")
	return json.loads((out / "openapi.json").read_text())


def plain(node, names=False):
	"""A schema as quicktype reads it best. @p names: the keys are names of fields, not keywords."""
	if isinstance(node, list):
		return [plain(v) for v in node]
	if not isinstance(node, dict):
		return node
	out = {}
	for key, value in node.items():
		if names or not (key in DROPPED or key.startswith("x-")):
			out[key] = plain(value, not names and key in ("properties", "definitions"))
	if not names and "const" in out:
		out["enum"] = [out.pop("const")]
	if not names and "$ref" in out:
		return {"$ref": out["$ref"].replace("#/components/schemas/", "#/definitions/")}
	return out


def install(npm):
	"""What the lock file names, unless it is there already."""
	lock, kept = ROOT / "sdk" / "package-lock.json", npm / "package-lock.json"
	if (npm / "node_modules").is_dir() and kept.exists() and kept.read_bytes() == lock.read_bytes():
		return
	shutil.rmtree(npm, ignore_errors=True)
	npm.mkdir(parents=True)
	for name in ("package.json", "package-lock.json"):
		shutil.copy(ROOT / "sdk" / name, npm)
	subprocess.run(["npm", "ci", "--prefix", npm, "--ignore-scripts", "--no-audit", "--no-fund"], check=True)


def main():
	out = pathlib.Path(sys.argv[1]).resolve()
	out.mkdir(parents=True, exist_ok=True)
	install(out / "npm")
	programs = out / "npm" / "node_modules" / ".bin"
	schemas = bundle(out)["components"]["schemas"]
	(out / "schema.json").write_text(json.dumps({"definitions": plain(schemas, True)}, indent=1) + "\n")
	for name in ("typescript/vx6.d.ts", *QUICKTYPE):
		(out / name).parent.mkdir(exist_ok=True)
	subprocess.run([programs / "openapi-typescript", out / "openapi.json", "--default-non-nullable", "false",
		"-o", out / "typescript" / "vx6.d.ts"], check=True)
	for name, options in QUICKTYPE.items():
		subprocess.run([programs / "quicktype", "--src-lang", "schema", *options, "--no-combine-classes", "--telemetry", "disable",
			"-o", out / name, f"{out / 'schema.json'}#/definitions/"], check=True, cwd=out)


if __name__ == "__main__":
	main()
