"""Foundations that every package uses: constants, paths, files, seeds, errors."""
