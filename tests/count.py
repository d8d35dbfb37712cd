#!/usr/bin/python3
"""tests/count.py meson|pytest|lint FILE

Read what a suite left behind, name the tests that failed or were skipped, and end with the line
'PASSED FAILED SKIPPED'. Exit 1 when FILE holds no result at all.
"""

import json
import re
import sys
import xml.etree.ElementTree

# What cmocka prints of each test. It lists the failed ones a second time at the end; one that is
# run and then has no result is the one in which the program died.
_CMOCKA = re.compile(r"^\[ +(RUN|OK|FAILED|SKIPPED) +\] ([A-Za-z_]\w*)(?::.*)?$", re.M)
_TAP = re.compile(r"^(ok|not ok) \d+(?: -)?(?: (.*?))?(?: *# *(SKIP)\b.*)?$", re.M)
_WORD = {"RUN": "failed", "OK": "passed", "FAILED": "failed", "SKIPPED": "skipped", "ok": "passed",
         "not ok": "failed"}


def cases(text):
    """{name of a test: passed, failed or skipped} as a test program printed them."""
    found = {}
    for word, name in _CMOCKA.findall(text):
        found[name] = _WORD[word]
    if not found:
        for number, (word, name, skip) in enumerate(_TAP.findall(text), 1):
            found[f"{number} {name}"] = "skipped" if skip else _WORD[word]
    return found


def from_meson(path):
    for line in open(path, encoding="utf-8"):
        program = json.loads(line)
        result = program["result"]
        found = cases(program.get("stdout", "") + "\n" + program.get("stderr", ""))
        for name, word in found.items():
            yield f"{program['name']}: {name}", word
        good = result in ("OK", "EXPECTEDFAIL")
        if result == "SKIP":
            if "skipped" not in found.values():
                yield program["name"], "skipped"
        elif not good and "failed" not in found.values():
            # Crashed, timed out or complained after its last test.
            yield f"{program['name']}: {result}, exit {program.get('returncode')}", "failed"
        elif good and not found:
            yield program["name"], "passed"


def from_pytest(path):
    for case in xml.etree.ElementTree.parse(path).iter("testcase"):
        name = f"{case.get('classname')}::{case.get('name')}"
        kinds = {child.tag for child in case}
        if kinds & {"failure", "error"}:
            yield name, "failed"
        elif "skipped" in kinds:
            yield f"{name}: {case.find('skipped').get('message')}", "skipped"
        else:
            yield name, "passed"


def from_lint(path):
    text = open(path, encoding="utf-8").read()
    if not re.search(r"^\d+ passed, \d+ failed$", text, re.M):
        sys.exit(1)
    for word, name, problems in re.findall(r"^(ok|not ok) - (.*)\n((?:    .*\n)*)", text, re.M):
        yield name + ("\n" + problems.rstrip() if problems else ""), _WORD[word]


def main(form, path):
    count = {"passed": 0, "failed": 0, "skipped": 0}
    try:
        for name, word in {"meson": from_meson, "pytest": from_pytest, "lint": from_lint}[form](path):
            count[word] += 1
            if word != "passed":
                print(f"  {word.upper()} {name}")
    except (OSError, ValueError, xml.etree.ElementTree.ParseError) as e:
        sys.exit(f"tests/count.py: {path}: {e}")
    print(count["passed"], count["failed"], count["skipped"])
    return 0 if any(count.values()) else 1


if len(sys.argv) != 3:
    sys.exit(__doc__)
sys.exit(main(sys.argv[1], sys.argv[2]))
