"""k-means against a slow version of it, frame by frame."""

from __future__ import annotations

import pytest
import torch

from dynfocus_cli.dpe.kmeans import LEAST_SHIFT, MOST_ITERATIONS, initial_frames, kmeans


def slow_kmeans(points: list[list[float]], initial: list[int]) -> tuple[list[int], list[list[float]], int]:
    """Clusters, centroids and iterations, as the DynFocus release defines them; none may become empty."""
    centroids = [points[frame] for frame in initial]
    for iteration in range(1, MOST_ITERATIONS + 1):
        squares = [[sum((a - b) ** 2 for a, b in zip(p, c, strict=True)) for c in centroids] for p in points]
        labels = [row.index(min(row)) for row in squares]
        moved = []
        for cluster in range(len(centroids)):
            members = [point for point, label in zip(points, labels, strict=True) if label == cluster]
            moved.append([sum(values) / len(members) for values in zip(*members, strict=True)])
        shifts = [
            sum((a - b) ** 2 for a, b in zip(m, c, strict=True)) ** 0.5
            for m, c in zip(moved, centroids, strict=True)
        ]
        if sum(shifts) < LEAST_SHIFT:
            return labels, centroids, iteration
        centroids = moved
    return labels, centroids, MOST_ITERATIONS


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(("frames", "count"), [(30, 4), (120, 7), (200, 12)])
def test_the_clusters_are_those_of_the_slow_version(seed: int, frames: int, count: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    points = torch.randn(frames, 3, generator=generator) + 50.0  # a common offset, which must not matter
    initial = initial_frames(frames, count, generator)
    clusters, centroids = kmeans(points, initial)
    labels, expected, iterations = slow_kmeans(points.double().tolist(), initial.tolist())
    assert iterations > 1
    assert clusters.assignment.tolist() == labels
    assert torch.equal(clusters.centres, initial)
    torch.testing.assert_close(centroids, torch.tensor(expected), atol=1e-4, rtol=0)


def test_an_empty_cluster_is_given_a_frame() -> None:
    points = torch.tensor([[0.0], [0.0], [4.0], [5.0]])
    clusters, centroids = kmeans(points, torch.tensor([0, 1, 2]), torch.Generator().manual_seed(0))
    assert torch.isfinite(centroids).all()
    assert set(clusters.assignment.tolist()) <= {0, 1, 2}


def test_forced_frames_are_among_those_to_start_from() -> None:
    forced = torch.zeros(50, dtype=torch.bool)
    forced[[3, 47]] = True
    initial = initial_frames(50, 5, torch.Generator().manual_seed(1), forced)
    assert {3, 47} <= set(initial.tolist())
    assert initial.tolist() == sorted(initial.tolist())
    assert len(initial) == 5
