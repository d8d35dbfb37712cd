"""PROTOCOL.md 7.5 and docs/AGREEMENTS.md: agreements, and what they allow, over fields.csv."""

import csv
import datetime
import enum
from collections.abc import Hashable
from dataclasses import dataclass
from functools import cache

import yaml

from .codec import H, PROTO, code, pb

FILE_MAX = 65536
STAGES = ("request", "accepted")
_KEYS = {"agreement", "parties", "valid", "purposes", "rules"}
_RULE_KEYS = {"name", "purposes", "record", "stage", "fields", "consent", "retention_days",
              "onward"}


class BadAgreement(ValueError):
    """This file is no agreement."""


@cache
def sensitivities() -> dict[str, dict[str, str]]:
    """Of each record type: path of each field and its sensitivity, "-" for a group."""
    table: dict[str, dict[str, str]] = {}
    with open(PROTO / "amparo/v1/fields.csv", newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            table.setdefault(row["record"], {})[row["path"]] = row["sensitivity"]
    return table


class Answer(enum.Enum):
    """docs/AGREEMENTS.md "Evaluation", steps 4 to 8."""
    ALLOWED = 4
    NO_CONSENT = 5
    NOT_YET = 6
    NO_RULE = 8


class _Loader(yaml.BaseLoader):
    """Every value is a text; no key stands twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        keys: list[Hashable] = [self.construct_object(key, deep=True) for key, _ in node.value]
        if len(set(keys)) != len(keys):
            raise BadAgreement("a key stands twice")
        return super().construct_mapping(node, deep=True)


@dataclass(frozen=True)
class Agreement:
    digest: bytes
    name: str
    parties: tuple[str, ...]
    valid_from: datetime.date
    valid_until: datetime.date
    purposes: tuple[str, ...]
    rules: tuple[dict, ...]

    def knows(self, purpose: int) -> bool:
        return purpose_code(purpose) in self.purposes

    def is_valid_at(self, time_us: int) -> bool:
        """Valid on the UTC day of `time_us`, both days named included."""
        day = datetime.datetime.fromtimestamp(time_us // 10**6, datetime.timezone.utc).date()
        return self.valid_from <= day <= self.valid_until

    def judge(self, *, purpose: int, record: str, stage: str, consent: bool,
              path: str) -> Answer:
        """May the unit of this path be disclosed? The purpose is one of the agreement's."""
        named = [r for r in self.rules if self._names(r, purpose_code(purpose), record, path)]
        timely = [r for r in named if r["stage"] == "request" or stage == "accepted"]
        consented = [r for r in named if r["consent"] == "not-required" or consent]
        if any(r in consented for r in timely):
            return Answer.ALLOWED
        if timely:
            return Answer.NO_CONSENT
        if consented:
            return Answer.NOT_YET
        return Answer.NO_CONSENT if named else Answer.NO_RULE

    def _names(self, rule: dict, purpose: str, record: str, path: str) -> bool:
        """A group covers the units below it but those of S5, which only their own path covers."""
        is_protected = sensitivities()[record][path] == "S5"
        return (rule["record"] == record and purpose in rule.get("purposes", self.purposes)
                and any(path == f or not is_protected and path.startswith(f + ".")
                        for f in rule["fields"]))


def purpose_code(purpose: int) -> str:
    return code(pb.Entry.DESCRIPTOR.fields_by_name["purpose"], purpose)


def load(data: bytes) -> Agreement:
    """Read an agreement's file; its SHA-256 is its name to machines."""
    if len(data) > FILE_MAX:
        raise BadAgreement("over 64 KiB")
    text = data.decode("utf-8")
    for event in yaml.parse(text):
        if getattr(event, "anchor", None) or getattr(event, "tag", None):
            raise BadAgreement("anchors, aliases and tags are not allowed")
    read = yaml.load(text, _Loader)
    if not isinstance(read, dict) or set(read) != _KEYS:
        raise BadAgreement("keys are missing or unknown")
    for rule in read["rules"]:
        if set(rule) | {"purposes"} != _RULE_KEYS or rule["stage"] not in STAGES \
                or rule["consent"] not in ("required", "not-required"):
            raise BadAgreement(f"rule {rule.get('name')}")
        for path in rule["fields"]:
            if path not in sensitivities()[rule["record"]]:
                raise BadAgreement(f"no field {path}")
    day = datetime.date.fromisoformat
    return Agreement(H(data), read["agreement"], tuple(read["parties"]),
                     day(read["valid"]["from"]), day(read["valid"]["until"]),
                     tuple(read["purposes"]), tuple(read["rules"]))
