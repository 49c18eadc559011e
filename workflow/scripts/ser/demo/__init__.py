"""Embedded demo: synthetic speech and noise in the layouts of real corpora."""
