"""The JSON document of a run."""

from dpa.summary import failed


def test_the_document_of_a_failure_counts_nothing() -> None:
    document = failed("fichier vide", "d.sqlite", 0.1).model_dump()
    assert document["status"] == "error"
    assert document["error"] == "fichier vide"
    assert document["read"] == document["loaded"] == document["rejected"] == 0
    assert document["run_id"] is document["report"] is None
