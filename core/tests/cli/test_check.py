"""`mlcore check`: everything that is wrong with a folder, at once."""

import json

import pytest


@pytest.fixture
def check(mlcore, repository):
    """Return a function that checks the repository and returns the lines and the exit code."""

    def check():
        done = mlcore("check", repository)
        assert done.stderr == ""
        return done.stdout.splitlines(), done.returncode

    return check


def test_a_good_folder_has_no_problem(check, model):
    model("a")
    model("b", modules={"helpers": ""})

    assert check() == (["2 models checked, 0 problems"], 0)


def test_five_different_mistakes_are_five_lines_that_name_their_models(check, model, repository):
    model("a", nmae="x")
    model("b", "import nothing_like_it")
    model("c", implementation="nothing")
    model("d", parameters={"uri": "weights.bin"})
    (repository / "e").mkdir()
    (repository / "e/model-settings.json").write_text('{"name": "e"')
    model("f")

    lines, code = check()

    assert code == 1
    assert lines[:2] == [
        "model 'a': a/model-settings.json: nmae: unknown setting; did you mean 'name'?",
        "model 'b': implementation: 'my_model.MyModel' needs the module 'nothing_like_it', which is neither in the "
        "model's folder nor installed; put it there, or install it where the server runs: pip install nothing_like_it",
    ]
    assert lines[2].startswith("model 'c': implementation: no runtime is called 'nothing'. Installed: ")
    assert lines[3:] == [
        "model 'd': parameters.uri: there is no file or folder 'weights.bin' (relative to the model's folder)",
        "model 'e': e/model-settings.json: line 1, column 13: not valid JSON: Expecting ',' delimiter",
        "6 models checked, 5 problems",
    ]


def test_the_settings_of_the_server_are_checked_as_well(check, model, repository):
    model("a")
    (repository / "settings.json").write_text(json.dumps({"http_prot": 1, "grpc_port": -1}))
    lines, code = check()
    assert code == 1
    assert [line.removeprefix(str(repository)) for line in lines] == [
        "/settings.json: grpc_port: should be greater than or equal to 0, got -1",
        "/settings.json: http_prot: unknown setting; did you mean 'http_port'?",
        "1 model checked, 2 problems",
    ]

    (repository / "settings.json").write_text(json.dumps({"engine": "inlne", "transports": ["rset"]}))
    lines, code = check()
    assert code == 1
    assert lines[0].startswith("engine: no engine is called 'inlne'; did you mean 'inline'?")
    assert lines[1].startswith("transports: no transport is called 'rset'; did you mean 'rest'?")


def test_an_empty_folder_is_a_problem(check, repository):
    assert check() == (
        [
            f"'{repository}': no model-settings.json here or below, and no file that an installed runtime claims",
            "0 models checked, 1 problem",
        ],
        1,
    )


def test_a_broken_plugin_is_a_problem(check, model, plugin):
    model("a")
    plugin("runtime-wave", "1 / 0")

    lines, code = check()

    assert (lines[0], code) == (
        "plugin runtime-wave:runtime_wave: fails to import: ZeroDivisionError: division by zero",
        1,
    )


def test_models_of_one_name_and_version_are_a_problem(check, model):
    model("a", name="m", parameters={"version": "1"})
    model("b", name="m", parameters={"version": "1"})

    assert check()[0][0] == (
        "model 'm', version '1': model 'm', version '1' is defined twice: in 'a' and in 'b'; rename one of them"
    )


@pytest.mark.parametrize("uri", ["blank:en", "en_core_web_md", "https://host.example/x", "s3://bucket/x.bin"])
def test_a_uri_that_may_be_something_else_than_a_file_is_not_judged(check, model, uri):
    model("a", parameters={"uri": uri})

    assert check()[1] == 0


@pytest.mark.parametrize("uri", ["x.bin", "sub/x", "./x", "~/no/such/file", "/no/such/file"])
def test_a_uri_that_can_only_be_a_file_has_to_be_there(check, model, uri):
    model("a", parameters={"uri": uri})

    assert check()[0][0].startswith(f"model 'a': parameters.uri: there is no file or folder '{uri}'")


def test_nothing_is_loaded(check, model, saying):
    model("a", saying("1", load="raise SystemExit('loaded')"))

    assert check()[1] == 0


def test_a_model_that_a_plugin_makes_is_good(check, model, plugin):
    plugin(
        "runtime-bridge",
        "from mlcore import MLModel, hookimpl\n\n@hookimpl\ndef mlcore_load(settings):\n    return MLModel(settings)\n",
    )
    model("a", implementation="anything")
    model("b", implementation="any.thing")

    assert check()[1] == 0


def test_settings_without_effect_are_warnings_and_no_problems(check, model, repository):
    model("a", "from mlcore import MLModel\nclass MyModel(MLModel):\n    async def predict(self, p): ...", threads=2)
    model("b", max_concurrency=2, pad_batch=True, warm_workers=True)
    (repository / "settings.json").write_text(json.dumps({"parallel_workers": 0, "cache_size": 5, "metrics_dir": "x"}))

    lines, code = check()

    assert code == 0
    assert [line.replace(f"{repository}/", "").partition(" has no effect")[0] for line in lines[:-1]] == [
        "warning: settings.json: metrics_dir",
        "warning: cache_size",
        "warning: model 'a': threads",
        "warning: model 'b': b/model-settings.json: warm_workers",
        "warning: model 'b': pad_batch",
        "warning: model 'b': max_concurrency",
    ]
    assert lines[-1] == "2 models checked, 0 problems, 6 warnings"


@pytest.mark.parametrize("settings", [{}, {"parallel_workers": 0}])
def test_an_environment_of_a_models_own_without_workers_is_a_problem(check, model, monkeypatch, settings):
    if settings:
        monkeypatch.setenv("MLCORE_PARALLEL_WORKERS", "1")
    model("a", parameters={"environment_path": "venv"}, **settings)

    assert check() == (
        [
            "model 'a': environment_path: only a worker can have an environment of its own; set parallel_workers to 1 "
            "or more",
            "1 model checked, 1 problem",
        ],
        1,
    )


def test_a_set_up_of_logging_that_is_not_there_is_a_problem(check, model, repository):
    model("a")
    (repository / "settings.json").write_text('{"logging_settings": "nothing.json"}')

    assert check()[0][0] == "logging_settings: nothing.json: there is no such file"


def test_variables_of_mlserver_are_a_warning(check, model, monkeypatch):
    model("a")
    monkeypatch.setenv("MLSERVER_HTTP_PORT", "0")

    (warning, summary), code = check()

    assert code == 0
    assert warning.startswith("warning: variables of MLServer are read, for what no file says: MLSERVER_HTTP_PORT as ")
    assert summary == "1 model checked, 0 problems, 1 warning"
