"""Editing of JSON: one value changes, and every other character stays."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlcore.json_edit import with_text

PATH = ("parameters", "digest")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("{}", '{"parameters": {"digest": "D"}}'),
        ('{"a": 1}', '{"a": 1, "parameters": {"digest": "D"}}'),
        ('{"a":1,"b":[{}]}\n', '{"a":1,"b":[{}], "parameters": {"digest": "D"}}\n'),
        ('{\n  "a": 1\n}\n', '{\n  "a": 1,\n  "parameters": {"digest": "D"}\n}\n'),
        ('{\r\n\t"a": 1,\r\n\t"b": 2\r\n}', '{\r\n\t"a": 1,\r\n\t"b": 2,\r\n\t"parameters": {"digest": "D"}\r\n}'),
        ('{"parameters": {}, "z": 1}', '{"parameters": {"digest": "D"}, "z": 1}'),
        ('{"parameters": { "digest" :"old" , "x": 1}}', '{"parameters": { "digest" :"D" , "x": 1}}'),
        (
            '{\n    "parameters": {\n        "uri": "m"\n    },\n    "z": "}"\n}',
            '{\n    "parameters": {\n        "uri": "m",\n        "digest": "D"\n    },\n    "z": "}"\n}',
        ),
        ('{"x": {"parameters": {}}}', '{"x": {"parameters": {}}, "parameters": {"digest": "D"}}'),
        ('{"\\u0070arameters": {"uri": "m"}}', '{"\\u0070arameters": {"uri": "m", "digest": "D"}}'),
    ],
)
def test_the_rest_stays_as_it_was_written(before, after):
    assert with_text(before, PATH, "D") == after
    assert with_text(after, PATH, "D") == after


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.dictionaries(st.text().filter(lambda name: name != "parameters"), VALUES, max_size=3),
    st.none() | st.dictionaries(st.text(), VALUES, max_size=3),
    st.sampled_from([None, 1, 4, "\t"]),
)
def test_whatever_the_object_only_the_digest_changes(values, parameters, indent):
    if parameters is not None:
        values = {**values, "parameters": parameters}
    text = with_text(json.dumps(values, indent=indent), PATH, "D")

    assert json.loads(text) == {**values, "parameters": {**(parameters or {}), "digest": "D"}}
