"""Calls and habits that the house style forbids."""

import re

from source import blank, c_files, line_of, read, tracked

CALLS = re.compile(r"""\b(
    strcpy | stpcpy | strcat | strncat | strncpy | sprintf | vsprintf | gets
  | atoi | atol | atoll | atof | strtol | alloca | system | popen
  | v?asprintf | tmpnam | mktemp | signal | setjmp | longjmp | strtok | strerror
)\s*\(""", re.X)
# We execute nothing but ourselves, and it is the parent that does.
EXEC = re.compile(r"\b(execl|execlp|execle|execv|execvp|execvpe|execve|execveat|fexecve|"
                  r"posix_spawnp?)\s*\(")
EXEC_OF_OURSELVES = {"execv", "execve", "fexecve"}
EXEC_MODULES = ("daemon/parent/",)
# Left for later: the words that mark it.
LATER = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X|HA" + r"CK)\b")

_CONSTANT = re.compile(r"\b([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)\b")


def enum_constants(root, paths):
    """The constants of our enums, those made by an X-macro list included."""
    found = set()
    for path in paths:
        text = blank(read(root, path))
        for match in re.finditer(r"\benum\b[^;{}()]*\{([^{}]*)\}", text):
            for item in match.group(1).split(","):
                found.update(_CONSTANT.findall(item.split("=")[0])[:1])
        found.update(re.findall(r"\bX\(\s*([A-Z]\w*_\w+)", text))
    return found


def switches(text):
    """(position, body without inner switches) of each switch over a plain value.

    What is computed, as `tag & 7`, is a number from elsewhere and not of the enum's type.
    """
    for match in re.finditer(r"\bswitch\s*\(", text):
        depth, position = 0, text.find("{", match.end())
        if position < 0 or re.search(r"[&|^+*/%~-](?!>)|<<|>>",
                                     text[match.end():position].replace("->", ".")):
            continue
        begin = position
        while position < len(text):
            depth += {"{": 1, "}": -1}.get(text[position], 0)
            position += 1
            if depth == 0:
                break
        body = text[begin + 1:position]
        while True:
            inner = re.search(r"\bswitch\s*\(", body)
            if not inner:
                break
            depth, end = 0, body.find("{", inner.end())
            while 0 <= end < len(body):
                depth += {"{": 1, "}": -1}.get(body[end], 0)
                end += 1
                if depth == 0:
                    break
            body = body[:inner.start()] + body[max(end, inner.end()):]
        yield match.start(), body


def check(root):
    problems = []
    daemon = c_files(root, "daemon")
    ours = enum_constants(root, daemon)
    for path in c_files(root, "daemon", "tests"):
        text = blank(read(root, path))
        for match in CALLS.finditer(text):
            problems.append(f"{path}:{line_of(text, match.start())}: {match.group(1)}() is banned")
        if path not in daemon:
            continue
        for match in EXEC.finditer(text):
            name = match.group(1)
            if name not in EXEC_OF_OURSELVES or not path.startswith(EXEC_MODULES):
                problems.append(f"{path}:{line_of(text, match.start())}: {name}() is banned: only "
                                "the parent executes, and nothing but amparod itself")
        for position, body in switches(text):
            labels = re.findall(r"\bcase\s+(\w+)\s*:", body)
            if re.search(r"\bdefault\s*:", body) and any(label in ours for label in labels):
                problems.append(f"{path}:{line_of(text, position)}: a default: in a switch over "
                                "one of our enums hides the case that somebody adds")
    for path in tracked(root):
        if path.endswith((".c", ".h", ".py", ".sh", ".proto", ".build", ".cnf", ".yaml")):
            text = read(root, path)
            for match in LATER.finditer(text):
                problems.append(f"{path}:{line_of(text, match.start())}: {match.group()}")
    return problems


_ENUM = {"daemon/link/a.h": "enum s {\n\tLINK_OPEN = 1, /* a */\n\tLINK_SHUT,\n};\n"}
_LIST = {"daemon/base/e.h": "#define L(X) \\\n\tX(ERR_OK, 1) \\\n\tX(ERR_BAD, 2)\n"}
SELF_TEST = [
    ("strcpy", {"daemon/base/a.c": "void f(void) { strcpy (a, b); }\n"}, "strcpy() is banned"),
    ("in a macro", {"daemon/base/a.h": "#define F(a) atoi(a)\n"}, "atoi() is banned"),
    ("in a test", {"tests/unit/base/test_a.c": "void f(void) { sprintf(a, b); }\n"}, "sprintf()"),
    ("exec", {"daemon/vault/a.c": "void f(void) { execve(a, b, c); }\n"}, "execve() is banned"),
    ("exec by name", {"daemon/parent/a.c": "void f(void) { execvp(a, b); }\n"}, "execvp()"),
    ("default", {**_ENUM, "daemon/link/a.c": "void f(void) { switch (s) { case LINK_OPEN: break; "
                 "default: break; } }\n"}, "a default:"),
    ("default, X-macro", {**_LIST, "daemon/link/a.c": "void f(void) { switch (s) {\ncase ERR_BAD:\n"
                          "default:\nbreak; } }\n"}, "a default:"),
    ("default, member", {**_ENUM, "daemon/link/a.c": "void f(void) { switch (a->b[i].state) { case "
                         "LINK_OPEN: break; default: break; } }\n"}, "a default:"),
    ("left for later", {"daemon/base/a.c": "/* TO" + "DO: think */\n"}, "TO" + "DO"),
    ("good", {**_ENUM, "daemon/parent/a.c": "/* strcpy(a) */ void f(void) { my_strcpy(a); fexecve(f); "
              "s = \"system(\"; switch (s) { case LINK_OPEN: switch (c) { case 'a': break; "
              "default: break; } break; } switch (t & 7) { case LINK_OPEN: break; default: break; } }"},
     None),
]
