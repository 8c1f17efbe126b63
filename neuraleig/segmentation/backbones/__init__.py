"""Frozen backbones and their features."""

from neuraleig.segmentation.backbones._backbones import (
    CUDA_TOKENS,
    Backbone,
    CallableBackbone,
    Layers,
    digest,
    extract,
    make_backbone,
)
from neuraleig.segmentation.backbones._color_texture import ColorTexture
from neuraleig.segmentation.backbones._feature_cache import (
    FeatureCache,
    FeatureCacheWarning,
    FeatureStore,
    NoCache,
    cache_key,
    image_identity,
    stored_bytes,
)
from neuraleig.segmentation.backbones._timm_backbone import TimmBackbone

__all__ = [
    "CUDA_TOKENS",
    "Backbone",
    "CallableBackbone",
    "ColorTexture",
    "FeatureCache",
    "FeatureCacheWarning",
    "FeatureStore",
    "Layers",
    "NoCache",
    "TimmBackbone",
    "cache_key",
    "digest",
    "extract",
    "image_identity",
    "make_backbone",
    "stored_bytes",
]
