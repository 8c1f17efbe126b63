"""Evaluation: confusion, matching, data sets and protocols."""
