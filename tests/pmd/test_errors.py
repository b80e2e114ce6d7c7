import pytest

from pmd import errors


@pytest.mark.parametrize(
    "error",
    [
        errors.UnusableFile,
        errors.MissingColumns,
        errors.InvalidOption,
        errors.UntrainableData,
        errors.LeakingColumns,
        errors.InexactExport,
    ],
)
def test_a_command_catches_every_error_at_the_root(error: type[Exception]) -> None:
    assert issubclass(error, errors.PmdError)


def test_a_message_holds_the_values_and_the_remedy() -> None:
    missing = str(errors.MissingColumns("raw.csv", ["pressure"], ["timestamp"]))
    assert "raw.csv : colonnes absentes ['pressure']" in missing
    assert "Corrigez" in missing
    leaking = str(errors.LeakingColumns(["« TWF » (…)", "« HDF » (…)"]))
    assert "« TWF » (…) ; « HDF » (…)" in leaking
    assert "Retirez" in leaking
