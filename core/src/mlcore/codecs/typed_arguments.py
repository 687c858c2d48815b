"""`decode_args`: a predict method with typed arguments instead of a request.

The hints are matched with codecs once, when the model is loaded; a request only runs the ready list.
"""

from __future__ import annotations

import inspect
from functools import wraps
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, NamedTuple, Union, get_args, get_origin, get_type_hints

from mlcore_protocol import InferenceRequest, InferenceResponse

from mlcore.errors import InputNotFoundError, InternalError, ModelLoadError

if TYPE_CHECKING:
    from collections.abc import Callable

    from mlcore_protocol import ResponseOutput

    from mlcore.codecs.interface import InputCodec, RequestCodec
    from mlcore.codecs.registry import CodecRegistry
    from mlcore.model import MLModel

PREPARE = "__mlcore_prepare__"
"""The attribute under which a decorated function offers to check itself against a registry of codecs."""

_ABSENT = inspect.Parameter.empty


class _Argument(NamedTuple):
    name: str
    codec: type[InputCodec]
    is_optional: bool
    default: Any


class _Plan(NamedTuple):
    arguments: tuple[_Argument, ...]
    names: frozenset[str]
    rest: tuple[str, type[RequestCodec]] | None
    results: tuple[type[InputCodec] | type[RequestCodec] | None, ...]


def decode_args(predict: Callable[..., Any]) -> Callable[..., Any]:
    """Decode a request's inputs into the arguments of `predict`, and encode what it returns.

    Each argument takes the input of its own name, decoded by the codec of its type hint: `np.ndarray`,
    `list[str]`, `list[bytes]`, `list[datetime]`, and whatever installed codecs add. An argument that is
    `Optional`, or has a default, may be missing. A hint of a request codec (a DataFrame, say) takes all inputs
    that no other argument names. One value, or a tuple of values, is returned; the outputs are called
    `output-0`, `output-1` and so on. A ready `InferenceResponse` passes through.

    Args:
        predict: A method of an `MLModel`, plain or `async`.

    Raises:
        ModelLoadError: When the model is loaded, for an argument without a hint that some codec knows.

    Example:
        >>> import numpy as np
        >>> from mlcore import MLModel
        >>> class Doubler(MLModel):
        ...     @decode_args
        ...     def predict(self, x: np.ndarray) -> np.ndarray:
        ...         return x * 2
    """
    plans: dict[CodecRegistry, _Plan] = {}

    def plan_for(codecs: CodecRegistry) -> _Plan:
        plan = plans.get(codecs)
        if plan is None:
            plan = plans[codecs] = _plan(predict, codecs)
        return plan

    if inspect.iscoroutinefunction(predict):

        @wraps(predict)
        async def wrapper(self: MLModel, request: InferenceRequest) -> InferenceResponse:
            plan = plan_for(self.codecs)
            return _response(self, plan, await predict(self, **_arguments(plan, request)))
    else:

        @wraps(predict)
        def wrapper(self: MLModel, request: InferenceRequest) -> InferenceResponse:
            plan = plan_for(self.codecs)
            return _response(self, plan, predict(self, **_arguments(plan, request)))

    setattr(wrapper, PREPARE, plan_for)
    return wrapper


def _plan(predict: Callable[..., Any], codecs: CodecRegistry) -> _Plan:
    where = predict.__qualname__
    try:
        hints = get_type_hints(predict)
    except Exception as error:  # a hint may be any expression
        raise ModelLoadError(f"{where}: its type hints cannot be read: {error}") from error
    arguments = []
    rest = None
    for name, parameter in list(inspect.signature(predict).parameters.items())[1:]:
        if name not in hints:
            raise ModelLoadError(f"{where}: the argument '{name}' needs a type hint, such as np.ndarray or list[str]")
        hint, is_optional = _without_none(hints[name])
        input_codec = codecs.input_codec_of_hint(hint)
        request_codec = codecs.request_codec_of_hint(hint) if input_codec is None else None
        if input_codec is not None:
            default = None if parameter.default is _ABSENT else parameter.default
            arguments.append(_Argument(name, input_codec, is_optional or parameter.default is not _ABSENT, default))
        elif request_codec is not None and rest is None:
            rest = (name, request_codec)
        else:
            raise ModelLoadError(
                f"{where}: no codec for the type hint {_shown(hint)} of the argument '{name}'; there are codecs for "
                + ", ".join(sorted({_shown(codec.TypeHint) for codec in _codecs(codecs)}))
            )
    results = hints.get("return", _ABSENT)
    parts = get_args(results) if get_origin(results) is tuple else (results,)
    return _Plan(
        tuple(arguments),
        frozenset(argument.name for argument in arguments),
        rest,
        tuple(_result_codec(codecs, _without_none(part)[0]) for part in parts),
    )


