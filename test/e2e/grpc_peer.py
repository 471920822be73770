# SPDX-License-Identifier: BSD-3-Clause
"""gRPC's own server and client, with messages of plain bytes and all four kinds of calls.

usage: grpc_peer.py serve PORT NAME                             server in the clear
       grpc_peer.py ask ADDRESS:PORT CA KIND MESSAGE [MESSAGE...] client over TLS; prints JSON

  weir.Echo/Unary        one message, one answer          weir.Echo/Count   N: N answers
  weir.Echo/Join         many messages, one answer        weir.Echo/Chat    an answer to each
  weir.Echo/Fail         ends with status and message     weir.Echo/Slow    an answer after a second

Each answer has the server's name in front; trailers carry `x-served`.
"""

from __future__ import annotations

import json
import sys
import time
from concurrent import futures

import grpc

KINDS = ("Unary", "Count", "Join", "Chat", "Fail", "Slow")


def handlers(name: str) -> grpc.GenericRpcHandler:
    mark = name.encode() + b" "

    def trailing(context):
        context.set_trailing_metadata((("x-served", name),))

    def unary(message, context):
        trailing(context)
        return mark + message

    def count(message, context):
        trailing(context)
        for i in range(int(message)):
            yield mark + b"%d" % i

    def join(messages, context):
        trailing(context)
        return mark + b"+".join(messages)

    def chat(messages, context):
        trailing(context)
        for message in messages:
            yield mark + message

    def fail(message, context):
        trailing(context)
        context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "as asked: 50 %")

    def slow(message, context):
        time.sleep(1)
        return mark + message

    return grpc.method_handlers_generic_handler("weir.Echo", {
        "Unary": grpc.unary_unary_rpc_method_handler(unary), "Count": grpc.unary_stream_rpc_method_handler(count),
        "Join": grpc.stream_unary_rpc_method_handler(join), "Chat": grpc.stream_stream_rpc_method_handler(chat),
        "Fail": grpc.unary_unary_rpc_method_handler(fail), "Slow": grpc.unary_unary_rpc_method_handler(slow)})


def serve(port: int, name: str) -> None:
    server = grpc.server(futures.ThreadPoolExecutor(32))
    server.add_generic_rpc_handlers((handlers(name),))
    server.add_insecure_port(f"[::]:{port}")
    server.start()
    server.wait_for_termination()


def ask(address: str, ca: str, kind: str, messages: list[bytes]) -> None:
    with open(ca, "rb") as file:
        credentials = grpc.ssl_channel_credentials(file.read())
    result: dict = {"answers": [], "code": "OK"}
    with grpc.secure_channel(address, credentials, (("grpc.ssl_target_name_override", "shop.example"),)) as channel:
        method = f"/weir.Echo/{kind}"
        streams_in, streams_out = kind in ("Join", "Chat"), kind in ("Count", "Chat")
        make = {(False, False): channel.unary_unary, (False, True): channel.unary_stream,
                (True, False): channel.stream_unary, (True, True): channel.stream_stream}[streams_in, streams_out]
        call = make(method)
        given = iter(messages) if streams_in else messages[0]
        try:
            if streams_out:
                answers = call(given, timeout=10)
                result["answers"] = [answer.decode() for answer in answers]
                trailers = answers.trailing_metadata()
            else:
                answer, done = call.with_call(given, timeout=10)
                result["answers"], trailers = [answer.decode()], done.trailing_metadata()
            result["trailers"] = dict(trailers)
        except grpc.RpcError as error:
            result["code"], result["details"] = error.code().name, error.details()
            result["trailers"] = dict(error.trailing_metadata() or ())
    print(json.dumps(result))


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(int(sys.argv[2]), sys.argv[3])
    else:
        ask(sys.argv[2], sys.argv[3], sys.argv[4], [message.encode() for message in sys.argv[5:]])
