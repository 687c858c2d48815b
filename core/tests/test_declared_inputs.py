"""The inputs that a model declares: what keeps to them, and what is told if something does not."""

import pytest
from mlcore.declared_inputs import DeclaredInputs, input_check_of
from mlcore.errors import InferenceError, InputNotFoundError
from mlcore.model import MLModel
from mlcore.settings import ModelSettings
from mlcore.types import InferenceRequest, MetadataTensor, RequestInput

DECLARED = [
    MetadataTensor(name="a", datatype="FP32", shape=[-1, 3]),
    MetadataTensor(name="b", datatype="BYTES", shape=[-1], parameters={"optional": True}),
]


def tensor(name="a", shape=(1, 3), datatype="FP32"):
    data = ["t"] if datatype == "BYTES" else [0]
    return RequestInput(name=name, shape=list(shape), datatype=datatype, data=data)


def check(*tensors, declared=DECLARED, **options):
    DeclaredInputs(declared, **options).check(InferenceRequest(inputs=list(tensors)))


@pytest.mark.parametrize(
    "tensors",
    [
        [tensor()],
        [tensor(shape=[7, 3])],
        [tensor(shape=[0, 3])],
        [tensor(shape=[7, 3, 1])],
        [tensor("b", [1], "BYTES"), tensor()],
        [tensor(), tensor("b", [1, 1], "BYTES")],
    ],
)
def test_what_fits_is_taken(tensors) -> None:
    check(*tensors)


@pytest.mark.parametrize(
    ("tensors", "error", "message"),
    [
        ([tensor(datatype="FP64")], InferenceError, "inputs[0].datatype: the model takes FP32 for 'a', got FP64"),
        ([tensor(shape=[3])], InferenceError, "inputs[0].shape: the model takes [-1, 3] for 'a', got [3]"),
        ([tensor(shape=[1, 4])], InferenceError, "inputs[0].shape: the model takes [-1, 3] for 'a', got [1, 4]"),
        ([tensor(shape=[1, 3, 2])], InferenceError, "inputs[0].shape: the model takes [-1, 3] for 'a', got [1, 3, 2]"),
        (
            [tensor(), tensor("c")],
            InputNotFoundError,
            "inputs[1].name: 'c' is not an input of this model; expected 'a', 'b'",
        ),
        ([tensor("b", [1], "BYTES")], InputNotFoundError, "inputs: 'a' is missing; expected 'a', got 'b'"),
    ],
)
def test_what_does_not_fit_is_refused(tensors, error, message) -> None:
    with pytest.raises(error) as raised:
        check(*tensors)

    assert str(raised.value) == message


def test_what_is_not_declared_of_an_input_is_not_checked() -> None:
    check(tensor(), declared=[MetadataTensor(name="a")])
    check(tensor(), declared=[MetadataTensor(name="a", datatype="STRING", shape=[-1, -1])])


def test_names_may_be_for_others_to_check() -> None:
    check(tensor("c"), checks_names=False)


class Plain(MLModel):
    """Takes requests."""

    async def predict(self, payload): ...


def model(**settings):
    declared = [{"name": "a", "datatype": "FP32", "shape": [-1, 3]}]
    return Plain(
        ModelSettings(name="m", implementation=Plain, **{"inputs": declared, "check_inputs": True, **settings})
    )


def test_a_model_is_checked_by_what_its_settings_declare() -> None:
    check_inputs = input_check_of(model())

    assert check_inputs is not None
    with pytest.raises(InputNotFoundError):
        check_inputs(InferenceRequest(inputs=[tensor("c")]))


def test_a_model_that_declares_nothing_or_does_not_ask_for_the_check_is_not_checked() -> None:
    assert input_check_of(model(inputs=[])) is None
    assert input_check_of(model(check_inputs=False)) is None
