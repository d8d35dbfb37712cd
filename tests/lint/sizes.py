"""Files of at most 800 lines and functions of at most 80, but for the exceptions with a reason."""

import os
import re

from source import blank, c_files, line_of, read, without_preprocessor

FILE_LINES = 800
FUNCTION_LINES = 80
EXCEPTIONS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "size-exceptions.txt")

_HEAD = re.compile(r"(\w+)\s*\(")
_NOT_NAMES = {"__attribute__", "CLEANUP", "_Static_assert", "__extension__"}


def exceptions(path=EXCEPTIONS):
    """{'daemon/x.c' or 'daemon/x.c:function': reason}"""
    found = {}
    if os.path.exists(path):
        for line in open(path, encoding="utf-8"):
            if line.strip() and not line.startswith("#"):
                what, _, reason = line.strip().partition(" ")
                found[what] = reason.strip()
    return found


def functions(text):
    """(name, first line, number of lines) of each function defined in C text."""
    text = without_preprocessor(blank(text))
    depth, start, head = 0, 0, None
    for position, char in enumerate(text):
        if char == "{":
            if depth == 0:
                before = text[start:position]
                names = [m.group(1) for m in _HEAD.finditer(before)
                         if m.group(1) not in _NOT_NAMES]
                # An initialiser or a type has no parameter list right before its brace.
                is_function = names and "=" not in before
                head = (names[0], start + len(before) - len(before.lstrip())) if is_function else None
            depth += 1
        elif char == "}":
            depth -= 1
            if depth == 0:
                if head:
                    first = line_of(text, head[1])
                    yield head[0], first, line_of(text, position) - first + 1
                start = position + 1
        elif char == ";" and depth == 0:
            start = position + 1


def check(root, allowed=None):
    allowed = exceptions() if allowed is None else allowed
    unused = set(allowed)
    problems = [f"size-exceptions.txt: {what} has no reason" for what in allowed if not allowed[what]]
    for path in c_files(root, "daemon"):
        text = read(root, path)
        n_lines = len(text.splitlines())
        if n_lines > FILE_LINES:
            unused.discard(path)
            if path not in allowed:
                problems.append(f"{path}: {n_lines} lines, at most {FILE_LINES}")
        for name, first, n_lines in functions(text):
            if n_lines > FUNCTION_LINES:
                unused.discard(f"{path}:{name}")
                if f"{path}:{name}" not in allowed:
                    problems.append(
                        f"{path}:{first}: {name}() has {n_lines} lines, at most {FUNCTION_LINES}")
    return problems + [f"size-exceptions.txt: {what} needs no exception (any more)"
                       for what in sorted(unused)]


def _function(n_lines):
    return "static int f(void)\n{\n" + "\ta();\n" * (n_lines - 3) + "}\n"


SELF_TEST = [
    ("long file", {"daemon/base/a.c": "\n" * 801}, "801 lines"),
    ("long function", {"daemon/base/a.c": "int z;\n" + _function(81)}, "f() has 81 lines"),
    ("long function after a table", {"daemon/base/a.c": "int t[] = { f(1) };\n" + _function(81)},
     "daemon/base/a.c:2: f() has 81 lines"),
    ("attributes", {"daemon/base/a.c": "__attribute__((cold)) " + _function(81)}, "f() has"),
    ("good", {"daemon/base/a.c": _function(80) + "static const int t[] = {\n" + "\t1,\n" * 90 + "};\n"
              "#define X(a) \\\n" + "\tb(a); \\\n" * 90 + "\tc\n" + "/* { */\n" * 90}, None),
]
