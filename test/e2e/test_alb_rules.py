# SPDX-License-Identifier: BSD-3-Clause
"""Rules, actions, transforms and stickiness on real requests."""

import collections
import json
import re

import pytest

from http_client import Connection
from test_alb import serve_odd
from topology import CLIENT_V4

SERVICES = """
    [load_balancer shop]
    type = application
    address = 198.18.1.10

    [listener shop:80]
    protocol = HTTP
    default_action = forward odd
    routing.http.response.server.enabled = false
    routing.http.response.strict_transport_security.header_value = max-age=60

    [rule shop:80 1]
    condition.host_header = *.static.example.com
    action = fixed_response status=200 content_type=text/plain body="host"

    [rule shop:80 2]
    condition.path_pattern = /img/*
    condition.http_request_method = GET, HEAD
    action = fixed_response status=200 content_type=text/plain body="path and method"

    [rule shop:80 3]
    condition.http_header.X-Tenant = gold*
    action = fixed_response status=200 content_type=text/plain body="header"

    [rule shop:80 4]
    condition.query_string = mode=debug
    action = fixed_response status=200 content_type=text/plain body="query"

    [rule shop:80 5]
    condition.source_ip = 198.18.1.0/24
    condition.path_pattern = /source
    action = fixed_response status=200 content_type=text/plain body="source"

    [rule shop:80 6]
    condition.path_pattern_regex = ^/v[0-9]+/(.+)$
    transform.url_rewrite = ^/v[0-9]+/(.+)$ -> /$1
    action = forward odd

    [rule shop:80 7]
    condition.path_pattern = /old*
    action = redirect protocol=HTTPS port=443 host=new.#{{host}} path=/new/#{{path}} query=#{{query}} status=HTTP_302

    [rule shop:80 8]
    condition.path_pattern = /weighted
    action = forward web weight 3, odd weight 1

    [rule shop:80 9]
    condition.path_pattern = /sticky-groups
    action = forward web weight 1, odd weight 1 stickiness 60

    [rule shop:80 10]
    condition.path_pattern = /sticky
    action = forward sticky

    [rule shop:80 11]
    condition.path_pattern = /cookie
    action = forward application

    [target_group web]
    protocol = HTTP
    target = 198.18.2.11:80

    [target_group odd]
    protocol = HTTP
    target = 198.18.2.11:8081

    [target_group sticky]
    protocol = HTTP
    stickiness.enabled = true
    stickiness.type = lb_cookie
    target = 198.18.2.11:80
    target = 198.18.2.12:80
    target = 198.18.2.13:80

    [target_group application]
    protocol = HTTP
    stickiness.enabled = true
    stickiness.type = app_cookie
    stickiness.app_cookie.cookie_name = session
    target = 198.18.2.11:8081
    target = 198.18.2.12:8081
"""


@pytest.fixture(scope="module")
def weir(lab, start_module_weir):
    serve_odd(lab, *lab.targets[:2])
    return start_module_weir(SERVICES.format())


@pytest.fixture
def client(lab, weir):
    with Connection(lab.client) as connection:
        yield connection


@pytest.mark.parametrize("target, headers, options, want", [
    ("/", [], {"host": "a.static.example.com"}, "host"),
    ("/", [], {"host": "A.STATIC.example.com:80"}, "host"),
    ("/img/a.png", [], {}, "path and method"),
    ("/x", ["X-Tenant: Golden"], {}, "header"),
    ("/x?mode=debug", [], {}, "query"),
    ("/x?a=b&MODE=Debug", [], {}, "query"),
    ("/source", [], {}, "source")])
def test_conditions(client, target, headers, options, want):
    answer = client.get(target, *headers, **options)
    assert (answer.status, answer.body.decode()) == (200, want)


@pytest.mark.parametrize("target, headers, options", [
    ("/echo", [], {"host": "static.example.com"}),
    ("/img/a.png", [], {"method": "POST", "body": b"x"}),
    ("/echo", ["X-Tenant: silver"], {}),
    ("/echo?mode=debugger", [], {})])
def test_default_action(client, target, headers, options):
    answer = client.get(target, *headers, **options)
    assert answer.status == 200 and answer.header("content-type") is None


