#!/usr/bin/python3
"""Read `amparo --json referral show ID --content` and say what stands in the record, never a value.

fields.py [PATH]...

Without a path: one line, the groups with how many fields each has. With paths: one line for each,
`PATH there` or `PATH withheld`.
"""

import json
import sys


def leaves(value):
    """How many values stand below."""
    if isinstance(value, dict):
        return sum(leaves(v) for v in value.values())
    if isinstance(value, list):
        return sum(leaves(v) for v in value)
    return 1


def is_there(record, path):
    for key in path.split("."):
        if not isinstance(record, dict) or key not in record:
            return False
        record = record[key]
    return True


def main(paths):
    record = None
    for line in sys.stdin:
        row = json.loads(line)
        record = row.get("record", record) if isinstance(row, dict) else record
    while isinstance(record, dict) and isinstance(record.get("record"), dict):
        record = record["record"]
    if not isinstance(record, dict):
        sys.exit("fields.py: no record in what the node answered")
    for path in paths:
        print(path, "there" if is_there(record, path) else "withheld")
    if not paths:
        print(" ".join(f"{group}:{leaves(value)}" for group, value in record.items()
                       if isinstance(value, (dict, list))))


main(sys.argv[1:])
