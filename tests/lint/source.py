"""What the checks share: the files of a tree, and C source without what does not count."""

import os
import re
import shutil
import subprocess


def tracked(root):
    """Paths below root, '/'-separated and sorted: what git knows or would add; else all files."""
    if os.path.exists(os.path.join(root, ".git")) and shutil.which("git"):
        # safe.directory: a clone that belongs to somebody else is still only read.
        done = subprocess.run(
            ["git", "-c", "safe.directory=*", "-C", root, "ls-files", "-z", "--cached",
             "--others", "--exclude-standard"], capture_output=True, check=True)
        names = done.stdout.decode().split("\0")
        return sorted({n for n in names if n and os.path.isfile(os.path.join(root, n))})
    found = []
    for folder, folders, files in os.walk(root):
        folders[:] = [f for f in folders if f not in (".git", "build", "__pycache__")]
        found += [os.path.relpath(os.path.join(folder, f), root) for f in files]
    return sorted(found)


def c_files(root, *tops):
    return [p for p in tracked(root) if p.endswith((".c", ".h")) and p.split("/")[0] in tops]


def read(root, path):
    with open(os.path.join(root, path), encoding="utf-8", errors="replace") as f:
        return f.read()


_TOKEN = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def blank(text, keep_doc=False):
    """C text of the same lines without comments, and with empty strings and characters.

    With keep_doc a documentation comment leaves the character '\\x01' where it touches what it
    is about: at its end, or at its begin if it starts with '/**<'.
    """
    def replace(match):
        token = match.group()
        lines = "\n" * token.count("\n")
        if token[0] in "\"'":
            return token[0] * 2
        mark = "\x01" if keep_doc and token.startswith("/**") else " "
        return mark + lines if token.startswith("/**<") else lines + mark
    return _TOKEN.sub(replace, text)


def without_preprocessor(text):
    """Blank the directives, with the lines that continue them."""
    return re.sub(r"^[ \t]*#(?:[^\n\\]|\\.)*(?:\\\n(?:[^\n\\]|\\.)*)*",
                  lambda m: "\n" * m.group().count("\n"), text, flags=re.M | re.S)


def line_of(text, position):
    return text.count("\n", 0, position) + 1
