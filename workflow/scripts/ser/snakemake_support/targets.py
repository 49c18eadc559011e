"""Final results of the configured experiments."""

from ser.config.experiments import ADAPTATION, COMPARISONS, FEW_SHOT, NOISE, TABLES, Experiments

CLAIMS = ["results/claims.csv", "results/claims_cells.csv", "results/claims.md", "results/claims.png"]


class Targets:
    """Final results of a configuration's experiments."""

    def __init__(self, experiments: Experiments):
        self._experiments = experiments

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
        figures = [name for name in (*FEW_SHOT, *NOISE, ADAPTATION, *COMPARISONS) if name in configured]
        figures += ["confusion", "recall", "training"] if self._experiments.main_table in configured else []
        return [
            *self.corpora(),
            "results/scores.csv",
            "results/provenance.json",
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
