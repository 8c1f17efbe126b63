"""Frozen backbones and their features."""
