"""Health, reflection, the repository and streams, as grpcio's own clients ask for them."""

from __future__ import annotations

import threading

import grpc
import pytest
from google.protobuf import descriptor_pb2
from mlcore_protocol.protobuf import inference
from mlcore_protocol.protobuf.grpc.health.v1 import HealthCheckRequest, HealthCheckResponse
from mlcore_protocol.protobuf.grpc.health.v1 import HealthCheckResponseServingStatus as State
from mlcore_protocol.protobuf.grpc.reflection import v1, v1alpha
from mlcore_protocol.protobuf.inference import model_repository

from .wire import SERVICE, eventually, framed, infer, request, said

HEALTH = "/grpc.health.v1.Health"
OLDER = "/inference.model_repository.ModelRepositoryService"


def ask(channel, path, message, kind, **options):
    """Make a call with one message each way."""
    return channel.unary_unary(path, bytes, kind.parse)(message, timeout=60, **options)


def status_of(action):
    with pytest.raises(grpc.RpcError) as error:
        action()
    return error.value.code().name, error.value.details()


# --- health ---


@pytest.mark.parametrize(
    "service",
    [
        "",
        "grpc.health.v1.Health",
        "inference.GRPCInferenceService",
        "inference.model_repository.ModelRepositoryService",
        "echo",
    ],
)
def test_the_server_its_services_and_its_models_are_healthy(channel, service):
    answer = ask(channel, f"{HEALTH}/Check", HealthCheckRequest(service=service), HealthCheckResponse)

    assert answer.status is State.SERVING


def test_what_is_not_there_has_no_health(channel):
    asked = HealthCheckRequest(service="nope")
    code, text = status_of(lambda: ask(channel, f"{HEALTH}/Check", asked, HealthCheckResponse))

    assert code == "NOT_FOUND"
    assert text.startswith("there is no service or model 'nope'")


def test_a_watch_says_the_state_and_each_change_until_the_server_stops(serve):
    server = serve()
    with grpc.insecure_channel(server.address) as channel:
        watch = channel.unary_stream(f"{HEALTH}/Watch", bytes, HealthCheckResponse.parse)
        model, whole, nothing = (watch(HealthCheckRequest(service=name), timeout=60) for name in ("echo", "", "nope"))
        assert next(model).status is State.SERVING
        assert next(whole).status is State.SERVING
        assert next(nothing).status is State.SERVICE_UNKNOWN

        server.run(server.server.control.unload("echo"))
        assert next(model).status is State.SERVICE_UNKNOWN
        server.run(server.server.stop())
        assert next(whole).status is State.NOT_SERVING
        assert status_of(lambda: next(whole)) == ("UNAVAILABLE", "the server is stopping")


# --- reflection ---

SERVICES = [
    "grpc.health.v1.Health",
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
    "inference.GRPCInferenceService",
    "inference.model_repository.ModelRepositoryService",
]


@pytest.fixture(params=[v1, v1alpha])
def reflect(channel, request):
    """Return a function that asks questions of one version of the service."""
    messages = request.param
    version = messages.__name__.rpartition(".")[2]
    path = f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo"
    call = channel.stream_stream(path, bytes, messages.ServerReflectionResponse.parse)

    def reflect(**question):
        asked = messages.ServerReflectionRequest(host="h", **question)
        (answer,) = call(iter([asked]), timeout=60)
        assert answer.valid_host == "h"
        assert answer.original_request == asked
        return answer

    reflect.messages = messages
    return reflect


def names_of(answer):
    files = answer.file_descriptor_response.file_descriptor_proto
    return [descriptor_pb2.FileDescriptorProto.FromString(file).name for file in files]


def test_reflection_lists_every_service(reflect):
    assert [service.name for service in reflect(list_services="").list_services_response.service] == SERVICES


