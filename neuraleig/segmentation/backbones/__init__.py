"""Frozen backbones and their features."""

from neuraleig.segmentation.backbones._backbones import Backbone, extract
from neuraleig.segmentation.backbones._color_texture import ColorTexture
from neuraleig.segmentation.backbones._feature_cache import FeatureCacheWarning
from neuraleig.segmentation.backbones._make_backbone import make_backbone
from neuraleig.segmentation.backbones._timm_backbone import TimmBackbone

__all__ = [
    "Backbone",
    "ColorTexture",
    "FeatureCacheWarning",
    "TimmBackbone",
    "extract",
    "make_backbone",
]
