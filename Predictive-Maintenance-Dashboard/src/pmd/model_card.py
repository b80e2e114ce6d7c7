"""The model card: what a person must know before relying on a model, from its manifest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from pmd.french import number
from pmd.manifest import Figures, Manifest
from pmd.report import PREDICTORS, interval

Column = tuple[str, str, int]  # figure, title, decimals

_QUALITY: tuple[Column, ...] = (
    ("average_precision", "précision moyenne", 3),
    ("roc_auc", "AUC", 3),
    ("brier", "Brier", 3),
    ("brier_skill", "gain de Brier", 3),
    ("calibration_error", "erreur d'étalonnage", 3),
    ("calibration_slope", "pente d'étalonnage", 2),
)
_DECISIONS: tuple[Column, ...] = (
    ("precision", "précision", 3),
    ("recall", "rappel", 3),
    ("f1", "F1", 3),
    ("cost", "coût", 0),
)
_SUSTAINED: tuple[Column, ...] = (
    ("sustained_lead_median_h", "préavis soutenu médian, h", 1),
    ("lead_at_budget_h", "préavis à 1 fausse alerte par mois, h", 1),
)
_FALSE_ALARMS: Column = ("false_alarms_per_group_month", "fausses alertes par mois", 2)
_WARNINGS: tuple[Column, ...] = (
    ("failures", "pannes", 0),
    ("failures_announced", "part annoncée", 3),
    ("lead_time_median_h", "préavis médian, h", 1),
)
_ALL = (*_QUALITY, *_DECISIONS, *_WARNINGS, *_SUSTAINED, _FALSE_ALARMS)
_GROUP: tuple[Column, ...] = (("rows", "lignes", 0), ("positives", "positives", 0))
_TYPE: tuple[Column, ...] = (("rows", "lignes avant panne", 0), ("recall", "rappel", 3))
_SIGNS = {-1: "décroissant", 0: "libre", 1: "croissant"}


def model_card(manifest: Manifest, pictures: Mapping[str, str]) -> str:
    """The card, Markdown in French; `pictures` (title: path seen from the card) are shown."""
    parts = ["# Fiche du modèle", _identity(manifest), "## Usage", _use(manifest)]
    parts += [_features(manifest), "## Données", _data(manifest)]
    parts += ["## Chiffres sur les lignes jamais vues", *_metrics(manifest)]
    parts += _detail("## Par type de panne", manifest.per_failure_type, (*_TYPE, *_WARNINGS))
    group_columns = (*_GROUP, *_DECISIONS, *_WARNINGS, _FALSE_ALARMS)
    parts += _detail("## Par groupe (locomotive)", manifest.per_group, group_columns)
    parts += [f"![{title}]({path})" for title, path in pictures.items()]
    parts += ["## Définitions et limites", _limits(manifest.horizon_hours)]
    return "\n\n".join(parts) + "\n"


def _identity(manifest: Manifest) -> str:
    settings = ", ".join(
        f"`{name}` = {value or 'aucun'}" for name, value in manifest.parameters.items()
    )
    libraries = ", ".join(f"{name} {version}" for name, version in manifest.libraries.items())
    return (
        f"Modèle *{manifest.slot}*, version {manifest.version}, graine {manifest.seed}, réglages "
        f"essayés : {manifest.trials}. Forêt aléatoire monotone étalonnée par une sigmoïde : "
        f"{settings}. Faite avec {libraries}. Cette fiche est tirée du manifeste du lot ; ne la "
        "corrigez pas à la main."
    )


def _use(manifest: Manifest) -> str:
    horizon = manifest.horizon_hours
    delay = f" dans les {horizon:g} h" if horizon else ""
    return (
        f"Le modèle estime la probabilité de `{manifest.target}`{delay}. Il alarme au-dessus de "
        f"{number(manifest.threshold, 4)}, le seuil le moins coûteux si une ligne de panne manquée "
        f"coûte {manifest.cost_miss:g} et une ligne en fausse alerte {manifest.cost_false_alarm:g}."
    )


def _features(manifest: Manifest) -> str:
    rows = [
        [
            f"`{feature.name}`",
            feature.unit,
            _SIGNS[feature.monotone],
            f"{number(feature.minimum, 2)} à {number(feature.maximum, 2)}",
            number(manifest.importance.get(feature.name), 3),
        ]
        for feature in manifest.features
    ]
    title = ["variable", "unité", "sens du risque", "plage apprise", "importance"]
    return _table(title, rows)


def _data(manifest: Manifest) -> str:
    files = [[file.name, number(file.rows), file.sha256[:16] + "…"] for file in manifest.data]
    held, window = manifest.held_out, manifest.training_window
    learnt = f"Appris du {window.start:%Y-%m-%d} au {window.end:%Y-%m-%d}. " if window else ""
    return (
        _table(["fichier", "lignes", "SHA-256"], files)
        + f"\n\n{learnt}Jugé sur {number(held.rows)} lignes tenues à l'écart ({held.split}), "
        f"dont {number(held.positives)} positives."
        + "".join(
            f" Laissées de côté, {reason} : {number(rows)}."
            for reason, rows in manifest.left_out.items()
            if rows
        )
    )


def _metrics(manifest: Manifest) -> list[str]:
    known = [(key, title) for key, title in PREDICTORS if key in manifest.metrics]
    rows = [
        [title, *(number(manifest.metrics[key].get(name), decimals) for key, _ in known)]
        for name, title, decimals in _ALL
    ]
    return [_table(["", *(title for _, title in known)], rows), *_intervals(manifest, known)]


def _intervals(manifest: Manifest, predictors: Sequence[tuple[str, str]]) -> list[str]:
    if not manifest.intervals:
        return []
    rows = [
        [title, *(interval(manifest.intervals[key].get(name), decimals) for key, _ in predictors)]
        for name, title, decimals in _ALL
    ]
    said = f"Moyenne et intervalle à 95 % sur les graines {', '.join(map(str, manifest.seeds))} :"
    return [said, _table(["", *(title for _, title in predictors)], rows)]


def _detail(title: str, figures: Mapping[str, Figures], columns: Sequence[Column]) -> list[str]:
    if not figures:
        return []
    rows = [
        [name, *(number(found.get(key), decimals) for key, _, decimals in columns)]
        for name, found in figures.items()
    ]
    return [title, _table(["", *(heading for _, heading, _ in columns)], rows)]


def _limits(horizon_hours: float | None) -> str:
    bound = f" ({horizon_hours:g} h), dans les tables comme sur l'image" if horizon_hours else ""
    lines = [
        "L'importance est la précision moyenne perdue quand la variable est mélangée.",
        "Erreur d'étalonnage : écart moyen entre probabilité annoncée et part observée, sur dix "
        "tranches de même effectif ; pente : 1 est juste, moins est trop sûr de soi.",
        "Préavis : de la première alarme dans l'horizon à la panne, donc au plus l'horizon"
        f"{bound}.",
        "Préavis soutenu : du début de l'alarme qui dure jusqu'à la panne (silences de 6 h au "
        "plus), même avant l'horizon ; 0 sans elle. À 1 fausse alerte par mois : le même, au seuil "
        "où le prédicteur en donne une par groupe et par mois, pour les comparer entre eux.",
        "Fausse alerte : des alarmes qui se suivent et dont aucune n'annonce une panne ; comptées "
        "par groupe et par mois observé.",
        "Ces chiffres valent ce que valent les pannes qui les ont jugés : au-dessous d'une "
        "centaine, une ou deux locomotives les déplacent. La pente d'étalonnage d'un parc simulé "
        "de 40 locomotives, jugé sur une vingtaine de pannes, s'écarte de 1 de 0,3 (*instant*) ou "
        "0,4 (*trend*) par le seul hasard ; `--seeds 5` donne des intervalles.",
        "Hors de la plage apprise, la probabilité est celle du bord : ne vous y fiez pas.",
        "Le modèle n'est sûr que pour des données qui ressemblent à celles de l'apprentissage ; "
        "les répartitions de référence du manifeste permettent de le vérifier.",
    ]
    return "\n".join(f"- {line}" for line in lines)


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(_cell(text) for text in line) + " |" for line in lines)


def _cell(text: str) -> str:
    """No text of the data can end a cell."""
    return text.replace("|", "\\|").replace("\n", " ")
