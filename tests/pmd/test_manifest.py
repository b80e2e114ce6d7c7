import pytest
from pydantic import ValidationError

from pmd.manifest import Canary, ManifestFeature, TrainingSummary


def test_a_failure_is_a_document_with_its_message_alone() -> None:
    summary = TrainingSummary(
        status="error", error="vide", bundle=None, model_file=None, manifest=None
    )
    assert summary.model_dump_json() == (
        '{"status":"error","error":"vide","bundle":null,"model_file":null,"manifest":null}'
    )


def test_an_unknown_property_is_refused() -> None:
    with pytest.raises(ValidationError, match="extra"):
        Canary.model_validate({"values": [1.0], "probability": 0.5, "comment": "x"})


def test_a_sign_is_minus_one_zero_or_one() -> None:
    with pytest.raises(ValidationError, match="monotone"):
        ManifestFeature.model_validate(
            {
                "name": "x",
                "unit": "",
                "monotone": 2,
                "minimum": 0,
                "maximum": 1,
                "reference": {"edges": [], "shares": [1]},
            }
        )
