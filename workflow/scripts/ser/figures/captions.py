"""Render captions with results, from the templates in `workflow/report/`."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ser.core.paths import ROOT
from ser.evaluation.tables import read_table

TEMPLATES = ROOT / "workflow" / "report"


def render(template: str, results: Sequence[str | Path], **settings) -> str:
    """Render a reStructuredText template.

    Args:
        template: file name of the template.
        results: CSV files that templates read with `table(i)`.
        settings: further values for the template.

    Raises `jinja2.UndefinedError` if the template uses an undefined value.
    """
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,
    )
    environment.filters["listed"] = listed
    return environment.get_template(template).render(
        table=lambda i: read_table(results[i]), means=means, verdicts=verdicts, **settings
    )


def listed(items: Sequence[str]) -> str:
    """Join items as in a sentence: a, b and c."""
    items = list(items)
    return items[0] if len(items) == 1 else ", ".join(items[:-1]) + " and " + items[-1] if items else "none"


def means(frame: pd.DataFrame, column: str, titles: Mapping[str, str]) -> str:
    """Return the mean of a column by model as text: `CNN-LSTM 31.9 and MMS 45.0`."""
    by_model = frame.groupby("model", sort=False)[column].mean().dropna()
    return listed([f"{titles[model]} {value:.1f}" for model, value in by_model.items()])


def verdicts(frame: pd.DataFrame) -> dict[str, list[str]]:
    """Return verdict -> claims from the rows of `claims.csv`."""
    by_claim = frame.drop_duplicates("claim")
    return {verdict: list(rows["claim"]) for verdict, rows in by_claim.groupby("claim_verdict")}
