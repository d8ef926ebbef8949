"""`python -m neurohw`: as `neurohw`, it imports nothing from the folder where one stands.

What Python itself imports before this file is Python's own affair: `python -P -m neurohw` keeps that safe, too.
"""

import os
import sys

import neurohw

if not sys.flags.safe_path:
    here = sys.path.pop(0)
    if here == os.path.dirname(neurohw.__path__[0]) and here not in sys.path:  # noqa: PTH120  pathlib is not loaded yet
        sys.path.append(here)  # a source tree that is not installed: after everything else

from neurohw.cli import main

main()
