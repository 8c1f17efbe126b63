"""Unsupervised segmentation of images."""
