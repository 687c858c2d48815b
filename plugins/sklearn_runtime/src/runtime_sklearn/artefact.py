"""From the file to the fitted model: joblib and pickle, or skops. The file's name decides which, never its content."""

from __future__ import annotations

import pickle
import struct
import warnings
import zipfile
import zlib
from typing import TYPE_CHECKING, Any

from mlcore.artefacts import find_artefact, open_pickle
from mlcore.errors import ModelLoadError
from mlcore.loading import own_modules
from mlcore.logs import get_logger

from runtime_sklearn.plugin import ARTEFACTS
from runtime_sklearn.quiet import caught_warnings

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from mlcore.settings import ModelSettings

FORMATS = ("joblib", "pickle", "skops")

_SKOPS = b"PK"  # a ZIP archive
_PICKLE = b"\x80"

_DAMAGED = (pickle.UnpicklingError, zipfile.BadZipFile, zlib.error, struct.error, EOFError, LookupError)

log = get_logger("runtime_sklearn")


def read_artefact(settings: ModelSettings, trusted_types: Iterable[str] = ()) -> Any:
    """Return the fitted model that a model's settings name.

    A pickle may need modules that lie beside it in the model's folder; they are importable meanwhile.

    Args:
        settings: The model's settings.
        trusted_types: Types that a skops file may hold besides those that skops knows to be safe.

    Raises:
        ModelLoadError: There is no such file, it cannot be read, or it is a pickle, which the server does not permit.
    """
    from sklearn.exceptions import InconsistentVersionWarning

    file = find_artefact(settings, ARTEFACTS)
    kind = _format_of(file, settings.parameters.format)
    with caught_warnings("always", InconsistentVersionWarning) as caught, own_modules(settings.folder):
        try:
            model = _read_skops(file, trusted_types) if kind == "skops" else _read_pickle(settings, file)
        except ModelLoadError:
            raise
        except Exception as error:  # reading a pickle runs code of the file's, which may raise anything
            other_version = "".join(f"; it was {text}" for text in _other_version(caught))
            raise ModelLoadError(f"{file.name}: {_problem(error)}{other_version}") from error
    for text in _other_version(caught):
        log.warning(f"the model was {text}", model=settings.name)
    for warning in caught:
        if not isinstance(warning.message, InconsistentVersionWarning):
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
    return model


def _format_of(file: Path, given: str | None) -> str:
    if given is not None:
        if given not in FORMATS:
            raise ModelLoadError(f"parameters.format: expected one of {', '.join(FORMATS)}, got '{given}'")
        return given
    return "skops" if file.suffix == ".skops" else "joblib"


def _read_pickle(settings: ModelSettings, file: Path) -> Any:
    import joblib

    with open_pickle(settings, file) as opened:
        return joblib.load(opened)  # it reads plain pickles as well


def _read_skops(file: Path, trusted_types: Iterable[str]) -> Any:
    import skops.io

    content = file.read_bytes()  # once: what is asked for its types is what is loaded
    if not content.startswith(_SKOPS):
        what = "a pickle" if content.startswith(_PICKLE) else "something else"
        raise ModelLoadError(
            f"{file.name}: it is no skops file but {what}; what a file is called decides how it is read, so give it "
            "another name, or set parameters.format"
        )
    trusted = set(trusted_types)
    unknown = skops.io.get_untrusted_types(data=content)
    refused = sorted(set(unknown) - trusted)
    if refused:
        raise ModelLoadError(
            f"{file.name}: it holds types that are not known to be safe: {', '.join(refused)}; if you trust the file, "
            "name them in parameters.extra.trusted_types"
        )
    return skops.io.loads(content, trusted=[name for name in unknown if name in trusted])


def _problem(error: Exception) -> str:
    if isinstance(error, ModuleNotFoundError):
        return (
            f"it needs the module '{error.name}', which is neither installed nor in the model's folder; install it, "
            "or put it beside the file"
        )
    if isinstance(error, AttributeError) and "__main__" in str(error):
        return (
            f"it needs a class or function of the script that saved it ({error}); move that into a module of its own, "
            "import it in the script, save the model again, and put the module beside the file"
        )
    if isinstance(error, _DAMAGED):
        return f"it is damaged, or not written by joblib, pickle or skops ({type(error).__name__}: {error})"
    return f"it cannot be read: {type(error).__name__}: {error}"


def _other_version(caught: list[warnings.WarningMessage]) -> list[str]:
    """Say which version of scikit-learn saved the file, in one line, if it is not the installed one."""
    mismatches: list[Any] = [found.message for found in caught if hasattr(found.message, "original_sklearn_version")]
    if not mismatches:
        return []
    saved = ", ".join(sorted({str(mismatch.original_sklearn_version) for mismatch in mismatches}))
    return [
        f"saved by scikit-learn {saved}, and {mismatches[0].current_sklearn_version} is installed: answers may differ; "
        "install the former, or fit and save the model again"
    ]
