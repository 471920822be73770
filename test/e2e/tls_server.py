# SPDX-License-Identifier: BSD-3-Clause
"""A real server with TLS."""

from __future__ import annotations

from pathlib import Path

from certificates import Certificate
from http_target import pattern
from topology import Lab, Target


def serve_tls(lab: Lab, target: Target, certificate: Certificate) -> Path:
    """
    nginx: / tells the protocol, `r` of a resumed session, the request's number on its connection, and the client by
    the PROXY header; /name tells the SNI; /files/big.  TLS on port 443, 1.2 alone on 442, behind a PROXY header on 444,
    HTTP/2 where ALPN agrees on it on 446.
    @return where /files/ is.
    """
    directory = lab.directory / target.name / "tls"
    directory.mkdir(parents=True, exist_ok=True)
    config = directory / "nginx.conf"

    def server(port: int, protocols: str, proxy: str = "") -> str:
        return f"""
    server {{
        listen {port} ssl {proxy}; listen [::]:{port} ssl {proxy} ipv6only=on;
        ssl_certificate {certificate.certificate}; ssl_certificate_key {certificate.key};
        ssl_protocols {protocols};
        location / {{ return 200 "$ssl_protocol $ssl_session_reused $connection_requests $proxy_protocol_addr\\n"; }}
        location /name {{ return 200 "$ssl_server_name\n"; }}
        location /files/ {{ root {directory}; }}
    }}"""
    (directory / "files").mkdir(exist_ok=True)
    (directory / "files" / "big").write_bytes(pattern(5_000_000))
    config.write_text(f"""
daemon off; master_process off; pid {directory}/nginx.pid; error_log {directory}/error.log;
events {{}}
http {{
    access_log off; client_body_temp_path {directory}; proxy_temp_path {directory};
    fastcgi_temp_path {directory}; uwsgi_temp_path {directory}; scgi_temp_path {directory};
    ssl_session_cache shared:s:1m; keepalive_requests 3;
    {server(443, "TLSv1.2 TLSv1.3")}
    {server(442, "TLSv1.2")}
    {server(444, "TLSv1.3", "proxy_protocol")}
    {server(446, "TLSv1.3", "http2")}
}}
""")
    target.serve("nginx-tls", "nginx", "-c", str(config), ready=lambda: target.is_listening(443))
    return directory / "files"
