"""The choice of a model repository, and repositories of a user's own."""

import asyncio
import textwrap

import pytest
from mlcore import MLModel, ModelSettings, Server
from mlcore.errors import ModelLoadError, ModelNotFoundError, SettingsError
from mlcore.repository import ModelRepository, RepositoryEntry
from mlcore.repository.folder_repository import FolderRepository


class Table(ModelRepository):
    """Models out of a table that a test changes."""

    def __init__(self, root, names):
        super().__init__(root)
        self.names = names
        self.is_closed = False

    def entries(self):
        return [RepositoryEntry(name, None, ModelSettings(name=name, implementation=MLModel)) for name in self.names]

    def close(self):
        self.is_closed = True


class Listing:
    """The same in MLServer's shape; one model is found only by name."""

    def __init__(self, root, names=(), hidden=()):
        self.root, self.names, self.hidden = root, names, hidden
        self.loops = set()

    async def list(self):
        self.loops.add(asyncio.get_running_loop())
        return [ModelSettings(name=name, implementation=MLModel) for name in self.names]

    async def find(self, name):
        self.loops.add(asyncio.get_running_loop())
        if name not in (*self.names, *self.hidden):
            raise ModelNotFoundError(name)
        return [ModelSettings(name=name, implementation=MLModel)]


def serving(root, kind, **arguments):
    return Server(
        root,
        transports=[],
        model_repository_implementation=kind,
        model_repository_implementation_args=arguments,
    )


def index(server):
    return [(item.name, item.version, item.state, item.reason) for item in server.control.index()]


async def test_a_repository_of_ones_own_is_asked_at_each_question_and_closed(repository):
    names = ["a"]
    async with serving(repository, Table, names=names) as server:
        assert index(server) == [("a", None, "READY", "")]
        names[:] = ["b"]
        await server.control.load("b")
        with pytest.raises(ModelNotFoundError):
            await server.control.load("a")
        assert index(server) == [("b", None, "READY", "")]
        assert not server.repository.is_closed

    assert server.repository.is_closed


async def test_a_class_with_list_and_find_works_as_it_is(repository):
    async with serving(repository, Listing, names=["b", "a"], hidden=["h"]) as server:
        listing = server.repository._listing
        assert listing.root == str(repository)
        assert index(server) == [("a", None, "READY", ""), ("b", None, "READY", "")]
        await server.control.load("h")
        assert ("h", None, "READY", "") in index(server)
        with pytest.raises(ModelNotFoundError, match="Model nobody not found"):
            await server.control.load("nobody")
        await server.control.unload("a")
        await server.control.load("a")
        (loop,) = listing.loops
        assert loop is not asyncio.get_running_loop()

    assert loop.is_closed()


async def test_a_class_with_list_alone_is_enough(repository):
    class Bare:
        def __init__(self, root):
            pass

        async def list(self):
            versions = [{"version": "1"}, {"version": "1"}, {}]
            return [ModelSettings(name="m", implementation=MLModel, parameters=version) for version in versions]

    async with serving(repository, Bare) as server:
        assert index(server) == [
            ("m", None, "READY", ""),
            ("m", "1", "UNAVAILABLE", "model 'm', version '1' is listed twice; rename one of them"),
        ]
        with pytest.raises(ModelLoadError, match="listed twice"):
            await server.control.load("m", "1")


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (["a"], r"list\(\) gave str; expected a list of ModelSettings with names"),
        ([ModelSettings(implementation=MLModel)], r"list\(\) gave ModelSettings; expected a list"),
        (None, r"list\(\) gave NoneType; expected a list"),
        (ConnectionError("the table is away"), r"list\(\) raised ConnectionError: the table is away"),
    ],
)
async def test_a_list_that_is_none_is_an_error_and_what_is_loaded_goes_on(repository, given, text):
    class Odd:
        given: object = (ModelSettings(name="m", implementation=MLModel),)

        def __init__(self, root):
            pass

        async def list(self):
            if isinstance(self.given, Exception):
                raise self.given
            return self.given

    async with serving(repository, Odd) as server:
        Odd.given = given
        with pytest.raises(SettingsError, match=text):
            await server.control.load("m")
        assert index(server) == [("m", None, "READY", "")]


async def test_the_folder_repository_may_be_subclassed(repository, model, said):
    model("good", name="good")
    model("internal", name="_internal")

    class Public(FolderRepository):
        def __init__(self, root, runtimes, hidden):
            super().__init__(root, runtimes)
            self.hidden = hidden

        def entries(self):
            return [entry for entry in super().entries() if not entry.name.startswith(self.hidden)]

    async with serving(repository, Public, hidden="_") as server:
        assert index(server) == [("good", None, "READY", "")]


async def test_the_class_may_be_in_a_module_of_the_folder(repository):
    (repository / "names.py").write_text("NAMES = ['from-a-sibling']\n")
    (repository / "my_repository.py").write_text(
        textwrap.dedent("""
        from mlcore import MLModel, ModelSettings
        from names import NAMES


        class Mine:
            def __init__(self, root):
                pass

            async def list(self):
                return [ModelSettings(name=name, implementation=MLModel) for name in NAMES]
    """)
    )

    for named in ("my_repository.Mine", "my_repository:Mine"):
        async with serving(repository, named) as server:
            assert index(server) == [("from-a-sibling", None, "READY", "")]


class Failing(Table):
    def __init__(self, root):
        raise OSError("no table")


@pytest.mark.parametrize(
    ("named", "text"),
    [
        ("nowhere.Mine", "'nowhere.Mine': there is no module 'nowhere', neither in the served folder nor installed"),
        ("mlserver.none.Mine", "leave the setting out for models in a folder, or install mlcore-mlserver for classes"),
        ("json.Mine", "the module 'json' has no class 'Mine'"),
        ("json.dumps", "the module 'json' has no class 'dumps'"),
        ("broken.Mine", "its module fails to import: ZeroDivisionError: division by zero"),
        ("Mine", "write it as 'my_repository.MyRepository', a class of my_repository.py"),
        ("../x.Mine", "write it as 'my_repository.MyRepository'"),
        ("json.JSONDecoder", "is no model repository; let it subclass mlcore.repository.ModelRepository and define"),
        (Table, "model_repository_implementation_args do not fit: "),
        (Failing, "it cannot be made: OSError: no table"),
        (ModelRepository, "model_repository_implementation_args do not fit: "),
        (5, "expected an import path, such as my_repository.MyRepository"),
    ],
)
def test_what_is_no_repository_is_an_error_that_says_what_to_do(repository, named, text):
    (repository / "broken.py").write_text("1 / 0\n")

    with pytest.raises(SettingsError) as raised:
        serving(repository, named)

    assert text in str(raised.value)


def test_a_repository_may_refuse_its_arguments_in_its_own_words(repository):
    class Strict(Table):
        def __init__(self, root):
            raise SettingsError("name the table")

    with pytest.raises(SettingsError, match=r"^name the table$"):
        serving(repository, Strict)


def test_check_looks_at_the_repository_that_the_settings_name(repository, run):
    (repository / "my_repository.py").write_text(
        textwrap.dedent("""
        from mlcore import ModelSettings

        class Mine:
            def __init__(self, root):
                pass

            async def list(self):
                return [ModelSettings(name="m", implementation="nowhere.Model")]
    """)
    )
    (repository / "settings.json").write_text('{"model_repository_implementation": "my_repository.Mine"}')

    checked = run("check", repository)

    assert checked.returncode == 1
    assert "model 'm': " in checked.stdout
    assert "1 model checked, 1 problem" in checked.stdout
