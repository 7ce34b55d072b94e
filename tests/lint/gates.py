"""The gates of `./dev test lint`: each takes the root of a tree and returns its complaints, `file:line: why`."""
import ast
import json
import pathlib
import re
import shutil
import subprocess

import check_layers
import tree

OURS = ("agent", "api")


def layers(root):
    return check_layers.check(root)


# name(...) in code -> what to use instead
BANNED_CALLS = {
    "strcpy": "vx6_strlcpy",
    "strncpy": "vx6_strlcpy",
    "stpcpy": "vx6_strlcpy",
    "strcat": "a bounded writer",
    "strncat": "a bounded writer",
    "sprintf": "snprintf",
    "vsprintf": "vsnprintf",
    "gets": "fgets",
    "strtok": "strtok_r or a reader",
    "atoi": "a parser that can say no",
    "atol": "a parser that can say no",
    "atoll": "a parser that can say no",
    "atof": "a parser that can say no",
    "alloca": "the heap or a fixed array",
    "assert": "VX6_ASSERT, which stays on",
    "rand": "crypto/random",
    "srand": "crypto/random",
    "random": "crypto/random",
    "system": "nothing: the program starts no shell",
    "popen": "nothing: the program starts no shell",
    "gmtime": "gmtime_r",
    "localtime": "localtime_r",
    "tmpnam": "mkstemp",
    "mktemp": "mkstemp",
}
CALL = re.compile(r"(?<![\w.>])(" + "|".join(BANNED_CALLS) + r")\s*\(")
SECRET = re.compile(r"secret|token|passphrase|password|seed|priv|psk|shared|\bmac\b|\bsk\b", re.IGNORECASE)
COMPARE = re.compile(r"\b(memcmp|bcmp|strcmp|strncmp)\s*\(([^;]*)")
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")


def banned_words(root):
    bad = []
    for path in tree.files(root, ".c", ".h", under=OURS):
        source = tree.text(root, path)
        for number, line in enumerate(tree.code_only(source).splitlines(), 1):
            for match in CALL.finditer(line):
                bad.append(f"{path}:{number}: {match[1]}: use {BANNED_CALLS[match[1]]}")
            match = COMPARE.search(line)
            if match and SECRET.search(match[2]):
                bad.append(f"{path}:{number}: {match[1]} on what looks like a secret: use vx6_ct_eq")
    for path in tree.files(root, ".c", ".h", ".py", ".sh", ".cmake", ".md"):
        if path.parts[:2] == ("tests", "lint"):
            continue
        for number, line in enumerate(tree.text(root, path).splitlines(), 1):
            match = UNFINISHED.search(line)
            if match:
                bad.append(f"{path}:{number}: {match[1]}: finish it or write down the reason in words")
    return bad


def headers(root):
    """Every header names itself, its layer and has the guard of its path."""
    bad = []
    for path in tree.files(root, ".h", under=OURS):
        source = tree.text(root, path)
        inside = path.parts[1:] if path.parts[0] == "agent" else path.parts
        layer = path.parts[1] if path.parts[0] == "agent" else "api"
        match = re.search(r"^ \* Layer:\s+([a-z]+)", source, re.MULTILINE)
        if f"@file {path.name}\n" not in source:
            bad.append(f"{path}:1: no `@file {path.name}`")
        if not match or match[1] != layer:
            bad.append(f"{path}:1: no `Layer: {layer}` line" + (f" but {match[1]}" if match else ""))
        guard = "VX6_" + re.sub(r"\W", "_", "/".join(inside)).upper()
        if f"#ifndef {guard}\n#define {guard}\n" not in source:
            bad.append(f"{path}:1: the include guard is not {guard}")
    return bad


def spec_references(root):
    """What a `Spec:` line or a link in a page points at is there."""
    bad = []
    for path in tree.files(root, ".c", ".h", under=OURS + ("tests",)):
        for number, line in enumerate(tree.text(root, path).splitlines(), 1):
            if re.match(r"^ \* Spec:", line):
                for target in re.findall(r"\b((?:schemas|docs)/[\w./-]+\w)", line):
                    if not (pathlib.Path(root) / target).exists():
                        bad.append(f"{path}:{number}: {target} is not there")
    for path in tree.files(root, ".md"):
        for number, line in enumerate(tree.text(root, path).splitlines(), 1):
            for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", line):
                if "://" not in target and not (pathlib.Path(root) / path.parent / target).exists():
                    bad.append(f"{path}:{number}: the link to {target} leads nowhere")
    return bad


