# SPDX-License-Identifier: BSD-3-Clause
"""Build weir, lay out a network on this machine, send traffic through weir and show what happened.

Everything happens in network namespaces (weir-client, weir-lb, weir-net, weir-t1..3, weir-server);
nothing of it is left afterwards, unless --keep asks for it.
"""

from __future__ import annotations

import argparse
import collections
import fcntl
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "test" / "e2e"), str(ROOT / "tools")]

from gateway import SERVER_V4, SERVER_V6, Appliance, GatewayLab, flow_name  # noqa: E402
from owner import as_owner  # noqa: E402
from topology import Lab, remove_lab, wait_until  # noqa: E402
from weir_process import Weir, WeirFailed  # noqa: E402
from weir_control import call, table  # noqa: E402

PREFIX = "weir"
INSTANCE = "weir"
INSTANCE_SOCKET = Path(f"/run/weir/{INSTANCE}.sock")
STATE = Path("/var/lib/weir/weir")
LOG = Path("/run/weir-quickstart.log")
LOCK = Path("/run/weir-quickstart.lock")
STAYS = 5   # requests of a client that keeps its cookie
TIMES = 100


def say(text: str) -> None:
    print(f"\n== {text}", flush=True)


def step(*command: str) -> bool:
    print(f"   $ {' '.join(command)}", flush=True)
    return subprocess.run(command, cwd=ROOT).returncode == 0


def must(*command: str) -> None:
    if not step(*command):
        sys.exit(f"quickstart: `{' '.join(command)}` failed; its messages are above")


def build() -> None:
    say("Building weir in build/")
    if not (ROOT / "build" / "build.ninja").exists():
        must(*as_owner("meson", "setup", "build"))
    must(*as_owner("ninja", "-C", "build", "app/weir"))


def clean() -> None:
    """Remove everything an earlier run left or kept."""
    left = remove_lab(PREFIX)
    if left:
        print(f"   removed what an earlier run left: {' '.join(left)}")


def choose_config(config: Path, lab: Lab, huge: bool) -> Path:
    if huge:
        return config
    text = config.read_text().replace("[dataplane]\n", "[dataplane]\nhugepages = off\n")
    path = lab.directory / "quickstart.ini"
    path.write_text(text)
    return path


def show_view(load_balancer: str) -> None:
    say(f"weir's view (tools/weirctl targets, metrics {load_balancer}, drops)")
    for arguments in (["targets"], ["metrics", load_balancer], ["drops"]):
        sys.stdout.flush()
        subprocess.run([ROOT / "tools" / "weirctl", *arguments])
        print()


def show_answers(columns: dict[str, list[str]]) -> bool:
    """Who answered how often; whether everything was answered."""
    counts = {name: collections.Counter(answers) for name, answers in columns.items()}
    rows = [{"target": target, **{name: c[target] for name, c in counts.items()}}
            for target in ("t1", "t2", "t3")]
    rows.append({"target": "no answer",
                 **{name: sum(n for who, n in c.items() if who not in ("t1", "t2", "t3"))
                    for name, c in counts.items()}})
    print(table(rows))
    return all(len(answers) == TIMES and set(answers) <= {"t1", "t2", "t3"} for answers in columns.values())


class Network:
    """Clients' connections and datagrams go to three servers."""

    config = ROOT / "conf" / "quickstart.ini"
    hints = """\
   sudo tools/weirctl capture /tmp/shop.pcapng --listener shop:80   # then tcpdump -r, Wireshark
   sudo dpdk-telemetry.py -f weir             then: /weir/target_health,web or /weir/drops
   sudo ip netns exec weir-client curl http://198.18.1.10/
   sudo ip netns pids weir-t1                 end nginx there and watch `tools/weirctl targets`"""

    def serve(self) -> Lab:
        say("Starting nginx and UDP echo servers, and weir with conf/quickstart.ini")
        self.lab = Lab(PREFIX)
        self.lab.serve_http()
        self.lab.serve_udp_echo(*self.lab.targets[:2])
        return self.lab

    def send_traffic(self) -> bool:
        say(f"{TIMES} connections to 198.18.1.10:80 and to [2001:db8:1::10]:80 (nginx on t1 to t3), and "
            f"{TIMES} UDP\n   questions to 198.18.1.10:53 (echo servers on t1 and t2); who answered how often:")
        answered = show_answers({"TCP over IPv4": self.lab.http("http://198.18.1.10/", TIMES),
                                 "TCP over IPv6": self.lab.http("http://[2001:db8:1::10]/", TIMES),
                                 "UDP": self.lab.udp("198.18.1.10", 53, TIMES)})
        show_view("shop")
        return answered


