"""clang-format 14 would change nothing."""

import os
import re
import subprocess

from source import c_files

STYLE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", ".clang-format")


def check(root):
    paths = c_files(root, "daemon", "tests")
    if not paths:
        return []
    done = subprocess.run(
        ["clang-format-14", f"--style=file:{STYLE}", "--dry-run", "-Werror", *paths],
        cwd=root, capture_output=True, text=True)
    # One line a file: to mend it takes one command anyway.
    lines = re.findall(r"^(\S+?):(\d+):\d+: error:", done.stderr, re.M)
    count = {}
    for path, line in lines:
        count.setdefault(path, []).append(line)
    problems = [f"{path}:{numbers[0]}: {len(numbers)} places; mend with: clang-format-14 -i {path}"
                for path, numbers in count.items()]
    if done.returncode != 0 and not problems:
        problems = [f"clang-format-14 failed: {done.stderr.strip()}"]
    return problems


SELF_TEST = [
    ("spaces", {"daemon/base/a.c": "int f(void)\n{\n    return 1;\n}\n"}, "a.c:"),
    ("short form", {"daemon/base/a.c": "void f(void)\n{\n\tif (a) return;\n}\n"}, "a.c:"),
    ("brace", {"tests/unit/a.c": "void f(void) {\n}\n"}, "a.c:"),
    ("good", {"daemon/base/a.c": "int f(void)\n{\n\tif (a)\n\t\treturn 1;\n\treturn 2;\n}\n"}, None),
]
