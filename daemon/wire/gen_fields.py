#!/usr/bin/python3
"""Make field_data.c, the constant data behind wire/field_table.h and wire/codelist.h.

    gen_fields.py --descriptors SET --fields CSV --iso-codes DIR --output FILE

SET is protoc's descriptor set of record.proto and, for their enums, of the other files; CSV the
table of sensitivities, code lists, limits and labels; DIR where Debian's iso-codes has its JSON.
Anything in which the two disagree stops the build. Standard library only: the few fields needed of
descriptor.proto are read by hand.
"""
import argparse
import csv
import json
import os
import re
import sys

RECORD_TYPES = {'VictimRecord': 'RECORD_VICTIM', 'CaseRecord': 'RECORD_CASE'}
COLUMNS = ['record', 'path', 'since', 'sensitivity', 'codes', 'max_count', 'max_bytes', 'label']
SCHEMA_VERSION = 1
DEPTH_MAX = 8
PATH_MAX = 95
TEXT_MAX = 8000

# What each hand-written format of codelist.c is for.
FORMATS = {
    'age': 'UINT', 'day': 'UINT', 'height-cm': 'UINT', 'month': 'UINT', 'seq': 'UINT',
    'utc-us': 'UINT', 'year': 'UINT', 'e164': 'TEXT', 'email': 'TEXT', 'un-locode': 'TEXT',
    'record-id': 'BYTES', 'ref': 'BYTES', 'sha-256': 'BYTES',
}

# name: (file, key of its list, key of the code, further codes, title)
ISO_SETS = {
    'iso-15924': ('iso_15924.json', '15924', 'alpha_4', [], 'script code of ISO 15924'),
    'iso-3166-1': ('iso_3166-1.json', '3166-1', 'alpha_3', [],
                   'country code of ISO 3166-1 alpha-3'),
    'iso-639-3': ('iso_639-3.json', '639-3', 'alpha_3', [], 'language code of ISO 639-3'),
    # ICAO 9303 part 3 section 5: XXA stateless person, XXB refugee.
    'nationality': ('iso_3166-1.json', '3166-1', 'alpha_3', ['XXA', 'XXB'],
                    'nationality (ISO 3166-1 alpha-3, XXA or XXB)'),
}

# FieldDescriptorProto.Type to our kinds. What is not here may not stand in a record.
KINDS = {4: 'UINT', 8: 'BOOL', 9: 'TEXT', 11: 'MESSAGE', 12: 'BYTES', 13: 'UINT', 14: 'ENUM'}
TYPE_UINT64 = 4
LABEL_REQUIRED, LABEL_REPEATED = 2, 3


def fail(text):
    sys.exit('gen_fields.py: ' + text)


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7f) << shift
        shift += 7
        if byte < 0x80:
            return value, at


def wire_fields(data):
    """Yield (number, value) of one encoded message; bytes for length-delimited fields."""
    at = 0
    while at < len(data):
        tag, at = varint(data, at)
        if tag & 7 == 0:
            value, at = varint(data, at)
        elif tag & 7 == 2:
            size, at = varint(data, at)
            value = data[at:at + size]
            at += size
        else:
            fail('descriptor set holds wire type %d' % (tag & 7))
        yield tag >> 3, value


def wire_get(data, number, otherwise=None):
    found = [value for n, value in wire_fields(data) if n == number]
    return found[-1] if found else otherwise


def wire_all(data, number):
    return [value for n, value in wire_fields(data) if n == number]


def snake(name):
    return re.sub(r'(?<=[a-z0-9])(?=[A-Z])', '_', name).lower()


