"""`mlcore build` and `mlcore dockerfile`, with programs in place of docker and podman that write down what they get."""

import json

import pytest

DOCKER = """#!/bin/sh
for last; do :; done
printf '%s\\n' "$0" "$@" > "{log}/arguments"
cp -r "$last" "{log}/context"
echo building; echo warning >&2
exit {code}
"""


@pytest.fixture
def wheels(tmp_path):
    """Return a folder with one wheel, so that none has to be built."""
    import zipfile

    place = tmp_path / "wheels"
    place.mkdir()
    with zipfile.ZipFile(place / "mlcore_server-9.9-py3-none-any.whl", "w") as archive:
        archive.writestr(
            "mlcore_server-9.9.dist-info/METADATA", "Metadata-Version: 2.1\nName: mlcore-server\nVersion: 9.9\n"
        )
    return place


@pytest.fixture
def tools(tmp_path, monkeypatch):
    """Return a function that puts tools on the path, which end with some code, and nothing else but what they run."""
    log = tmp_path / "log"
    log.mkdir()
    place = tmp_path / "bin"
    place.mkdir()

    def make(*names, code=0):
        for name in names:
            (place / name).write_text(DOCKER.format(log=log, code=code))
            (place / name).chmod(0o755)
        (place / "cp").symlink_to("/bin/cp")
        monkeypatch.setenv("PATH", str(place))
        return log

    return make


def arguments(log):
    program, *given = (log / "arguments").read_text().splitlines()
    return [program.rpartition("/")[2], *given[:-1]]


def test_build_hands_a_copy_of_the_folder_to_docker(mlcore, folder, tools, wheels):
    place = folder({"requirements.txt": "six\n", ".dockerignore": "*\n"})
    before = sorted(place.iterdir())
    log = tools("docker", "podman")

    done = mlcore("build", place, "-t", "fancy_ml_service", "--wheels", wheels)

    assert done.returncode == 0, done.stderr
    assert arguments(log) == ["docker", "build", "--tag", "fancy_ml_service"]
    assert done.stdout == "building\n"
    assert "warning\n" in done.stderr
    assert done.stderr.endswith(
        "mlcore: next: docker run --rm -p 8080:8080 -p 8081:8081 -p 8082:8082 fancy_ml_service\n"
    )
    assert sorted(path.name for path in (log / "context").iterdir()) == sorted(
        [".dockerignore", ".mlcore", "Dockerfile", "model-settings.json", "my_model.py", "requirements.txt"]
    )
    ignored = (log / "context" / ".dockerignore").read_text()
    assert ignored.endswith("!requirements.txt\n!.mlcore/wheels\n")
    assert sorted(place.iterdir()) == before


def test_podman_is_found_where_docker_is_not_and_keeps_the_health_check(mlcore, folder, tools, wheels):
    log = tools("podman")

    mlcore("build", folder(), "-t", "a", "-t", "b", "--no-cache", "--build-arg", "BASE=x", "--wheels", wheels)

    assert arguments(log) == [
        *("podman", "build", "--format", "docker", "--tag", "a", "--tag", "b", "--build-arg", "BASE=x", "--no-cache")
    ]


def test_the_tool_can_be_chosen_and_given_options(mlcore, folder, tools, wheels):
    log = tools("docker", "podman")

    mlcore("build", folder(), "-t", "a", "--tool", "podman", "--option=--network=host", "--wheels", wheels)

    assert arguments(log)[0] == "podman"
    assert arguments(log)[-1] == "--network=host"


def test_the_exit_code_is_the_tools(mlcore, folder, tools, wheels):
    tools("docker", code=7)

    done = mlcore("build", folder(), "-t", "a", "--wheels", wheels)

    assert done.returncode == 7
    assert "next:" not in done.stderr


@pytest.mark.parametrize(("options", "missing"), [((), "docker or podman"), (("--tool", "podman"), "podman")])
def test_without_a_tool_it_says_what_to_do(mlcore, folder, tools, options, missing):
    tools()

    done = mlcore("build", folder(), "-t", "a", *options)

    assert done.returncode == 2
    assert done.stderr == (
        f"mlcore: error: there is no {missing} on this machine, and one of docker and podman is needed to build an "
        "image; install it, or write the file for another machine with 'mlcore dockerfile FOLDER'\n"
    )


def test_a_tag_is_needed(mlcore, folder):
    done = mlcore("build", folder())

    assert done.returncode == 2
    assert "-t/--tag" in done.stderr


def test_what_is_installed_and_why_is_said(mlcore, folder, tools, wheels):
    tools("docker")

    done = mlcore("build", folder(implementation="wonder"), "-t", "a", "--plugin", "runtime-wonder", "--wheels", wheels)

    assert "mlcore: installs mlcore-server: the server\nmlcore: installs runtime-wonder: --plugin\n" in done.stderr
    assert "mlcore: warning: implementation: no runtime is called 'wonder'" in done.stderr
    assert f"mlcore: takes wheels from {wheels}: mlcore_server-9.9-py3-none-any.whl\n" in done.stderr


def test_dockerfile_writes_the_file_and_the_wheels_that_it_names(mlcore, folder, wheels):
    place = folder()

    done = mlcore("dockerfile", place, "--wheels", wheels)

    wheel = place / ".mlcore" / "wheels" / "mlcore_server-9.9-py3-none-any.whl"
    assert done.stdout == f"wrote {place}/Dockerfile\nwrote {wheel}\nnext: docker build -t TAG {place}\n"
    assert wheel.is_file()
    assert not (place / ".dockerignore").exists()


def test_dockerfile_overwrites_nothing_unless_it_is_told_to(mlcore, folder, wheels):
    place = folder({"Dockerfile": "FROM mine\n", ".dockerignore": "mine\n"})

    done = mlcore("dockerfile", place, "--wheels", wheels)
    assert done.returncode == 2
    assert "Dockerfile is there already; nothing was written" in done.stderr
    assert not (place / ".mlcore").exists()

    done = mlcore("dockerfile", place, "-i", "--force", "--wheels", wheels)
    assert done.returncode == 0
    assert (place / "Dockerfile").read_text().startswith("# doubler, served by mlcore")
    assert (place / ".dockerignore").read_text() == "mine\n"


def test_dockerfile_writes_a_dockerignore_where_there_is_none(mlcore, folder, wheels):
    place = folder()

    done = mlcore("dockerfile", place, "--include-dockerignore", "--wheels", wheels)

    assert f"wrote {place}/.dockerignore\n" in done.stdout
    assert "**/.env\n" in (place / ".dockerignore").read_text()


def test_a_folder_with_a_dockerfile_of_its_own_is_still_a_folder_to_serve(mlcore, folder, wheels):
    place = folder()
    mlcore("dockerfile", place, "-i", "--wheels", wheels)

    done = mlcore("check", place)

    assert done.stdout == "1 model checked, 0 problems\n"
    assert json.loads((place / "model-settings.json").read_text())["name"] == "doubler"
