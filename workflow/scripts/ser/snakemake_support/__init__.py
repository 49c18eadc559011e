"""Inputs, settings and targets of rules, code hashes, and job entry point."""
