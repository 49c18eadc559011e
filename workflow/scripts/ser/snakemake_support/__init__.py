"""Inputs and settings of rules, code hashes, and job entry point."""
