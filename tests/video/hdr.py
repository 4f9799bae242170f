"""SDR pictures as HDR stores them, by the formulas of the standards: the reference of tone mapping."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

BT709_TO_BT2020 = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]])
WHITE_NITS = 203
"""Of diffuse white in HDR (ITU-R BT.2408)."""


def light(coded: NDArray[np.float64]) -> NDArray[np.float64]:
    """Nits that a display of SDR (BT.1886) gives, with its white where HDR has diffuse white; in BT.2020."""
    return np.clip((coded**2.4) @ BT709_TO_BT2020.T, 0, 1) * WHITE_NITS


def pq(nits: NDArray[np.float64]) -> NDArray[np.float64]:
    """SMPTE ST 2084."""
    power = (nits / 10_000) ** 0.1593017578125
    return ((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375


def hlg(nits: NDArray[np.float64]) -> NDArray[np.float64]:
    """ITU-R BT.2100, of a display of 1000 nits."""
    display = nits / 1000
    luma = (display @ np.array([0.2627, 0.6780, 0.0593]))[..., None]
    scene = display * np.where(luma > 0, luma, 1) ** ((1 - 1.2) / 1.2)
    log = 0.17883277 * np.log(np.maximum(12 * scene - 0.28466892, 1e-9)) + 0.55991073
    return np.where(scene <= 1 / 12, np.sqrt(3 * scene), log)
