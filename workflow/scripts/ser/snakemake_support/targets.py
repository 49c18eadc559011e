"""Final results of the configured experiments."""

from collections.abc import Mapping
from pathlib import Path

from ser.config.experiments import ADAPTATION, COMPARISONS, TABLES, Experiments

CAPTIONED = {  # result with a generated caption -> the file that the caption reads
    "table1": "results/tables/table1.csv",
    "table2": "results/tables/table2_detail.csv",
    "table2_converged": "results/tables/table2_converged_detail.csv",
    "figure2": "results/figures/figure2.csv",
    "figure3": "results/figures/figure3.csv",
    "confusion": "results/figures/confusion.csv",
    "recall": "results/figures/recall.csv",
    "training": "results/figures/training.csv",
    "claims": "results/claims.csv",
}
CLAIMS = ["results/claims.csv", "results/claims_cells.csv", "results/claims.md", "results/claims.png"]


class Targets:
    """Final results of a configuration.

    Args:
        config: the whole configuration after `validation.load`.
    """

    def __init__(self, config: Mapping):
        self._experiments = Experiments(config)

    def everything(self) -> list[str]:
        """Return all final results.

        Every output is listed. If an update of the workflow adds an output to a rule, Snakemake compares neither
        settings nor code of the rule's finished jobs, since the new output has no metadata yet.
        """
        configured = self._experiments.configured
        if not configured:
            return []
        gap = ["results/tables/gap.csv", "results/tables/gap.md", "results/tables/gap.png"]
        tables = ["table1", *(name for name in (*TABLES, *COMPARISONS) if name in configured)]
        more = [f"{name}_measures" for name in TABLES if name in configured]
        more += [f"{name}_differences" for name in (*TABLES, *COMPARISONS) if name in configured]
        figures = [name for name in ("figure2", "figure3", ADAPTATION, *COMPARISONS) if name in configured]
        figures += ["confusion", "recall", "training"] if "table2" in configured else []
        return [
            *self.corpora(),
            "results/scores.csv",
            "results/provenance.json",
            *(f"results/captions/{result}.rst" for result in self.captions()),
            *(CLAIMS if self._experiments.claimed else []),
            *(gap if self._experiments.gap else []),
            *(f"results/tables/{name}.{kind}" for name in tables for kind in ("csv", "png")),
            *(f"results/tables/{name}{kind}" for name in tables[1:] for kind in ("_detail.csv", ".md", ".tex")),
            *(f"results/tables/{name}.{kind}" for name in more for kind in ("csv", "md", "png")),
            *(f"results/figures/{name}.{kind}" for name in figures for kind in ("csv", "png", "pdf")),
        ]

    def corpora(self) -> list[str]:
        """Return the audits of all corpora in use."""
        pages = [f"results/corpora/{corpus}/audit.png" for corpus in self._experiments.corpora()]
        tables = [f"results/audit{kind}.csv" for kind in ("", "_emotions", "_speakers")]
        return [*pages, *tables] if pages else []

    def captions(self) -> dict[str, list[str]]:
        """Return the results with a generated caption, and the files that each caption reads."""
        configured = self._experiments.configured
        if not configured:
            return {}
        needs = {"table1": True, "claims": bool(self._experiments.claimed)}
        needs |= {name: name in configured for name in ("table2_converged", "figure2", "figure3")}
        read = {name: [path] for name, path in CAPTIONED.items() if needs.get(name, "table2" in configured)}
        return read | {"overview": [f"results/scores/{next(iter(configured))}.csv", *read.get("claims", [])]}

    @staticmethod
    def caption(result: str) -> str:
        """Return the path of a result's caption.

        It is absolute, since Snakemake resolves relative captions from the rule file.
        """
        return str(Path("results", "captions", f"{result}.rst").absolute())
