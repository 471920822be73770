# SPDX-License-Identifier: BSD-3-Clause
"""tools/bench tls: weir and HAProxy in turn as the same TLS proxy, beside libssl alone.

As tools/bench http: the proxy alone on core 1, everything else on core 0.  CPU per handshake or
request is the time that core 1 was not idle over what was answered.  Handshakes are closed loops of four
`openssl s_time`; requests come from h2load at the same rate for both, 70 % of what the slower one
carried.  A handshake's figure includes its TCP connection, request and answer, for both.

The storm: four clients that make full handshakes as fast as they can, at the lowest priority, while connections that live ask
at a fixed rate in the clear; weir has a crypto lcore, on core 0 with everything else.
"""

from __future__ import annotations

import re
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import bench_http
from bench_http import OTHER_CPU, PROXY_CPU, ROOT, VIP, measured, own_bytes, progress, running
from certificates import Certificate, make_certificate
from raw_port import socket_in

PROXIES = ["weir", "haproxy"]
IDLE_CONNECTIONS = 500
BENCH = ROOT / "build" / "test" / "perf" / "bench_tls"

# (kind of key, protocol, resumed)
HANDSHAKES = {
    "full ECDSA P-256, TLS 1.3": ("ec", "-tls1_3", False),
    "full ECDSA P-256, TLS 1.2": ("ec", "-tls1_2", False),
    "full RSA 2048, TLS 1.3": ("rsa", "-tls1_3", False),
    "resumed, TLS 1.3": ("ec", "-tls1_3", True),
    "resumed, TLS 1.2": ("ec", "-tls1_2", True),
}
# (path, arguments of h2load, bytes of an answer).  As ELB does, weir ends a connection after 10,000 requests over HTTP/2: with
# few connections none would be left.
REQUESTS = {
    "keep-alive 1 KiB": ("/files/1k", ("--h1", "-c", "64"), 1024),
    "keep-alive 1 MiB": ("/files/1m", ("--h1", "-c", "16"), 1 << 20),
    "HTTP/2 1 KiB, 10 streams": ("/files/1k", ("-c", "64", "-m", "10"), 1024),
}

STORM_RATE = 1000  # requests a second of connections that live

WEIR = bench_http.WEIR.replace("[listener shop:80]\nprotocol = HTTP\n", """[certificate shop]
certificate = {certificate}
private_key = {key}
[listener shop:443]
protocol = HTTPS
certificate = shop
""")
HAPROXY = bench_http.HAPROXY.replace("bind {vip}:80", "bind {vip}:443 ssl crt {pem} alpn h2,http/1.1").replace(
    "maxconn 9500", "maxconn 9500\n    tune.ssl.default-dh-param 2048")


# What is measured in a storm needs a listener that has no part in it.
STORM = {
    "weir": WEIR.replace("lcores = 0@{other},1@{cpu}", "crypto_workers = 1\nlcores = 0@{other},1@{cpu},2@{other}").replace(
        "[target_group web]", "[listener shop:80]\nprotocol = HTTP\ndefault_action = forward web\n[target_group web]"),
    "haproxy": HAPROXY.replace("bind {vip}:443", "bind {vip}:80\n    bind {vip}:443"),
}


def templates(directory: Path, certificate: Certificate, weir: str = WEIR, haproxy: str = HAPROXY) -> dict[str, str]:
    pem = directory / f"{certificate.name}.both"
    pem.write_bytes(certificate.certificate.read_bytes() + certificate.key.read_bytes())
    return {"weir": weir.replace("{certificate}", str(certificate.certificate)).replace("{key}", str(certificate.key)),
            "haproxy": haproxy.replace("{pem}", str(pem))}


def handshakes(lab, directory: Path, protocol: str, resumed: bool, seconds: float) -> dict:
    """Four clients that connect, ask and leave, again and again."""
    command = ["taskset", "-c", str(OTHER_CPU), "openssl", "s_time", "-connect", f"{VIP}:443", protocol,
               "-www", "/files/1k", "-reuse" if resumed else "-new", "-time", f"{max(1, round(seconds))}"]
    with measured(directory) as result:
        clients = [lab.client.start(*command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) for _ in range(4)]
        texts = [client.communicate()[0] for client in clients]
        result["n"] = sum(int(re.findall(r"(\d+) connections in \d+ real seconds", text)[-1]) for text in texts)
    return {**result, "rate": result["n"] / max(1, round(seconds))}


