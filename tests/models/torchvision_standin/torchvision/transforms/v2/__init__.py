"""Only `functional` is here."""

from torchvision.transforms.v2 import functional

__all__ = ["functional"]
