# SPDX-License-Identifier: BSD-3-Clause
"""Suricata as an appliance: tools/geneve-tun in front, Suricata as a bridge that may drop."""

from __future__ import annotations

import json
from pathlib import Path

from topology import ROOT, Target, wait_until

SHIM = str(ROOT / "tools" / "geneve-tun")

RULES = """\
alert http any any -> any any (msg:"notice"; flow:to_server; http.uri; content:"/files/notice"; sid:1; rev:1;)
drop http any any -> any any (msg:"forbidden"; flow:to_server; http.uri; content:"/files/forbidden"; sid:2; rev:1;)
drop udp any any -> any any (msg:"bad question"; content:"evil"; sid:3; rev:1;)
"""

CONFIG = """\
%YAML 1.1
---
vars:
  address-groups: {{ HOME_NET: any, EXTERNAL_NET: any }}
default-log-dir: {directory}
outputs:
  - eve-log: {{ enabled: yes, filetype: regular, filename: eve.json, types: [ alert ] }}
logging:
  default-log-level: notice
  outputs:
    - file: {{ enabled: yes, filename: {directory}/suricata.log }}
af-packet:
  - {{ interface: gw-in, copy-iface: gw-out, cluster-id: 98, threads: 1, cluster-type: cluster_flow, defrag: no,
      use-mmap: yes, tpacket-v3: no, ring-size: 4096, copy-mode: ips }}
  - {{ interface: gw-out, copy-iface: gw-in, cluster-id: 97, threads: 1, cluster-type: cluster_flow, defrag: no,
      use-mmap: yes, tpacket-v3: no, ring-size: 4096, copy-mode: ips }}
app-layer:
  protocols:
    http: {{ enabled: yes }}
stream: {{ memcap: 64mb, checksum-validation: no, inline: auto, reassembly: {{ memcap: 128mb, depth: 1mb }} }}
flow: {{ memcap: 64mb, hash-size: 4096, prealloc: 100 }}
mpm-algo: ac
spm-algo: bm
unix-command: {{ enabled: no }}
default-rule-path: {directory}
rule-files: [ weir.rules ]
classification-file: /etc/suricata/classification.config
reference-config-file: /etc/suricata/reference.config
"""


class Suricata:
    """An inspecting appliance in a target's namespace."""

    def __init__(self, target: Target, directory: Path) -> None:
        self.target = target
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "weir.rules").write_text(RULES)
        config = directory / "suricata.yaml"
        config.write_text(CONFIG.format(directory=directory))
        target.serve("shim", SHIM, "--tap", ready=lambda: target.is_listening(80))
        target.serve("suricata", "suricata", "-c", str(config), "--af-packet", "--pidfile",
                     str(directory / "suricata.pid"))
        try:
            wait_until("suricata", lambda: "Engine started" in self.log(), 60)
        except TimeoutError as error:
            raise RuntimeError(self.log()) from error

    def log(self) -> str:
        path = self.directory / "suricata.log"
        return path.read_text() if path.exists() else ""

    def alerts(self) -> list[tuple[str, str]]:
        """Message and action of what it found so far."""
        path = self.directory / "eve.json"
        lines = path.read_text().splitlines() if path.exists() else []
        events = [json.loads(line) for line in lines]
        return [(e["alert"]["signature"], e["alert"]["action"]) for e in events if e["event_type"] == "alert"]

    def stop(self) -> None:
        for kind in ("suricata", "shim"):
            if kind in self.target.servers:
                self.target.stop(kind)
