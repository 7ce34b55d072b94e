"""For each gate a violation that it must see: a gate that sees nothing is worse than none.

CLEAN is a small tree that passes every gate; PLANTED lays files over it, and names the file of the expected complaint.
"""
CLEAN = {
    "agent/LAYERS": "base:\nwire: base\ncrypto: base !sodium\napi: base\n",
    ".clang-format": "BasedOnStyle: LLVM\nIndentWidth: 8\nUseTab: Always\nBreakBeforeBraces: Linux\n"
                     "AllowShortFunctionsOnASingleLine: None\n",
    "agent/base/CMakeLists.txt": "vx6_layer(base\n\tSRC\n\t\ta.c)\n",
    "agent/base/a.h": "/**\n * @file a.h\n * Adds.\n *\n * Layer:   base\n */\n#ifndef VX6_BASE_A_H\n#define VX6_BASE_A_H\n\n"
                      "int vx6_a(int x);\n\n#endif\n",
    "agent/base/a.c": "#include \"base/a.h\"\n\n/* strcpy() in a comment is no call */\nint vx6_a(int x)\n{\n\treturn x + 1;\n}\n",
    "dev": "#!/usr/bin/env bash\necho \"$1\"\n",
    "docs/page.md": "See [the code](../agent/base/a.c).\n",
    "tool.py": "print(1)\n",
    "data.json": "{\"a\": 1}\n",
}

BODY = "#include \"base/a.h\"\n\nint vx6_a(int x)\n{\n%s\treturn x;\n}\n"

PLANTED = [
    ("layers", "agent/base/a.c", "#include \"wire/rd.h\"\n"),
    ("layers", "agent/base/a.c", "#include \"a.h\"\n"),
    ("layers", "agent/base/a.c", "#include <sodium.h>\n"),
    ("layers", "agent/stray/a.c", "int vx6_stray;\n"),
    ("layers", "agent/LAYERS", "base: wire\nwire: base\n"),
    ("layers", "api/server/a.c", "#include \"api/cli/table.h\"\n"),
    ("banned_words", "agent/base/a.c", BODY % "\tsprintf(0, \"\");\n"),
    ("banned_words", "agent/base/a.c", BODY % "\tx = atoi(\"1\");\n"),
    ("banned_words", "agent/base/a.c", BODY % "\tx = memcmp(token, given, 32);\n"),
    ("banned_words", "agent/base/a.c", BODY % "\t/* TODO: later */\n"),
    ("headers", "agent/base/a.h", "/**\n * @file a.h\n * Layer: wire\n */\n#ifndef VX6_BASE_A_H\n#define VX6_BASE_A_H\n#endif\n"),
    ("headers", "agent/base/a.h", "/**\n * @file a.h\n * Layer: base\n */\n#ifndef A_H\n#define A_H\n#endif\n"),
    ("headers", "agent/base/a.h", "#ifndef VX6_BASE_A_H\n#define VX6_BASE_A_H\n#endif\n"),
    ("spec_references", "agent/base/a.h", "/**\n * @file a.h\n * Spec:    schemas/wire/none.md\n * Layer:   base\n */\n"),
    ("spec_references", "docs/page.md", "See [nothing](none.md).\n"),
    ("log_layers", "agent/base/a.c", BODY % "\tVX6_INFO(\"nowhere\", \"x\");\n"),
    ("source_lists", "agent/base/b.c", "int vx6_b;\n"),
    ("c_format", "agent/base/a.c", "int   vx6_a( int x ) { return x; }\n"),
    ("shell", "dev", "#!/usr/bin/env bash\nrm -rf $1/x\n"),
    ("python", "tool.py", "print(\n"),
    ("json_files", "data.json", "{\"a\": 1, \"a\": 2}\n"),
    ("whitespace", "docs/page.md", "blank \n"),
]
