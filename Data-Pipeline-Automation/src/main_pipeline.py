"""Launcher of the ETL: hands its arguments to `dpa.cli` and returns its exit code."""

from dpa.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
