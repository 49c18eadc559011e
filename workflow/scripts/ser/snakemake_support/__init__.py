"""Inputs, settings and targets of rules, code hashes, and the entry point of jobs."""
