# SPDX-License-Identifier: BSD-3-Clause
"""Building under sudo leaves no files of root's in somebody's checkout."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def as_owner(*command: str) -> tuple[str, ...]:
    """`command`, to be run as the user whom the checkout belongs to."""
    owner = ROOT.stat()
    if owner.st_uid == 0:
        return command
    return ("setpriv", f"--reuid={owner.st_uid}", f"--regid={owner.st_gid}", "--init-groups", "--", *command)
