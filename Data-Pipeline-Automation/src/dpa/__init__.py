"""ETL of rail freight transactions: extract, check, transform, load, report."""

__version__ = "3.0.0"
