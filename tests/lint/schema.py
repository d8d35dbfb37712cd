"""The rules for the .proto files: what the hardened decoder and the slices rest on."""

import os
import subprocess
import tempfile

from google.protobuf import descriptor_pb2

from source import tracked

FOLDER = "proto"
RECORD = "amparo/v1/record.proto"
DEPTH = 8

Field = descriptor_pb2.FieldDescriptorProto


def messages(prefix, found):
    """(full name, message) of messages and of those inside them."""
    for message in found:
        name = f"{prefix}.{message.name}"
        yield name, message
        yield from messages(name, message.nested_type)


def depth_of(name, by_name, path=()):
    """Levels of messages below and with this one; None when it holds itself."""
    if name in path:
        return None
    below = 0
    for field in by_name[name].field:
        if field.type in (Field.TYPE_MESSAGE, Field.TYPE_GROUP):
            depth = depth_of(field.type_name, by_name, (*path, name))
            if depth is None:
                return None
            below = max(below, depth)
    return 1 + below


def field_problems(where, field):
    if field.label == Field.LABEL_REQUIRED:
        yield f"{where}: required (optional and repeated only)"
    if field.HasField("default_value"):
        yield f"{where}: has a default; absent means not disclosed"
    if field.type in (Field.TYPE_FLOAT, Field.TYPE_DOUBLE):
        yield f"{where}: float"
    if field.type == Field.TYPE_GROUP:
        yield f"{where}: a group"
    # The scan knows each field by itself: not that another excludes it, nor many numbers in one.
    if field.HasField("oneof_index"):
        yield f"{where}: in a oneof"
    if field.options.packed:
        yield f"{where}: packed"


def file_problems(proto, by_name):
    where = f"{FOLDER}/{proto.name}"
    if proto.syntax not in ("", "proto2"):
        # proto3 packs by itself, and protobuf-c 1.4 knows no presence in it.
        yield f"{where}: {proto.syntax}; proto2 it must be"
    for extension in proto.extension:
        yield f"{where}: extends {extension.extendee}"
    for name, message in messages(f".{proto.package}", proto.message_type):
        if message.extension_range or message.extension:
            yield f"{where}: {name[1:]} has extensions"
        if message.options.map_entry:
            yield f"{where}: {name[1:]} is a map"
        for field in message.field:
            yield from field_problems(f"{where}: {name[1:]}.{field.name}", field)
        depth = depth_of(name, by_name)
        if depth is None:
            yield f"{where}: {name[1:]} holds itself"
        elif depth > DEPTH:
            yield f"{where}: {name[1:]} is {depth} messages deep, at most {DEPTH}"


def check(root):
    names = [p[len(FOLDER) + 1:] for p in tracked(root)
             if p.startswith(f"{FOLDER}/") and p.endswith(".proto")]
    if not names:
        return [f"{FOLDER}: holds no .proto file"]
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "set")
        done = subprocess.run(
            ["protoc", "-I", FOLDER, "--include_imports", f"--descriptor_set_out={out}", *names],
            cwd=root, capture_output=True, text=True)
        if done.returncode != 0:
            return [f"protoc: {line}" for line in done.stderr.strip().splitlines()]
        with open(out, "rb") as f:
            files = descriptor_pb2.FileDescriptorSet.FromString(f.read()).file
    by_name = {name: message for proto in files
               for name, message in messages(f".{proto.package}", proto.message_type)}
    problems = [] if RECORD in names else [f"{FOLDER}/{RECORD}: is missing"]
    for proto in files:
        problems += file_problems(proto, by_name)
    return problems


def _record(body, syntax="proto2"):
    return {f"proto/{RECORD}": f'syntax = "{syntax}";\npackage amparo.v1;\n{body}\n'}


def _other(body):
    return {**_record("message R {}"), "proto/amparo/v1/ledger.proto":
            f'syntax = "proto2";\npackage amparo.v1;\n{body}\n'}


_DEEP = "".join(f"message D{i} {{ optional D{i + 1} d = 1; }}\n" for i in range(8)) + "message D8 {}"
_GROUP = "message M { optional group G = 1 { optional bool a = 1; } }"
SELF_TEST = [
    ("required", _record("message M { required bool a = 1; }"), "M.a: required"),
    ("default", _record("message M { optional bool a = 1 [default = true]; }"), "has a default"),
    ("oneof", _record("message M { oneof o { bool a = 1; bool b = 2; } }"), "in a oneof"),
    ("packed", _record("message M { repeated int32 a = 1 [packed = true]; }"), "packed"),
    ("map", _record("message M { map<string, string> a = 1; }"), "is a map"),
    ("group", _record(_GROUP), "a group"),
    ("extension range", _record("message M { extensions 9 to 11; }"), "has extensions"),
    ("extension", _record("message M { extensions 9; } extend M { optional bool a = 9; }"), "extends"),
    ("float", _record("message M { message N { optional float a = 1; } }"), "M.N.a: float"),
    ("double", _record("message M { repeated double a = 1; }"), "float"),
    ("recursive", _record("message M { repeated M m = 1; }"), "holds itself"),
    ("recursive by two", _record("message M { optional N n = 1; } message N { optional M m = 1; }"),
     "holds itself"),
    ("deep", _record(_DEEP), "9 messages deep"),
    ("proto3", _record("message M { bool a = 1; }", "proto3"), "proto2 it must be"),
    ("broken", _record("message M {"), "protoc: "),
    ("other: required", _other("message M { required bool a = 1; }"), "ledger.proto: amparo.v1.M.a"),
    ("other: default", _other("message M { optional int32 a = 1 [default = 3]; }"), "has a default"),
    ("other: float", _other("message M { optional float a = 1; }"), "float"),
    ("other: oneof", _other("message M { oneof o { bool a = 1; int32 b = 2; } }"), "in a oneof"),
    ("other: packed", _other("message M { repeated bool a = 1 [packed = true]; }"), "packed"),
    ("other: recursive", _other("message M { optional M a = 1; }"), "holds itself"),
    ("no record", {"proto/amparo/v1/ledger.proto": 'syntax = "proto2";\n'}, "is missing"),
    ("nothing", {"README": ""}, "no .proto"),
    ("good", _other("message M { optional bool a = 1; repeated N n = 3; } message N {}"), None),
]
