"""The stub of `inference.model_repository.ModelRepositoryService`, for clients."""

from mlserver.grpc.descriptors import stub_of

__all__ = ["ModelRepositoryServiceStub"]

ModelRepositoryServiceStub = stub_of("inference.model_repository.ModelRepositoryService")
