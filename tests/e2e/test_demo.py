"""conf/demo/run, start and stop, as a newcomer uses them."""

import json
import os
import pathlib
import re
import stat
import subprocess

import pytest

from conftest import AMPARO, BUILD, ROOT

DEMO = ROOT / "conf/demo"
NODES = ("cz", "sk", "at")
RUN_S = 120


def call(command, *words, ok=True, **environment):
    done = subprocess.run(
        [DEMO / command, *map(str, words)], stdin=subprocess.DEVNULL, capture_output=True,
        text=True, timeout=RUN_S, env={**os.environ, "AMPARO_BUILD": str(BUILD), **environment})
    assert (done.returncode == 0) == ok, f"{command} {words}: {done.stdout}\n{done.stderr}"
    return done


def processes(folder):
    """Those that run with a configuration below this folder."""
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if f"{folder}/".encode() in path.read_bytes():
                found.append(int(path.parent.name))
        except OSError:
            pass
    return found


def ask(folder, node, *words):
    done = subprocess.run([AMPARO, "--socket", folder / "nodes" / node / "amparo.sock", "--json",
                           *words], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=60)
    assert done.returncode == 0, f"{node} {words}: {done.stderr}"
    return [json.loads(line) for line in done.stdout.splitlines()]


def personal_texts():
    """What a person wrote in the demo's records: texts that are neither codes nor short."""
    def below(value):
        if isinstance(value, dict):
            for v in value.values():
                yield from below(v)
        elif isinstance(value, list):
            for v in value:
                yield from below(v)
        elif isinstance(value, str):
            yield value
    texts = set()
    for path in DEMO.glob("*.json"):
        record = json.loads(path.read_text(encoding="utf-8"))
        texts |= {t for t in below(record) if len(t) >= 5 and not re.fullmatch(r"[a-z0-9-]+", t)}
    return texts - {"VictimRecord", "CaseRecord"}


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    # A space in the path, since people's folders have them.
    folder = tmp_path_factory.mktemp("demo") / "a demo"
    done = call("run", "--keep", "--dir", folder)
    yield folder, done.stdout
    call("stop", folder)
    assert processes(folder) == []


def test_alone_it_leaves_nothing_behind(tmp_path):
    done = call("run", TMPDIR=str(tmp_path))
    lines = done.stdout.splitlines()
    assert done.stderr == ""
    assert lines[-1] == "demo: ok"
    steps = [line for line in lines if re.match(r" ?\d+  ", line)]
    assert [int(line.split()[0]) for line in steps] == list(range(1, len(steps) + 1))
    said = "\n".join(steps)
    for word in ("preview", "sent by cz", "received by sk", "accepted by sk", "second stage",
                 "declined by at", "verified", "reconciled"):
        assert word in said
    assert re.search(r"^sizes: .*ledger of cz \d+ entries", done.stdout, re.M)
    assert re.search(r"^times: build .*; node ready \d+ ms; .*demo \d+\.\d s$", done.stdout, re.M)
    assert list(tmp_path.iterdir()) == []
    assert processes(tmp_path) == []


def test_kept_folder_is_as_documented(kept):
    folder, said = kept
    assert said.splitlines()[-1] == "demo: ok"
    for name in NODES:
        node = folder / "nodes" / name
        assert stat.S_ISSOCK((node / "amparo.sock").stat().st_mode)
        assert (node / "data/amparo.db").stat().st_size > 0
        running = processes(node)
        assert len(running) == 3
        for pid in running:
            words = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            assert bytes(node / "amparod.yaml") in words
        assert str(node / "amparo.sock").replace(" ", r"\ ") in said
    countries = {"ochrana.cz.example", "ochrana.sk.example", "kinderschutz.at.example"}
    assert {path.name for path in (folder / "trust").iterdir()} == countries
    for country in (folder / "trust").iterdir():
        assert {"ca.pem", "crl.pem"} <= {path.name for path in country.iterdir()}


def test_nobody_is_named_in_output_and_logs(kept):
    folder, said = kept
    texts = personal_texts()
    assert len(texts) > 100
    for where, text in [("output", said)] + [
            (name, (folder / "nodes" / name / "log").read_text()) for name in NODES]:
        assert [t for t in texts if t in text] == [], where


def test_stop_and_start_one_node(kept):
    folder, _ = kept
    before = ask(folder, "at", "status")[0]
    assert "node at stopped" in call("stop", folder, "at").stdout
    assert processes(folder / "nodes/at") == []
    assert len(processes(folder / "nodes/cz")) == 3
    assert "node at does not run" in call("stop", folder, "at").stdout
    said = call("start", folder).stdout
    assert "node at serves" in said and "node cz runs already" in said
    after = ask(folder, "at", "status")[0]
    assert after["origin"] == before["origin"] and after["size"] >= before["size"]
    assert ask(folder, "at", "audit", "verify")[0]["ok"] is True


def test_second_run_replaces_the_first(kept):
    folder, _ = kept
    first = ask(folder, "cz", "status")[0]["fingerprint"]
    said = call("run", "--keep", "--dir", folder).stdout.splitlines()
    assert said[0] == f"replacing the demo that is in {folder}" and said[-1] == "demo: ok"
    assert len(processes(folder)) == 9
    assert ask(folder, "cz", "status")[0]["fingerprint"] != first


@pytest.mark.parametrize("command, words, code, why", [
    ("run", ["--bogus"], 64, "unknown option or word '--bogus'"),
    ("run", ["there"], 64, "unknown option or word 'there'"),
    ("run", ["--dir"], 64, "--dir wants a folder"),
    ("run", ["--dir", "{tmp}/" + "x" * 100], 1, "choose a shorter --dir"),
    ("run", ["--dir", "{tmp}"], 1, "is not empty and holds no demo"),
    ("start", [], 64, "the folder of the demo is needed"),
    ("start", ["{tmp}/none"], 1, "there is no such folder"),
    ("stop", ["--now", "{tmp}"], 64, "unknown option '--now'"),
    ("stop", ["{tmp}"], 1, "is no folder of a demo"),
])
def test_wrong_words_are_refused(tmp_path, command, words, code, why):
    (tmp_path / "mine").touch()
    done = call(command, *[word.format(tmp=tmp_path) for word in words], ok=False)
    assert done.returncode == code and why in done.stderr and done.stdout == ""
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_unknown_node_is_refused(kept):
    folder, _ = kept
    for name in ("xx", "../cz", ""):
        done = call("stop", folder, name, ok=False)
        assert "there are: at cz sk" in done.stderr
    assert len(processes(folder)) == 9


def test_node_that_fails_is_shown_and_all_are_stopped(tmp_path):
    """The second node does not come up."""
    build, folder = tmp_path / "build", tmp_path / "demo"
    (build / "daemon").mkdir(parents=True)
    (build / "daemon/amparo").symlink_to(AMPARO)
    fake = build / "daemon/amparod"
    fake.write_text(f"""#!/bin/sh
case $*-$# in
*/sk/amparod.yaml-2) echo 'the disk is on fire' >&2; exit 1 ;;
esac
exec -a amparod '{BUILD}/daemon/amparod' "$@"
""".replace("#!/bin/sh", "#!/bin/bash"))
    fake.chmod(0o755)
    done = call("run", "--keep", "--dir", folder, ok=False, AMPARO_BUILD=str(build))
    assert "conf/demo/run: node sk: it ended" in done.stderr
    assert "the disk is on fire" in done.stderr
    assert "demo: ok" not in done.stdout
    assert processes(folder) == []
