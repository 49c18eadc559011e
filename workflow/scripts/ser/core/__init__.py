"""Foundations used by every package: constants, paths, files, seeds, errors."""
