# SPDX-License-Identifier: BSD-3-Clause
"""The work behind tools/check."""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import textwrap
import time
from dataclasses import dataclass
from pathlib import Path

from owner import ROOT, as_owner

LEVELS = """levels:
  quick   format, shellcheck, gcc build, unit and model tests, generated documentation (no root needed)
  full    quick, and: clang build, sanitizers, a short fuzz run, workers between rings, golden captures, end to end
          (default)
  soak    mixed traffic with reloads and flapping targets for --seconds
  fuzz    each fuzz target for --seconds

A skipped test counts as failed.  Exit code 0 if nothing failed."""

SANITIZE = ("-Db_sanitize=address,undefined", "-Db_lundef=false", "-Dbuildtype=debugoptimized")
SANITIZER_ENV = {"ASAN_OPTIONS": "abort_on_error=0:detect_stack_use_after_return=0",
                 "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1"}
FUZZ_SECONDS = 10

# End-to-end tests that feed weir what it should not get, or change what it holds.
SANITIZED = [f"test/e2e/test_{name}.py" for name in (
    "alb", "alb_crypto", "alb_grpc", "alb_http2", "alb_log", "alb_mutual_tls", "alb_rules", "alb_target_tls",
    "bad_packets", "clb", "clb_instances", "clb_tcp", "icmp", "limits", "neighbor", "nlb_tls", "reload", "target_trust",
    "watching", "gateway_bad_packets", "gateway_reload")]

SOAKS = ("test/e2e/soak.py", "test/e2e/test_gateway_soak.py")


@dataclass
class Step:
    name: str
    seconds: float
    passed: int
    failed: int


steps: list[Step] = []


def count(output: str) -> tuple[int, int]:
    """Tests by the summaries of meson and pytest; a unit test program is one."""
    passed = failed = 0
    for word, number in re.findall(r"^(Ok|Expected Fail|Fail|Unexpected Pass|Skipped|Timeout): +(\d+)", output, re.M):
        if word == "Ok":
            passed += int(number)
        else:
            failed += int(number)
    for line in re.findall(r"^=+ (.*) in [\d.]+s.*=+$", output, re.M):
        for number, word in re.findall(r"(\d+) (\w+)", line):
            if word == "passed":
                passed += int(number)
            elif word in ("failed", "error", "errors", "skipped", "xfailed", "xpassed"):
                failed += int(number)
    return passed, failed


