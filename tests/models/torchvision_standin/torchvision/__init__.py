"""What transformers' processors call of torchvision, where it is missing."""

from torchvision import io, transforms

__all__ = ["io", "transforms"]
__version__ = "0.28.0"
