"""Make one noise environment of the demo, in DEMAND's layout."""

from ser import job
from ser.demo import noise, writing


def main(snakemake):
    members = noise.environment_members(snakemake.wildcards.environment)
    writing.write_archive(snakemake.output.archive, members)


if __name__ == "__main__":
    job.run(snakemake, main)
