"""Describe a corpus: what is in it, and what a careless experiment would stumble over."""

from ser import audio, audit, files, job


def main(snakemake):
    rows = files.read_rows(snakemake.input.utterances)
    report = audit.audit(rows, audio.open_audio(snakemake.input.audio), files.read_json(snakemake.input.archive))
    files.write_json(snakemake.output.audit, report)


if __name__ == "__main__":
    job.run(snakemake, main)
