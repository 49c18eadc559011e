"""The embedded demo: synthetic speech and noise in the layouts of the real corpora."""
