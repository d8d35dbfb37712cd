"""Man pages compile, links in documents lead somewhere, no path of somebody's machine stands in a file."""

import os
import re
import subprocess

from source import line_of, read, tracked

_LINK = re.compile(r"!?\[[^\]\[]*\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)")
_FENCE = re.compile(r"^(```|~~~).*?^\1[^\n]*$", re.M | re.S)
_MACHINE = re.compile(r"(?<![\w.-])/(?:work|root|farm)/|/tmp/[a]mparo\b")
_TEXT = (".md", ".c", ".h", ".py", ".sh", ".proto", ".build", ".cnf", ".yaml", ".yml", ".json", ".txt",
         ".scd", ".service", ".conf", "")


def blank_code(text):
    """Same lines, without fenced blocks and code between backticks."""
    text = _FENCE.sub(lambda m: "\n" * m.group().count("\n"), text)
    return re.sub(r"`[^`\n]*`", "", text)


def anchors(text):
    """The anchors that a web view of Markdown gives to the headings."""
    found = set()
    for heading in re.findall(r"^#+\s+(.*?)\s*#*$", _FENCE.sub("", text), re.M):
        slug = re.sub(r"[^\w\- ]", "", heading.replace("`", "").lower()).replace(" ", "-")
        n = 1
        unique = slug
        while unique in found:
            unique = f"{slug}-{n}"
            n += 1
        found.add(unique)
    return found


def link_problems(root, path):
    text = blank_code(read(root, path))
    for match in _LINK.finditer(text):
        target = match.group(1)
        if re.match(r"[a-z][a-z0-9+.-]*:", target):
            continue
        where = f"{path}:{line_of(text, match.start())}"
        name, _, anchor = target.partition("#")
        full = os.path.normpath(os.path.join(root, os.path.dirname(path), name)) if name else \
            os.path.join(root, path)
        if not os.path.abspath(full).startswith(os.path.abspath(root) + os.sep) and name:
            yield f"{where}: link to {target} leaves the repository"
        elif not os.path.exists(full):
            yield f"{where}: link to {target}, which is not there"
        elif anchor and full.endswith(".md"):
            with open(full, encoding="utf-8") as f:
                if anchor not in anchors(f.read()):
                    yield f"{where}: link to {target}: no such heading"


def check(root):
    problems = []
    for path in tracked(root):
        if path.endswith(".scd"):
            done = subprocess.run(["scdoc"], input=read(root, path), capture_output=True, text=True)
            if done.returncode != 0:
                problems.append(f"{path}: {done.stderr.strip()}")
        if path.endswith(".md"):
            problems += link_problems(root, path)
        if os.path.splitext(path)[1] in _TEXT:
            text = read(root, path)
            for match in _MACHINE.finditer(text):
                problems.append(f"{path}:{line_of(text, match.start())}: '{match.group()}' is a path "
                                "of somebody's machine")
    return problems


_MAN = "amparod(8)\n\n# NAME\n\namparod - exchange records\n"
SELF_TEST = [
    ("man page", {"docs/amparod.8.scd": "amparod\n\n# NAME\n"}, "amparod.8.scd: "),
    ("link", {"README.md": "see [the\ndesign](docs/NONE.md)\n"}, "README.md:1: link to docs/NONE.md"),
    ("link up", {"docs/A.md": "[a](../../x.md)\n"}, "leaves the repository"),
    ("image", {"README.md": "![a](a.svg)\n"}, "not there"),
    ("anchor", {"README.md": "# A b\n[a](#a-c)\n"}, "no such heading"),
    ("machine path", {"conf/run": "cd /wo" + "rk/main\n"}, "somebody's machine"),
    ("home of root", {"a.c": '"/ro' + 'ot/x"\n'}, "somebody's machine"),
    ("good", {"docs/amparod.8.scd": _MAN, "README.md": "# A `b`, c!\n[a](#a-b-c) [b](docs/amparod.8.scd) "
              "[c](https://x.example/y) `[d](none)`\n```\n[e](none)\n```\n", "a.c": "src/work/x\n"}, None),
]
