"""Scores, confidence intervals and claims."""
