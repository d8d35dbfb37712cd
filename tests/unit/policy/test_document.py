"""test_document.py PRINTER ROOT: what docs/AGREEMENTS.md says in Python, against the daemon's evaluator."""

import collections
import csv
import re
import subprocess
import sys

import yaml

Unit = collections.namedtuple("Unit", "record path sensitivity")


def units(path):
    """The units, as the document tells them from fields.csv."""
    with open(path, encoding="utf-8", newline="") as f:
        rows = [(row["record"], row["path"], row["sensitivity"]) for row in csv.DictReader(f)]
    graded = {(record, name) for record, name, level in rows if level != "-"}
    for record, name, level in rows:
        parts = name.split(".")
        above = {(record, ".".join(parts[:n])) for n in range(1, len(parts))}
        if level != "-" and not above & graded:
            yield Unit(record, name, level)


def main(printer, root):
    with open(f"{root}/docs/AGREEMENTS.md", encoding="utf-8") as f:
        code = re.search(r"^```python\n(.*?)^```", f.read(), re.M | re.S).group(1)
    document = {}
    exec(code, document)
    all_units = {(u.record, u.path): u for u in units(f"{root}/proto/amparo/v1/fields.csv")}
    for name in ("demo", "central-authorities"):
        path = f"{root}/conf/agreements/{name}.yaml"
        with open(path, encoding="utf-8") as f:
            agreement = yaml.load(f, yaml.BaseLoader)
        lines = subprocess.run([printer, path], check=True, capture_output=True, text=True).stdout.splitlines()
        seen = set()
        for line in lines:
            question, got = line.split("|", 1)
            purpose, record, stage, consent, unit = question.split(" ")
            answer, rule = document["judge"](agreement, purpose, record, stage, consent == "1",
                                             all_units[record, unit])
            allowed = answer == "ALLOWED"
            want = "|".join([answer, rule["name"] if rule else "", rule["retention_days"] if allowed else "0",
                             rule["onward"] if allowed else ""])
            if got != want:
                sys.exit(f"{name}: {question}: the daemon says {got}, the document {want}")
            seen.add((record, unit))
        if seen != set(all_units) or len(lines) != len(all_units) * 4 * 7:
            sys.exit(f"{name}: other units: {sorted(seen ^ set(all_units))}")
        print(f"{name}: {len(lines)} answers are the same")


main(*sys.argv[1:])
