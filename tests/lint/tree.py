"""The files that the gates look at, and how to look at C without being fooled by comments and strings."""
import pathlib
import re

SKIP = {"node_modules", "__pycache__", "build"}


def files(root, *suffixes, under=("",)):
    """Files of the tree with one of the suffixes (all of them when none is given), sorted, as paths relative to root."""
    found = []
    for part in under:
        for path in (pathlib.Path(root) / part).rglob("*"):
            rel = path.relative_to(root)
            hidden = any(name.startswith(".") and name != ".ci" for name in rel.parts[:-1])
            if hidden or any(name in SKIP or name.startswith("build-") for name in rel.parts[:-1]):
                continue
            if path.is_file() and (not suffixes or path.suffix in suffixes):
                found.append(rel)
    return sorted(set(found))


def text(root, rel):
    return (pathlib.Path(root) / rel).read_text(encoding="utf-8", errors="replace")


_TOKEN = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.DOTALL)


def code_only(source):
    """The source with comments and the insides of strings blanked; line numbers stay."""
    def blank(match):
        token = match.group(0)
        if token[0] in "\"'":
            return token[0] * 2
        return re.sub(r"[^\n]", " ", token)

    return _TOKEN.sub(blank, source)
