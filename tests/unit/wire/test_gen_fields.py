#!/usr/bin/python3
"""test_gen_fields.py GENERATOR DESCRIPTORS FIELDS ISO-CODES

The generator of the field table stops the build on every way in which fields.csv and record.proto
can disagree, or the table with itself.
"""
import os
import subprocess
import sys
import tempfile

GENERATOR, DESCRIPTORS, FIELDS, ISO_CODES = sys.argv[1:]
SEX = 'VictimRecord,identity.sex,1,S2,sex,,,Sex'
MEMBER_ALIVE = 'VictimRecord,family_member.alive,1,S2,,,,Family member: is alive'
NICKNAME = 'VictimRecord,identity.nickname.text,1,S2,,,200,Nickname: as written'
BIRTH = 'VictimRecord,identity.date_of_birth,1,-,,,,Date of birth'
HEIGHT = 'VictimRecord,description.height_cm,1,S2,height-cm,,,Height in cm'
ALIASES = 'VictimRecord,identity.aliases,1,S2,,32,,Alias'

# what is wrong, row, what stands in its place, words of the refusal
CASES = [
    ('row missing', SEX, None, 'identity.sex: no row'),
    ('row of no field', SEX, SEX + '\n' + SEX.replace('.sex', '.sexe'), 'no such field'),
    ('row twice', SEX, SEX + '\n' + SEX, 'twice'),
    ('row of no record', SEX, SEX + '\n' + SEX.replace('Victim', 'Other'), 'no such field'),
    ('level unknown', SEX, SEX.replace('S2', 'S6'), 'sensitivity must be S0 to S5'),
    ('level missing', SEX, SEX.replace('S2', ''), 'sensitivity must be S0 to S5'),
    ('group with a level', BIRTH, BIRTH.replace('-', 'S2', 1), 'sensitivity must be -'),
    ('element of two levels', MEMBER_ALIVE, MEMBER_ALIVE.replace('S2', 'S3'), 'one sensitivity'),
    ('wrong enum', SEX, SEX.replace(',sex,', ',relation,'), 'code list must be sex'),
    ('unknown format', HEIGHT, HEIGHT.replace('height-cm', 'height-m'), 'no format height-m'),
    ('format of text', HEIGHT, HEIGHT.replace('height-cm', 'e164'), 'no format e164 for UINT'),
    ('number without format', HEIGHT, HEIGHT.replace('height-cm', ''), 'must name a format'),
    ('text without limit', NICKNAME, NICKNAME.replace('200', ''), 'max_bytes must be'),
    ('limit too high', NICKNAME, NICKNAME.replace('200', '8001'), 'max_bytes must be'),
    ('limit of a number', HEIGHT, HEIGHT.replace(',,,H', ',,9,H'), 'max_bytes has no meaning'),
    ('count of a singular', SEX, SEX.replace(',,,S', ',4,,S'), 'max_count has no meaning'),
    ('repeated without count', ALIASES, ALIASES.replace('32', ''), 'max_count must be'),
    ('no label', SEX, SEX[:-len('Sex')], 'no label'),
    ('since a later version', SEX, SEX.replace(',1,', ',2,'), 'since must be'),
    ('column too many', SEX, SEX + ',more', 'columns'),
    ('column too few', SEX, SEX.replace(',,,', ',,'), 'columns'),
]


def generate(folder, text):
    """Whether the generator took the table, and what it said."""
    fields = os.path.join(folder, 'fields.csv')
    output = os.path.join(folder, 'out.c')
    with open(fields, 'w', encoding='utf-8') as target:
        target.write(text)
    run = subprocess.run([sys.executable, GENERATOR, '--descriptors', DESCRIPTORS, '--fields',
                          fields, '--iso-codes', ISO_CODES, '--output', output],
                         capture_output=True, text=True, check=False)
    return run.returncode == 0 and os.path.exists(output), run.stderr


def main():
    wrong = []
    with open(FIELDS, encoding='utf-8') as source:
        good = source.read()
    with tempfile.TemporaryDirectory() as folder:
        taken, said = generate(folder, good)
        if not taken:
            wrong.append('the true table is refused: ' + said)
        os.remove(os.path.join(folder, 'out.c'))
        for title, row, instead, words in CASES:
            line = row + '\n'
            if good.count(line) != 1:
                wrong.append('%s: this row is not in fields.csv: %s' % (title, row))
                continue
            taken, said = generate(folder, good.replace(line, instead + '\n' if instead else ''))
            if taken or words not in said or 'Traceback' in said:
                wrong.append('%s: not refused with "%s": %s' % (title, words, said.strip()))
    print('\n'.join(wrong) or 'all %d broken tables are refused' % len(CASES))
    return 1 if wrong else 0


sys.exit(main())
