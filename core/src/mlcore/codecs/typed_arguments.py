"""`decode_args`: a predict method with typed arguments instead of a request.

The hints are matched with codecs once, when the model is loaded; a request only runs the ready list.
"""

from __future__ import annotations

import inspect
from functools import wraps
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, NamedTuple, Union, get_args, get_origin, get_type_hints

from mlcore_protocol import InferenceRequest, InferenceResponse

from mlcore.codecs.string_codec import StringCodec
from mlcore.errors import CodecError, InputNotFoundError, InternalError, ModelLoadError

if TYPE_CHECKING:
    from collections.abc import Callable

    from mlcore_protocol import RequestInput, ResponseOutput

    from mlcore.codecs.interface import InputCodec, RequestCodec
    from mlcore.codecs.registry import CodecRegistry
    from mlcore.model import MLModel

PREPARE = "__mlcore_prepare__"
"""The attribute under which a decorated function offers to match its arguments with the codecs of a model."""

_ABSENT = inspect.Parameter.empty
_TEXTS = list[str]
_TEXTS_OR_NONE = list[str | None]


class _Argument(NamedTuple):
    name: str
    decode: Callable[[RequestInput], Any]
    is_optional: bool
    default: Any


class _Rest(NamedTuple):
    """The argument that takes every input that no other argument names."""

    name: str
    codec: type[RequestCodec]
    is_optional: bool
    default: Any


class _Plan(NamedTuple):
    arguments: tuple[_Argument, ...]
    names: frozenset[str]
    rest: _Rest | None
    results: tuple[type[InputCodec] | type[RequestCodec] | None, ...]


def decode_args(predict: Callable[..., Any]) -> Callable[..., Any]:
    """Decode a request's inputs into the arguments of `predict`, and encode what it returns.

    Each argument takes the input of its own name, decoded by the codec of its type hint: `np.ndarray`,
    `list[str]`, `list[str | None]`, `list[bytes]`, `list[datetime]`, and whatever installed codecs add. An argument
    that is `Optional`, or has a default, may be missing. A hint of a request codec (a DataFrame, say) takes all
    inputs that no other argument names. One value, or a tuple of values, is returned; the outputs are called
    `output-0`, `output-1` and so on, each written by the codec of its return hint where that can write it, else by
    that of its own type; a request codec names its outputs itself. A ready `InferenceResponse` passes through.

    Args:
        predict: A method of an `MLModel`, plain or `async`.

    Raises:
        ModelLoadError: When the model is loaded, for an argument without a hint that some codec knows, and for a
            function that takes its arguments, or gives its results, in another way.

    Example:
        >>> import numpy as np
        >>> from mlcore import MLModel
        >>> class Doubler(MLModel):
        ...     @decode_args
        ...     def predict(self, x: np.ndarray) -> np.ndarray:
        ...         return x * 2
    """

    def prepare(model: MLModel) -> _Plan:
        plan = model.argument_plans[predict] = _plan(predict, model.codecs)
        return plan

    if inspect.iscoroutinefunction(predict):

        @wraps(predict)
        async def wrapper(self: MLModel, request: InferenceRequest) -> InferenceResponse:
            plan = self.argument_plans.get(predict) or prepare(self)
            return _response(self, plan, await predict(self, **_arguments(self, plan, request)))
    else:

        @wraps(predict)
        def wrapper(self: MLModel, request: InferenceRequest) -> InferenceResponse:
            plan = self.argument_plans.get(predict) or prepare(self)
            return _response(self, plan, predict(self, **_arguments(self, plan, request)))

    setattr(wrapper, PREPARE, prepare)
    return wrapper


def _plan(predict: Callable[..., Any], codecs: CodecRegistry) -> _Plan:
    where = predict.__qualname__
    if inspect.isgeneratorfunction(predict) or inspect.isasyncgenfunction(predict):
        raise ModelLoadError(f"{where}: decode_args takes a function that returns one answer, not a generator")
    try:
        hints = get_type_hints(predict)
    except Exception as error:  # a hint may be any expression
        raise ModelLoadError(f"{where}: its type hints cannot be read: {error}") from error
    arguments = []
    rest = None
    for name, parameter in list(inspect.signature(predict).parameters.items())[1:]:
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise ModelLoadError(f"{where}: the argument '{name}' has to be a plain one, without * or / in its way")
        if name not in hints:
            raise ModelLoadError(f"{where}: the argument '{name}' needs a type hint, such as np.ndarray or list[str]")
        hint, has_none = _without_none(hints[name])
        input_codec = codecs.input_codec_of_hint(_TEXTS if hint == _TEXTS_OR_NONE else hint)
        request_codec = codecs.request_codec_of_hint(hint) if input_codec is None else None
        default = None if parameter.default is _ABSENT else parameter.default
        is_optional = has_none or parameter.default is not _ABSENT
        if input_codec is not None:
            decode = _texts if input_codec is StringCodec and hint == _TEXTS else input_codec.decode_input
            arguments.append(_Argument(name, decode, is_optional, default))
        elif request_codec is not None and rest is None:
            rest = _Rest(name, request_codec, is_optional, default)
        elif rest is not None and request_codec is not None:
            raise ModelLoadError(f"{where}: '{rest.name}' and '{name}' both take all other inputs; only one can")
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


def _arguments(model: MLModel, plan: _Plan, request: InferenceRequest) -> dict[str, Any]:
    inputs = {tensor.name: tensor for tensor in request.inputs}
    decoded: dict[str, Any] = {}
    for argument in plan.arguments:
        tensor = inputs.get(argument.name)
        if tensor is not None:
            decoded[argument.name] = argument.decode(tensor)
        elif argument.is_optional:
            decoded[argument.name] = argument.default
        else:
            raise InputNotFoundError(
                f"inputs: '{argument.name}' is missing; expected {_listed(plan)}, got {_quoted(inputs)}"
            )
    if (rest := plan.rest) is not None:
        left = [tensor for tensor in request.inputs if tensor.name not in plan.names]
        others = InferenceRequest(id=request.id, parameters=request.parameters, inputs=left)
        decoded[rest.name] = (
            rest.codec.decode_request_with(others, model.input_codec_of)
            if left or not rest.is_optional
            else rest.default
        )
    elif not plan.names.issuperset(inputs):
        unknown = next(name for name in inputs if name not in plan.names)
        raise InputNotFoundError(f"inputs: '{unknown[:64]}' is not an input of this model; expected {_listed(plan)}")
    return decoded


def _texts(tensor: RequestInput) -> list[str]:
    """Read texts for an argument that says it takes no `None`."""
    texts = StringCodec.decode_input(tensor)
    if None in texts:
        raise CodecError(f"'{tensor.name}'.data[{texts.index(None)}]: expected a text, got null")
    return texts  # type: ignore[no-any-return]  # a codec's value is Any


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
            raise InternalError(
                f"output-{index}: the model returned a {type(value).__name__}, which no codec can encode; "
                "return a numpy array or a list of texts"
            )
        if hasattr(codec, "encode_output"):
            outputs.append(codec.encode_output(f"output-{index}", value))
            continue
        response = codec.encode_response(model.name, value, model.version)
        if len(values) == 1:
            return response  # with its own parameters, which say how to read it as a whole
        outputs += response.outputs
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
    alias = getattr(origin, "__value__", None)  # `type NDArray[...] = ...`, as numpy has it on newer Pythons
    return hint if alias is None else _plain(alias)


def _result_codec(codecs: CodecRegistry, hint: Any) -> type[InputCodec] | type[RequestCodec] | None:
    if hint is _ABSENT:
        return None  # without asking, and so importing, every codec there is
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
