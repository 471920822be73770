# SPDX-License-Identifier: BSD-3-Clause
"""Golden captures: frames through the real weir on pcap devices, compared field by field.

A case is a folder with case.py and, if the one beside this file does not serve, conf.ini.  case.py
sets: front, back (frames that arrive; all of the front's come first), drops (reason: number), vary
("LAYER.field" that differs from run to run), wrong_checksums (True: some are wrong and stay so).  What
leaves is in want.front.pcap and want.back.pcap, made by `test/packet/run --regenerate`.
"""

from __future__ import annotations

import os
import runpy
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import (ICMPv6DestUnreach, ICMPv6EchoReply, ICMPv6ND_NA, ICMPv6PacketTooBig,
                                ICMPv6TimeExceeded)
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Packet
from scapy.utils import PcapWriter, rdpcap, wrpcap

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(HERE), str(ROOT / "tools")]  # for cases, and for the control socket

from weir_control import call  # noqa: E402

CASES = sorted(path.parent.name for path in HERE.glob("*/case.py"))
SIDES = ("front", "back")
ICMPV6 = (ICMPv6DestUnreach, ICMPv6EchoReply, ICMPv6ND_NA, ICMPv6PacketTooBig, ICMPv6TimeExceeded)


def weir_binary() -> str:
    return os.environ.get("WEIR_BINARY", str(ROOT / "build" / "app" / "weir"))


def settle(socket: str, process: subprocess.Popen, frames: int) -> None:
    """Return when all frames have been received and accounted for."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        assert process.poll() is None, f"weir ended with {process.returncode}"
        try:
            rows = call(socket, "lcores")["lcores"]
        except OSError:
            time.sleep(0.02)
            continue
        into = sum(row[k] for row in rows for k in ("received", "originated", "from_management", "answered"))
        out = sum(row[k] for row in rows for k in ("transmitted", "drops", "consumed", "to_management"))
        if sum(row["received"] for row in rows) == frames and into == out:
            time.sleep(0.1)  # the management core's answers
            return
        time.sleep(0.02)
    raise TimeoutError(f"weir has not received {frames} frames and dealt with them: {rows}")


def through_weir(case: Path, frames: dict[str, list[Packet]], directory: Path) -> tuple[dict, dict]:
    """What leaves by each side, and what was dropped."""
    instance = f"packet-{os.getpid()}"
    for side in SIDES:
        with PcapWriter(str(directory / f"{side}.in.pcap"), linktype=1) as writer:
            writer.write_header(None)
            for frame in frames[side]:
                writer.write_packet(bytes(frame))
    head = (f"[system]\ninstance = {instance}\nstate_directory = {directory}\nshutdown_drain_seconds = 0\n"
            "[dataplane]\nworkers = 1\nlcores = 0@0,1@0\nhugepages = off\nmax_flows = 1024\n")
    secret = directory / "secret"  # of its own, so that cookies are the same in every run
    secret.touch(mode=0o600)
    secret.write_text(64 * "5" + "\n")
    config = case / "conf.ini" if (case / "conf.ini").exists() else HERE / "conf.ini"
    (directory / "weir.ini").write_text(head + config.read_text())
    with open(directory / "log", "w") as log:
        process = subprocess.Popen([weir_binary(), "--config", "weir.ini"], cwd=directory, stdout=log, stderr=log,
                                   stdin=subprocess.DEVNULL)
    try:
        socket = f"/run/weir/{instance}.sock"
        settle(socket, process, sum(len(frames[side]) for side in SIDES))
        drops = {reason: n for reason, n in call(socket, "drops").items() if n > 0}
    finally:
        process.terminate()
        code = process.wait(30)
        print((directory / "log").read_text())
    assert code == 0
    outs = {side: directory / f"{side}.out.pcap" for side in SIDES}
    return {side: list(rdpcap(str(out))) if out.exists() else [] for side, out in outs.items()}, drops


def is_announcement(frame: Packet) -> bool:
    """Gratuitous ARP and unsolicited neighbor advertisements come at any time."""
    return ((ARP in frame and frame[ARP].psrc == frame[ARP].pdst) or
            (ICMPv6ND_NA in frame and frame[ICMPv6ND_NA].S == 0))


def fields(frame: Packet, vary: set[str]) -> dict[str, str]:
    """Every field of every layer by "LAYER.field"; those that vary are left out, with their checksums."""
    found: dict[str, str] = {}
    layer, seen = frame, {}
    while layer and layer.name != "NoPayload":
        name = layer.__class__.__name__
        seen[name] = seen.get(name, 0) + 1
        name += "" if seen[name] == 1 else f"#{seen[name]}"
        for field in layer.fields_desc:
            found[f"{name}.{field.name}"] = repr(layer.getfieldval(field.name))
        layer = layer.payload
    for what in vary:
        assert what in found or what.split(".")[0] not in seen, f"no field {what}"
        found.pop(what, None)
        found.pop(what.split(".")[0] + ".chksum", None)
    return found


def wrong_checksums(frame: Packet) -> list[str]:
    """Layers whose checksum scapy would compute otherwise."""
    wrong = []
    for layer in (IP, TCP, UDP, ICMP, *ICMPV6):
        if layer not in frame:
            continue
        name = "cksum" if layer in ICMPV6 else "chksum"
        again = Ether(bytes(frame))
        given = getattr(again[layer], name)
        if layer is UDP and given == 0 and IP in frame:
            continue  # none, as RFC 768 allows
        delattr(again[layer], name)
        if getattr(Ether(bytes(again))[layer], name) != given:
            wrong.append(layer.__name__)
    return wrong


def differences(got: list[Packet], wanted: list[Packet], vary: set[str]) -> list[str]:
    found = []
    if len(got) != len(wanted):
        found.append(f"{len(got)} frames instead of {len(wanted)}")
    for n, (g, w) in enumerate(zip(got, wanted)):
        have, want = fields(g, vary), fields(w, vary)
        for name in sorted(have.keys() | want.keys()):
            if have.get(name) != want.get(name):
                found.append(f"frame {n}: {name}: got {have.get(name)}, wanted {want.get(name)}")
    found += [f"frame {n} is new: {g.summary()}" for n, g in enumerate(got) if n >= len(wanted)]
    found += [f"frame {n} is missing: {w.summary()}" for n, w in enumerate(wanted) if n >= len(got)]
    return found


@pytest.mark.parametrize("name", CASES)
def test_packets(name: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    case = HERE / name
    given = runpy.run_path(str(case / "case.py"))
    frames = {side: given.get(side, []) for side in SIDES}
    assert len(frames["front"]) <= 64, "a burst of the front is over before the back's begins"
    sent, drops = through_weir(case, frames, tmp_path)

    assert drops == given.get("drops", {})
    vary = set(given.get("vary", ()))
    found = []
    for side in SIDES:
        got = [frame for frame in sent[side] if not is_announcement(frame)]
        for n, frame in enumerate(got):
            if not given.get("wrong_checksums", False):
                assert wrong_checksums(frame) == [], f"{side}, frame {n}: {frame.summary()}"
        path = case / f"want.{side}.pcap"
        wanted = list(rdpcap(str(path))) if path.exists() else []
        changed = [f"{side}: {line}" for line in differences(got, wanted, vary)]
        found += changed
        if request.config.getoption("--regenerate") and changed:
            print("\n".join([f"\n{name}:", *changed]))
            wrpcap(str(path), got, linktype=1) if got else path.unlink(missing_ok=True)
    if not request.config.getoption("--regenerate"):
        assert not found, "\n".join([*found, "(test/packet/run --regenerate takes this as wanted)"])
    shutil.rmtree(tmp_path)