LOG_CALL = re.compile(r"\b(?:VX6_(?:ERROR|WARN|INFO|DEBUG)\(|vx6_log_is_on\(VX6_LOG_\w+,|vx6_log_allow\([^,()]+,)\s*\"([^\"]*)\"")


def log_layers(root):
    """A line of the log names a layer that has a level: one of VX6_LOG_LAYERS."""
    bad, table = [], pathlib.Path("agent/base/log.h")
    known = set(re.findall(r"\bX\(([a-z]+)\)", tree.text(root, table))) if (pathlib.Path(root) / table).exists() else set()
    for path in tree.files(root, ".c", under=OURS):
        source = tree.text(root, path)
        for match in LOG_CALL.finditer(source):
            if match[1] not in known:
                bad.append(f"{path}:{source.count(chr(10), 0, match.start()) + 1}: {match[1]} is not in VX6_LOG_LAYERS")
    return bad


def _listed(name, words):
    """Whether name is one of the words, also through `test_${x}.c` with x among them."""
    for word in words:
        if word == name:
            return True
        match = "${" in word and re.fullmatch(re.sub(r"\\\$\\\{\w+\\\}", r"(\\w+)", re.escape(word)), name)
        if match and all(part in words for part in match.groups()):
            return True
    return False


def source_lists(root):
    """Every .c file of a layer and of its tests is in a CMakeLists.txt: of its folder, of one above, of one just below."""
    bad, words = [], {}
    for path in tree.files(root, ".txt"):
        if path.name == "CMakeLists.txt":
            words[path.parent] = re.split(r"[\s()\"]+", tree.text(root, path))
    for path in tree.files(root, ".c", under=OURS + ("tests/unit", "tests/fuzz")):
        if path == pathlib.Path("tests/fuzz/replay.c"):
            continue
        above = any(_listed(path.relative_to(folder).as_posix(), words.get(folder, ())) for folder in path.parents)
        below = any(f"../{path.name}" in words[folder] for folder in words if folder.parent == path.parent)
        if not above and not below:
            bad.append(f"{path}:1: no CMakeLists.txt lists it")
    return bad


def c_format(root):
    paths = tree.files(root, ".c", ".h")
    if not shutil.which("clang-format-19"):
        return ["clang-format-19 is missing: run ./dev setup test"]
    if not paths:
        return []
    run = subprocess.run(["clang-format-19", "--dry-run", "-Werror", "--ferror-limit=1", *map(str, paths)],
                         cwd=root, capture_output=True, text=True)
    return [line for line in run.stderr.splitlines() if "error:" in line] or ([run.stderr] if run.returncode else [])


def _scripts(root):
    for path in tree.files(root):
        if path.suffix in ("", ".sh") and re.match(r"#!.*\b(ba|da)?sh\b", tree.text(root, path)[:80].split("\n")[0]):
            yield path


def shell(root):
    paths = [str(path) for path in _scripts(root)]
    if not shutil.which("shellcheck"):
        return ["shellcheck is missing: run ./dev setup test"]
    if not paths:
        return []
    run = subprocess.run(["shellcheck", "-f", "gcc", *paths],
                         cwd=root, capture_output=True, text=True)
    return run.stdout.splitlines() + ([run.stderr] if run.returncode > 1 else [])


def python(root):
    bad = []
    for path in tree.files(root, ".py"):
        try:
            ast.parse(tree.text(root, path), str(path))
        except SyntaxError as error:
            bad.append(f"{path}:{error.lineno}: {error.msg}")
    return bad


def _no_twins(pairs):
    seen = set()
    for key, _ in pairs:
        if key in seen:
            raise ValueError(f"the key {key} appears twice")
        seen.add(key)
    return dict(pairs)


def json_files(root):
    bad = []
    for path in tree.files(root, ".json"):
        if "corpus" in path.parts:
            continue
        try:
            json.loads(tree.text(root, path), object_pairs_hook=_no_twins)
        except ValueError as error:
            bad.append(f"{path}:1: {error}")
    return bad


def whitespace(root):
    """No trailing blanks, no CR, a newline at the end."""
    bad = []
    for path in tree.files(root, ".c", ".h", ".py", ".sh", ".cmake", ".txt", ".md", ".json", ".sql"):
        if "corpus" in path.parts or "vectors" in path.parts:
            continue
        source = tree.text(root, path)
        for number, line in enumerate(source.split("\n"), 1):
            if line != line.rstrip():
                bad.append(f"{path}:{number}: blanks at the end of the line")
        if source and not source.endswith("\n"):
            bad.append(f"{path}: no newline at the end")
    return bad


ALL = [layers, banned_words, headers, spec_references, log_layers, source_lists, c_format, shell, python, json_files, whitespace]
