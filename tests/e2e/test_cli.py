"""The `amparo` command: what works without a node, and what it says to one and makes of its answers.

For most tests the node is played by this file: a socket that answers what a test gives it. At the end
stand the whole way between two real nodes, and what real nodes refuse.
"""

import hashlib
import importlib
import json
import re
import shlex
import socket
import struct
import subprocess
import sys
import threading

import pytest

from conftest import AMPARO, ROOT, wait_for

DEMO = ROOT / "conf" / "demo"
RECORD_ID = bytes(range(16))
REFERRAL_ID = bytes(range(100, 132))
# Of 2026-11-22 14:03 UTC
TIME_US = 1795356180000001

pytestmark = pytest.mark.usefixtures("programs")


def amparo(*words, code=0, stdin="", socket_path="/nonexistent/socket", env=None):
    """Run the command; gives its standard output and standard error as text."""
    done = subprocess.run(
        [AMPARO, *map(str, words)], input=stdin.encode(), capture_output=True, timeout=60,
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C", "AMPARO_SOCKET": str(socket_path), **(env or {})})
    out, err = done.stdout.decode(), done.stderr.decode()
    assert done.returncode == code, f"{words}: {done.returncode}\n{out}{err}"
    if code:
        # One line on what is wrong, whatever it quotes.
        assert re.fullmatch(r"amparo: [^\x00-\x1f\x7f]+\n", err), err
    else:
        assert err == ""
    return out, err


def commands():
    """'record check' and so on, as the program's help lists them."""
    listed = amparo("--help")[0].split("Commands:\n")[1].split("\n\n")[0]
    return [re.match(r"  ([a-z]+(?: [a-z-]+)?)", line).group(1) for line in listed.splitlines()]


# --- without a node ------------------------------------------------------------------------------

def test_version():
    assert re.fullmatch(r"amparo \d+\.\d+\.\d+\n", amparo("--version")[0])


def test_every_command_explains_itself_with_an_example_that_parses():
    names = commands()
    assert len(names) == 25
    for name in names:
        text = amparo(*name.split(), "--help")[0]
        assert text.startswith("Usage: amparo ")
        example = text.split("Example:\n")[1].replace("\\\n", " ").replace(" > child.json", "")
        for line in example.splitlines():
            words = shlex.split(line)
            assert words[0] == "amparo" and " ".join(words[1:]).startswith(name)
            # Once more for help: the words are judged, nothing is done.
            assert amparo(*words[1:], "--help")[0] == text


def test_the_manual_knows_every_command_and_option():
    manual = (ROOT / "docs" / "amparo.1.scd").read_text()
    for name in commands():
        assert f"*{name}*" in manual, name
        for option in re.findall(r"^  (--[a-z-]+)", amparo(*name.split(), "--help")[0], re.M):
            assert f"*{option}*" in manual, f"{name}: {option}"


@pytest.mark.parametrize("line, words", [
    ("", "no command"),
    ("recrod list", "did you mean 'record'"),
    ("record lst", "did you mean 'list'"),
    ("record list --jsno", "did you mean '--json'"),
    ("record list extra", "one argument too many"),
    ("record show abcdef01", "wants --reason"),
    ("record template Person", "VictimRecord or CaseRecord"),
    ("referral list --state acepted", "did you mean 'accepted'"),
    ("audit list --epoch al", "is no number"),
    ("referral show xyz", "is no id"),
    ("referral show abcdef0", "an even number"),
    ("referral show abcdef01 --content", "wants --reason"),
    ("referral send --record abcdef01 --to p --purpose child-protection --basis treaty",
     "--basis-name"),
    ("referral send --record abcdef01 --to p --purpose child-protection --basis consent",
     "wants --consent"),
    ("referral send --record abcdef01 --to p --purpose child-protection --basis public-task"
     " --consent-scope all", "want --consent"),
    ("referral send --record abcdef01 --to p --purpose child-protection --basis consent"
     " --consent child --consent-date 9999-01-01", "still to come"),
    # Of many codes with long names, and none of them near.
    ("referral send --record abcdef01 --to p --purpose child-protection --basis public-task"
     " --type xyzzy", "--help says which are"),
])
def test_usage_errors_say_what_to_do(line, words):
    assert words in amparo(*line.split(), code=64)[1]


def test_a_template_is_a_record():
    for name in ("VictimRecord", "CaseRecord"):
        template = amparo("record", "template", name)[0]
        assert json.loads(template)["type"] == name
        assert amparo("record", "check", "-", stdin=template)[0].startswith(f"ok: {name}, ")


def test_check_takes_files_and_says_how_much_there_is(tmp_path):
    for path in sorted(DEMO.glob("*.json")):
        row = json.loads(amparo("record", "check", path, "--json")[0])
        assert row["name"] == str(path) and row["n_parts"] > 10
    odd = tmp_path / "-- a b\u010d.json"
    odd.write_text(path.read_text())
    assert json.loads(amparo("--json", "record", "check", odd)[0])["name"] == str(odd)


@pytest.mark.parametrize("record, words", [
    ('{"type": "VictimRecord", "identity": {"date_of_birth": {"year": 2010, "month": 13}}}',
     "identity.date_of_birth.month: 13 is no month"),
    ('{"type": "VictimRecord", "identty": {}}', "identty"),
    ('{"type": "VictimRecord", "identity": {"sex": "fmale"}}', "identity.sex: "),
    ('{"type": "Nothing"}', "type: "),
    ('{"type": "VictimRecord",\n "identity": }', "line 2"),
    ("", "is empty"),
    ("\x1b[31m", ": "),
])
def test_check_names_the_mistake(tmp_path, record, words):
    path = tmp_path / "r.json"
    path.write_text(record)
    error = amparo("record", "check", path, code=65)[1]
    assert error.startswith(f"amparo: {path}: ") and words in error
    assert amparo("record", "check", "-", stdin=record, code=65)[1].startswith("amparo: standard input: ")


def test_files_that_cannot_be_read(tmp_path):
    assert "No such file" in amparo("record", "check", tmp_path / "none", code=66)[1]
    amparo("record", "check", tmp_path, code=66)
    large = tmp_path / "large"
    large.write_bytes(b" " * (1024 * 1024 + 1))
    assert "too large" in amparo("record", "check", large, code=65)[1]
    steering = tmp_path / "\x1b]0;x\x07\n"
    assert "\\x1b]0;x\\x07\\x0a" in amparo("record", "check", steering, code=66)[1]


def test_agreements_are_checked_with_the_digest_that_both_compare(tmp_path):
    path = ROOT / "conf" / "agreements" / "demo.yaml"
    digest = subprocess.run(["sha256sum", path], capture_output=True, text=True).stdout.split()[0]
    assert f"digest: {digest}\n" in amparo("agreement", "check", path)[0]
    row = json.loads(amparo("--json", "agreement", "check", path)[0])
    assert row["id"] == digest and len(row["parties"]) == 3
    broken = tmp_path / "broken.yaml"
    broken.write_text(path.read_text().replace("valid:", "vallid:"))
    assert "valid" in amparo("agreement", "check", broken, code=65)[1]


def test_output_that_cannot_be_written():
    with open("/dev/full", "w") as full:
        for words in (["--help"], ["record", "template", "CaseRecord"]):
            done = subprocess.run([AMPARO, *words], stdout=full, stderr=subprocess.PIPE, timeout=60)
            assert done.returncode == 74 and b"No space left" in done.stderr


def test_closed_standard_files_are_nobodys_else():
    """Else the node's socket would be standard output, and the table would be written to it."""
    for closed, code in (("<&-", 0), (">&-", 74), ("<&- >&-", 74), ("<&- >&- 2>&-", 74)):
        done = subprocess.run(["sh", "-c", f'exec "$0" record template CaseRecord {closed}', AMPARO],
                              capture_output=True, timeout=60)
        assert done.returncode == code and (b"CaseRecord" in done.stdout) == (code == 0)


def test_no_node(tmp_path):
    error = amparo("status", code=69, socket_path=tmp_path / "s")[1]
    assert "is amparod running? Start it, or name its socket with --socket" in error
    assert str(tmp_path / "other") in amparo("status", "--socket", tmp_path / "other", code=69)[1]
    assert "107" in amparo("status", "--socket", "x" * 108, code=64)[1]


# --- with a node ---------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def api(tmp_path_factory):
    """The schema's modules as Python has them."""
    where = tmp_path_factory.mktemp("proto")
    files = [str(f.relative_to(ROOT / "proto")) for f in sorted((ROOT / "proto/amparo/v1").glob("*.proto"))]
    subprocess.run(["protoc", "-I", ROOT / "proto", f"--python_out={where}", *files], check=True)
    sys.path.insert(0, str(where))
    yield importlib.import_module("amparo.v1.api_pb2")
    sys.path.remove(str(where))


class Node:
    """Answers each request with what `answer` gives for it: replies, or bytes as they are."""

    def __init__(self, api, path):
        self.api, self.path = api, path
        self.requests, self.answers = [], []
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen()
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection, connection.makefile("rb") as stream:
                while head := stream.read(4):
                    request = self.api.ApiRequest()
                    request.ParseFromString(stream.read(struct.unpack(">I", head)[0]))
                    self.requests.append(request)
                    if not self.reply(connection, request):
                        break

    def reply(self, connection, request):
        """False when the node hangs up."""
        answer = self.answers.pop(0) if self.answers else None
        if answer is None:
            return False
        if isinstance(answer, bytes):
            connection.sendall(answer)
            return False
        out = b""
        for i, fields in enumerate(answer):
            reply = self.api.ApiReply(id=request.id, **fields)
            if "error" not in fields:
                reply.more = i + 1 < len(answer)
            body = reply.SerializeToString()
            out += struct.pack(">I", len(body)) + body
        try:
            connection.sendall(out)
        except BrokenPipeError:
            return False
        return True

    def run(self, *words, answers=(), code=0):
        """Standard output, standard error and requests of one run."""
        self.requests, self.answers = [], list(answers)
        out, err = amparo(*words, code=code, socket_path=self.path)
        return out, err, self.requests

    def rows(self, *words, answers, code=0):
        return [json.loads(line) for line in
                self.run("--json", *words, answers=answers, code=code)[0].splitlines()]


@pytest.fixture
def node(api, tmp_path):
    made = Node(api, tmp_path / "s")
    yield made
    made.listener.shutdown(socket.SHUT_RDWR)
    made.listener.close()
    made.thread.join(10)


END = {}


def record_row(n, **more):
    return {"record": {"id": bytes([n]) * 16, "revision": 1, "type": "VictimRecord",
                       "local_reference": f"R-{n}", **more}}


def referral_row(**more):
    return {"referral": {
        "id": REFERRAL_ID, "side": 1, "peer": "spiffe://sk.example/centre", "type": 5, "urgency": 2,
        "purpose": 3, "state": 1, "delivery": "received", "time_us": TIME_US, "awaits_us": True,
        "n_disclosed": 7, "record_id": RECORD_ID, **more}}


def test_lists_are_tables_for_people_and_lines_for_programs(node):
    answer = [record_row(1), record_row(2, type="CaseRecord", local_reference="Č-2"), END]
    out, _, requests = node.run("record", "list", answers=[answer])
    assert out == (
        "ID            REVISION  TYPE          REFERENCE\n"
        "010101010101  1         VictimRecord  R-1\n"
        "020202020202  1         CaseRecord    Č-2\n")
    assert requests[0].HasField("record_list")
    assert node.rows("record", "list", answers=[answer]) == [
        {"id": "01" * 16, "revision": 1, "type": "VictimRecord", "local_reference": "R-1"},
        {"id": "02" * 16, "revision": 1, "type": "CaseRecord", "local_reference": "Č-2"}]


def test_empty_lists(node):
    for words in ("record list", "referral list", "peer list", "agreement list", "audit list"):
        assert node.run(*words.split(), answers=[[END]])[0] == "none\n"
        assert node.rows(*words.split(), answers=[[END]]) == []


def test_a_long_list(node):
    answer = [{"audit": {"id": i, "time_us": TIME_US + i, "kind": 33}} for i in range(20000)]
    assert [row["id"] for row in node.rows("audit", "list", answers=[answer])] == list(range(20000))
    lines = node.run("audit", "list", answers=[answer])[0].splitlines()
    assert len(lines) == 20001 and lines[-1].split()[:4] == ["19999", "2026-11-22", "14:03", "UTC"]


def test_a_list_goes_on_by_itself_piece_after_piece(node):
    def piece(first, n, **last):
        return [{"audit": {"id": i, "kind": 33}} for i in range(first, first + n)] + [last]

    after = {"part": 1, "at": 3, "epoch": 7}
    pieces = [piece(0, 3, next=after), piece(3, 0, next={**after, "at": 4}), piece(4, 2)]
    out, _, requests = node.run("--json", "audit", "list", answers=pieces)
    assert [json.loads(line)["id"] for line in out.splitlines()] == [0, 1, 2, 4, 5]
    asked = [request.audit_list.page for request in requests]
    assert not asked[0].HasField("after")
    assert [(page.after.at, page.after.epoch) for page in asked[1:]] == [(3, 7), (4, 7)]
    assert len(node.run("audit", "list", answers=pieces)[0].splitlines()) == 6

    # No more than the rows that are wanted, from however many pieces.
    _, _, requests = node.run("referral", "list", "--limit", "3", answers=[
        [referral_row(), referral_row(), {"next": after}], [referral_row(), {"next": after}]])
    assert [request.referral_list.page.limit for request in requests] == [3, 1]
    # What came before a failure stays.
    out = node.run("record", "list", code=75, answers=[
        [record_row(1), {"next": after}], [{"error": {"code": 75, "text": "x"}}]])[0]
    assert "010101010101" in out


def test_a_reader_that_has_seen_enough(node):
    node.answers = [[{"audit": {"id": i}} for i in range(50000)]]
    done = subprocess.run(f"'{AMPARO}' --socket '{node.path}' audit list | head -n 1", shell=True,
                          capture_output=True, text=True, timeout=60)
    assert done.stderr == "" and done.stdout.startswith("INDEX")


def test_import_sends_the_canonical_record(node, api):
    template = json.loads((DEMO / "victim-1.json").read_text())
    out, _, (request,) = node.run(
        "record", "import", DEMO / "victim-1.json", "--tlp", "amber-strict", "--retain-until",
        "2031-12-31", "--reason", "intake", answers=[[record_row(1)]])
    assert f"id:        {'01' * 16}\n" in out
    ask = request.record_import
    record = importlib.import_module("amparo.v1.record_pb2").VictimRecord()
    record.ParseFromString(ask.record)
    assert record.routing.local_reference == template["routing"]["local_reference"]
    assert ask.type == 1 and ask.handling.tlp == 2 and ask.reason == "intake"
    assert ask.retain_until_us == 1956527999999999 and not ask.HasField("replaces")


def test_nothing_is_sent_of_a_record_with_a_mistake(node, tmp_path):
    path = tmp_path / "r.json"
    path.write_text('{"type": "VictimRecord", "identity": {"sex": 9}}')
    assert node.run("record", "import", path, code=65)[2] == []


def test_the_beginning_of_a_records_id_is_completed(node):
    listed = [record_row(1), record_row(1, revision=2), record_row(2), END]
    _, _, requests = node.run("record", "import", DEMO / "victim-1.json", "--replaces", "01010101",
                              answers=[listed, [record_row(1)]])
    assert requests[0].record_list.id_begins == b"\x01" * 4
    assert requests[1].record_import.replaces == b"\x01" * 16
    assert [r.id for r in requests] == [1, 2]
    assert "no record" in node.run("record", "show", "03030303", "--reason", "r", answers=[listed],
                                   code=65)[1]
    double = listed[:2] + [record_row(1, id=b"\x01" * 15 + b"\x02"), END]
    assert "several" in node.run("record", "show", "01010101", "--reason", "r", answers=[double],
                                 code=65)[1]
    # A whole id asks for no list.
    requests = node.run("record", "show", "01" * 16, "--reason", "r",
                        answers=[[{"record_content": partial_record()}]])[2]
    assert requests[0].record_show.record_id == b"\x01" * 16


def partial_record():
    record = importlib.import_module("amparo.v1.record_pb2").VictimRecord()
    record.identity.given_names.add(text="Žofie", script="Latn")
    record.identity.given_names.add(text="佐藤", script="Jpan")
    record.identity.date_of_birth.year = 2012
    record.identity.date_of_birth.month = 3
    record.derived.is_minor = True
    return {"id": RECORD_ID, "revision": 2, "type": "VictimRecord",
            "originator": "spiffe://cz.example/authority", "sealed_at_us": TIME_US,
            "manifest_digest": b"\xab" * 32, "record": record.SerializeToString(), "n_disclosed": 5,
            "n_commitments": 128}


def test_a_record_is_shown_with_labels_and_as_json(node):
    out, _, (request,) = node.run("record", "show", RECORD_ID.hex(), "--reason", "visit",
                                  answers=[[{"record_content": partial_record()}]])
    assert request.record_show.reason == "visit"
    assert re.search(r"^originator: +cz.example/authority$", out, re.M)
    assert re.search(r"^sealed: +2026-11-22 14:03 UTC$", out, re.M)
    assert re.search(r" Date of birth +2012-03-\?$", out, re.M)
    assert "Žofie" in out and "佐藤" in out
    assert re.search(r" Is a minor +yes$", out, re.M)
    (row,) = node.rows("record", "show", RECORD_ID.hex(), "--reason", "visit",
                       answers=[[{"record_content": partial_record()}]])
    assert row["sealed_at"] == "2026-11-22T14:03:00.000001Z"
    assert row["record"] == {
        "type": "VictimRecord",
        "identity": {"given_names": [{"text": "Žofie", "script": "Latn"},
                                     {"text": "佐藤", "script": "Jpan"}],
                     "date_of_birth": {"year": 2012, "month": 3}},
        "derived": {"is_minor": True}}


def test_what_is_no_record_is_refused(node):
    for wrong in ({"record": b"\xff"}, {"type": "Person"}):
        node.run("record", "show", RECORD_ID.hex(), "--reason", "r",
                 answers=[[{"record_content": {**partial_record(), **wrong}}]], code=76)


SEND = ["referral", "send", "--record", RECORD_ID.hex(), "--to", "sk.example/centre",
        "--purpose", "family-tracing", "--basis", "treaty", "--basis-name", "Hague 1996"]


def test_send_says_all_that_was_typed(node):
    out, _, (request,) = node.run(
        *SEND, "--type", "tracing", "--urgency", "urgent", "--desk", "Desk 2", "--from-desk", "Desk 1",
        "--reply-by", "2026-12-01T12:00+01:00", "--expires", "2027-01-01", "--consent", "guardian",
        "--consent-scope", "tracing", "--consent-date", "2024-11-01", "--best-interest", "urgent need",
        "--transfer", "--message", "please", "--handling", "red", "--retain-until", "2030-01-01",
        "--reason", "tracing request", answers=[[referral_row(side=2, awaits_us=False)]])
    ask = request.referral_send
    assert ask.record_id == RECORD_ID and ask.peer == "spiffe://sk.example/centre"
    assert (ask.purpose, ask.preview, ask.reason) == (3, False, "tracing request")
    t = ask.terms
    assert (t.type, t.urgency, t.responsibility, t.basis, t.basis_name) == (5, 2, 2, 6, "Hague 1996")
    assert (t.to_desk, t.from_desk, t.message) == ("Desk 2", "Desk 1", "please")
    assert t.reply_by_us == 1796122800000000
    assert t.expires_us == 1798847999999999 and t.retain_until_us == 1893542399999999
    assert (t.consent.given_by, t.consent.scope, t.consent.given_at_us) == (3, "tracing", 1730419200000000)
    assert t.best_interest.reason == "urgent need" and t.handling.tlp == 1
    assert not t.HasField("record")
    assert re.search(rf"^id: +{REFERRAL_ID.hex()}$", out, re.M)


def test_send_fills_in_the_ordinary(node):
    terms = node.run(*SEND, answers=[[referral_row()]])[2][0].referral_send.terms
    assert (terms.type, terms.urgency, terms.responsibility) == (2, 1, 1)
    for absent in ("consent", "best_interest", "handling", "reply_by_us", "to_desk", "message"):
        assert not terms.HasField(absent)


def test_preview_shows_when_what_is_released(node):
    answer = [{"preview": {"name": "derived.is_minor", "label": "Is a minor", "sensitivity": 1,
                           "released_at": 1, "rule": "who", "n": 1}},
              {"preview": {"name": "identity.sex", "label": "Sex", "sensitivity": 2, "released_at": 2,
                           "rule": "more", "n": 1}},
              {"preview": {"name": "safety.instructions", "label": "Safety instructions",
                           "sensitivity": 5, "why": "no rule names it", "n": 1}}, END]
    out, _, (request,) = node.run(*SEND, "--preview", answers=[answer])
    assert request.referral_send.preview
    assert out == (
        "WHAT                 FIELD                LEVEL  N  RELEASED AT  RULE, OR WHY NOT\n"
        "Is a minor           derived.is_minor     S1     1  request      who\n"
        "Sex                  identity.sex         S2     1  accepted     more\n"
        "Safety instructions  safety.instructions  S5     1  withheld     no rule names it\n"
        "\n"
        "1 released at the request, 1 more when accepted, 1 withheld; nothing was sent\n")
    rows = node.rows(*SEND, "--preview", answers=[answer])
    assert [row.get("released_at") for row in rows] == ["request", "accepted", None]


def test_referrals_are_listed_and_filtered(node):
    answer = [referral_row(answer="due"), referral_row(side=2, awaits_us=False, state=4, reply_by_us=TIME_US),
              referral_row(side=2, awaits_us=False, answer="overdue", delivery="expired"), END]
    out, _, (request,) = node.run("referral", "list", answers=[answer])
    assert not request.referral_list.HasField("side") and not request.referral_list.HasField("state")
    head, first, second, third = out.splitlines()
    assert head.split()[:4] == ["ID", "SIDE", "PEER", "TYPE"] and "SPIFFE" not in out.upper()
    assert first.split()[:7] == [REFERRAL_ID.hex()[:12], "in", "sk.example/centre", "tracing",
                                 "urgent", "requested", "due"]
    assert second.split()[5:7] == ["redirected", "-"]
    assert third.split()[5:8] == ["requested", "overdue", "expired"]
    request = node.run("referral", "list", "--in", "--state", "needs-info", answers=[[END]])[2][0]
    assert (request.referral_list.side, request.referral_list.state) == (1, 5)
    assert node.run("referral", "list", "--out", answers=[[END]])[2][0].referral_list.side == 2


CONTENT = {"terms": {"from_desk": "Desk 1", "type": 5, "basis": 6, "basis_name": "Hague 1996",
                     "message": "please", "handling": {"tlp": 1, "restrictions": [1, 2]}},
           "history": [{"time_us": TIME_US, "by": "spiffe://cz.example/authority", "state": 1},
                       {"time_us": TIME_US, "by": "spiffe://sk.example/centre", "opened": True}]}


def test_a_referral_is_shown_whole(node):
    answer = [referral_row(), {"referral_content": {**CONTENT, "record": partial_record()}}]
    out, _, (request,) = node.run("referral", "show", REFERRAL_ID.hex()[:12], "--content", "--reason",
                                  "new case", answers=[answer])
    ask = request.referral_show
    assert (ask.id, ask.content, ask.reason) == (REFERRAL_ID[:6], True, "new case")
    assert re.search(r"^by name: +Hague 1996$", out, re.M)
    assert re.search(r"^restrictions: +h1-not-in-court, h2-no-dissemination$", out, re.M)
    assert re.search(r"^2026-11-22 14:03 UTC +sk.example/centre +- +yes", out, re.M)
    assert "Žofie" in out
    (row,) = node.rows("referral", "show", REFERRAL_ID.hex(), answers=[[referral_row(),
                                                                      {"referral_content": CONTENT}]])
    assert row["id"] == REFERRAL_ID.hex() and row["terms"]["basis"] == "treaty"
    assert [h.get("state") for h in row["history"]] == ["requested", None]
    assert "record" not in row


def test_decisions(node):
    for verb, state in (("accept", 2), ("decline", 3)):
        out, _, (request,) = node.run("referral", verb, REFERRAL_ID.hex()[:8], "--reason", "because",
                                      answers=[[referral_row(state=state)]])
        ask = request.referral_decide
        assert (ask.id, ask.state, ask.reason) == (REFERRAL_ID[:4], state, "because")


def test_peers_with_fingerprints_to_compare(node):
    answer = [{"peer": {"id": "spiffe://sk.example/centre", "name": "centre", "state": "connected",
                        "fingerprint": "ab" * 32, "sent_k": 3, "delivered_k": 2, "received_k": 1,
                        "n_refused": 0, "last_contact_us": TIME_US}},
              {"peer": {"id": "spiffe://at.example/jugendamt", "name": "jugendamt", "state": "waiting",
                        "last_error": "refused"}}, END]
    lines = node.run("peer", "list", answers=[answer])[0].splitlines()
    assert len(lines) == 7 and lines[3] == ""
    assert lines[5].split() == ["spiffe://sk.example/centre", *["abab"] * 16]
    assert lines[6].endswith("not seen yet")
    rows = node.rows("peer", "list", answers=[answer])
    assert rows[0]["last_contact"] == "2026-11-22T14:03:00.000001Z" and rows[1]["name"] == "jugendamt"


DETAIL = {"id": "spiffe://sk.example/centre", "name": "centre", "state": "waiting", "n_offered": 9,
          "n_waiting": 2, "oldest_waiting_us": TIME_US, "clock_skew_s": -7, "last_error": "refused",
          "refusals": [{"name": "peer", "status": 1, "reason": 3, "n": 4}],
          "agreements": [{"id": "cd" * 32, "name": "Demo", "valid_until": "2031-12-31"}]}


def test_a_peer_is_shown_with_what_hangs_on_it(node):
    out, _, (request,) = node.run("peer", "show", "sk.example/centre", answers=[[{"peer_detail": DETAIL}]])
    assert request.peer_show.peer == "spiffe://sk.example/centre"
    card, agreements, refusals = out.split("\n\n")
    assert re.search(r"^waiting: +2$", card, re.M) and re.search(r"^its clock, s: +-7$", card, re.M)
    assert agreements.splitlines()[1].split() == ["Demo", "cd" * 6, "-", "2031-12-31"]
    assert refusals.splitlines()[1].split()[:2] == ["peer", "refused"]
    assert refusals.splitlines()[1].split()[-1] == "4"
    row, = node.rows("peer", "show", "centre", answers=[[{"peer_detail": DETAIL}]])
    assert row["oldest_waiting"] == "2026-11-22T14:03:00.000001Z" and row["clock_skew_s"] == -7
    assert row["refusals"][0]["n"] == 4 and row["agreements"][0]["name"] == "Demo"
    # What is not there takes no room.
    out = node.run("peer", "show", "centre", answers=[[{"peer_detail": {"id": "spiffe://x.example/y"}}]])[0]
    assert out == "peer: x.example/y\n".replace("peer: ", "peer:" + " " * (out.index("x") - 5))


def test_a_test_is_told_as_it_goes(node):
    steps = [{"peer_test": {"name": "name", "ok": True, "text": "192.0.2.1:8443"}},
             {"peer_test": {"name": "route", "ok": False, "text": "refused: check"}}, END]
    out = node.run("peer", "test", "centre", answers=[steps], code=69)[0]
    assert out == "ok      name          192.0.2.1:8443\nFAILED  route         refused: check\n"
    assert node.run("peer", "test", "centre", answers=[[*steps[:1], END]])[0].count("\n") == 1
    node.run("peer", "test", "centre", answers=[[END]], code=76)
    # What does not say that it is good is not.
    node.run("peer", "test", "centre", answers=[[{"peer_test": {"name": "tls"}}, END]], code=69)
    out = node.run("peer", "test", "centre", "--json", answers=[steps], code=69)[0]
    assert [json.loads(line)["name"] for line in out.splitlines()] == ["name", "route"]


def test_agreements_are_adopted_as_they_are(node, tmp_path):
    path = ROOT / "conf" / "agreements" / "demo.yaml"
    row = {"agreement": {"id": "cd" * 32, "name": "Demo", "peer": "spiffe://sk.example/centre",
                         "state": "adopted-here", "file_held": True}}
    out, _, (request,) = node.run("agreement", "adopt", path, answers=[[row, END]])
    assert request.agreement_adopt.file == path.read_bytes()
    assert out.splitlines()[1].split()[:4] == ["cd" * 6, "Demo", "sk.example/centre", "adopted-here"]
    broken = tmp_path / "b.yaml"
    broken.write_text("agreement: [\n")
    assert node.run("agreement", "adopt", broken, code=65)[2] == []


def test_two_files_of_one_agreement_are_pointed_out(node):
    def row(digest, peer, state):
        return {"agreement": {"id": digest * 32, "name": "Demo", "peer": f"spiffe://{peer}", "state": state}}

    here, there = row("aa", "sk.example/centre", "adopted-here"), row("bb", "sk.example/centre", "adopted-there")
    assert "the two files differ" in node.run("agreement", "list", answers=[[here, there, END]])[0]
    assert len(node.rows("agreement", "list", answers=[[here, there, END]])) == 2
    for others in ([here], [there], [here, row("bb", "at.example/b", "adopted-there")],
                   [here, row("bb", "sk.example/centre", "in-force")]):
        assert "differ" not in node.run("agreement", "list", answers=[[*others, END]])[0]


def test_audit_list_shows_who_and_why(node):
    row = {"audit": {"id": 7, "time_us": TIME_US, "kind": 33, "leaf": b"\x01" * 32,
                     "local": {"person": "anna", "uid": 1000, "reason": "visit", "record_id": RECORD_ID}}}
    out, _, (request,) = node.run("audit", "list", "--from", "7", "--limit", "1", answers=[[row, END]])
    assert (request.audit_list.from_index, request.audit_list.page.limit) == (7, 1)
    request = node.run("audit", "list", "--epoch", "1780300800", answers=[[END]])[2][0].audit_list
    assert request.epoch == 1780300800 and not request.HasField("all_epochs")
    request = node.run("audit", "list", "--epoch", "all", answers=[[END]])[2][0].audit_list
    assert request.all_epochs and not request.HasField("epoch")
    assert out.splitlines()[1].split()[-2:] == ["anna", "visit"]
    assert node.rows("audit", "list", answers=[[row, END]])[0]["local"]["person"] == "anna"


@pytest.mark.parametrize("words, field, good, bad", [
    ("audit verify", "verify", {"name": "cz.example/a/1", "ok": True, "n_entries": 9},
     {"name": "cz.example/a/1", "ok": False, "bad_index": 4, "problem": "leaf differs"}),
    ("audit verify --peer centre", "verify", {"name": "x", "ok": True}, {"name": "x"}),
    ("audit reconcile sk.example/centre", "reconcile",
     {"name": "spiffe://sk.example/centre", "ok": True, "sent_k": 3, "sent_held": 3},
     {"name": "spiffe://sk.example/centre", "ok": False, "differs_from_k": 2, "problem": "differs"}),
])
def test_what_does_not_hold_is_an_error(node, words, field, good, bad):
    out, _, (request,) = node.run(*words.split(), answers=[[{field: good}]])
    assert re.search(r"^(verified|agrees): +yes$", out, re.M)
    assert node.rows(*words.split(), answers=[[{field: good}]])[0]["ok"] is True
    node.run(*words.split(), answers=[[{field: bad}]], code=65)
    node.run(*words.split(), answers=[[{field: good}, {field: bad}]], code=65)
    # A result that is missing is not a good one.
    node.run(*words.split(), answers=[[END]], code=76)
    if "reconcile" in words:
        assert request.audit_reconcile.peer == "spiffe://sk.example/centre"
    else:
        assert request.audit_verify.peer == ("centre" if "--peer" in words else "")


def test_status(node):
    answer = [{"status": {"id": "spiffe://cz.example/authority", "origin": "cz.example/authority/1",
                          "size": 12, "state": "serving", "n_peers": 2, "started_us": TIME_US}}]
    out = node.run("status", answers=[answer])[0]
    assert re.search(r"^state: +serving$", out, re.M)
    assert node.rows("status", answers=[answer])[0]["started"] == "2026-11-22T14:03:00.000001Z"


def test_the_nodes_errors_are_the_exit_code(node):
    for code in (64, 65, 66, 69, 70, 73, 75, 76, 77, 78):
        answer = [{"error": {"code": code, "text": f"reason {code}"}}]
        assert node.run("status", answers=[answer], code=code)[1] == f"amparo: reason {code}\n"
    # Rows that came before stay.
    out = node.run("record", "list", answers=[[record_row(1), {"error": {"code": 75, "text": "x"}}]],
                   code=75)[0]
    assert "010101010101" in out


def test_a_node_that_answers_badly(node, api):
    def frame(body):
        return struct.pack(">I", len(body)) + body

    def reply(**fields):
        return frame(api.ApiReply(**fields).SerializeToString())

    for answer, code in ((None, 75), (b"\0", 75), (b"\xff\xff\xff\xff", 76), (b"\0\0\0\0", 76),
                         (frame(b"\xff"), 76), (reply(id=7), 76),
                         (reply(id=1, status={"id": "a\x1bb"}), 76),
                         (reply(id=1), 76),
                         (reply(id=1, more=True), 76),
                         (reply(id=1, peer={"id": "x"}, status={"id": "y"}), 76)):
        node.run("status", answers=[answer], code=code)
    # Two kinds of rows in one list
    node.run("record", "list", answers=[[record_row(1), {"peer": {"id": "x"}}]], code=76)


def test_a_silent_node(node, monkeypatch):
    monkeypatch.setattr(Node, "reply", lambda *_: True)
    assert "--timeout" in node.run("status", "--timeout", "1", code=75)[1]


def test_text_of_peers_does_not_steer_the_terminal(node):
    # Strict text has no control characters; directions it may have by marks only, which stay.
    row = record_row(1, local_reference="R \u200e1 \U0001f600")
    assert "R \u200e1 \U0001f600" in node.run("record", "list", answers=[[row, END]])[0]
    for wrong in ("\u202e", "\x1b", "\x9b", "\n"):
        node.run("record", "list", answers=[[record_row(1, local_reference=wrong), END]], code=76)


# --- with real nodes -----------------------------------------------------------------------------

AGREEMENT = """
agreement: Test of two
parties: [spiffe://one.cz.example/office, spiffe://two.sk.example/office]
valid: {from: 2020-01-01, until: 2099-12-31}
purposes: [child-protection]
rules:
  - {name: outline, record: VictimRecord, stage: request, fields: [derived], consent: not-required,
     retention_days: 365, onward: none}
  - {name: identity, record: VictimRecord, stage: accepted, fields: [identity], consent: required,
     retention_days: 365, onward: none}
"""


@pytest.fixture
def agreed(pair, folder):
    """Two nodes with an agreement in force."""
    path = folder / "agreement.yaml"
    path.write_text(AGREEMENT)
    for node in pair:
        node.amparo("agreement", "adopt", path)
    for node in pair:
        wait_for(lambda n=node: [a["state"] for a in n.json("agreement", "list")] == ["in-force"],
                 "the agreement in force")
    return pair


def referral_of(node, **wanted):
    """The node's only referral once it is as wanted."""
    def look():
        rows = node.json("referral", "list")
        return rows and all(rows[0].get(k) == v for k, v in wanted.items()) and rows[0]
    return wait_for(look, f"a referral with {wanted}")


def test_the_whole_way(agreed):
    one, two = agreed
    (record,) = one.json("record", "import", DEMO / "victim-1.json", "--tlp", "amber", "--reason", "intake")
    assert one.json("record", "list") == [record] and two.json("record", "list") == []
    (shown,) = one.json("record", "show", record["id"][:12], "--reason", "check")
    given = json.loads((DEMO / "victim-1.json").read_text())
    assert shown["record"]["identity"]["sex"] == given["identity"]["sex"]
    assert shown["record"]["derived"]["is_minor"] is True

    send = ["referral", "send", "--record", record["id"][:8], "--to", "two.sk.example/office",
            "--purpose", "child-protection", "--basis", "consent", "--consent", "guardian",
            "--consent-scope", "exchange", "--consent-date", "2024-01-01"]
    preview = one.json(*send, "--preview")
    at = {row["name"]: row.get("released_at") for row in preview}
    assert (at["derived.is_minor"], at["identity.sex"]) == ("request", "accepted")
    assert at["care.arrangement"] is None
    assert one.json("referral", "list") == []

    (sent,) = one.json(*send, "--desk", "Desk 2", "--message", "Prosíme", "--reply-by", "2099-01-01",
                       "--urgency", "urgent", "--reason", "asked by the court")
    arrived = referral_of(two, state="requested")
    assert arrived["id"] == sent["id"] and arrived["awaits_us"] and arrived["urgency"] == "urgent"
    assert two.json("status")[0]["n_awaits_us"] == 1
    (content,) = two.json("referral", "show", sent["id"][:10], "--content", "--reason", "read it")
    assert content["terms"]["message"] == "Prosíme" and content["terms"]["reply_by"].startswith("2099-01-01T23:59")
    assert set(content["record"]["record"]) == {"type", "derived"}
    assert "Prosíme" in two.amparo("referral", "show", sent["id"][:10]).stdout

    (accepted,) = two.json("referral", "accept", sent["id"][:8], "--reason", "ours")
    assert accepted["state"] == "accepted"
    assert "not possible" in two.amparo("referral", "decline", sent["id"][:8], code=65).stderr
    referral_of(one, state="accepted", delivery="opened")
    wait_for(lambda: two.json("referral", "list")[0]["n_disclosed"] > arrived["n_disclosed"],
             "the second stage")
    text = two.amparo("referral", "show", sent["id"], "--content", "--reason", "visit").stdout
    assert given["identity"]["given_names"][0]["text"] in text
    assert "asked by the court" not in text

    for node, other in ((one, two), (two, one)):
        assert node.json("audit", "verify")[0]["ok"]
        assert node.json("audit", "verify", "--peer", other.id)[0]["ok"]
        assert node.json("audit", "reconcile", other.name)[0]["ok"]
    reasons = [row["local"]["reason"] for row in one.json("audit", "list") if "reason" in row.get("local", {})]
    assert {"intake", "check", "asked by the court"} <= set(reasons)


def agreement_states(node):
    return [row["state"] for row in node.json("agreement", "list")]


def test_an_agreement_is_withdrawn_and_adopted_again(agreed, folder):
    one, two = agreed
    digest = hashlib.sha256((folder / "agreement.yaml").read_bytes()).hexdigest()
    (record,) = one.json("record", "import", DEMO / "victim-1.json")
    send = ["referral", "send", "--record", record["id"], "--to", "two.sk.example/office",
            "--purpose", "child-protection", "--basis", "public-task"]
    (sent,) = one.json(*send)
    referral_of(two, state="requested")

    one.amparo("agreement", "withdraw", "Test of two", code=64)  # why?
    one.amparo("agreement", "withdraw", "another", "--reason", "r", code=65)
    (row,) = one.json("agreement", "withdraw", digest[:8], "--reason", "replaced soon")
    assert (row["id"], row["state"]) == (digest, "withdrawn")
    assert "is withdrawn here" in one.amparo(*send, code=65).stderr
    wait_for(lambda: agreement_states(two) == ["withdrawn"], "the other side knows")
    (theirs,) = two.json("record", "import", DEMO / "victim-2.json")
    back = ["referral", "send", "--record", theirs["id"], "--to", "one.cz.example/office",
            "--purpose", "child-protection", "--basis", "public-task"]
    assert "the peer has withdrawn" in two.amparo(*back, code=65).stderr
    # What came before stays, and goes on, but nothing more is released
    n_before = two.json("referral", "list")[0]["n_disclosed"]
    two.json("referral", "accept", sent["id"], "--reason", "ours")
    referral_of(one, state="accepted")

    one.amparo("agreement", "adopt", folder / "agreement.yaml")
    for node in agreed:
        wait_for(lambda n=node: agreement_states(n) == ["in-force"], "in force again")
    (again,) = one.json(*send)
    wait_for(lambda: again["id"] in [r["id"] for r in two.json("referral", "list")], "the referral")
    two.json(*back)
    rows = {row["id"]: row for row in two.json("referral", "list")}
    assert rows[sent["id"]]["n_disclosed"] == n_before
    withdrawals = [row for row in one.json("audit", "list") if row["kind"] == "withdraw"]
    assert [row["local"]["reason"] for row in withdrawals] == ["replaced soon"]
    assert one.json("audit", "reconcile", two.name)[0]["ok"]


def test_an_agreement_that_is_over_is_not_adopted(one, tmp_path):
    one.start()
    path = tmp_path / "agreement.yaml"
    path.write_text(AGREEMENT.replace("2099-12-31", "2020-12-31"))
    assert "2020-12-31" in one.amparo("agreement", "adopt", path, code=65).stderr
    assert one.json("agreement", "list") == []


def test_a_revision_and_what_is_not_there(one, tmp_path):
    one.start()
    (first,) = one.json("record", "import", DEMO / "victim-2.json")
    changed = json.loads((DEMO / "victim-2.json").read_text())
    changed["routing"]["local_reference"] = "SYNTHETIC-2"
    path = tmp_path / "r.json"
    path.write_text(json.dumps(changed))
    (second,) = one.json("record", "import", path, "--replaces", first["id"][:8], "--reason", "corrected")
    assert (second["id"], second["revision"]) == (first["id"], 2)
    assert second["local_reference"] == "SYNTHETIC-2"
    one.amparo("record", "show", "00" * 16, "--reason", "r", code=65)
    one.amparo("referral", "show", "00" * 8, code=65)
    one.amparo("referral", "accept", "00" * 8, code=65)
    send = ["referral", "send", "--record", first["id"], "--purpose", "child-protection",
            "--basis", "public-task", "--to"]
    one.amparo(*send, "nobody", code=65)
    one.amparo(*send, "two.sk.example/office", code=65)  # no agreement
    one.amparo("audit", "verify", "--peer", "two.sk.example/office", code=65)
    one.amparo("audit", "reconcile", "two.sk.example/office", code=69)


def test_status_after_the_node_was_stopped(one):
    one.start()
    assert one.json("status")[0]["state"] == "serving"
    one.stop()
    assert "is amparod running?" in one.amparo("status", code=69).stderr
