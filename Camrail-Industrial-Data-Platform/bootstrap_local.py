"""Launcher: makes a servable model with no broker and no server."""

import sys

from cidp.bootstrap import main

if __name__ == "__main__":
    sys.exit(main())
