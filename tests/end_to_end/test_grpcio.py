"""A grpcio client that is generated from the shipped .proto files, as a user of any language would make his own."""

from __future__ import annotations

import importlib
import sys
import threading
from importlib.resources import files
from pathlib import Path

import grpc
import numpy as np
import pytest
from grpc_tools import protoc
from mlcore.testing import start_server

MB = 2**20


@pytest.fixture(scope="module")
def generated(tmp_path_factory):
    """Return the modules that grpcio-tools makes of inference.proto: its messages, and its client."""
    folder = tmp_path_factory.mktemp("generated")
    protos = str(files("mlcore_protocol").joinpath("proto"))
    code = protoc.main(
        ["protoc", f"-I{protos}", f"--python_out={folder}", f"--grpc_python_out={folder}", f"{protos}/inference.proto"]
    )
    assert code == 0
    # Its names are those of tritonclient's own messages too, and one process may have one of each.
    text = (folder / "inference_pb2.py").read_text()
    (folder / "inference_pb2.py").write_text(
        text.replace("_descriptor_pool.Default()", "_descriptor_pool.DescriptorPool()")
    )
    sys.path.insert(0, str(folder))
    try:
        yield importlib.import_module("inference_pb2"), importlib.import_module("inference_pb2_grpc")
    finally:
        sys.path.remove(str(folder))


@pytest.fixture(scope="module")
def server():
    running = start_server(Path(__file__).parent / "models")
    yield running
    running.stop()


@pytest.fixture
def client(server, generated):
    options = [("grpc.max_receive_message_length", 64 * MB)]
    with grpc.insecure_channel(server.urls["grpc"].removeprefix("grpc://"), options) as channel:
        yield generated[1].GRPCInferenceServiceStub(channel)


@pytest.fixture
def messages(generated):
    return generated[0]


def words(messages, text, **members):
    """Return a request for the model that answers word by word."""
    tensor = messages.ModelInferRequest.InferInputTensor(name="text", datatype="BYTES", shape=[1])
    tensor.contents.bytes_contents.append(text.encode())
    return messages.ModelInferRequest(model_name="words", inputs=[tensor], **members)


def test_health_and_metadata(client, messages):
    assert client.ServerLive(messages.ServerLiveRequest()).live
    assert client.ServerReady(messages.ServerReadyRequest()).ready
    assert client.ModelReady(messages.ModelReadyRequest(name="echo")).ready
    assert client.ServerMetadata(messages.ServerMetadataRequest()).name == "mlcore"
    metadata = client.ModelMetadata(messages.ModelMetadataRequest(name="failing"))
    assert [(tensor.name, tensor.datatype, list(tensor.shape)) for tensor in metadata.inputs] == [("x", "FP32", [-1])]


TYPED = {
    "BOOL": ("bool_contents", [True, False]),
    "UINT8": ("uint_contents", [0, 255]),
    "UINT16": ("uint_contents", [0, 2**16 - 1]),
    "UINT32": ("uint_contents", [0, 2**32 - 1]),
    "UINT64": ("uint64_contents", [0, 2**64 - 1]),
    "INT8": ("int_contents", [-128, 127]),
    "INT16": ("int_contents", [-(2**15), 2**15 - 1]),
    "INT32": ("int_contents", [-(2**31), 2**31 - 1]),
    "INT64": ("int64_contents", [-(2**63), 2**63 - 1]),
    "FP32": ("fp32_contents", [0.5, float("-inf")]),
    "FP64": ("fp64_contents", [0.1, 5e-324]),
    "BYTES": ("bytes_contents", [b"", b"\x00\xff"]),
}


@pytest.mark.parametrize("datatype", TYPED)
def test_typed_contents_come_back_typed(client, messages, datatype):
    field, values = TYPED[datatype]
    tensor = messages.ModelInferRequest.InferInputTensor(name="x", datatype=datatype, shape=[2])
    getattr(tensor.contents, field).extend(values)
    answer = client.ModelInfer(messages.ModelInferRequest(model_name="echo", inputs=[tensor]))

    assert not answer.raw_output_contents
    assert list(getattr(answer.outputs[0].contents, field)) == values


