# A client of gRPC: makes the calls that its arguments name, and prints what came of each.
import sys

import grpc

channel = grpc.insecure_channel(sys.argv[1])


def shown(call):
    try:
        result = call()
        return result if isinstance(result, str) else repr(result)
    except grpc.RpcError as error:
        return f"{error.code().name}: {error.details()}"


def echo():
    answer, call = channel.unary_unary("/t.T/Echo").with_call(b"x" * 100_000, timeout=5)
    return f"{len(answer)} {sorted((m.key, m.value) for m in call.trailing_metadata())}"


def chat():
    # Each message is sent when the answer to the one before has come.
    turn, said = iter(()), []

    def talk():
        for number in range(5):
            while len(said) < number:
                pass
            yield str(number).encode()

    for answer in channel.stream_stream("/t.T/Chat")(talk(), timeout=5):
        said.append(answer)
    return b" ".join(said).decode()


CALLS = {
    "echo": echo,
    "chat": chat,
    "fail": lambda: channel.unary_unary("/t.T/Fail")(b"", timeout=5),
    "slow": lambda: channel.unary_unary("/t.T/Slow")(b"", timeout=0.3),
    "none": lambda: channel.unary_unary("/t.T/None")(b"", timeout=5),
    "count": lambda: b"".join(channel.unary_stream("/t.T/Count")(b"100", timeout=5)).decode(),
    "gather": lambda: channel.stream_unary("/t.T/Gather")(iter([b"a", b"b", b"c"]), timeout=5).decode(),
    "lost": lambda: channel.unary_unary("/lost/Echo")(b"", timeout=5),
    "gone": lambda: channel.unary_unary("/gone/Echo")(b"", timeout=5),
}
for name in sys.argv[2:]:
    result = shown(CALLS[name])
    # Who notices the deadline first, the client or the proxy, is left to chance.
    print(name, result.split(":")[0] if name == "slow" else result, flush=True)