def test_rewrite(client):
    got = json.loads(client.get("/v12/echo/a?b=c").body)
    assert got["target"] == "/echo/a?b=c"


def test_redirect(client):
    answer = client.get("/older/x?a=b")
    assert answer.status == 302
    assert answer.header("location") == "https://new.shop.example.com:443/new/older/x?a=b"


def test_inserted_headers(client):
    for path in ("/echo", "/img/x", "/older", "/status/404"):
        answer = client.get(path)
        assert answer.all("strict-transport-security") == ["max-age=60"]
        assert answer.header("server") != "awselb/2.0"


def test_weights(client):
    served = collections.Counter(client.get("/weighted").header("server").split("/")[0] for _ in range(400))
    assert 240 < served["nginx"] < 360


def cookies(answer):
    """Set-Cookie fields by name: value and attributes."""
    found = {}
    for field in answer.all("set-cookie"):
        pair, _, attributes = field.partition(";")
        name, _, value = pair.partition("=")
        found[name] = (value, attributes)
    return found


def test_lb_cookie(client):
    """A client with either cookie stays with its target; without one it doesn't."""
    first = client.get("/sticky")
    got = cookies(first)
    assert set(got) == {"AWSALB", "AWSALBCORS"}
    assert "Path=/" in got["AWSALB"][1] and "SameSite=None" in got["AWSALBCORS"][1]
    for name in got:
        answers = {client.get("/sticky", f"Cookie: a=b; {name}={got[name][0]}; c=d").body for _ in range(9)}
        assert answers == {first.body}
    assert len({client.get("/sticky").body for _ in range(9)}) == 3
    for bad in ("", "x" * 64, got["AWSALB"][0][:-1] + ("A" if got["AWSALB"][0][-1] != "A" else "B")):
        assert len({client.get("/sticky", f"Cookie: AWSALB={bad}").body for _ in range(9)}) == 3


def test_cookies_of_other_groups_count_for_nothing(client):
    value = cookies(client.get("/sticky"))["AWSALB"][0]
    assert cookies(client.get("/cookie", f"Cookie: AWSALB={value}")).keys() == {"session", "AWSALBAPP-0"}


def test_target_group_stickiness(client):
    first = client.get("/sticky-groups")
    got = cookies(first)
    assert {"AWSALBTG", "AWSALBTGCORS"} <= set(got)
    who = first.header("server")
    for _ in range(12):
        assert client.get("/sticky-groups", f"Cookie: AWSALBTG={got['AWSALBTG'][0]}").header("server") == who


def test_app_cookie(client):
    """Both cookies have to come back: the application's and weir's."""
    first = client.get("/cookie")
    got = cookies(first)
    assert got["session"][0] == "target" and "AWSALBAPP-0" in got
    both = f"Cookie: session=target; AWSALBAPP-0={got['AWSALBAPP-0'][0]}"
    assert {client.get("/cookie", both).header("server") for _ in range(8)} == {first.header("server")}
    half = f"Cookie: AWSALBAPP-0={got['AWSALBAPP-0'][0]}"
    assert len({client.get("/cookie", half).header("server") for _ in range(8)}) == 2


def test_trace_id(client):
    def sent(*headers):
        got = dict((name.lower(), value) for name, value in json.loads(client.get("/echo", *headers).body)["headers"])
        return got["x-amzn-trace-id"]

    assert re.fullmatch(r"Root=1-[0-9a-f]{8}-[0-9a-f]{24}", sent())
    assert re.fullmatch(r"Self=1-[0-9a-f]{8}-[0-9a-f]{24};Root=1-2-3;X=y", sent("X-Amzn-Trace-Id: Root=1-2-3;X=y"))
    assert re.fullmatch(r"Self=1-[0-9a-f]{8}-[0-9a-f]{24};Root=1-2-3",
                        sent("X-Amzn-Trace-Id: Self=old;Root=1-2-3"))


def test_client_address_is_the_peers(client):
    got = json.loads(client.get("/echo", "X-Forwarded-For: 203.0.113.1").body)
    assert dict((n.lower(), v) for n, v in got["headers"])["x-forwarded-for"] == f"203.0.113.1, {CLIENT_V4}"
