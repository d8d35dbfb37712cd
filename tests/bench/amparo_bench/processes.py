"""What the system says of processes and of their connections."""

import pathlib
import re
import subprocess


def pss_kib(pid: int) -> int:
    """Proportional set size: its own pages, and its share of those that others map too."""
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text("ascii")
    return int(re.search(r"^Pss:\s+(\d+)", text, re.M).group(1))


def children(pid: int) -> list[int]:
    return [int(p) for p in
            pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()]


def command_line(pid: int) -> list[str]:
    return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")


def bytes_received(ports: list[int]) -> int:
    """Of the TCP connections to these local ports, at both of their ends: what both sides sent."""
    sum_ = 0
    for port in ports:
        for end in ("sport", "dport"):
            said = subprocess.run(["ss", "-tinH", "state", "established", f"( {end} = :{port} )"],
                                  check=True, capture_output=True, text=True, timeout=10).stdout
            sum_ += sum(map(int, re.findall(r"\bbytes_received:(\d+)", said)))
    return sum_
