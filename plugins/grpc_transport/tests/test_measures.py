"""What is measured of gRPC calls."""

from __future__ import annotations

import grpc
import pytest
from mlcore.telemetry.instruments import RPC_ACTIVE, RPC_DURATION, RPC_REQUEST_SIZE, RPC_RESPONSE_SIZE

from .wire import SERVICE, eventually, infer, request

INFER = "inference.GRPCInferenceService/ModelInfer"
STREAM = "inference.GRPCInferenceService/ModelStreamInfer"


def seen(tallies, wanted):
    """Return the count and the sum of each series."""
    found = dict(tallies.series())
    return {labels: (sum(tally.counts), tally.total) for labels, tally in found.get(wanted, ())}


def test_calls_are_measured_by_method_and_status(serve):
    running = serve()
    tallies = running.server.tallies
    with grpc.insecure_channel(running.address) as channel:
        infer(channel, "say one")
        for failing in ("fail wrong", "fail unforeseen"):
            with pytest.raises(grpc.RpcError):
                infer(channel, failing)
        with pytest.raises(grpc.RpcError):
            channel.unary_unary(f"{SERVICE}/NoSuchMethod")(b"")
        stream = channel.stream_stream(f"{SERVICE}/ModelStreamInfer")
        assert len(list(stream(iter([request("say a"), request("say b")]), timeout=60))) == 2

    counts = {
        (INFER, "OK"): 1,
        (INFER, "INVALID_ARGUMENT"): 1,
        (INFER, "INTERNAL"): 1,
        (STREAM, "OK"): 1,
    }
    eventually(lambda: {key: count for key, (count, _) in seen(tallies, RPC_DURATION).items()} == counts)
    assert seen(tallies, RPC_REQUEST_SIZE)[INFER, "OK"][1] >= len(request("say one"))
    assert seen(tallies, RPC_RESPONSE_SIZE)[STREAM, "OK"][1] > 20
    observed = dict(tallies.observed())
    assert observed[RPC_ACTIVE] == [((INFER,), 0), ((STREAM,), 0)]