class Gateway:
    """All that a client and a server say to each other goes through three appliances."""

    config = ROOT / "conf" / "quickstart-gateway.ini"
    hints = f"""\
   sudo tools/weirctl trace 'tcp 198.18.1.2:4000 > {SERVER_V4}:80'       what weir would do, and why
   sudo tools/weirctl capture /tmp/geneve.pcapng --listener inspect   # then tcpdump -r, Wireshark
   sudo ip netns exec weir-client curl http://{SERVER_V4}/
   sudo tools/geneve-appliance --ask /run/weir-lab/weir/t1.sock mode drop      also: echo, delay 500, counts"""

    def serve(self) -> Lab:
        say("Starting nginx and a UDP echo server on the server, three appliances, and weir with\n"
            "   conf/quickstart-gateway.ini")
        self.lab = GatewayLab(PREFIX)
        self.lab.serve()
        self.appliances = self.lab.start_appliances()
        return self.lab

    def show_flows(self, appliances: list[Appliance]) -> bool:
        """A line for each appliance; whether no flow was seen by two of them."""
        names = [{flow_name(flow) for flow in appliance.flows()} for appliance in appliances]
        print(table([{"appliance": appliance.name, "flows": len(seen), "packets": appliance.counts()["packets"],
                      "flows of others": sum(bool(seen & other) for other in names if other is not seen)}
                     for appliance, seen in zip(appliances, names)]))
        return len(set.union(*names)) == sum(map(len, names))

    def send_traffic(self) -> bool:
        say(f"{TIMES} connections to {SERVER_V4}:80 and to [{SERVER_V6}]:80, and {TIMES} UDP questions to "
            f"{SERVER_V4}:5353,\n   through weir and the appliances; what each appliance saw, in both directions:")
        answers = [*self.lab.http(f"http://{SERVER_V4}/", TIMES), *self.lab.http(f"http://[{SERVER_V6}]/", TIMES),
                   *self.lab.udp(SERVER_V4, 5353, TIMES)]
        apart = self.show_flows(self.appliances)
        print(f"\n   {answers.count('server')} of {3 * TIMES} were answered; "
              f"{'no flow was' if apart else 'SOME FLOWS WERE'} seen by two appliances")
        show_view("inspect")
        return apart and answers == ["server"] * (3 * TIMES)


class Application:
    """Requests go where rules send them: by host and path, to a redirect, to an answer of weir's own."""

    config = ROOT / "conf" / "quickstart-application.ini"
    hints = """\
   sudo ip netns exec weir-client curl -i http://198.18.1.10/
   sudo ip netns exec weir-client curl -i --connect-to ::198.18.1.10: http://api.example.com/v1/x
   sudo ip netns exec weir-client wrk -t1 -c50 -d5 http://198.18.1.10/       a package of Debian
   sudo ip netns pids weir-t2                 end nginx there and watch `tools/weirctl targets`
   sudo find /run/weir-lab/weir/log -type f   the access log"""

    def serve(self) -> Lab:
        say("Starting nginx on three servers, and weir with conf/quickstart-application.ini")
        self.lab = Lab(PREFIX)
        self.lab.serve_http()
        return self.lab

    def ask(self, url: str, *wanted: str) -> bool:
        """Show an answer of weir's own; whether all of `wanted` is in it."""
        print(f"\n   $ curl -si '{url}'")
        answer = self.lab.client.run("curl", "-si", "-m", "5", url).stdout
        for line in answer.splitlines():
            print(f"   {line}")
        return all(text in answer for text in wanted)

    def log_lines(self) -> list[str]:
        files = sorted((self.lab.directory / "log").rglob("*.log*"))
        return [line for file in files for line in file.read_text().splitlines()]

    def show_log(self, requests: int) -> bool:
        """One line for each request comes within a second."""
        wait_until("the access log", lambda: len(self.log_lines()) >= requests, 10, 0.1)
        lines = self.log_lines()
        say(f"The access log has a line of ELB's 33 fields for each of the {requests} requests; of a forwarded one\n"
            "   and of the redirect:\n")
        for text in ("api.example.com", "/old/"):
            print(next(line for line in lines if text in line))
        return len(lines) == requests

    def send_traffic(self) -> bool:
        say(f"{TIMES} requests each to / over IPv4 and IPv6 (no rule: t1 and t2), and to api.example.com/v1/\n"
            "   (rule 10: t2, and t3 with three times its weight); who answered how often:")
        answered = show_answers({"/ over IPv4": self.lab.http("http://198.18.1.10/", TIMES),
                                 "/ over IPv6": self.lab.http("http://[2001:db8:1::10]/", TIMES),
                                 "api.example.com/v1/": self.lab.http(
                                     "http://198.18.1.10/v1/", TIMES, "Host: api.example.com")})
        say("Rule 20 redirects, rule 30 answers by itself:")
        asked = [self.ask("http://198.18.1.10/old/cups?size=2", " 301 ", "/new/old/cups?size=2"),
                 self.ask("http://198.18.1.10/?coffee=black", " 418 ", "teapot")]
        logged = self.show_log(3 * TIMES + len(asked))
        show_view("shop")
        return answered and all(asked) and logged


