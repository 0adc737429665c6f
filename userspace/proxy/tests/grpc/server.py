# A server of gRPC whose messages are plain bytes. Prints its port.
import sys
import time
from concurrent import futures

import grpc


def echo(request, context):
    context.set_trailing_metadata((("x-own", "kept"), ("x-bin-bin", b"\x00\x01")))
    return request


def fail(request, context):
    context.abort(grpc.StatusCode.FAILED_PRECONDITION, "50% 'ü'")


def slow(request, context):
    time.sleep(30)
    return request


def count(request, context):
    for number in range(int(request)):
        yield str(number).encode()


def gather(requests, context):
    return b",".join(requests)


def chat(requests, context):
    for request in requests:
        yield request + b"!"


METHODS = {
    "Echo": grpc.unary_unary_rpc_method_handler(echo),
    "Fail": grpc.unary_unary_rpc_method_handler(fail),
    "Slow": grpc.unary_unary_rpc_method_handler(slow),
    "Count": grpc.unary_stream_rpc_method_handler(count),
    "Gather": grpc.stream_unary_rpc_method_handler(gather),
    "Chat": grpc.stream_stream_rpc_method_handler(chat),
}
server = grpc.server(futures.ThreadPoolExecutor(max_workers=4))
server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("t.T", METHODS),))
print(server.add_insecure_port("127.0.0.1:0"), flush=True)
server.start()
sys.stdin.read()
server.stop(0)