@pytest.mark.parametrize(
    ("symbol", "file"),
    [
        ("inference.GRPCInferenceService", "inference.proto"),
        ("inference.GRPCInferenceService.ModelInfer", "inference.proto"),
        ("inference.ModelInferRequest.InferInputTensor", "inference.proto"),
        ("inference.model_repository.ModelRepositoryService", "model_repository.proto"),
        ("grpc.health.v1.HealthCheckResponse.ServingStatus", "health.proto"),
        ("grpc.reflection.v1.ServerReflection", "reflection_v1.proto"),
    ],
)
def test_reflection_finds_the_file_of_a_symbol(reflect, symbol, file):
    assert names_of(reflect(file_containing_symbol=symbol)) == [file]
    assert names_of(reflect(file_by_filename=file)) == [file]


def test_reflection_says_what_it_does_not_know(reflect):
    extension = reflect.messages.ExtensionRequest(containing_type="nope.Type")
    assert reflect(file_containing_symbol="nope.Nope").error_response.error_code == 5
    assert reflect(file_by_filename="nope.proto").error_response.error_message == "there is no 'nope.proto' here"
    assert reflect(all_extension_numbers_of_type="nope.Type").error_response.error_code == 5
    numbers = reflect(all_extension_numbers_of_type="inference.ModelInferRequest").all_extension_numbers_response
    assert (numbers.base_type_name, numbers.extension_number) == ("inference.ModelInferRequest", [])
    assert reflect().error_response.error_code == 3
    assert reflect(file_containing_extension=extension).error_response.error_code == 5


# --- the repository ---


@pytest.mark.parametrize(("service", "messages"), [(SERVICE, inference), (OLDER, model_repository)])
def test_models_are_listed_unloaded_and_loaded(serve, service, messages):
    server = serve()
    with grpc.insecure_channel(server.address) as channel:

        def states(ready=False):
            index = messages.RepositoryIndexRequest(ready=ready)
            answer = ask(channel, f"{service}/RepositoryIndex", index, messages.RepositoryIndexResponse)
            return {model.name: model.state for model in answer.models}

        def change(what, name):
            kind = getattr(messages, f"RepositoryModel{what}Request")
            answer = getattr(messages, f"RepositoryModel{what}Response")
            return ask(channel, f"{service}/RepositoryModel{what}", kind(model_name=name), answer)

        assert states() == {"doing": "READY", "echo": "READY"}
        change("Unload", "echo")
        assert states() == {"doing": "READY", "echo": "UNAVAILABLE"}
        assert states(ready=True) == {"doing": "READY"}
        change("Load", "echo")
        assert states() == {"doing": "READY", "echo": "READY"}
        assert status_of(lambda: change("Unload", "nope"))[0] == "NOT_FOUND"
        assert status_of(lambda: change("Load", "nope"))[0] == "NOT_FOUND"


def test_a_parameter_says_which_version_is_meant(serve):
    server = serve()
    with grpc.insecure_channel(server.address) as channel:

        def change(what, **value):
            parameter = inference.ModelRepositoryParameter(**value)
            message = getattr(inference, f"RepositoryModel{what}Request")(
                model_name="echo", parameters={"version": parameter}
            )
            return ask(channel, f"{SERVICE}/RepositoryModel{what}", message, inference.RepositoryModelLoadResponse)

        for what in ("Load", "Unload"):
            code, text = status_of(lambda what=what: change(what, string_param="7"))
            assert code == "NOT_FOUND"
            assert text.startswith("Model echo with version 7 not found")
            assert status_of(lambda what=what: change(what, int64_param=7))[0] == "INVALID_ARGUMENT"
            assert status_of(lambda what=what: change(what, string_param="../1"))[0] == "INVALID_ARGUMENT"


@pytest.mark.parametrize("service", [SERVICE, OLDER])
def test_a_setting_closes_the_repository(serve, service):
    server = serve(repository_api=False)
    with grpc.insecure_channel(server.address) as channel:
        for what in ("Load", "Unload"):
            message = inference.RepositoryModelLoadRequest(model_name="echo")
            path = f"{service}/RepositoryModel{what}"
            answer = inference.RepositoryModelLoadResponse
            code, text = status_of(lambda path=path, m=message, a=answer: ask(channel, path, m, a))
            assert code == "PERMISSION_DENIED"
            assert "repository_api" in text


# --- inference ---


