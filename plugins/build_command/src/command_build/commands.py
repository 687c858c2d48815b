"""`mlcore build` and `mlcore dockerfile`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from mlcore.commands import Command

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from command_build.image import Image

_TOOLS = ("docker", "podman")


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument("folder", help="the folder that would be served")
    parser.add_argument(
        "--base", default="", metavar="IMAGE", help="base image (default: python, as it runs here, -slim)"
    )
    parser.add_argument(
        "--plugin",
        action="append",
        default=[],
        metavar="DISTRIBUTION",
        help="a distribution to install besides those that the models' settings name (may be repeated)",
    )
    parser.add_argument(
        "--wheels",
        type=Path,
        metavar="DIR",
        help="folder with wheels, which are taken where they are of what is needed; without it, wheels are built of "
        "what is installed here from a folder",
    )
    parser.add_argument("--no-check", action="store_true", help="do not run 'mlcore check' while the image is built")


def _configure_build(parser: ArgumentParser) -> None:
    from argparse import SUPPRESS

    _configure(parser)
    parser.add_argument(
        "-t", "--tag", action="append", required=True, help="name of the image, and tag: NAME[:TAG] (may be repeated)"
    )
    parser.add_argument("--tool", choices=_TOOLS, help="what builds it (default: the first of them that is there)")
    parser.add_argument("--no-cache", action="store_true", help="build every layer anew")
    parser.add_argument(
        "--build-arg", action="append", default=[], metavar="NAME=VALUE", help="value of an ARG (may be repeated)"
    )
    parser.add_argument(
        "--option",
        action="append",
        default=[],
        help="a further option for the tool, such as --option=--network=host (may be repeated)",
    )
    parser.add_argument("--rm", action="store_true", help=SUPPRESS)


def _configure_dockerfile(parser: ArgumentParser) -> None:
    _configure(parser)
    parser.add_argument(
        "-i", "--include-dockerignore", action="store_true", help="write a .dockerignore, too, if there is none"
    )
    parser.add_argument("--force", action="store_true", help="write over a Dockerfile that is there")


def _build(given: Namespace) -> int:
    from tempfile import TemporaryDirectory

    from command_build.context import IGNORE_FILE, WHEELS, copy_files, ignore_text
    from command_build.dockerfile import dockerfile
    from command_build.tool import build_command, find_tool, run_tool

    tool = find_tool(given.tool)
    image = _described(given)
    with TemporaryDirectory(prefix="mlcore-build-") as place:
        context = Path(place)
        copy_files(image.folder, context)
        wheels = _wheels(image, given.wheels, context / WHEELS)
        kept = (*image.dependencies.files, *([WHEELS] if wheels else []))
        (context / IGNORE_FILE).write_text(ignore_text(image.folder, kept), encoding="utf-8")
        (context / "Dockerfile").write_text(dockerfile(image, wheels, not given.no_check), encoding="utf-8")
        code = run_tool(build_command(tool, context, given.tag, given.build_arg, given.option, given.no_cache))
    if not code:
        ports = "".join(f" -p {port}:{port}" for port in image.ports.values())
        _say(f"next: {tool} run --rm{ports} {given.tag[0]}")
    return code


def _dockerfile(given: Namespace) -> int:
    from mlcore.errors import SettingsError

    from command_build.context import IGNORE_FILE, WHEELS, ignore_text
    from command_build.dockerfile import dockerfile

    image = _described(given)
    file = image.folder / "Dockerfile"
    if file.exists() and not given.force:
        raise SettingsError(f"{file} is there already; nothing was written. Say --force to write over it")
    wheels = _wheels(image, given.wheels, image.folder / WHEELS)
    written = [file, *(image.folder / WHEELS / wheel for wheel in wheels)]
    file.write_text(dockerfile(image, wheels, not given.no_check), encoding="utf-8")
    if given.include_dockerignore:
        ignore = image.folder / IGNORE_FILE
        if ignore.exists():
            _say(f"kept {ignore} as it is")
        else:
            ignore.write_text(ignore_text(image.folder), encoding="utf-8")
            written.append(ignore)
    sys.stdout.write("".join(f"wrote {path}\n" for path in written))
    sys.stdout.write(f"next: docker build -t TAG {given.folder}\n")
    return 0


def _described(given: Namespace) -> Image:
    from command_build.image import describe

    image = describe(Path(given.folder), given.plugin, given.base)
    _say(f"models: {', '.join(image.models)}")
    if image.dependencies.files:
        _say(f"they need: {', '.join(image.dependencies.files)}")
    for distribution, reason in image.distributions.items():
        _say(f"installs {distribution}: {reason}")
    for note in image.notes:
        _say(f"warning: {note}; name what offers it with --plugin, unless the folder's requirements do")
    return image


def _wheels(image: Image, given: Path | None, target: Path) -> list[str]:
    """Put the wheels that the image needs into a folder, and return their names."""
    import shutil

    from command_build.wheels import build_local, pick

    names = [*image.distributions, *image.dependencies.names]
    shutil.rmtree(target, ignore_errors=True)
    if given is not None:
        wheels = pick(names, given)
        target.mkdir(parents=True, exist_ok=True)
        for wheel in wheels:
            shutil.copy2(wheel, target)
    else:
        wheels = build_local(names, target)
    if wheels:
        place = given or "folders that are installed here"
        _say(f"takes wheels from {place}: {', '.join(wheel.name for wheel in wheels)}")
    return [wheel.name for wheel in wheels]


def _say(text: str) -> None:
    sys.stderr.write(f"mlcore: {text}\n")
    sys.stderr.flush()


BUILD = Command("build", "Build a container image of a folder of models.", _configure_build, _build)
DOCKERFILE = Command("dockerfile", "Write a Dockerfile into a folder of models.", _configure_dockerfile, _dockerfile)
