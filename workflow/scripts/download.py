"""Download one archive from its published source or a mirror."""

from ser.core.errors import UserError
from ser.corpora import download, formats
from ser.snakemake_support import script


def main(snakemake):
    settings = snakemake.params.settings
    script.log.info("%s", download.licence_notice(settings["source"]))
    if problem := settings.get("refusal"):
        raise UserError(problem)
    if corpus := settings.get("corpus"):
        # check the contents too, so that a wrong archive is not kept and the next run downloads it again
        download.fetch(settings["source"], snakemake.output[0], check=lambda path: formats.open_corpus(path, corpus))
    else:
        download.fetch(settings["source"], snakemake.output[0])


if __name__ == "__main__":
    script.run(snakemake, main)
