"""Launcher of the whole platform on one machine."""

import sys

from cidp.local_platform import main

if __name__ == "__main__":
    sys.exit(main())