class Classic(Application):
    """Requests and connections go to three instances, some clients stay with theirs."""

    config = ROOT / "conf" / "quickstart-classic.ini"
    hints = """\
   sudo ip netns exec weir-client curl -i http://198.18.1.10:81/              Set-Cookie: AWSELB
   sudo ip netns pids weir-t2                 end nginx there and watch `tools/weirctl targets`
   sudo find /run/weir-lab/weir/log -type f   the access log"""

    def serve(self) -> Lab:
        say("Starting nginx on three instances, and weir with conf/quickstart-classic.ini")
        self.lab = Lab(PREFIX)
        self.lab.serve_http()
        return self.lab

    def stay(self) -> bool:
        """A client that keeps its cookie has one instance."""
        jar = self.lab.directory / "cookies"
        command = ("curl", "-s", "-m", "5", "-b", str(jar), "-c", str(jar), "http://198.18.1.10:81/")
        names = {self.lab.client.run(*command).stdout.split()[0] for _ in range(STAYS)}
        print(f"\n   $ {' '.join(command)}\n   {STAYS} times: {', '.join(names)}")
        return len(names) == 1

    def send_traffic(self) -> bool:
        say(f"{TIMES} requests each to 198.18.1.10:80 and [2001:db8:1::10]:80 (HTTP), and {TIMES} connections to\n"
            "   198.18.1.10:8080 (TCP); who answered how often:")
        answered = show_answers({"HTTP over IPv4": self.lab.http("http://198.18.1.10/", TIMES),
                                 "HTTP over IPv6": self.lab.http("http://[2001:db8:1::10]/", TIMES),
                                 "TCP": self.lab.http("http://198.18.1.10:8080/", TIMES)})
        say("With the cookie of listener shop:81 a client stays where it is:")
        stayed = self.stay()
        wait_until("the access log", lambda: len(self.log_lines()) >= 3 * TIMES + STAYS, 10, 0.1)
        say("A line of the access log, of ELB's 15 fields:\n")
        print(next(line for line in self.log_lines() if "curl" in line))
        show_view("shop")
        return answered and stayed


DEMOS = {"network": Network, "gateway": Gateway, "application": Application, "classic": Classic}


def explain(demo: Network | Gateway | Application, keeping: bool) -> None:
    say("To look further" if keeping else "To look further, run it with --keep and try")
    print(f"""\
   sudo tools/weirctl status                  also: flows, interfaces, neighbors, pools
{demo.hints}
   README.md                                  how it works, and where to read next""")
    if keeping:
        print(f"   {LOG}                weir's log\n   sudo tools/quickstart --clean             "
              " when you are done")


def run(arguments: argparse.Namespace) -> bool:
    if INSTANCE_SOCKET.exists():
        try:
            call(str(INSTANCE_SOCKET), "info")
            sys.exit(f"quickstart: another weir runs here as instance {INSTANCE}; end it first")
        except OSError:
            pass
    had_state = STATE.exists()
    weir = None
    lab = None
    done = False
    try:
        demo = DEMOS[arguments.type]()
        lab = demo.serve()
        LOG.unlink(missing_ok=True)
        weir = Weir(lab.lb, choose_config(demo.config, lab, not arguments.no_huge), INSTANCE, LOG)
        weir.wait_ready()
        weir.wait_healthy()
        done = demo.send_traffic()
        explain(demo, arguments.keep)
    except (WeirFailed, RuntimeError, OSError) as error:
        print(f"quickstart: {error}", file=sys.stderr)
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if not (arguments.keep and done):
            say("Cleaning up")
            if weir is not None:
                code = weir.stop()
                print(f"   weir ended with exit code {code}")
                done = done and code == 0
                if not done:
                    print(f"--- {LOG}\n{weir.log}", file=sys.stderr)
            if lab is not None:
                lab.close()
            remove_lab(PREFIX)  # what an interrupt left half made
            if not had_state:
                shutil.rmtree(STATE, ignore_errors=True)
    return done


def main() -> int:
    parser = argparse.ArgumentParser(prog="tools/quickstart", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--type", choices=DEMOS, default="network",
                        help="network: servers behind an address; gateway: appliances in between; application: "
                             "requests by rules to web servers (default network)")
    parser.add_argument("--keep", action="store_true", help="leave all running to look around")
    parser.add_argument("--clean", action="store_true", help="only remove what --keep left")
    parser.add_argument("--no-huge", action="store_true", help="run weir without huge pages")
    arguments = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("quickstart: network namespaces and weir need root; try: sudo tools/quickstart")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("quickstart: ended by SIGTERM"))

    lock = open(LOCK, "w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit("quickstart: another one is under way on this machine")
    if not arguments.clean:
        build()
    say("Looking for leftovers of earlier runs")
    clean()
    if arguments.clean:
        step("tools/hugepages", "restore", "quickstart")
        return 0
    if not arguments.no_huge:
        say("Reserving huge pages")
        step("tools/hugepages", "reserve", "quickstart")
    done = False
    try:
        done = run(arguments)
    finally:
        if not (arguments.keep and done):
            step("tools/hugepages", "restore", "quickstart")
    print(f"\nquickstart: {'all traffic was answered' if done else 'something is wrong, see above'}")
    return 0 if done else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("quickstart: interrupted")
