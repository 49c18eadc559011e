"""Create one noise environment of the demo in DEMAND's layout."""

from ser.demo import noise, writing
from ser.snakemake_support import script


def main(snakemake):
    members = noise.environment_members(snakemake.wildcards.environment)
    writing.write_archive(snakemake.output.archive, members)


if __name__ == "__main__":
    script.run(snakemake, main)