def storm(lab, directory: Path, seconds: float, rages: bool) -> dict:
    """Latency of requests of connections that live, with or without a storm of handshakes beside them."""
    command = ["nice", "-n", "19", "taskset", "-c", str(OTHER_CPU), "openssl", "s_time", "-connect", f"{VIP}:443", "-tls1_3",
               "-new", "-time", f"{round(seconds) + 1}"]
    clients = [lab.client.start(*command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
               for _ in range(4 if rages else 0)]
    time.sleep(0.5)
    got = bench_http.load(lab, directory, "/files/1k", False, STORM_RATE, seconds)
    texts = [client.communicate()[0] for client in clients]
    got["handshakes"] = sum(int(re.findall(r"(\d+) connections in \d+ real seconds", text)[-1]) for text in texts)
    return got


def requests(lab, directory: Path, path: str, arguments: tuple[str, ...], rate: float, seconds: float) -> dict:
    connections = int(arguments[arguments.index("-c") + 1])
    paced = () if rate == 0 else (f"--rps={max(1, round(rate / connections))}",)
    with measured(directory) as result:
        text = lab.client.run("taskset", "-c", str(OTHER_CPU), "h2load", *arguments, *paced, "-D", f"{seconds:.0f}",
                              f"https://{VIP}{path}").stdout
        result["n"], result["failed"] = map(int, re.search(r"(\d+) succeeded, (\d+) failed", text).groups())
    return {**result, "rate": result["n"] / seconds}


def memory(lab, name: str, directory: Path, texts: dict[str, str], alpn: list[str]) -> float:
    """Bytes of a proxy for each idle connection that has asked once."""
    import ssl
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(alpn)
    import h2.connection
    with running(lab, name, directory, texts, f"https://{VIP}/files/1k") as process:
        time.sleep(0.5)
        before, held = resident(process, directory), []
        for _ in range(IDLE_CONNECTIONS):
            plain = socket_in(lab.client, 2, 1)
            plain.settimeout(10)
            plain.connect((VIP, 443))
            tls = context.wrap_socket(plain)
            if tls.selected_alpn_protocol() == "h2":
                client = h2.connection.H2Connection()
                client.initiate_connection()
                client.send_headers(1, [(":method", "GET"), (":scheme", "https"), (":authority", "a"),
                                        (":path", "/files/1k")], end_stream=True)
                tls.sendall(client.data_to_send())
            else:
                tls.sendall(b"GET /files/1k HTTP/1.1\r\nHost: a\r\n\r\n")
            assert tls.recv(65536)
            held.append(tls)
        time.sleep(0.5)
        used = (resident(process, directory) - before) / IDLE_CONNECTIONS
        for tls in held:
            tls.close()
    return used


def resident(process: subprocess.Popen, directory: Path) -> int:
    """Pages in use: what libssl and nghttp2 take is no pool of weir's."""
    return own_bytes(directory, "haproxy", process)


def bench(rounds: int, seconds: float) -> dict:
    results: dict = {"handshakes": {}, "requests": {}, "memory": {}}
    with bench_http.network() as lab, tempfile.TemporaryDirectory(prefix="weir-bench-") as temporary:
        directory = Path(temporary)
        url = f"https://{VIP}/files/1k"
        both = {kind: templates(directory, make_certificate(directory, kind, "shop.example", key=kind))
                for kind in ("ec", "rsa")}
        for case, (kind, protocol, resumed) in HANDSHAKES.items():
            runs: dict[str, list[dict]] = {name: [] for name in PROXIES}
            for i in range(rounds):
                for name in PROXIES:
                    progress(f"{case}: {name}, round {i + 1} of {rounds}")
                    with running(lab, name, directory / name, both[kind], url):
                        runs[name].append(handshakes(lab, directory / name, protocol, resumed, seconds))
            results["handshakes"][case] = runs
        for case, (path, arguments, _size) in REQUESTS.items():
            fastest = {}
            for name in PROXIES:
                progress(f"{case}: {name} as fast as it goes")
                with running(lab, name, directory / name, both["ec"], url):
                    fastest[name] = requests(lab, directory / name, path, arguments, 0, seconds)["rate"]
            rate = 0.7 * min(fastest.values())
            runs = {name: [] for name in PROXIES}
            for i in range(rounds):
                for name in PROXIES:
                    progress(f"{case}: {name} at {rate:.0f}/s, round {i + 1} of {rounds}")
                    with running(lab, name, directory / name, both["ec"], url):
                        runs[name].append(requests(lab, directory / name, path, arguments, rate, seconds))
            results["requests"][case] = {"rate": rate, "fastest": fastest, "runs": runs}
        texts = templates(directory, make_certificate(directory, "ec", "shop.example"), STORM["weir"], STORM["haproxy"])
        results["storm"] = {name: {"calm": [], "storm": []} for name in PROXIES}
        for i in range(rounds):
            for name in PROXIES:
                progress(f"storm: {name}, round {i + 1} of {rounds}")
                with running(lab, name, directory / name, texts, url):
                    for kind, rows in results["storm"][name].items():
                        rows.append(storm(lab, directory / name, seconds, kind == "storm"))
        for alpn in ("http/1.1", "h2"):
            progress(f"{IDLE_CONNECTIONS} idle connections, {alpn}")
            results["memory"][alpn] = {name: memory(lab, name, directory / name, both["ec"], [alpn])
                                       for name in PROXIES}
    return results


def show_rows(runs: dict[str, list[dict]], unit: str) -> None:
    medians = {name: statistics.median(r["cpu_us"] for r in rows) for name, rows in runs.items()}
    for name, rows in runs.items():
        cpu = [r["cpu_us"] for r in rows]
        turns = statistics.median(r["turn_us"] for r in rows)
        print(f"  {name:8} {medians[name]:9.1f} us/{unit} ({min(cpu):.1f}-{max(cpu):.1f}) "
              f"{f'in turns {turns:.1f}, ' if turns > 0 else ''}"
              f"{statistics.median(r['rate'] for r in rows):9.0f}/s  weir/it {medians['weir'] / medians[name]:.2f}")


def show(results: dict) -> None:
    print("TLS proxies, one core (medians, spread of CPU)")
    for case, runs in results["handshakes"].items():
        print(f"\n{case}")
        show_rows(runs, "handshake")
    for case, found in results["requests"].items():
        fastest = ", ".join(f"{name} {rate:.0f}/s" for name, rate in found["fastest"].items())
        print(f"\n{case}, {found['rate']:.0f}/s; fastest: {fastest}")
        show_rows(found["runs"], "request")
    print(f"\n{STORM_RATE} requests/s of connections that live, without and in a storm of handshakes")
    for name, runs in results["storm"].items():
        p99 = {kind: [r["p99_us"] for r in rows] for kind, rows in runs.items()}
        calm, storm_ = (statistics.median(values) for values in p99.values())
        print(f"  {name:8} p99 {calm:.0f} us ({min(p99['calm'])}-{max(p99['calm'])}), in the storm {storm_:.0f} us "
              f"({min(p99['storm'])}-{max(p99['storm'])}): {storm_ / calm:.2f}; {sum(r['errors'] for r in runs['storm'])} errors, "
              f"{statistics.median(r['handshakes'] for r in runs['storm']):.0f} handshakes a run")
    print(f"\nresident bytes of an idle connection, of {IDLE_CONNECTIONS}")
    for alpn, row in results["memory"].items():
        print(f"  {alpn:9} " + ", ".join(f"{name} {used:.0f}" for name, used in row.items()))


def alone(quick: bool) -> list[str]:
    """lib/tls, and proxy, TCP and TLS without weir's worker and ports, beside libssl, libcrypto and openssl(1)."""
    on_core = ["taskset", "-c", str(PROXY_CPU)]
    progress("lib/tls alone")
    lines = subprocess.run([*on_core, BENCH, *(["3", "30"] if quick else [])], check=True, capture_output=True,
                           text=True).stdout.splitlines()
    progress("openssl speed")
    speed = subprocess.run([*on_core, "openssl", "speed", "-seconds", "1" if quick else "3", "-bytes", "16384", "-evp",
                            "aes-128-gcm"], check=True, capture_output=True, text=True).stdout.splitlines()[-1]
    rate = float(speed.split()[-1].rstrip("k")) / 1e6
    relay = subprocess.run([*on_core, BENCH.with_name("bench_relay"), *(["3"] if quick else [])], check=True,
                           capture_output=True, text=True).stdout.splitlines()[0]
    lines.append(relay)
    written, read, relayed = (float(re.search(f"{what} ([0-9.]+) GB/s", line)[1]) for what, line in
                              (("write", lines[-2]), ("read", lines[-2]), ("9,000 bytes:", relay)))
    return [*lines, f"openssl speed -evp aes-128-gcm, 16 KiB: {rate:.2f} GB/s; "
                    f"records written {written / rate:.2f} of it, read {read / rate:.2f}, relayed {relayed / rate:.2f}"]


def run(quick: bool) -> dict:
    lines = alone(quick)
    print("\n".join(lines) + "\n")
    results = bench(2 if quick else 5, 2 if quick else 5)
    results["alone"] = lines
    show(results)
    return results
