import pytest
import torch

from neuraleig._device import resolve_device


def test_auto_prefers_cuda_where_there_is_one(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert resolve_device("auto") == torch.device("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert resolve_device("auto") == torch.device("cpu")


def test_names_are_torchs():
    assert resolve_device("cpu") == torch.device("cpu")


def test_unknown_names_are_rejected():
    with pytest.raises(ValueError, match="'toaster' is not known to torch"):
        resolve_device("toaster")


def test_absent_cuda_is_rejected(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match="none is available"):
        resolve_device("cuda:0")


def test_a_cuda_device_beyond_those_that_are_there_is_rejected(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    with pytest.raises(ValueError, match="'cuda:99' is not available here"):
        resolve_device("cuda:99")
