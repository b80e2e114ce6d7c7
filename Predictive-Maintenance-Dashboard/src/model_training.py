"""Launcher: trains the risk model."""

import sys

from pmd.cli.train import main

if __name__ == "__main__":
    sys.exit(main())