def run(name: str, *command: str, env: dict[str, str] | None = None, show: bool = False) -> bool:
    """Run a command as a step; its output is shown when it fails, or all the time."""
    print(f"== {name}: {textwrap.shorten(' '.join(command), 240, placeholder=' ...')}", flush=True)
    begin = time.monotonic()
    lines = []
    with subprocess.Popen(command, cwd=ROOT, env={**os.environ, **(env or {})}, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, errors="replace",
                          stdin=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            if show:
                print("   " + line, end="", flush=True)
        code = process.wait()
    output = "".join(lines)
    passed, failed = count(output)
    ok = code == 0 and failed == 0
    if not ok and not show:
        print(output[-20000:])
    if code != 0:
        print(f"\n   {name}: exit code {code}", flush=True)
    if passed == 0 and failed == 0:
        passed, failed = int(ok), int(not ok)
    elif not ok and failed == 0:
        failed = 1
    steps.append(Step(name, time.monotonic() - begin, passed, failed))
    return ok


def build(directory: str, *options: str, cc: str = "gcc") -> bool:
    if not (ROOT / directory / "build.ninja").exists():
        setup = as_owner("meson", "setup", directory, *options)
        if not run(f"configure {directory}", *setup, env={"CC": cc}):
            return False
    return run(f"build {directory}", *as_owner("ninja", "-C", directory))


def tests(directory: str, *suites: str, env: dict[str, str] | None = None) -> None:
    for suite in suites:
        run(f"{suite} tests, {directory}", *as_owner("meson", "test", "-C", directory, "--suite", suite, "-v",
                                                     "--no-rebuild"), env=env)


def tracked(*patterns: str) -> list[str]:
    """Files that git knows."""
    return subprocess.run(["git", "-c", f"safe.directory={ROOT}", "ls-files", "--", *patterns], cwd=ROOT, text=True,
                          capture_output=True, check=True).stdout.split()


def is_shell_script(path: str) -> bool:
    with open(ROOT / path, "rb") as file:
        return file.readline().strip() == b"#!/bin/sh"


def generated_docs() -> None:
    committed = (ROOT / "docs/configuration.md").read_text()
    made = subprocess.run([ROOT / "build/tools/configuration_md"], text=True, capture_output=True,
                          check=True).stdout
    ok = made == committed
    steps.append(Step("docs/configuration.md is generated", 0, int(ok), int(not ok)))
    if not ok:
        print("docs/configuration.md differs; run build/tools/configuration_md >docs/configuration.md")


def quick() -> None:
    run("format", "clang-format", "--dry-run", "-Werror", *tracked("*.c", "*.h"))
    run("shellcheck", "shellcheck", *filter(is_shell_script, tracked("tools", "test", ".ci")))
    run("python syntax", "/usr/bin/python3", "-W", "error", "-c", PARSE_ALL, *tracked("*.py", "tools/weirctl", "tools/geneve-*"))
    if build("build"):
        tests("build", "unit", "model")
        generated_docs()


PARSE_ALL = "import ast, sys; [ast.parse(open(path).read(), path) for path in sys.argv[1:]]"


def fuzz(seconds: int) -> None:
    if not build("build-fuzz", "-Dfuzz=true", *SANITIZE, cc="clang"):
        return
    for target in sorted((ROOT / "build-fuzz/test/fuzz").glob("fuzz_*")):
        if not target.is_file() or not os.access(target, os.X_OK):
            continue
        name = target.name.removeprefix("fuzz_")
        with tempfile.TemporaryDirectory() as found:
            run(f"fuzz {name}", str(target), f"-max_total_time={seconds}", "-timeout=10",
                f"-artifact_prefix={ROOT}/build-fuzz/", found, str(ROOT / "test/fuzz/corpus" / name))


def pytest(name: str, *arguments: str, env: dict[str, str] | None = None) -> None:
    run(name, "/usr/bin/python3", "-m", "pytest", "-p", "no:cacheprovider", "-v", "-rfEs", "--durations=30", *arguments, env=env,
        show=True)


def full() -> None:
    quick()
    if build("build-clang", cc="clang"):
        tests("build-clang", "unit", "model")
    if build("build-asan", *SANITIZE):
        tests("build-asan", "unit", "model", "rings", env={**SANITIZER_ENV, "WEIR_MODEL_ROUNDS": "0.1"})
        env = {**SANITIZER_ENV, "WEIR_BINARY": str(ROOT / "build-asan/app/weir")}
        pytest("golden captures, sanitizers", "test/packet", env=env)
        pytest("end to end, sanitizers", *SANITIZED, env=env)
    fuzz(FUZZ_SECONDS)
    tests("build", "rings")
    pytest("golden captures", "test/packet")
    pytest("end to end", "test/e2e")


def summary() -> int:
    passed, failed = sum(s.passed for s in steps), sum(s.failed for s in steps)
    width = max(len(s.name) for s in steps)
    print("\n== summary")
    for s in steps:
        print(f"   {s.name.ljust(width)}  {s.seconds:7.1f} s  {s.passed:5} passed, {s.failed} failed"
              f"{'   <-- FAILED' if s.failed else ''}")
    print(f"   {'all'.ljust(width)}  {sum(s.seconds for s in steps):7.1f} s")
    print(f"{passed} passed, {failed} failed")
    return 0 if failed == 0 and passed > 0 else 1


def with_huge_pages(level: str, seconds: int) -> None:
    """Tests run on huge pages where they can be had; the machine is left as it was."""
    subprocess.run([ROOT / "tools/hugepages", "reserve", "check"])
    try:
        if level == "full":
            full()
        elif build("build"):
            pytest("soak", *SOAKS, env={"WEIR_SOAK_SECONDS": str(seconds)})
    finally:
        subprocess.run([ROOT / "tools/hugepages", "restore", "check"])


def main() -> int:
    parser = argparse.ArgumentParser(prog="tools/check", epilog=LEVELS,
                                     description="Everything a change has to pass, quickest first.",
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("level", nargs="?", default="full", choices=["quick", "full", "soak", "fuzz"])
    parser.add_argument("--seconds", type=int, default=600, help="of soak, or of each fuzz target (600)")
    options = parser.parse_args()
    if options.level in ("full", "soak") and os.geteuid() != 0:
        print("check: end-to-end tests make network namespaces and need root: sudo tools/check", file=sys.stderr)
        return 2
    if options.level == "quick":
        quick()
    elif options.level == "fuzz":
        fuzz(options.seconds)
    else:
        with_huge_pages(options.level, options.seconds)
    return summary()


if __name__ == "__main__":
    sys.exit(main())
