"""Inputs, settings and targets of rules, code hash, and the entry of jobs."""
