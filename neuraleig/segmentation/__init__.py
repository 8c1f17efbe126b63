"""Unsupervised semantic segmentation of images."""
