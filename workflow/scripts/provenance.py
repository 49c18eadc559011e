"""Write the provenance of the results."""

import datetime
from pathlib import Path

from ser.core import files
from ser.core.paths import RunId
from ser.snakemake_support import provenance, script


def main(snakemake):
    given, settings = snakemake.input, snakemake.params.settings
    record = {
        "written": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "label": settings["config"]["label"],
        "workflow": provenance.commit(),
        "packages": provenance.packages(provenance.LOCK),  # of this job: Snakemake may have another environment
        "trainings": provenance.across_runs(files.read_json(path) for path in given.runs),
        "archives": {Path(path).parent.name: files.read_json(path) for path in given.archives},
        "checkpoints": {Path(path).parent.name: files.read_json(path) for path in given.revisions},
        "machine_that_wrote_this": provenance.hardware(),
        "costs": provenance.costs(Path("results"), map(RunId.parse, given.runs)),
        "config": settings["config"],
    }
    files.write_json(snakemake.output.provenance, record)


if __name__ == "__main__":
    script.run(snakemake, main)
