"""The contract of a runtime: a good one passes, and each way of being bad fails the test that is about it."""

import pytest
from mlcore.testing import RuntimeContract

GOOD = """
import numpy as np
from mlcore import MLModel
from mlcore.codecs import NumpyCodec
from mlcore.errors import InferenceError
from mlcore.types import InferenceResponse, MetadataTensor


class Runtime(MLModel):
    factor = None

    def load(self):
        self.factor = 2.0
        self.inputs = [MetadataTensor(name="x", datatype="FP32", shape=[-1, 2])]
        self.outputs = [MetadataTensor(name="y", datatype="FP32", shape=[-1, 2])]

    def predict(self, payload):
        x = NumpyCodec.decode_input(payload.inputs[0])
        if x.ndim != 2 or x.shape[1] != 2:
            raise InferenceError(f"'x': expected the shape [N, 2], got {list(x.shape)}")
        y = (x * self.factor).astype(np.float32)
        return InferenceResponse(model_name=self.name, outputs=[NumpyCodec.encode_output("y", y)])
"""

PLUGIN = """
from mlcore import hookimpl


@hookimpl
def mlcore_runtimes():
    return {"tiny": "runtime_tiny_model:Runtime"}
"""

# A runtime that counts its requests, for one that answers by it.
COUNTING = (
    "    def predict(",
    """    counted = 0

    def count(self):
        type(self).counted += 1
        return self.counted

    def predict(""",
)

TESTS = """
import numpy as np
import pytest
from mlcore import ModelSettings
from mlcore.codecs import NumpyCodec
from mlcore.testing import RuntimeContract
from mlcore.types import InferenceRequest


class TestTiny(RuntimeContract):
    runtime = "tiny"
    entry_module = "runtime_tiny"

    @pytest.fixture
    def settings(self):
        return ModelSettings(name="tiny", implementation="tiny")

    @pytest.fixture
    def good_request(self):
        x = np.array([[1, 2], [3, 4]], dtype=np.float32)
        return InferenceRequest(inputs=[NumpyCodec.encode_input("x", x)])

    @pytest.fixture
    def bad_requests(self):
        return [InferenceRequest(inputs=[NumpyCodec.encode_input("x", np.ones((1, 3), np.float32))])]
"""

NAMES = [name for name in vars(RuntimeContract) if name.startswith("test_")]


@pytest.fixture
def contract(plugin, outcomes):
    """Return a function that runs the contract on a runtime, in a process of its own, and returns the outcomes."""

    def contract(*edits, plugin_source=PLUGIN, tests=TESTS, only="test"):
        source = GOOD
        for old, new in edits:
            assert old in source
            source = source.replace(old, new)
        plugin("runtime-tiny", plugin_source)
        (plugin.folder / "runtime_tiny_model.py").write_text(source)
        return outcomes(tests, only)[0]

    return contract


def test_a_good_runtime_passes_every_test(contract):
    assert contract() == {"passed": len(NAMES)}


BROKEN = [
    ("test_predict_before_load_raises", ("factor = None", "factor = 1.0")),
    (
        "test_it_loads_and_unloads_twice",
        (
            "self.factor = 2.0",
            "type(self).loads = getattr(type(self), 'loads', 1) + 1; self.factor = float(self.loads)",
        ),
    ),
    ("test_the_declared_outputs_are_the_actual_ones", ('name="y", datatype="FP32"', 'name="y", datatype="FP64"')),
    ("test_the_declared_outputs_are_the_actual_ones", ("shape=[-1, 2])]\n\n", "shape=[-1, 3])]\n\n")),
    ("test_the_declared_outputs_are_the_actual_ones", ('MetadataTensor(name="y"', 'MetadataTensor(name="z"')),
    ("test_the_declared_inputs_take_the_request", ('MetadataTensor(name="x"', 'MetadataTensor(name="z"')),
    (
        "test_json_and_binary_answers_are_equal",
        (
            "(x * self.factor)",
            "(x * np.float32(2 if (payload.parameters or {}).get('binary_data_output') else 3))",
        ),
    ),
    ("test_a_batch_equals_its_rows_alone", ("(x * self.factor)", "(x - x.mean())")),
    ("test_bad_requests_are_refused", ("raise InferenceError", "raise ValueError")),
    ("test_bad_requests_are_refused", ("x.shape[1] != 2", "x.shape[1] > 5")),
    (
        "test_concurrent_requests_get_their_own_answers",
        (
            "(x * self.factor)",
            "(x + np.float32(self.count()))",
        ),
    ),
    ("test_inputs_are_not_changed", ("y = (x", "x *= 2\n        y = (x")),
    ("test_nothing_is_printed", ("y = (x", "print('predicting')\n        y = (x")),
]


