"""What is asked, what is answered, and who does it: a client of the server."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlcore_protocol import InferenceRequest, InferenceResponse

    from command_infer.options import Options


@dataclass(frozen=True)
class Question:
    """A request.

    Attributes:
        request: The request.
        text: Its JSON, where that is known: it need not be written again.
    """

    request: InferenceRequest
    text: bytes | None = None


class Client(ABC):
    """Asks one model of one server. Every error of theirs is an `MLCoreError` of the class that fits its status."""

    @abstractmethod
    async def infer(self, question: Question) -> InferenceResponse | bytes:
        """Ask once, and return the answer, as JSON if it came so.

        Raises:
            ConnectionLostError: The connection ended first.
            UnreachableError: There was none.
            DeadlineExceededError: It took too long.
            MLCoreError: The server says no.
        """

    @abstractmethod
    async def check_model(self) -> None:
        """Ask whether the model is ready.

        Raises:
            MLCoreError: As for `infer`.
        """

    @abstractmethod
    async def close(self) -> None:
        """Close the connections."""


def make_client(options: Options) -> Client:
    """Return the client for what was asked for; only its own libraries are imported."""
    if options.address.transport == "grpc":
        from command_infer.grpc_client import GrpcClient

        return GrpcClient(options)
    from command_infer.rest_client import RestClient

    return RestClient(options)
