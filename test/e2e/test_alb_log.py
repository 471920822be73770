# SPDX-License-Identifier: BSD-3-Clause
"""The access log of an application load balancer."""

import gzip
import re
import shlex
import time

import pytest

from http_client import Connection
from test_alb import serve_odd
from topology import CLIENT_V4, wait_until

SERVICES = """
    [load_balancer shop]
    type = application
    address = 198.18.1.10
    access_logs.s3.enabled = true
    access_logs.s3.bucket = {bucket}
    access_logs.s3.prefix = lab

    [listener shop:80]
    protocol = HTTP
    default_action = forward odd

    [rule shop:80 10]
    condition.path_pattern = /old/*
    action = redirect host=new.example.com status=HTTP_301

    [rule shop:80 20]
    condition.path_pattern = /fixed
    action = fixed_response status=418 content_type=text/plain body="teapot"

    [target_group odd]
    protocol = HTTP
    target = 198.18.2.11:8081
"""


def lines(directory):
    text = ""
    for path in sorted(directory.rglob("*.log*")):
        text += gzip.open(path, "rt").read() if path.name.endswith(".gz") else path.read_text()
    return [shlex.split(line) for line in text.splitlines()]


@pytest.fixture
def logged(lab, start_weir, tmp_path):
    serve_odd(lab)
    weir = start_weir(SERVICES.format(bucket=tmp_path))
    yield weir, tmp_path
    lab.targets[0].stop("odd")


def test_fields(lab, logged):
    weir, directory = logged
    with Connection(lab.client) as c:
        c.get("/echo?a=b", "User-Agent: \"quoted\" and \\ more")
        c.get("/old/thing")
        c.get("/fixed")
        c.get("/slow/0.3")
    with Connection(lab.client) as c:
        c.send("GET / HTTP/7.0\r\n\r\n")
        c.answer()
    wait_until("five lines", lambda: len(lines(directory)) == 5, 10)
    found = lines(directory)
    assert all(len(fields) == 33 for fields in found)
    echo, redirect, fixed, slow, bad = found
    assert echo[0] == "http" and re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", echo[1])
    assert re.fullmatch(r"app/shop/[0-9a-f]{16}", echo[2])
    assert echo[3].startswith(f"{CLIENT_V4}:") and echo[4] == "198.18.2.11:8081"
    assert all(0 <= float(duration) < 1 for duration in echo[5:8])
    assert echo[8:10] == ["200", "200"] and int(echo[10]) > 50 and int(echo[11]) > 100
    assert echo[12] == "GET http://shop.example.com:80/echo?a=b HTTP/1.1"
    assert echo[13] == r"\x22quoted\x22 and \x5C more"
    assert echo[14:16] == ["-", "-"]
    assert echo[16].startswith("arn:aws:elasticloadbalancing:on-prem-1:") and "/odd/" in echo[16]
    assert echo[17].startswith("Root=1-")
    assert echo[20] == "0" and echo[22] == "forward" and echo[25:27] == ["198.18.2.11:8081", "200"]
    assert echo[27:29] == ["-", "-"] and echo[29].startswith("TID_")
    assert redirect[8:10] == ["301", "-"] and redirect[20] == "10" and redirect[22] == "redirect"
    assert redirect[23] == "http://new.example.com:80/old/thing"
    assert redirect[4] == "-" and redirect[5:8] == ["-1", "-1", "-1"]
    assert fixed[8] == "418" and fixed[20] == "20" and fixed[22] == "fixed-response"
    assert 0.29 <= float(slow[6]) < 2
    assert bad[8] == "505" and bad[20] == "-1" and bad[12].startswith("- http://198.18.1.10:80")


def test_files_are_compressed_at_the_end(lab, logged):
    weir, directory = logged
    for _ in range(20):
        lab.http("http://198.18.1.10/echo")
    assert weir.stop() == 0
    files = [path.name for path in directory.rglob("*") if path.is_file()]
    assert len(files) == 1
    assert re.fullmatch(r"\d*_elasticloadbalancing_on-prem-1_app\.shop\.[0-9a-f]{16}_\d{8}T\d{6}Z_198\.18\.1\.10_"
                        r"[0-9a-f]{8}\.log\.gz", files[0])
    assert len(lines(directory)) == 20


def test_reload_turns_it_off(lab, logged):
    weir, directory = logged
    lab.http("http://198.18.1.10/echo")
    wait_until("one line", lambda: len(lines(directory)) == 1, 10)
    weir.config_path.write_text(weir.config_path.read_text().replace("s3.enabled = true", "s3.enabled = false"))
    weir.reload()
    time.sleep(0.2)
    lab.http("http://198.18.1.10/echo")
    time.sleep(1)
    assert len(lines(directory)) == 1