def test_raw_contents_come_back_raw(client, messages):
    array = np.arange(1_000_000, dtype="<f4")
    tensor = messages.ModelInferRequest.InferInputTensor(name="x", datatype="FP32", shape=[1000, 1000])
    request = messages.ModelInferRequest(model_name="echo", inputs=[tensor], raw_input_contents=[array.tobytes()])
    answer = client.ModelInfer(request, timeout=60)

    np.testing.assert_array_equal(np.frombuffer(answer.raw_output_contents[0], "<f4"), array)


def test_every_kind_of_parameter_comes_back(client, messages):
    given = {
        "truth": messages.InferParameter(bool_param=True),
        "number": messages.InferParameter(int64_param=-5),
        "text": messages.InferParameter(string_param="t"),
        "fraction": messages.InferParameter(double_param=0.5),
        "large": messages.InferParameter(uint64_param=2**64 - 1),
    }
    tensor = messages.ModelInferRequest.InferInputTensor(name="x", datatype="BOOL", shape=[0])
    answer = client.ModelInfer(messages.ModelInferRequest(model_name="echo", inputs=[tensor], parameters=given))

    assert {name: answer.parameters[name] for name in given} == given


@pytest.mark.parametrize("compression", [grpc.Compression.Gzip, grpc.Compression.Deflate])
def test_compression(client, messages, compression):
    tensor = messages.ModelInferRequest.InferInputTensor(name="x", datatype="FP32", shape=[MB])
    request = messages.ModelInferRequest(model_name="echo", inputs=[tensor], raw_input_contents=[bytes(4 * MB)])

    assert client.ModelInfer(request, compression=compression).raw_output_contents[0] == bytes(4 * MB)


def test_a_stream(client, messages):
    requests = iter([words(messages, "to be", id="1"), words(messages, "boom", id="2"), words(messages, "or", id="3")])
    got = {}
    for answer in client.ModelStreamInfer(requests):
        said = [output.contents.bytes_contents[0].decode() for output in answer.infer_response.outputs]
        got.setdefault(answer.infer_response.id, []).append(answer.error_message or said[0])

    assert got == {"1": ["to", "be"], "2": ["no boom"], "3": ["or"]}


def test_errors_have_their_codes(client, messages):
    for request, code in [
        (messages.ModelInferRequest(model_name="nope"), "NOT_FOUND"),
        (messages.ModelInferRequest(), "INVALID_ARGUMENT"),
        (words(messages, "boom"), "INVALID_ARGUMENT"),
    ]:
        with pytest.raises(grpc.RpcError) as error:
            client.ModelInfer(request)
        assert error.value.code().name in (code, "NOT_FOUND")
    with pytest.raises(grpc.RpcError) as error:
        client.ModelInfer(words(messages, "slow"), timeout=0.2)
    assert error.value.code().name == "DEADLINE_EXCEEDED"


def test_no_call_is_lost_when_the_server_is_stopped_under_traffic(generated):
    """Every call is answered, or was never begun: then the client cannot connect any more."""
    messages, services = generated
    server = start_server(Path(__file__).parent / "models", "--parallel-workers", "2")
    address = server.urls["grpc"].removeprefix("grpc://")
    answered, refused, lost = [], [], []
    traffic = threading.Event()

    def ask(number):
        with grpc.insecure_channel(address, [("grpc.use_local_subchannel_pool", 1)]) as channel:
            client = services.GRPCInferenceServiceStub(channel)
            while True:
                try:
                    client.ModelInfer(words(messages, f"a{number}"), timeout=60)
                except grpc.RpcError as error:
                    is_refused = error.code().name == "UNAVAILABLE" and "connect" in error.details().lower()
                    (refused if is_refused else lost).append(error.details())
                    return
                answered.append(number)
                if len(answered) > 200:
                    traffic.set()

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    assert traffic.wait(60)
    assert server.stop() == 0
    for thread in threads:
        thread.join(60)

    assert lost == []
    assert len(refused) == 16
    assert not [line for line in server.log if "[error" in line]
