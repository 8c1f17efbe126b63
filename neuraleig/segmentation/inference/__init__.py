"""Inference: windows of images, blending, upsampling, refinement."""
