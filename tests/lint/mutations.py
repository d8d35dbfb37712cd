"""Every patch of tests/mutations fits the source and its result stands in docs/RELIABILITY.md."""

import os
import re
import subprocess

from source import read, tracked

FOLDER = "tests/mutations"
TABLE = "docs/RELIABILITY.md"
_HEAD = re.compile(r"Invariant: \S.*\nMutation: \S.*\n(Program: (?P<program>[a-z]+)\n)?\ndiff ")


def does_not_fit(root, path):
    """What patch says, as tests/mutations/run applies it but with nothing written; None if it fits.

    patch and not git: git skips in silence what lies outside of its own work tree.
    """
    done = subprocess.run(["patch", "-p1", "--dry-run", "--forward", "--quiet", "-d", root, "-i",
                           os.path.join(os.path.abspath(root), path)], check=False, text=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT)
    return " ".join(done.stdout.split()) if done.returncode else None


def measured(root):
    """What the document's table names, each with the seed that caught it."""
    path = os.path.join(root, TABLE)
    text = read(root, TABLE) if os.path.isfile(path) else ""
    return set(re.findall(r"^\| ([a-z-]+) \|.*\| \d+ \|.*$", text, re.M))


def check(root):
    problems = []
    names = set()
    done = measured(root)
    for path in tracked(root):
        if not (path.startswith(FOLDER + "/") and path.endswith(".patch")):
            continue
        name = os.path.basename(path).removesuffix(".patch")
        names.add(name)
        head = _HEAD.match(read(root, path))
        if not head:
            problems.append(f"{path}:1: wants the lines Invariant:, Mutation:, perhaps Program:, "
                            "and an empty one before the patch")
        elif head["program"] and not os.path.isfile(
                os.path.join(root, f"tests/sim/{head['program']}.c")):
            problems.append(f"{path}:3: no program {head['program']} in tests/sim")
        problem = does_not_fit(root, path)
        if problem:
            problems.append(f"{path}: does not fit the source any more: mend it, and see that it "
                            f"still breaks what it says (tests/mutations/run {name}): {problem}")
        if name not in done:
            problems.append(f"{path}: no row with its seed in {TABLE}")
    if not names:
        problems.append(f"{FOLDER}: no patches")
    return problems


_GOOD = """Invariant: all is well
Mutation: it is not

diff --git a/daemon/x.c b/daemon/x.c
--- a/daemon/x.c
+++ b/daemon/x.c
@@ -1,3 +1,3 @@
 int a;
-int b;
+int c;
 int d;
"""
_FITS = {"daemon/x.c": "int a;\nint b;\nint d;\n", TABLE: "| one | all is well | 7 | x |\n",
         FOLDER + "/one.patch": _GOOD}

SELF_TEST = [
    ("a patch that fits", _FITS, None),
    ("the source moved", {**_FITS, "daemon/x.c": "int a;\nint e;\nint d;\n"}, "does not fit"),
    ("the file is gone", {k: v for k, v in _FITS.items() if k != "daemon/x.c"}, "does not fit"),
    ("applied already", {**_FITS, "daemon/x.c": "int a;\nint c;\nint d;\n"}, "does not fit"),
    ("not measured", {**_FITS, TABLE: "| other | all is well | 7 | x |\n"}, "no row"),
    ("no seed", {**_FITS, TABLE: "| one | all is well | none | x |\n"}, "no row"),
    ("no head", {**_FITS, FOLDER + "/one.patch": _GOOD.replace("Invariant", "It")}, "wants"),
    ("no such program", {**_FITS, FOLDER + "/one.patch": _GOOD.replace(
        "not\n", "not\nProgram: split\n")}, "no program split"),
    ("no patches", {"daemon/x.c": ""}, "no patches"),
]
