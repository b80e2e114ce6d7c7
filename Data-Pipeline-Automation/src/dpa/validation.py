"""French sentences for what pydantic finds wrong in a file that a person wrote."""

from pydantic import ValidationError
from pydantic_core import ErrorDetails

_SENTENCES = {
    "missing": "clé absente",
    "extra_forbidden": "clé inconnue",
    "string_type": "un texte est attendu",
    "string_too_short": "un texte non vide est attendu",
    "string_too_long": "au plus {max_length} caractères sont admis",
    "string_unicode": "un texte Unicode valide est attendu",
    "string_pattern_mismatch": "les caractères de contrôle ne sont pas admis",
    "int_type": "un nombre entier est attendu",
    "int_parsing": "un nombre entier est attendu",
    "float_parsing": "un nombre est attendu",
    "float_type": "un nombre est attendu",
    "finite_number": "un nombre fini est attendu",
    "dict_type": "un groupe de clés est attendu",
    "model_type": "un groupe de clés est attendu",
    "list_type": "une liste est attendue",
    "tuple_type": "une liste est attendue",
    "literal_error": "valeurs admises : {expected}",
    "greater_than": "un nombre supérieur à {gt} est attendu",
    "greater_than_equal": "un nombre d'au moins {ge} est attendu",
    "less_than_equal": "un nombre d'au plus {le} est attendu",
    "too_short": "au moins une valeur est attendue",
    "value_error": "{error}",
}


def _sentence(error: ErrorDetails) -> str:
    context = {key: str(value) for key, value in error.get("ctx", {}).items()}
    if "expected" in context:
        context["expected"] = context["expected"].replace(" or ", " ou ")
    template = _SENTENCES.get(error["type"], f"valeur refusée ({error['type']})")
    return template.format(**context)


def french_errors(error: ValidationError) -> str:
    """Describe every fault as « key » : sentence, value received, on one line."""
    parts = []
    for fault in error.errors(include_url=False):
        where = ".".join(str(step) for step in fault["loc"]) or "document"
        given = "" if fault["type"] == "missing" else f" (reçu : {str(fault['input'])[:60]!r})"
        parts.append(f"« {where} » : {_sentence(fault)}{given}")
    return " ; ".join(parts)
