"""Download one archive from where it is published."""

from ser import job, sources
from ser.errors import UserError


def main(snakemake):
    source = snakemake.params.source
    job.log.info("%s", sources.licence_notice(source))
    if problem := snakemake.params.get("refusal"):
        raise UserError(problem)
    sources.fetch(source, snakemake.output[0])


if __name__ == "__main__":
    job.run(snakemake, main)