class Schema:
    """The messages of record.proto and the enums of all files, by simple name."""

    def __init__(self, path):
        self.messages = {}
        self.enums = {}
        with open(path, 'rb') as source:
            for proto in wire_all(source.read(), 1):
                if wire_get(proto, 1).decode().rsplit('/', 1)[-1] == 'record.proto':
                    for message in wire_all(proto, 4):
                        self.add_message(message)
                for enum in wire_all(proto, 5):
                    self.add_enum(enum)

    def add_message(self, data):
        name = wire_get(data, 1).decode()
        if wire_all(data, 3) or wire_all(data, 4) or wire_all(data, 5) or wire_all(data, 8):
            fail('%s: nested types, extensions and oneof may not stand in a record' % name)
        fields = []
        for field in wire_all(data, 2):
            fields.append({
                'name': wire_get(field, 1).decode(),
                'number': wire_get(field, 3),
                'label': wire_get(field, 4),
                'type': wire_get(field, 5),
                'type_name': wire_get(field, 6, b'').decode().rsplit('.', 1)[-1],
            })
        self.messages[name] = fields

    def add_enum(self, data):
        name = wire_get(data, 1).decode()
        prefix = snake(name).upper() + '_'
        codes = []
        for value in wire_all(data, 2):
            text, number = wire_get(value, 1).decode(), wire_get(value, 2, 0)
            if not text.startswith(prefix):
                fail('%s: %s does not begin with %s' % (name, text, prefix))
            if not 0 < number < 2**31:
                fail('%s: %d is no number for a value' % (text, number))
            codes.append((text[len(prefix):].lower().replace('_', '-'), number))
        if len({number for _, number in codes}) != len(codes):
            fail('%s: one number twice' % name)
        self.enums[name] = codes


def read_rows(path):
    rows = {}
    with open(path, newline='', encoding='utf-8') as source:
        reader = csv.DictReader(source, strict=True)
        if reader.fieldnames != COLUMNS:
            fail('%s: columns are not %s' % (path, ','.join(COLUMNS)))
        for row in reader:
            key = (row['record'], row['path'])
            if key in rows:
                fail('%s:%d: %s %s twice' % (path, reader.line_num, *key))
            if None in row or None in row.values():
                fail('%s:%d: not %d columns' % (path, reader.line_num, len(COLUMNS)))
            rows[key] = row
    return rows


def limit(row, column, wanted, most):
    """The number in a limit's column, which must be there exactly when it means something."""
    text = row[column]
    where = '%s %s' % (row['record'], row['path'])
    if not wanted:
        if text:
            fail('%s: %s has no meaning here' % (where, column))
        return 0
    if not text.isdigit() or not 1 <= int(text) <= most:
        fail('%s: %s must be 1 to %d' % (where, column, most))
    return int(text)


def check_codes(where, row, kind, type_name):
    codes = row['codes']
    if kind == 'ENUM':
        if codes != snake(type_name):
            fail('%s: code list must be %s' % (where, snake(type_name)))
    elif codes in ISO_SETS:
        if kind != 'TEXT':
            fail('%s: code list %s is for text' % (where, codes))
    elif codes:
        if FORMATS.get(codes) != kind:
            fail('%s: no format %s for %s' % (where, codes, kind))
    elif kind in ('UINT', 'BYTES'):
        fail('%s: a number or bytes must name a format' % where)


def make_field(record, proto, row, parent, path, numbers):
    where = '%s %s' % (record, path)
    if proto['label'] == LABEL_REQUIRED or proto['type'] not in KINDS:
        fail('%s: type or label may not stand in a record' % where)
    kind = KINDS[proto['type']]
    is_repeated = proto['label'] == LABEL_REPEATED
    inside = parent is not None and parent['unit'] is not None
    is_unit = not inside and (is_repeated or kind != 'MESSAGE')
    is_group = not inside and not is_unit
    if len(numbers) > DEPTH_MAX or len(path) > PATH_MAX:
        fail('%s: deeper than %d or longer than %d' % (where, DEPTH_MAX, PATH_MAX))
    if not re.fullmatch('-' if is_group else 'S[0-5]', row['sensitivity']):
        fail('%s: sensitivity must be %s' % (where, '-' if is_group else 'S0 to S5'))
    if inside and row['sensitivity'] != parent['unit']['sensitivity']:
        fail('%s: an element of a repeated field has one sensitivity' % where)
    if not row['since'].isdigit() or not 1 <= int(row['since']) <= SCHEMA_VERSION:
        fail('%s: since must be 1 to %d' % (where, SCHEMA_VERSION))
    if not row['label'] or row['label'] != row['label'].strip():
        fail('%s: no label' % where)
    check_codes(where, row, kind, proto['type_name'])
    field = {
        'path': path, 'name': proto['name'], 'label': row['label'], 'kind': kind,
        'sensitivity': row['sensitivity'], 'since': int(row['since']), 'codes': row['codes'],
        'is_repeated': is_repeated, 'is_unit': is_unit, 'parent': parent, 'numbers': numbers,
        'type_name': proto['type_name'], 'is_wide': proto['type'] == TYPE_UINT64, 'n_inside': 0,
        'max_count': limit(row, 'max_count', is_repeated, 256) or 1,
        'max_bytes': limit(row, 'max_bytes', kind in ('TEXT', 'BYTES'), TEXT_MAX),
    }
    field['unit'] = field if is_unit else parent['unit'] if inside else None
    return field


