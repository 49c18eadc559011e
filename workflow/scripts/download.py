"""Download one archive from where it is published."""

from ser.core.errors import UserError
from ser.corpora import download, formats
from ser.snakemake_support import script


def main(snakemake):
    source = snakemake.params.source
    script.log.info("%s", download.licence_notice(source))
    if problem := snakemake.params.get("refusal"):
        raise UserError(problem)
    if corpus := snakemake.params.get("corpus"):
        # what its users would refuse is not kept, so that running again fetches again
        download.fetch(source, snakemake.output[0], check=lambda path: formats.open_corpus(path, corpus))
    else:
        download.fetch(source, snakemake.output[0])


if __name__ == "__main__":
    script.run(snakemake, main)
