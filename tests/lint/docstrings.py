"""Every function that a header offers is documented where it is declared."""

import re

from source import blank, c_files, line_of, read, without_preprocessor

_DECLARED = re.compile(r"[\w\*\]\)][\s\*]+\**(\w+)\s*\(")


def statements(text):
    """(start, end, body or None) of what stands at the top level, up to its ';' or body."""
    start, depth, opened, body = 0, 0, 0, None
    for position, char in enumerate(text):
        if char == "{":
            if depth == 0:
                opened = position
            depth += 1
        elif char == "}":
            depth -= 1
            if depth == 0:
                body = text[opened + 1:position]
                if "(" in text[start:opened] and "=" not in text[start:opened]:
                    yield start, opened, body
                    start, body = position + 1, None
        elif char == ";" and depth == 0:
            yield start, position if body is None else opened, body
            start, body = position + 1, None


def undocumented(text):
    """(line, name) of each function declared without a documentation comment.

    Declarations that follow a documented one without an empty line share its comment. What says
    all by its name or its one statement needs none: x_free(), x_fini(), x_eq(), `return a == b;`.
    """
    text = without_preprocessor(blank(text, keep_doc=True))
    covered = False
    for start, end, body in statements(text):
        statement = text[start:end]
        # A comment behind, on the same line, is as good as one before.
        behind = text[end:].split("\n", 1)[0]
        lead = statement[:len(statement) - len(statement.lstrip("\x01 \t\n"))]
        # What stands on the line of the statement before belongs to that one.
        own = lead if start == 0 else "\n" + lead.partition("\n")[2]
        apart = re.search(r"\n[ \t]*\n", own.rpartition("\x01")[2])
        covered = "\x01" in behind or (not apart and (covered or "\x01" in own))
        bare = re.sub(r"__attribute__\s*\(\(.*?\)\)", "", statement[len(lead):], flags=re.S)
        if bare.startswith(("typedef", "_Static_assert")) or "=" in bare:
            continue
        declared = _DECLARED.search(bare)
        obvious = declared and (declared.group(1).endswith(("_free", "_fini", "freep", "finip", "_eq"))
                                or (body is not None and body.count(";") <= 1))
        if declared and not covered and not obvious:
            yield line_of(text, start + len(lead)), declared.group(1)


def check(root):
    return [f"{path}:{line}: {name}() is declared without a /** comment */"
            for path in c_files(root, "daemon") if path.endswith(".h")
            for line, name in undocumented(read(root, path))]


SELF_TEST = [
    ("bare", {"daemon/base/a.h": "enum err a_open(struct a *a);\n"}, "a.h:1: a_open()"),
    ("second", {"daemon/base/a.h": "/** Open. */\nint a_open(void);\n\nint a_shut(void);\n"}, ":4: a_shut()"),
    ("plain comment", {"daemon/base/a.h": "/* Open. */\nconst char *a_name(int x)\n\tPRINTF(1);\n"}, "a_name()"),
    ("inline", {"daemon/base/a.h": "static inline int a_one(void)\n{\n\tg();\n\treturn f(1);\n}\n"}, "a_one()"),
    ("after an inline", {"daemon/base/a.h": "static inline int a(void)\n{\n\treturn 1;\n}\n\nint b(void);\n"},
     ":6: b()"),
    ("after one with a comment behind", {"daemon/base/a.h": "int a(void); /**< A. */\n\nint b(void);\n"},
     ":3: b()"),
    ("the file's comment", {"daemon/base/a.h": "/** @file A. */\n#include <b.h>\n\nint b(void);\n"},
     ":4: b()"),
    ("after a struct", {"daemon/base/a.h": "/** S. */\nstruct s {\n\tint a;\n};\n\nint b(struct s *s);\n"},
     ":6: b()"),
    ("good", {"daemon/base/a.h": "/** @file A. */\n#define F(a) int a(void);\nstruct a {\n\tint (*f)(int);\n"
              "};\nextern const int x[3];\n/** Open. */\n__attribute__((cold)) int a_open(int (*f)(void));\n"
              "int a_open_again(int a);\n\n/**\n * Two\n *\n * lines.\n */\nint a_two(void);\nint a_one(void); /**< always 1 */\n"
              "DEFINE_FREEP(struct a, a_free)\n\nvoid a_free(struct a *a);\n\nstatic inline bool a_eq(int a, "
              "int b)\n{\n\treturn a == b;\n}\n/** Shut. */\nvoid a_shut(void);\nstatic inline void "
              "a_freep(struct a **a)\n{\n\ta_free(*a);\n}\n"}, None),
]
