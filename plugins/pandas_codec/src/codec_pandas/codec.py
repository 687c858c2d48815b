"""Content type `pd`: a whole request, or response, as a DataFrame; a tensor for each column."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from mlcore.codecs import RequestCodec
from mlcore.errors import CodecError, InternalError
from mlcore_protocol import InferenceRequest, InferenceResponse, Parameters, RequestInput, ResponseOutput, TensorData

from codec_pandas.reading import CODECS, read_column
from codec_pandas.writing import write_column

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mlcore.codecs import InputCodec
    from mlcore.codecs.interface import CodecOf, Tensor

# As many columns are named in an error.
_SHOWN = 8


class PandasCodec(RequestCodec):
    """A request or a response as a DataFrame.

    Names that are no texts become texts; an index is not sent.

    Shapes:
        A column of N rows is written as (N, 1); (N) is read, too.
    """

    ContentType = "pd"
    TypeHint = pd.DataFrame

    @classmethod
    def can_encode(cls, payload: Any) -> bool:
        """Say whether this is a DataFrame."""
        return isinstance(payload, pd.DataFrame)

    @classmethod
    def encode_request(cls, payload: pd.DataFrame, use_bytes: bool = True, **options: Any) -> InferenceRequest:
        """Return the request that holds a DataFrame, for a client to send.

        Args:
            payload: The DataFrame.
            use_bytes: Whether texts are UTF-8 `bytes` (for raw formats) or `str` (for JSON).
            options: None.

        Raises:
            InternalError: The protocol cannot carry a column, or two have one name.
        """
        return InferenceRequest(
            parameters=Parameters(content_type=cls.ContentType),
            inputs=_written(RequestInput, payload, use_bytes, is_exact=True),
        )

    @classmethod
    def decode_request(cls, request: InferenceRequest) -> pd.DataFrame:
        """Return the DataFrame that a request holds.

        Raises:
            CodecError: A tensor is no column, some have more rows than others, or one does not fit its content type.
        """
        return _frame(request.inputs, _named_codec)

    @classmethod
    def decode_request_with(cls, request: InferenceRequest, codec_of: CodecOf) -> pd.DataFrame:
        """Return the DataFrame that a request holds, each column read by the codec that it, or the model, names.

        Raises:
            CodecError: As `decode_request`.
        """
        return _frame(request.inputs, lambda tensor: codec_of(tensor) or _named_codec(tensor))

    @classmethod
    def encode_response(
        cls,
        model_name: str,
        payload: pd.DataFrame,
        model_version: str | None = None,
        use_bytes: bool = True,
        **options: Any,
    ) -> InferenceResponse:
        """Return the response that holds a DataFrame: an output for each column. See `encode_request`."""
        return InferenceResponse(
            model_name=model_name,
            model_version=model_version,
            parameters=Parameters(content_type=cls.ContentType),
            outputs=_written(ResponseOutput, payload, use_bytes, is_exact=False),
        )

    @classmethod
    def decode_response(cls, response: InferenceResponse) -> pd.DataFrame:
        """Return the DataFrame that a response holds. See `decode_request`."""
        return _frame(response.outputs, _named_codec)


def _frame(tensors: Sequence[Any], codec_of: Callable[[Any], type[InputCodec] | None]) -> pd.DataFrame:
    columns = {tensor.name: read_column(tensor, codec_of(tensor)) for tensor in tensors}
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        shown = ", ".join(f"'{name[:64]}' has {length}" for name, length in list(lengths.items())[:_SHOWN])
        raise CodecError(f"inputs: expected as many rows in each column, but {shown}")
    dtypes = {column.dtype if isinstance(column, np.ndarray) else None for column in columns.values()}
    if len(dtypes) == 1 and None not in dtypes:
        # One block of memory is much faster than a column at a time, here and in most of what models do with it.
        return pd.DataFrame(np.array(list(columns.values())).T, columns=list(columns), copy=False)
    return pd.DataFrame(columns)


def _written(kind: type[Any], frame: pd.DataFrame, use_bytes: bool, is_exact: bool) -> list[Any]:
    tensors: dict[str, Tensor] = {}
    for label, column in frame.items():
        name = str(label)
        if name in tensors:
            raise InternalError(f"two columns are called '{name}'; a tensor's name is its own")
        datatype, data, parameters = write_column(name, column, is_exact)
        if isinstance(data, list):
            data = [_element(element, use_bytes, name) for element in data]
        tensors[name] = kind(
            name=name,
            shape=[len(data), 1],
            datatype=datatype,
            parameters=parameters or None,
            data=TensorData(data),
        )
    return list(tensors.values())


def _element(element: str | bytes | None, use_bytes: bool, name: str) -> str | bytes | None:
    try:
        if isinstance(element, str):
            return element.encode() if use_bytes else element
        return element if use_bytes or element is None else element.decode()
    except UnicodeEncodeError:
        raise InternalError(f"column '{name}' holds a text that is no Unicode: half of a surrogate pair") from None


def _named_codec(tensor: Tensor) -> type[InputCodec] | None:
    content_type = tensor.parameters.content_type if tensor.parameters else None
    return CODECS.get(content_type) if content_type else None