def test_an_answer_is_raw_where_the_request_is(channel):
    tensor = inference.ModelInferRequestInferInputTensor(name="x", datatype="FP16", shape=[3])
    message = inference.ModelInferRequest(model_name="echo", inputs=[tensor], raw_input_contents=[b"123456"])
    answer = inference.ModelInferResponse.parse(
        channel.unary_unary(f"{SERVICE}/ModelInfer")(bytes(message), timeout=60)
    )

    assert answer.raw_output_contents == [b"123456"]


def test_a_call_that_its_client_cancels_is_cancelled_in_the_model(server, channel):
    call = channel.unary_unary(f"{SERVICE}/ModelInfer").future(request("wait cancel"))
    eventually(lambda: "wait cancel" in server.asked)
    call.cancel()

    eventually(lambda: "cancel" in server.cancelled)


def test_more_requests_than_may_wait_are_refused_at_once(serve):
    server = serve(max_queue_size=2)
    with grpc.insecure_channel(server.address) as channel:
        calls = [
            channel.unary_unary(f"{SERVICE}/ModelInfer").future(request("pause 0.5"), timeout=60) for _ in range(9)
        ]
        codes = [call.code() for call in calls]

    assert codes.count(grpc.StatusCode.OK) >= 2
    assert set(codes) <= {grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE}


# --- streams ---


def stream(channel, *messages, **options):
    call = channel.stream_stream(f"{SERVICE}/ModelStreamInfer")
    return call(iter(messages), timeout=60, **options)


def test_b098_a_stream_that_ends_at_once_is_well(channel):
    assert list(stream(channel)) == []


def test_b098_a_message_that_is_none_is_told_and_the_stream_goes_on(channel):
    answers = [
        inference.ModelStreamInferResponse.parse(answer)
        for answer in stream(channel, b"\x0a\x20cut", request("say a", id="1"), request("fail wrong", id="2"))
    ]

    told = {(answer.infer_response.id, answer.error_message) for answer in answers}
    assert ("1", "") in told
    assert ("2", "the input is wrong") in told
    assert len(told) == 3


def test_b098_the_first_error_is_the_status_where_the_client_wants_that(channel):
    answers = stream(channel, request("say a"), request("fail teapot"), metadata=[("triton_grpc_error", "true")])
    code, text = status_of(lambda: list(answers))

    assert (code, text) == ("INVALID_ARGUMENT", "short and stout")


def test_a_bare_stream_answers_in_order_and_ends_with_the_first_error(serve):
    server = serve(grpc_bare_stream=True)
    with grpc.insecure_channel(server.address) as channel:
        messages = [request("say a", id="1"), request("say b", id="2"), request("fail wrong"), request("say c")]
        answers = stream(channel, *messages)
        assert [said(next(answers)) for _ in range(2)] == ["a", "b"]
        assert status_of(lambda: next(answers)) == ("INVALID_ARGUMENT", "the input is wrong")
        assert status_of(lambda: list(stream(channel)))[0] == "INVALID_ARGUMENT"


def test_a_stream_that_its_client_cancels_is_cancelled_in_the_models(server, channel):
    go_on = threading.Event()

    def messages():
        yield request("wait stream 1")
        yield request("wait stream 2")
        go_on.wait(60)

    answers = channel.stream_stream(f"{SERVICE}/ModelStreamInfer")(messages())
    eventually(lambda: {"wait stream 1", "wait stream 2"} <= set(server.asked))
    answers.cancel()
    go_on.set()

    eventually(lambda: {"stream 1", "stream 2"} <= set(server.cancelled))


def test_a_client_of_many_requests_is_held_back_by_flow_control(server, connect):
    wire = connect(server)
    wire.send(wire.head(1, path=f"{SERVICE}/ModelStreamInfer"))
    message = framed(request("wait " + "x" * 1_000_000))
    for _ in range(90):
        for at in range(0, len(message), 16_000):
            wire.send(wire.body(1, message[at : at + 16_000], ends=False))
    wire.ask(3, "say hello")
    assert wire.over(3) == 0
    assert wire.resets == {1: 3}, "it sent more than its window, which nobody had opened again"


def test_infer_still_works_beside_all_this(channel):
    assert said(infer(channel, "say well")) == "well"