def _arguments(plan: _Plan, request: InferenceRequest) -> dict[str, Any]:
    inputs = {tensor.name: tensor for tensor in request.inputs}
    decoded: dict[str, Any] = {}
    for argument in plan.arguments:
        tensor = inputs.get(argument.name)
        if tensor is not None:
            decoded[argument.name] = argument.codec.decode_input(tensor)
        elif argument.is_optional:
            decoded[argument.name] = argument.default
        else:
            raise InputNotFoundError(
                f"inputs: '{argument.name}' is missing; expected {_listed(plan)}, got {_quoted(inputs)}"
            )
    if plan.rest is not None:
        name, codec = plan.rest
        left = [tensor for tensor in request.inputs if tensor.name not in plan.names]
        decoded[name] = codec.decode_request(
            InferenceRequest(id=request.id, parameters=request.parameters, inputs=left)
        )
    elif not plan.names.issuperset(inputs):
        unknown = next(name for name in inputs if name not in plan.names)
        raise InputNotFoundError(f"inputs: '{unknown[:64]}' is not an input of this model; expected {_listed(plan)}")
    return decoded


def _response(model: MLModel, plan: _Plan, result: Any) -> InferenceResponse:
    if isinstance(result, InferenceResponse):
        return result
    values = result if isinstance(result, tuple) else (result,)
    codecs = plan.results if len(plan.results) == len(values) else (None,) * len(values)
    outputs: list[ResponseOutput] = []
    for index, (value, hinted) in enumerate(zip(values, codecs, strict=True)):
        codec = hinted if hinted is not None and hinted.can_encode(value) else None
        codec = codec or model.codecs.input_codec_for(value) or model.codecs.request_codec_for(value)
        if codec is None:
            raise InternalError(f"the model returned a {type(value).__name__}, which no codec can encode")
        if hasattr(codec, "encode_output"):
            outputs.append(codec.encode_output(f"output-{index}", value))
        else:
            outputs += codec.encode_response(model.name, value, model.version).outputs
    return InferenceResponse(model_name=model.name, model_version=model.version, outputs=outputs)


def _without_none(hint: Any) -> tuple[Any, bool]:
    """Return the hint without `None`, and whether it had it."""
    if get_origin(hint) in (Union, UnionType):
        others = [part for part in get_args(hint) if part is not NoneType]
        if len(others) == 1 and len(others) < len(get_args(hint)):
            return _plain(others[0]), True
    return _plain(hint), False


def _plain(hint: Any) -> Any:
    """Return `list[str]` for `typing.List[str]`, and `np.ndarray` for `NDArray[...]`."""
    origin = get_origin(hint)
    if origin is list:
        return list[get_args(hint)]  # type: ignore[misc]  # built at run time
    if isinstance(origin, type) and origin.__name__ == "ndarray":
        return origin
    return hint


def _result_codec(codecs: CodecRegistry, hint: Any) -> type[InputCodec] | type[RequestCodec] | None:
    return codecs.input_codec_of_hint(hint) or codecs.request_codec_of_hint(hint)


def _codecs(codecs: CodecRegistry) -> list[Any]:
    found = [
        codec
        for content_type in codecs.content_types()
        for codec in (codecs.input_codec(content_type), codecs.request_codec(content_type))
    ]
    return [codec for codec in found if codec is not None and codec.TypeHint is not None]


def _shown(hint: Any) -> str:
    return hint.__qualname__ if isinstance(hint, type) and not get_args(hint) else str(hint)


def _listed(plan: _Plan) -> str:
    return ", ".join(f"'{argument.name}'" for argument in plan.arguments) or "no inputs"


def _quoted(names: Any) -> str:
    return ", ".join(f"'{name[:64]}'" for name in list(names)[:8]) or "none"
