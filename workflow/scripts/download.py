"""Download one archive from where it is published."""

from ser.core.errors import UserError
from ser.corpora import download, formats
from ser.snakemake_support import script


def main(snakemake):
    settings = snakemake.params.settings
    script.log.info("%s", download.licence_notice(settings["source"]))
    if problem := settings.get("refusal"):
        raise UserError(problem)
    if corpus := settings.get("corpus"):
        # an archive that ingestion would refuse is not kept, so that running again fetches again
        download.fetch(settings["source"], snakemake.output[0], check=lambda path: formats.open_corpus(path, corpus))
    else:
        download.fetch(settings["source"], snakemake.output[0])


if __name__ == "__main__":
    script.run(snakemake, main)
