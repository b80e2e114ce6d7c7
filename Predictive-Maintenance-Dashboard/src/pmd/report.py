"""The printed report of a training, in French."""

from __future__ import annotations

from pmd.evaluation import Figures
from pmd.french import number
from pmd.manifest import Interval, Manifest
from pmd.training import Trained

PREDICTORS = (
    ("model", "modèle"),
    ("never_fails", "ne tombe jamais en panne"),
    ("single_threshold", "seuil sur un capteur"),
    ("logistic_regression", "régression logistique"),
    ("gradient_boosting", "boosting de gradient"),
)
_COLUMNS = (
    ("average_precision", "préc. moy."),
    ("roc_auc", "AUC"),
    ("brier", "Brier"),
    ("precision", "précision"),
    ("recall", "rappel"),
    ("f1", "F1"),
    ("cost", "coût"),
    ("sustained_lead_median_h", "soutenu, h"),
    ("false_alarms_per_group_month", "fausses/mois"),
    ("lead_at_budget_h", "à 1/mois, h"),
)
_DECIMALS = {
    "cost": 0,
    "sustained_lead_median_h": 1,
    "false_alarms_per_group_month": 1,
    "lead_at_budget_h": 1,
}
_LABEL = 25  # characters; with the columns, a line fits a terminal of 120
_NARROWEST = 6
TOO_GOOD = 0.99  # of the area under a curve: no sensor foretells so well
FEW_FAILURES = 100  # below, one or two locomotives move the figures


def training_report(trained: Trained, manifest: Manifest) -> str:
    """The predictors side by side on rows that training never saw."""
    held, rule = manifest.held_out, trained.rule
    feature = manifest.features[rule.feature]
    sign = ">" if rule.sign > 0 else "<"
    header = " " * _LABEL + "".join(title.rjust(_width(title)) for _, title in _COLUMNS)
    return "\n".join(
        [
            f"Modèle {manifest.slot}, évaluation sur {number(held.rows)} lignes jamais vues "
            f"({held.split}), dont {number(held.positives)} positives",
            header,
            *(title.ljust(_LABEL) + _cells(manifest.metrics[key]) for key, title in PREDICTORS),
            *(key.ljust(_LABEL) + _cells(manifest.metrics[key]) for key in rivals(manifest)),
            *_intervals(manifest),
            f"Seuil du modèle : probabilité > {number(manifest.threshold, 4)} "
            f"(panne manquée {number(manifest.cost_miss, 1)}, "
            f"fausse alerte {number(manifest.cost_false_alarm, 1)})",
            _cross_validated(manifest),
            f"Seuil sur un capteur : {feature.name} {sign} {number(rule.threshold, 2)} "
            f"{feature.unit}".rstrip(),
            *_certainty(manifest.metrics["model"], manifest.held_out.positives),
            *_alone(manifest, feature.name),
        ]
    )


def rivals(manifest: Manifest) -> list[str]:
    """The versions of the bundles that were judged beside the model."""
    return [key for key in manifest.metrics if key not in dict(PREDICTORS)]


def _cells(figures: Figures) -> str:
    return "".join(
        number(figures.get(key), _DECIMALS.get(key, 3)).rjust(_width(title))
        for key, title in _COLUMNS
    )


def _certainty(model: Figures, positives: int) -> list[str]:
    """On how many failures the figures rest, the calibration slope, and whether they are few.

    Of a table that does not date its failures, how many positive rows.
    """
    dated = model.get("failures")
    count, name = (positives, "lignes positives") if dated is None else (dated, "pannes")
    slope = number(model.get("calibration_slope"), 2)
    told = [f"Jugé sur {number(count)} {name} ; pente d'étalonnage {slope} (1 est juste)"]
    if count < FEW_FAILURES:
        told.append(
            f"Attention : moins de {FEW_FAILURES} {name}, chiffres incertains (voir --seeds)"
        )
    return told


def _cross_validated(manifest: Manifest) -> str:
    """The model on the rows that it learned from, each judged by a forest that never saw it."""
    precision, f1 = (
        number(manifest.out_of_fold.get(key), 3) for key in ("average_precision", "f1")
    )
    return f"Hors échantillon, par validation croisée : préc. moy. {precision}, F1 {f1} à ce seuil"


def _alone(manifest: Manifest, feature: str) -> list[str]:
    """A warning, where the rule on one feature alone knows nearly everything."""
    if (manifest.metrics["single_threshold"].get("roc_auc") or 0) < TOO_GOOD:
        return []
    return [
        f"Attention : « {feature} » sépare à elle seule les étiquettes. Si elle n'est connue "
        "qu'après coup, ces chiffres ne valent rien : retirez-la de --features."
    ]


def _width(title: str) -> int:
    """Of its column, the blank before it included."""
    return max(len(title), _NARROWEST) + 1


def _intervals(manifest: Manifest) -> list[str]:
    """Mean and 95 % interval of each predictor over the seeds, if there are several."""
    if not manifest.intervals:
        return []
    return [f"Moyenne et intervalle à 95 % sur {len(manifest.seeds)} graines"] + [
        title.ljust(_LABEL)
        + ", ".join(
            f"{label} {interval(ranges[key], decimals)}"
            for key, label, decimals in (
                ("average_precision", "préc. moy.", 3),
                ("cost", "coût", 0),
                ("sustained_lead_median_h", "préavis soutenu", 1),
                ("lead_at_budget_h", "à 1 fausse alerte par mois", 1),
            )
            if key in ranges
        )
        for name, title in PREDICTORS
        if (ranges := manifest.intervals.get(name))
    ]


def interval(found: Interval | None, decimals: int) -> str:
    """Mean and both ends; dash for None."""
    if found is None:
        return "–"
    low, mean, high = (number(value, decimals) for value in (found.low, found.mean, found.high))
    return f"{mean} [{low} ; {high}]"
