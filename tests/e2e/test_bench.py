"""The bench measures: a short run of it, with what is installed. How fast is no question here."""

import json
import shutil
import subprocess

from conftest import BUILD, ROOT, not_quick

KEYS = ("exchanges_per_s", "limit_per_s", "cpu_s_per_10k", "p50_us", "p99_us", "pss_mb")
BROKERS = ("mosquitto", "nats")


@not_quick
def test_a_quick_run(programs, tmp_path):
    file = tmp_path / "figures"
    command = [ROOT / "tests/bench/run", "--quick", "--seconds", "0.5", "--rounds", "1", "--records", "50",
               "--no-install", "--json", file]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          env={"AMPARO_BUILD": str(BUILD), "PATH": "/usr/sbin:/usr/bin:/bin"}, timeout=300)
    print(done.stdout + done.stderr)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "audit verify and audit reconcile: well, at both" in done.stdout
    figures = json.loads(file.read_text("utf-8"))
    for key in KEYS:
        assert figures[key] > 0, key
    for broker in BROKERS:
        is_measured = {broker, f"{broker}_signed"} <= figures["contenders"].keys()
        assert is_measured != (f"SKIPPED {broker}: " in done.stdout)


@not_quick
def test_what_grows(programs, tmp_path):
    file = tmp_path / "figures"
    command = [ROOT / "tests/bench/scale", "--exchanges", "300", "--slice", "100", "--records", "30",
               "--waiting", "50", "--peers", "2", "--ledger", "2000", "--json", file]
    if shutil.which("strace"):
        command += ["--slow-disk", "2"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          env={"AMPARO_BUILD": str(BUILD), "PATH": "/usr/sbin:/usr/bin:/bin"}, timeout=300)
    print(done.stdout + done.stderr)
    assert done.returncode == 0, done.stdout + done.stderr
    figures = json.loads(file.read_text("utf-8"))
    assert [row["exchanges"] for row in figures["slices"]] == [100, 200, 300]
    assert [row["entries"] for row in figures["ledger"][:-1]] == list(range(200, 2001, 200))
    assert [row["entries"] for row in figures["proofs"]][:3] == [100, 200, 300]
    assert figures["reconnect_bytes"] < 65536