def test_a_runtime_that_is_broken_fails_the_test_that_is_about_it(plugin, outcomes):
    names, runtimes, tests = [], [], [TESTS]
    for number, (broken, edit) in enumerate(BROKEN):
        assert edit[0] in GOOD
        source = GOOD.replace(*COUNTING).replace(*edit)
        (plugin.folder / f"runtime_broken_{number}.py").write_text(source)
        runtimes.append(f"'broken-{number}': 'runtime_broken_{number}:Runtime'")
        names.append(f"TestBroken{number:02} and {broken}")
        tests.append(
            f"""
class TestBroken{number:02}(TestTiny):
    @pytest.fixture
    def settings(self):
        return ModelSettings(name="tiny", implementation="broken-{number}")
"""
        )
    plugin("runtime-tiny", PLUGIN.replace('"tiny": "runtime_tiny_model:Runtime"', ", ".join(runtimes)))

    counts, output = outcomes("\n".join(tests), " or ".join(f"({name})" for name in names))

    assert counts == {"failed": len(BROKEN)}, output


def test_an_entry_module_that_imports_the_runtime_itself_is_heavy(contract):
    tests = TESTS.replace('"runtime_tiny"\n', '"runtime_tiny"\n    heavy_modules = ("runtime_tiny_model",)\n')

    assert contract(plugin_source="import runtime_tiny_model\n" + PLUGIN, tests=tests, only="heavy") == {"failed": 1}


def test_a_name_that_nobody_offers_fails(contract):
    assert contract(plugin_source=PLUGIN.replace("tiny", "other"), only="name_is_offered") == {"failed": 1}


def test_an_answer_that_depends_on_the_engine_fails(contract):
    edit = ("(x * self.factor)", "(x * np.float32(__import__('os').getpid() % 1000))")

    assert contract(edit, only="every_engine") == {"failed": 1}


def test_what_a_runtime_cannot_do_is_declared_with_a_reason(contract):
    tests = TESTS.replace('"runtime_tiny"\n', '"runtime_tiny"\n    absent = {"test_nothing_is_printed": "it talks"}\n')

    assert contract(("y = (x", "print('predicting')\n        y = (x"), tests=tests, only="printed") == {"xfailed": 1}


def test_what_is_declared_and_yet_can_be_done_fails(contract):
    tests = TESTS.replace('"runtime_tiny"\n', '"runtime_tiny"\n    absent = {"test_nothing_is_printed": "it talks"}\n')

    assert contract(tests=tests, only="printed") == {"failed": 1}


def test_the_fixtures_have_to_be_given(outcomes):
    counts, output = outcomes(TESTS[: TESTS.index("    @pytest.fixture")], "bad_requests")

    assert counts == {"error": 1}
    assert "NotImplementedError: give " in output


def test_an_async_runtime_of_texts_passes_as_well(contract):
    edits = [
        ("def predict", "async def predict"),
        ("import NumpyCodec", "import NumpyCodec, StringCodec"),
        ('datatype="FP32", shape=[-1, 2])]\n\n', 'datatype="BYTES", shape=[-1, 1])]\n\n'),
        ('[NumpyCodec.encode_output("y", y)]', '[StringCodec.encode_output("y", [str(row.tolist()) for row in y])]'),
    ]

    assert contract(*edits) == {"passed": len(NAMES)}
