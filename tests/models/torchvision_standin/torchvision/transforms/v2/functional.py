"""Tensor functions by the arithmetic of torchvision 0.28 (torchvision/transforms/v2/functional).

Shape:
    Every `image` is (..., C, H, W).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import interpolate
from torch.nn.functional import pad as torch_pad

from torchvision.transforms.functional import InterpolationMode, pil_to_tensor

__all__ = ["InterpolationMode", "crop", "grayscale_to_rgb", "normalize", "pad", "pil_to_tensor", "resize"]


def resize(
    image: Tensor,
    size: Sequence[int],
    interpolation: InterpolationMode = InterpolationMode.BILINEAR,
    antialias: bool = True,
) -> Tensor:
    """`image` at `size` = (height, width); uint8 stays uint8 and is interpolated as such, not in floats."""
    *batch, channels, height, width = image.shape
    if (height, width) == tuple(size):
        return image
    flat = image.reshape(-1, channels, height, width)
    resized = interpolate(
        flat, size=list(size), mode=interpolation.value, align_corners=False, antialias=antialias
    )
    return resized.reshape(*batch, channels, *size)


def normalize(image: Tensor, mean: Sequence[float], std: Sequence[float], inplace: bool = False) -> Tensor:
    """(image - mean) / std by channel, in the image's dtype."""
    if not image.is_floating_point():
        raise TypeError(f"only floats are normalised, got {image.dtype = }")
    means, stds = (torch.as_tensor(values, dtype=image.dtype).view(-1, 1, 1) for values in (mean, std))
    return (image.sub_(means) if inplace else image.sub(means)).div_(stds)


def pad(image: Tensor, padding: Sequence[int], fill: float = 0, padding_mode: str = "constant") -> Tensor:
    """`padding` = (left, top, right, bottom), of one value."""
    if padding_mode != "constant":
        raise NotImplementedError(f"{padding_mode = }")
    left, top, right, bottom = padding
    return torch_pad(image, [left, right, top, bottom], value=float(fill))


def crop(image: Tensor, top: int, left: int, height: int, width: int) -> Tensor:
    """A window that lies in the image."""
    if min(top, left) < 0 or top + height > image.shape[-2] or left + width > image.shape[-1]:
        raise NotImplementedError(f"{(top, left, height, width) = } leaves {tuple(image.shape) = }")
    return image[..., top : top + height, left : left + width]


def grayscale_to_rgb(image: Tensor) -> Tensor:
    """Three channels, or more, stay; one is repeated."""
    return image if image.shape[-3] >= 3 else image.repeat_interleave(3, dim=-3)