def walk(schema, rows, record, message, parent, fields):
    """Append the fields of a message, each followed by what is inside it."""
    protos = schema.messages[message]
    if protos != sorted(protos, key=lambda proto: proto['number']):
        fail('%s: fields do not stand in the order of their numbers' % message)
    for proto in protos:
        path = (parent['path'] + '.' if parent else '') + proto['name']
        numbers = (parent['numbers'] if parent else []) + [proto['number']]
        row = rows.pop((record, path), None)
        if row is None:
            fail('%s %s: no row in the field table' % (record, path))
        field = make_field(record, proto, row, parent, path, numbers)
        field['index'] = len(fields)
        fields.append(field)
        if field['kind'] == 'MESSAGE':
            walk(schema, rows, record, proto['type_name'], field, fields)
            field['n_inside'] = len(fields) - field['index'] - 1
            if not field['n_inside']:
                fail('%s %s: nothing in it' % (record, path))


def c_string(text):
    if re.search(r'[^ -~]', text):
        fail('only ASCII in %r' % text)
    return '"%s"' % text.replace('\\', '\\\\').replace('"', '\\"')


def c_name(text):
    return text.replace('-', '_')


def emit_enum(out, name, codes):
    out.append('static const struct codelist_code codes_%s[] = {' % name)
    out.extend('\t{ %s, %d },' % (c_string(code), number) for code, number in codes)
    out.append('};\n')
    return ('{ .name = "%s", .title = "code of %s", .kind = CODELIST_ENUM, .n_codes = %d, '
            '.codes = codes_%s }' % (name, name.replace('_', ' '), len(codes), name))


def emit_set(out, name, iso_dir):
    file, key, code_key, more, title = ISO_SETS[name]
    with open(os.path.join(iso_dir, file), encoding='utf-8') as source:
        codes = sorted({entry[code_key] for entry in json.load(source)[key]} | set(more))
    stride = len(codes[0]) + 1
    if any(not re.fullmatch('[A-Za-z]{%d}' % (stride - 1), code) for code in codes):
        fail('%s: odd code' % file)
    out.append('static const char set_%s[][%d] = {' % (c_name(name), stride))
    for at in range(0, len(codes), 12):
        out.append('\t' + ' '.join('"%s",' % code for code in codes[at:at + 12]))
    out.append('};\n')
    return ('{ .name = "%s", .title = "%s", .kind = CODELIST_SET, .n_codes = %d, '
            '.set = set_%s[0], .n_set_stride = %d }'
            % (name, title, len(codes), c_name(name), stride))


