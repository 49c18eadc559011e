"""Captions in prose with a run's own numbers: templates of `workflow/report/`, filled in."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ser.core.paths import ROOT

TEMPLATES = ROOT / "workflow" / "report"


def render(template: str, results: Sequence[str | Path], **settings) -> str:
    """Fill in a template of reStructuredText.

    Args:
        template: its file name.
        results: CSV and other files that the caption speaks of; templates read them by `table(i)`.
        settings: what else the template speaks of.

    Raises `jinja2.UndefinedError` if the template asks for what is not there.
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
        table=lambda i: read(results[i]), means=means, verdicts=verdicts, **settings
    )


def read(path: str | Path) -> pd.DataFrame:
    """A CSV with names as strings, whatever they look like."""
    names = ("model", "title", "source", "target", "claim", "verdict", "claim_verdict", "condition", "test_set", "note")
    columns = pd.read_csv(path, nrows=0).columns
    numbers = {column: [""] for column in columns if column not in names}
    return pd.read_csv(path, dtype=dict.fromkeys(names, str), keep_default_na=False, na_values=numbers)


def listed(items: Sequence[str]) -> str:
    """Items as a sentence has them: a, b and c."""
    items = list(items)
    return items[0] if len(items) == 1 else ", ".join(items[:-1]) + " and " + items[-1] if items else "none"


def means(frame: pd.DataFrame, column: str, titles: Mapping[str, str]) -> str:
    """The mean of a column by model, in words: `CNN-LSTM 31.9, XLSR 41.2 and MMS 45.0`; without models that lack it."""
    by_model = frame.groupby("model", sort=False)[column].mean().dropna()
    return listed([f"{titles[model]} {value:.1f}" for model, value in by_model.items()])


def verdicts(frame: pd.DataFrame) -> dict[str, list[str]]:
    """Verdict -> claims that it is of, from `claims.csv`."""
    by_claim = frame.drop_duplicates("claim")
    return {verdict: list(rows["claim"]) for verdict, rows in by_claim.groupby("claim_verdict")}
