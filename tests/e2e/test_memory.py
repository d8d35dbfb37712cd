"""Each allocation of the real processes fails, in a sample of the cases of tests/faults/starve, which
does the work; `tests/long/run memory` takes all."""

import re
import subprocess

from conftest import BUILD, ROOT, not_quick

N_CASES = 240


@not_quick
def test_memory_runs_out(programs):
    done = subprocess.run([ROOT / "tests/faults/starve", "--cases", str(N_CASES)],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          env={"AMPARO_BUILD": str(BUILD), "PATH": "/usr/bin:/bin"}, timeout=900)
    said = done.stdout + done.stderr
    print(said)
    assert done.returncode == 0, said
    last = re.fullmatch(r"starve: (\d+) cases, (\d+) allocations failed, \d+ crashes of libseccomp, "
                        r"0 wrong", done.stdout.splitlines()[-1])
    # When something else happens first, an allocation or two is not made at all.
    assert last and int(last[1]) == N_CASES and int(last[2]) > N_CASES * 8 // 10, said
