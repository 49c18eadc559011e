"""Download one archive from where it is published."""

from ser import corpora, job, sources
from ser.errors import UserError


def main(snakemake):
    source = snakemake.params.source
    job.log.info("%s", sources.licence_notice(source))
    if problem := snakemake.params.get("refusal"):
        raise UserError(problem)
    if corpus := snakemake.params.get("corpus"):
        # what its users would refuse is not kept, so that running again fetches again
        sources.fetch(source, snakemake.output[0], check=lambda path: corpora.open_corpus(path, corpus))
    else:
        sources.fetch(source, snakemake.output[0])


if __name__ == "__main__":
    job.run(snakemake, main)
