"""`python -m mlcore` is the `mlcore` program."""

import sys

from mlcore.cli import main

sys.exit(main())
