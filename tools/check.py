# SPDX-License-Identifier: BSD-3-Clause
"""The work behind tools/check."""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

LEVELS = """levels:
  quick   format, shellcheck, gcc build, unit and model tests, generated documentation
  full    quick, and: clang build, sanitizers, a short fuzz run, golden captures, end to end (default)
  soak    ten minutes of mixed traffic with reloads and flapping targets
  fuzz    each fuzz target for --seconds (default 600)"""

SANITIZE = ["-Db_sanitize=address,undefined", "-Db_lundef=false"]
FUZZ_SECONDS = 10


@dataclass
class Step:
    name: str
    seconds: float
    passed: int
    failed: int


steps: list[Step] = []


def count(output: str) -> tuple[int, int]:
    """Sum the closing lines of unit tests and of pytest. A skipped test counts as failed."""
    passed = failed = 0
    for p, f in re.findall(r"^(\d+) passed, (\d+) failed$", output, re.M):
        passed, failed = passed + int(p), failed + int(f)
    for line in re.findall(r"^=+ (.*) in [\d.]+s.*=+$", output, re.M):
        for number, word in re.findall(r"(\d+) (passed|failed|errors?|skipped)", line):
            if word == "passed":
                passed += int(number)
            else:
                failed += int(number)
    return passed, failed


def run(name: str, *command: str, env: dict[str, str] | None = None, show: bool = False) -> bool:
    """Run a command as a step; its output is shown when it fails."""
    print(f"== {name}: {' '.join(command)}", flush=True)
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
    if passed == 0 and failed == 0:
        passed, failed = int(ok), int(not ok)
    elif not ok and failed == 0:
        failed = 1
    steps.append(Step(name, time.monotonic() - begin, passed, failed))
    return ok


def setup(directory: str, *options: str, cc: str = "gcc") -> bool:
    if not (ROOT / directory / "build.ninja").exists():
        return run(f"configure {directory}", "meson", "setup", directory, *options, env={"CC": cc})
    return True


def build(directory: str, *options: str, cc: str = "gcc") -> bool:
    return setup(directory, *options, cc=cc) and run(f"build {directory}", "ninja", "-C", directory)


def tests(directory: str, *suites: str, env: dict[str, str] | None = None) -> None:
    for suite in suites:
        run(f"{suite} tests, {directory}", "meson", "test", "-C", directory, "--suite", suite, "-v",
            "--no-rebuild", env=env)


def format_check() -> None:
    files = subprocess.run(["git", "ls-files", "*.c", "*.h"], cwd=ROOT, text=True,
                           capture_output=True, check=True).stdout.split()
    run("format", "clang-format-14" if Path("/usr/bin/clang-format-14").exists() else "clang-format",
        "--dry-run", "-Werror", *files)


def generated_docs() -> None:
    committed = (ROOT / "docs/configuration.md").read_text()
    made = subprocess.run([ROOT / "build/tools/configuration_md"], text=True, capture_output=True,
                          check=True).stdout
    ok = made == committed
    steps.append(Step("docs/configuration.md is generated", 0, int(ok), int(not ok)))
    if not ok:
        print("docs/configuration.md differs; run build/tools/configuration_md >docs/configuration.md")


def quick() -> None:
    format_check()
    run("shellcheck", "shellcheck", "tools/setup", "tools/quickstart", "tools/check", ".ci/run",
        "tools/gen_header_check")
    if build("build"):
        tests("build", "unit", "model")
        generated_docs()


def fuzz(seconds: int) -> None:
    if not build("build-fuzz", "-Dfuzz=true", *SANITIZE, cc="clang"):
        return
    for target in sorted((ROOT / "build-fuzz/test/fuzz").glob("fuzz_*")):
        if not target.is_file() or not os.access(target, os.X_OK):
            continue
        name = target.name.removeprefix("fuzz_")
        with tempfile.TemporaryDirectory() as corpus:
            run(f"fuzz {name}", str(target), f"-max_total_time={seconds}", "-timeout=10",
                "-print_final_stats=1", corpus, str(ROOT / "test/fuzz/corpus" / name))


def pytest(name: str, *arguments: str, env: dict[str, str] | None = None) -> None:
    run(name, "/usr/bin/python3", "-m", "pytest", "-p", "no:cacheprovider", "-q", "-rfEs", "-v",
        *arguments, env=env, show=True)


def full() -> None:
    quick()
    if build("build-clang", cc="clang"):
        tests("build-clang", "unit")
    if build("build-asan", *SANITIZE, "-Dbuildtype=debugoptimized"):
        tests("build-asan", "unit", "model", env={"WEIR_MODEL_ROUNDS": "0.1"})
        pytest("golden captures, sanitizers", "test/packet",
               env={"WEIR_BINARY": str(ROOT / "build-asan/app/weir")})
    fuzz(FUZZ_SECONDS)
    pytest("end to end", "test/e2e", "test/packet")


def summary() -> int:
    passed, failed = sum(s.passed for s in steps), sum(s.failed for s in steps)
    width = max(len(s.name) for s in steps)
    print("\n== summary")
    for s in steps:
        print(f"   {s.name.ljust(width)}  {s.seconds:7.1f} s  {s.passed} passed, {s.failed} failed"
              f"{'   <-- FAILED' if s.failed else ''}")
    print(f"{passed} passed, {failed} failed")
    return 0 if failed == 0 and passed > 0 else 1


def main() -> int:
    parser = argparse.ArgumentParser(prog="tools/check", epilog=LEVELS,
                                     description="Everything a change has to pass, quickest first.",
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("level", nargs="?", default="full", choices=["quick", "full", "soak", "fuzz"])
    parser.add_argument("--seconds", type=int, default=600, help="of soak, or of each fuzz target")
    options = parser.parse_args()
    if options.level != "quick" and os.geteuid() != 0:
        print("check: run as root: end-to-end tests make network namespaces (sudo tools/check)",
              file=sys.stderr)
        return 2
    if options.level == "quick":
        quick()
    elif options.level == "full":
        full()
    elif options.level == "fuzz":
        fuzz(options.seconds)
    elif build("build"):
        pytest("soak", "test/e2e/soak.py", env={"WEIR_SOAK_SECONDS": str(options.seconds)})
    return summary()


if __name__ == "__main__":
    sys.exit(main())
