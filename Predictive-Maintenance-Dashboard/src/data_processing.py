"""Launcher: turns raw telemetry into labelled rows."""

import sys

from pmd.cli.process import main

if __name__ == "__main__":
    sys.exit(main())
