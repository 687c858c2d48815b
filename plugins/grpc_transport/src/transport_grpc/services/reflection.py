"""Server reflection, as tools such as grpcurl ask for it, from the descriptors that the protocol package ships."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from grpclib.const import Cardinality, Handler, Status
from mlcore_protocol.protobuf.grpc.reflection import v1, v1alpha

from transport_grpc.services.descriptors import Descriptors

if TYPE_CHECKING:
    from types import ModuleType

    from transport_grpc.call import ServerCall

# A tool asks a handful of questions.
_LONGEST_NAME = 256


class ReflectionService:
    """Says what this server serves.

    Args:
        name: The service's full name; there are two versions, with equal messages.
        messages: Its messages.
        names: Every service of the server.
        descriptors: The files that define them.
    """

    def __init__(self, name: str, messages: ModuleType, names: list[str], descriptors: Descriptors) -> None:
        self._name = name
        self._messages = messages
        self._names = names
        self._descriptors = descriptors

    @staticmethod
    def every_version(names: list[str]) -> list[ReflectionService]:
        """Make the service in each of its versions."""
        versions = {
            "grpc.reflection.v1.ServerReflection": v1,
            "grpc.reflection.v1alpha.ServerReflection": v1alpha,
        }
        every = sorted([*names, *versions])
        descriptors = Descriptors()
        return [ReflectionService(name, module, every, descriptors) for name, module in versions.items()]

    def __mapping__(self) -> dict[str, Handler]:
        """Return every method by its path, as grpclib asks for it."""
        request, response = self._messages.ServerReflectionRequest, self._messages.ServerReflectionResponse
        return {
            f"/{self._name}/ServerReflectionInfo": Handler(self._info, Cardinality.STREAM_STREAM, request, response)
        }

    async def _info(self, call: ServerCall) -> None:
        while (request := await call.recv_message()) is not None:
            response = self._messages.ServerReflectionResponse(
                valid_host=request.host, original_request=request, **self._answer(request)
            )
            await call.send_message(response)

    def _answer(self, request: Any) -> dict[str, Any]:
        messages = self._messages
        if request.list_services is not None:
            listed = messages.ListServiceResponse(service=[messages.ServiceResponse(name=name) for name in self._names])
            return {"list_services_response": listed}
        name = files = None
        if request.file_by_filename is not None:
            name = request.file_by_filename
            files = self._descriptors.of_file(name)
        elif request.file_containing_symbol is not None:
            name = request.file_containing_symbol
            files = self._descriptors.of_symbol(name)
        elif request.all_extension_numbers_of_type is not None:
            name = request.all_extension_numbers_of_type
            if self._descriptors.of_symbol(name) is not None:
                return {"all_extension_numbers_response": messages.ExtensionNumberResponse(base_type_name=name)}
        elif request.file_containing_extension is not None:
            name = request.file_containing_extension.containing_type
        else:
            return self._error(Status.INVALID_ARGUMENT, "the request asks for nothing")
        if files is None:
            return self._error(Status.NOT_FOUND, f"there is no '{name[:_LONGEST_NAME]}' here")
        return {"file_descriptor_response": messages.FileDescriptorResponse(file_descriptor_proto=files)}

    def _error(self, status: Status, text: str) -> dict[str, Any]:
        return {"error_response": self._messages.ErrorResponse(error_code=status.value, error_message=text)}
