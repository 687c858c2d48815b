"""The names that code imports, and what importing them costs."""

import importlib
import subprocess
import sys

import mlserver
import pytest

NAMES = {
    "mlserver": "MLModel MLServer ModelSettings Settings __version__ log register",
    "mlserver.types": (
        "Datatype InferenceErrorResponse InferenceRequest InferenceResponse MetadataModelErrorResponse "
        "MetadataModelResponse MetadataServerErrorResponse MetadataServerResponse MetadataTensor Parameters "
        "RepositoryIndexRequest RepositoryIndexResponse RepositoryIndexResponseItem RepositoryLoadErrorResponse "
        "RepositoryUnloadErrorResponse RequestInput RequestOutput ResponseOutput State TensorData"
    ),
    "mlserver.types.dataplane": "InferenceRequest TensorData",
    "mlserver.codecs": (
        "NumpyCodec NumpyRequestCodec StringCodec StringRequestCodec Base64Codec DatetimeCodec PandasCodec InputCodec "
        "RequestCodec InputCodecLike RequestCodecLike CodecError DecodedParameterName register_input_codec "
        "register_request_codec has_decoded get_decoded get_decoded_or_raw encode_inference_response "
        "encode_response_output decode_request_input decode_inference_request decode_args"
    ),
    "mlserver.codecs.base": "InputCodec RequestCodec find_input_codec find_request_codec register_input_codec",
    "mlserver.codecs.base64": "Base64Codec",
    "mlserver.codecs.datetime": "DatetimeCodec",
    "mlserver.codecs.decorator": "decode_args",
    "mlserver.codecs.errors": "CodecError CodecNotFound InputsNotFound OutputNotFound",
    "mlserver.codecs.json": "decode_json_input_or_output encode_to_json encode_to_json_bytes",
    "mlserver.codecs.lists": "as_list is_list_of",
    "mlserver.codecs.numpy": "NumpyCodec NumpyRequestCodec to_datatype to_dtype convert_nan",
    "mlserver.codecs.pandas": "PandasCodec",
    "mlserver.codecs.string": "StringCodec StringRequestCodec encode_str decode_str",
    "mlserver.codecs.utils": "SingleInputRequestCodec get_decoded_or_raw inject_batch_dimension is_list_of",
    "mlserver.context": "model_context",
    "mlserver.errors": (
        "InferenceError InvalidModelURI MLServerError ModelNotFound ModelNotReady ModelParametersMissing"
    ),
    "mlserver.grpc.converters": "ModelInferRequestConverter ModelInferResponseConverter",
    "mlserver.grpc.dataplane_pb2": "ModelInferRequest ModelInferResponse InferParameter",
    "mlserver.grpc.dataplane_pb2_grpc": "GRPCInferenceServiceStub",
    "mlserver.grpc.model_repository_pb2": "RepositoryIndexRequest",
    "mlserver.grpc.model_repository_pb2_grpc": "ModelRepositoryServiceStub",
    "mlserver.handlers": "custom_handler",
    "mlserver.handlers.custom": "custom_handler",
    "mlserver.logging": "get_logger logger",
    "mlserver.metrics": "log register",
    "mlserver.metrics.errors": "InvalidModelContext MetricNotFound",
    "mlserver.model": "MLModel",
    "mlserver.server": "MLServer",
    "mlserver.repository": "DEFAULT_MODEL_SETTINGS_FILENAME ModelRepository SchemalessModelRepository",
    "mlserver.settings": "CORSSettings ModelParameters ModelSettings Settings",
    "mlserver.utils": "extract_headers generate_uuid get_model_uri insert_headers to_absolute_path",
    "mlserver.version": "__version__",
}


@pytest.mark.parametrize("module", NAMES)
def test_every_name_is_there(module):
    imported = importlib.import_module(module)

    for name in NAMES[module].split():
        assert getattr(imported, name) is not None


def test_what_is_exported_is_there_and_shown():
    assert set(mlserver.__all__) <= set(dir(mlserver))
    assert mlserver.codecs.NumpyCodec is mlserver.codecs.numpy.NumpyCodec


def test_a_name_that_is_not_there_says_what_this_is():
    with pytest.raises(AttributeError, match="mlcore provides MLServer's names for models and clients"):
        mlserver.nothing_like_it  # noqa: B018  # it is the access that raises
    with pytest.raises(AttributeError, match=r"'mlserver\.codecs' has no attribute 'nothing_like_it'"):
        mlserver.codecs.nothing_like_it  # noqa: B018


@pytest.mark.parametrize("module", ["mlserver", "mlserver.codecs", "mlserver.types", "mlserver.model"])
def test_importing_brings_nothing_heavy(module):
    program = f"import sys, {module}; print(sorted({{n.partition('.')[0] for n in sys.modules}}))"

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    for heavy in ("pandas", "sklearn", "uvicorn", "litestar", "grpc"):
        assert f"'{heavy}'" not in done.stdout
