"""Calls of gRPC with messages in protobuf's JSON form, as the recorded cases have them."""

from __future__ import annotations

from importlib.resources import files

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory

DESCRIPTORS = files("mlcore_protocol").joinpath("protobuf", "descriptors.binpb")


class GrpcCaller:
    """A client of one server.

    Args:
        address: The server's, with or without the scheme.
    """

    def __init__(self, address):
        self._channel = grpc.insecure_channel(address.removeprefix("grpc://"))
        self._pool = descriptor_pool.DescriptorPool()
        for file in descriptor_pb2.FileDescriptorSet.FromString(DESCRIPTORS.read_bytes()).file:
            self._pool.Add(file)

    def call(self, path, body):
        """Return the status of a call, and its answers as JSON: the one, or a list where the method streams."""
        service, _, name = path.removeprefix("/").partition("/")
        method = self._pool.FindServiceByName(service).methods_by_name[name]
        request = json_format.ParseDict(body, message_factory.GetMessageClass(method.input_type)())
        write, read = type(request).SerializeToString, message_factory.GetMessageClass(method.output_type).FromString
        try:
            if method.server_streaming:
                answers = self._channel.stream_stream(path, write, read)(iter([request]), timeout=60)
                return "OK", [plain(answer) for answer in answers]
            return "OK", plain(self._channel.unary_unary(path, write, read)(request, timeout=60))
        except grpc.RpcError as error:
            return error.code().name, error.details()

    def close(self):
        self._channel.close()


def plain(message):
    return json_format.MessageToDict(message, preserving_proto_field_name=True)
