# SPDX-License-Identifier: BSD-3-Clause
"""Part of tools/bench http: weir's worker between rings, with clients and targets in its process.

No kernel, no device: what is counted is weir's own work on a request, from its packets in the ring
to its packets in the ring, access log records included.  Three ways:

alone         one thread turns worker and load in turn; cycles inside the worker's turns
instructions  the same, by callgrind: equal on a noisy machine, for finding regressions
cores         the worker on a core of its own, as fast as it goes; its busy cycles, as telemetry
              counts them, with packets that another core has just written
"""

from __future__ import annotations

import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PROGRAM = ROOT / "build/test/perf/bench_alb"
CPU = max(os.sched_getaffinity(0))
ROUND = 1000  # requests: a few milliseconds, so that most rounds are left alone by the machine

CASES: dict[str, list[str]] = {
    "keep-alive 1 KiB": [],
    "keep-alive 1 KiB, one client": ["--connections", "1"],
    "new connection 1 KiB": ["--new"],
    "keep-alive 64 KiB": ["--body", "65536", "--connections", "16"],
    "keep-alive 1 KiB, 100 clients": ["--connections", "100"],
    "keep-alive 1 KiB, 100,000 clients": ["--connections", "100000"],
    "classic, keep-alive 1 KiB": ["--classic"],
    "1 rule": ["--rules", "1"],
    "100 rules, first": ["--rules", "100"],
    "100 rules, last": ["--rules", "100", "--last"],
    "1,000 rules, first": ["--rules", "1000"],
    "1,000 rules, last": ["--rules", "1000", "--last"],
}
ON_CORES = list(CASES)[:4]
MANY = "keep-alive 1 KiB, 100,000 clients"
MANY_OPTION = "100000"  # more memory than the huge pages that are reserved
CYCLES_MAX = 15000  # of a keep-alive request


def progress(text: str) -> None:
    print(f"bench: {text}", file=sys.stderr, flush=True)


def lines_of(arguments: list[str]) -> list[dict]:
    """The rounds of a run; it fails by itself when a request is lost or something is left."""
    free = int(Path("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages").read_text())
    pages = ["--hugepages"] if free >= 300 and MANY_OPTION not in arguments else []
    done = subprocess.run([str(PROGRAM), *arguments, *pages], text=True, capture_output=True)
    if done.returncode != 0:
        raise RuntimeError(f"bench_alb {' '.join(arguments)}: exit {done.returncode}\n{done.stderr}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def of(rows: list[dict], key: str = "cycles") -> dict:
    """Median and the middle half."""
    values = sorted(row[key] for row in rows)
    n = len(values)
    return {"median": statistics.median(values), "low": values[n // 4], "high": values[3 * n // 4]}


def alone(name: str, rounds: int) -> dict:
    requests = 100 if "64 KiB" in name else ROUND
    more = ["--warm-up", "200000"] if name == MANY else []
    rows = lines_of([*CASES[name], *more, "--requests", str(requests), "--rounds", str(rounds)])
    return {**of(rows), "hz": rows[0]["hz"]}


def on_cores(name: str, rounds: int) -> dict:
    rows = lines_of([*CASES[name], "--cores", "--seconds", "0.05", "--rounds", str(rounds)])
    return {**of(rows), "rate": of(rows, "rate")["median"]}


def collected(name: str, requests: int) -> int:
    with tempfile.TemporaryDirectory() as directory:
        done = subprocess.run(
            ["valgrind", "--tool=callgrind", "--toggle-collect=turn_worker",
             f"--callgrind-out-file={directory}/out", str(PROGRAM), *CASES[name], "--warm-up", "500",
             "--rounds", "1", "--requests", str(requests)], text=True, capture_output=True, check=True)
    return int(re.search(r"Collected : (\d+)", done.stderr)[1])


def instructions(name: str) -> float | None:
    """Of the worker per request: what a longer run has more than a shorter one."""
    if shutil.which("valgrind") is None:
        return None
    few, many = (100, 300) if "64 KiB" in name else (1000, 3000)
    return (collected(name, many) - collected(name, few)) / (many - few)


def bench(quick: bool) -> dict:
    results: dict = {}
    for name in CASES:
        progress(f"rings: {name}")
        results[name] = {"alone": alone(name, 40 if quick else 200)}
        if name in ON_CORES:
            results[name]["cores"] = on_cores(name, 20 if quick else 60)
        if name != MANY:
            results[name]["instructions"] = instructions(name)
    return results


def figure(found: dict | None) -> str:
    return "" if found is None else f"{found['median']:.0f} ({found['low']:.0f}-{found['high']:.0f})"


def show(results: dict, haproxy_us: float | None) -> None:
    """haproxy_us: its whole CPU per keep-alive request of 1 KiB, between kernels."""
    print("\nweir between rings, cycles of the worker per request (median and middle half of short rounds)")
    print(f"  {'':34} {'alone':>22} {'own core, full load':>22} {'requests/s':>11} {'instructions':>13}")
    for name, row in results.items():
        cores = row.get("cores")
        rate = "" if cores is None else f"{cores['rate']:.0f}"
        count = row.get("instructions")
        print(f"  {name:34} {figure(row['alone']):>22} {figure(cores):>22} {rate:>11} "
              f"{'' if count is None else f'{count:.0f}':>13}")
    one, hz = results["keep-alive 1 KiB"], results["keep-alive 1 KiB"]["alone"]["hz"]
    print(f"  of a keep-alive request: at most {CYCLES_MAX} cycles asked")
    if haproxy_us is not None:
        whole = haproxy_us * hz / 1e6
        print(f"  HAProxy's whole CPU per keep-alive request between kernels: {haproxy_us:.1f} us = {whole:.0f} cycles "
              f"({hz / 1e9:.2f} GHz); weir's worker takes {one['alone']['median'] / whole:.2f} of it alone, "
              f"{one['cores']['median'] / whole:.2f} on its own core (1/4 asked)")
    base = results["1 rule"]
    for name in ("100 rules, first", "100 rules, last", "1,000 rules, first", "1,000 rules, last"):
        row = results[name]
        count = "" if row["instructions"] is None else \
            f", {row['instructions'] / base['instructions']:.2f} of its instructions"
        print(f"  {name}: {row['alone']['median'] / base['alone']['median']:.2f} of one rule's cycles{count}")
    many, few = results[MANY]["alone"]["median"], results["keep-alive 1 KiB, 100 clients"]["alone"]["median"]
    print(f"  100,000 clients: {many / few:.2f} of 100 clients' cycles")