def emit_field(record, table, field, lists):
    def ref(other):
        return '&%s[%d]' % (table, other['index']) if other else 'NULL'

    codes = field['codes']
    if codes in FORMATS:
        codes_ref = '&codelist_formats[CODELIST_FORMAT_%s]' % c_name(codes).upper()
    else:
        codes_ref = '&codelist_data[%d]' % lists[codes] if codes else 'NULL'
    level = field['sensitivity']
    unit = field['unit']
    message = ('&amparo__v1__%s__descriptor' % snake(field['type_name'])
               if field['kind'] == 'MESSAGE' else 'NULL')
    return ''.join('\t%s,\n' % line for line in [
        '{ .record_type = %s, .path = %s' % (RECORD_TYPES[record], c_string(field['path'])),
        '  .name = %s, .label = %s' % (c_string(field['name']), c_string(field['label'])),
        '  .sensitivity = SENSITIVITY_%s, .kind = FIELD_%s'
        % ('NONE' if level == '-' else level, field['kind']),
        '  .is_repeated = %d, .is_unit = %d, .is_date = %d, .is_wide = %d'
        % (field['is_repeated'], field['is_unit'], field['type_name'] == 'PartialDate',
           field['is_wide']),
        '  .depth = %d, .numbers = { %s }'
        % (len(field['numbers']), ', '.join(map(str, field['numbers']))),
        '  .since = %d, .index = %d, .unit_index = %s, .n_inside = %d'
        % (field['since'], field['index'], unit['unit_index'] if unit else 'FIELD_NO_UNIT',
           field['n_inside']),
        '  .max_count = %d, .max_bytes = %d, .codes = %s'
        % (field['max_count'], field['max_bytes'], codes_ref),
        '  .parent = %s, .unit = %s, .message = %s }'
        % (ref(field['parent']), ref(unit), message),
    ])


def emit_indexes(out, name, fields):
    out.append('static const uint16_t %s[] = {' % name)
    for at in range(0, len(fields), 16):
        out.append('\t' + ' '.join('%d,' % field['index'] for field in fields[at:at + 16]))
    out.append('};\n')


def emit_record(out, record, fields, lists):
    name = snake(record)
    units = [field for field in fields if field['is_unit']]
    for place, unit in enumerate(units):
        unit['unit_index'] = place
    table = 'fields_' + name
    out.append('static const struct field %s[] = {' % table)
    out.extend(emit_field(record, table, field, lists) for field in fields)
    out.append('};\n')
    emit_indexes(out, 'units_' + name, units)
    emit_indexes(out, 'by_path_' + name, sorted(fields, key=lambda field: field['path']))
    return ('{ .name = "%s", .descriptor = &amparo__v1__%s__descriptor, .fields = %s, '
            '.n_fields = %d, .units = units_%s, .n_units = %d, .by_path = by_path_%s }'
            % (record, name, table, len(fields), name, len(units), name))


def main():
    parser = argparse.ArgumentParser(description='make the constant data of the field table')
    for option in ('descriptors', 'fields', 'iso-codes', 'output'):
        parser.add_argument('--' + option, required=True)
    args = parser.parse_args()
    schema = Schema(args.descriptors)
    rows = read_rows(args.fields)
    out = ['/* Made by gen_fields.py from record.proto, fields.csv and iso-codes. */',
           '#include "wire/field_data.h"', '#include "wire/message.h"', '']
    data, lists = [], {}
    for name in sorted(ISO_SETS):
        lists[name] = len(data)
        data.append(emit_set(out, name, args.iso_codes))
    for name in sorted(schema.enums):
        lists[snake(name)] = len(data)
        data.append(emit_enum(out, snake(name), schema.enums[name]))
    out.append('const struct codelist codelist_data[] = {')
    out.extend('\t%s,' % entry for entry in data)
    out.append('};')
    out.append('const size_t codelist_n_data = %d;\n' % len(data))
    tables = []
    for record in RECORD_TYPES:
        fields = []
        walk(schema, rows, record, record, None, fields)
        tables.append(emit_record(out, record, fields, lists))
    if rows:
        fail('%s %s: no such field in record.proto' % next(iter(rows)))
    out.append('const struct field_table field_tables[2] = {')
    out.extend('\t%s,' % entry for entry in tables)
    out.append('};')
    with open(args.output, 'w', encoding='ascii') as target:
        target.write('\n'.join(out) + '\n')


main()
