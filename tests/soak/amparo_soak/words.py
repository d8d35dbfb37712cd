"""Messages of the local socket, over descriptors that protoc makes from proto/ at run time."""

import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests/peer"))

from amparo_peer import codec  # noqa: E402

pb = codec.load(*codec.FILES, "api")

# Stands in every text about a child, an alleged offender or a case, and nowhere else: no log and no
# database file may hold it.
MARKER = "soakmark"

VICTIM_RECORD = 1       # RecordImport.type

AGREEMENT = """\
agreement: soak
parties: [{0}, {1}]
valid: {{from: 2020-01-01, until: 2099-12-31}}
purposes: [child-protection]
rules:
  - name: outline
    record: VictimRecord
    stage: request
    fields: [derived, origin.preferred_language]
    consent: not-required
    retention_days: 365
    onward: none
  - name: who the child is
    record: VictimRecord
    stage: accepted
    fields: [identity]
    consent: not-required
    retention_days: 365
    onward: none
"""


def a_child(reference: str, number: int) -> bytes:
    """A made-up record in its canonical form."""
    child = pb.VictimRecord()
    child.routing.local_reference = f"{MARKER}-{reference}"
    child.identity.given_names.add(text=f"{MARKER} {number}", script="Latn", seq=1)
    child.identity.date_of_birth.year = 2008 + number % 10
    child.origin.preferred_language = ("ces", "slk", "deu")[number % 3]
    child.views.wants = f"{MARKER} wants {number}"
    return codec.encode(child)


def a_referral(token: int) -> "pb.Referral":
    """Terms whose `reply_by` is the token: the one field that both ends list."""
    return pb.Referral(type=pb.REFERRAL_TYPE_PLACEMENT, urgency=pb.URGENCY_URGENT,
                       responsibility=pb.RESPONSIBILITY_REFERRAL,
                       basis=pb.LEGAL_BASIS_PUBLIC_TASK, reply_by_us=token,
                       message=f"{MARKER} message")
