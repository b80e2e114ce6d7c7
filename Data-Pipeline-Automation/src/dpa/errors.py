"""The errors that the ETL raises on purpose, each with its remedy in French.

DpaError
├── UsageError              the command itself is wrong (exit code 2)
├── SourceError             an input file cannot be used
│   ├── SourceUnreadable    missing, a folder, no permission, undecodable
│   ├── SourceEmpty         nothing in it, or a header without rows
│   ├── MissingColumns      the header lacks expected columns
│   └── InvalidMachines     the machine list breaks its rules
├── InvalidMapping          the mapping file breaks its rules
├── EngineError             the Dask cluster cannot be reached, or failed; nothing was changed
├── WarehouseError          the warehouse refused; nothing was changed
│   ├── WarehouseLocked     another program holds it
│   ├── WarehouseForeign    not a warehouse of ours, or a newer one
│   ├── RejectsClosed       rejects that are closed already, or that it does not have
│   ├── TransactionUnknown  no such transaction in it
│   └── OutcomeUnknown      the server vanished while it committed: the run is there, or it is not
└── ReportNotWritten        the data are committed, the workbook is not (exit code 3)
"""


class DpaError(Exception):
    """Any failure that the user can act upon; its text is a French sentence."""


class UsageError(DpaError):
    """The command line or the environment asks for something impossible."""


class SourceError(DpaError):
    """An input file cannot be used."""


class SourceUnreadable(SourceError):
    """The file cannot be opened or decoded."""


class SourceEmpty(SourceError):
    """The file holds no row."""


class MissingColumns(SourceError):
    """The header lacks columns that the pipeline needs."""


class InvalidMachines(SourceError):
    """The machine list breaks its rules."""


class InvalidMapping(DpaError):
    """The mapping file breaks its rules."""


class EngineError(DpaError):
    """The Dask cluster cannot be reached, or failed during the run."""


class WarehouseError(DpaError):
    """The warehouse refused the load, which was rolled back."""


class WarehouseLocked(WarehouseError):
    """Another program holds the warehouse."""


class WarehouseForeign(WarehouseError):
    """The file is not a warehouse of this program, or comes from a newer version."""


class RejectsClosed(WarehouseError):
    """Rejects to correct or to abandon are closed already, or are not in the warehouse."""


class TransactionUnknown(WarehouseError):
    """The warehouse holds no such transaction."""


class OutcomeUnknown(WarehouseError):
    """Nobody knows yet whether the run `run_id` was committed."""

    def __init__(self, sentence: str, run_id: str) -> None:
        super().__init__(sentence)
        self.run_id = run_id


class ReportNotWritten(DpaError):
    """The data are committed but the workbook could not be written."""
