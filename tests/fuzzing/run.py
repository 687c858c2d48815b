"""Runs one target under atheris: `run.py TARGET [OPTIONS OF LIBFUZZER] [FOLDERS]`; scripts/fuzz calls it."""

import sys

import atheris

with atheris.instrument_imports(include=["mlcore_protocol"]):
    from targets import TARGETS

if __name__ == "__main__":
    target = TARGETS[sys.argv.pop(1)]
    atheris.Setup(sys.argv, target)
    atheris.Fuzz()
