"""Launcher: simulates telemetry, as a history or as a stream."""

import sys

from pmd.cli.generate import main

if __name__ == "__main__":
    sys.exit(main())
