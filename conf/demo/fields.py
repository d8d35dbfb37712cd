#!/usr/bin/python3
"""Read `amparo --json referral show ID --content` and say what stands in the record, never a value.

fields.py --groups    the groups, in one line
fields.py --names     the groups with the names of their fields, in one line
fields.py PATH...     a line for each: `PATH there` or `PATH withheld`
"""

import json
import sys


def is_there(record, path):
    for key in path.split("."):
        if not isinstance(record, dict) or key not in record:
            return False
        record = record[key]
    return True


def main(arguments):
    held = json.load(sys.stdin).get("record")
    record = held.get("record") if held else None
    if not isinstance(record, dict) or not arguments:
        sys.exit("fields.py: no record on standard input, or nothing asked")
    groups = {name: fields for name, fields in record.items() if name != "type"}
    if arguments == ["--groups"]:
        print(", ".join(groups))
    elif arguments == ["--names"]:
        print(", ".join(f"{name} ({', '.join(fields)})" for name, fields in groups.items()))
    else:
        for path in arguments:
            print(path, "there" if is_there(record, path) else "withheld")


main(sys.argv[1:])
