"""Density peaks clustering against loops over points in plain Python."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from dynfocus_cli.dpe.density_peaks import (
    cluster,
    cluster_means,
    density_peaks,
    pairwise_distances,
    patch_precision,
)

Matrix = list[list[float]]


def slow_distances(features: Tensor) -> Matrix:
    rows = features.double().tolist()
    return [[sum((x - y) ** 2 for x, y in zip(a, b, strict=True)) / len(a) for b in rows] for a in rows]


def slow_peaks(distances: Matrix, neighbours: int) -> tuple[list[float], list[float]]:
    """Minus the mean neighbour distance (the density's logarithm), and delta."""
    n = len(distances)
    log_density = []
    for i in range(n):
        others = sorted(distances[i][j] for j in range(n) if j != i)[:neighbours]
        log_density.append(-math.fsum(others) / len(others) if others else 0.0)
    order = sorted(range(n), key=lambda i: (-log_density[i], i))
    delta = [0.0] * n
    for place, i in enumerate(order):
        denser = [distances[i][j] for j in order[:place]]
        delta[i] = min(denser) if denser else max(distances[i])
    return log_density, delta


def slow_cluster(
    distances: Matrix, centres: int, neighbours: int, forced: list[bool] | None = None
) -> tuple[list[int], list[int]]:
    n = len(distances)
    log_density, delta = slow_peaks(distances, neighbours)
    rank = [rho + (math.log(d) if d > 0 else -math.inf) for rho, d in zip(log_density, delta, strict=True)]
    is_forced = forced or [False] * n
    order = sorted(range(n), key=lambda i: (not is_forced[i], -rank[i], i))
    chosen = sorted(order[:centres])
    assignment = []
    for i in range(n):
        near = [distances[i][c] for c in chosen]
        assignment.append(chosen.index(i) if i in chosen else near.index(min(near)))
    return chosen, assignment


def make(kind: str) -> Tensor:
    x = torch.randn(17, 24, generator=torch.Generator().manual_seed(5))
    match kind:
        case "random":
            return x
        case "duplicated rows":
            return x[torch.tensor([3, 0, 3, 5, 0, 8, 3, 9, 9, 1, 2, 5, 11, 3, 16, 0, 7])]
        case "constant":
            return x[:1].expand(12, -1).clone()
        case "two constant scenes":
            return x[torch.tensor([0, 0, 0, 1, 1, 0, 1, 1])]
        case "lattice":
            return torch.arange(9.0).unsqueeze(1).expand(-1, 4) * 0.5
        case "n = 1":
            return x[:1]
        case "n = 2":
            return x[:2]
        case "large offset":
            return x + 1000.0
        case "wide apart":  # exp(-distance) is 0 in float32 for all pairs
            return x * 100.0
        case "large offset, wide apart":
            return x * 100.0 + 1e5
    raise AssertionError(kind)


KINDS = [
    "random",
    "duplicated rows",
    "constant",
    "two constant scenes",
    "lattice",
    "n = 1",
    "n = 2",
    "large offset",
    "wide apart",
    "large offset, wide apart",
]
PRECISIONS = [torch.float32, torch.float64]
DTYPES = [torch.float32, torch.bfloat16, torch.float16]
CASES = [(kind, dtype) for kind in KINDS for dtype in DTYPES if make(kind).to(dtype).isfinite().all()]


class TestDistances:
    @pytest.mark.parametrize(("kind", "dtype"), CASES)
    def test_equals_the_loop(self, kind: str, dtype: torch.dtype) -> None:
        features = make(kind).to(dtype)
        found = pairwise_distances(features)
        assert found.dtype == torch.float32
        assert_close(found, torch.tensor(slow_distances(features)), rtol=1e-6, atol=0.0)

    @pytest.mark.parametrize("kind", KINDS)
    def test_an_offset_costs_float32_products_no_digits(self, kind: str) -> None:
        features = make(kind)
        found = pairwise_distances(features, torch.float32)
        assert_close(found, torch.tensor(slow_distances(features)), rtol=1e-5, atol=0.0)

    @pytest.mark.parametrize("precision", PRECISIONS)
    @pytest.mark.parametrize("kind", KINDS)
    def test_is_a_distance_to_the_bit(self, kind: str, precision: torch.dtype) -> None:
        features = make(kind)
        found = pairwise_distances(features, precision)
        assert torch.equal(found, found.T)
        assert (found.diagonal() == 0).all()
        assert (found >= 0).all()
        same = (features.unsqueeze(0) == features.unsqueeze(1)).all(-1)
        assert (found[same] == 0).all()

    def test_neighbours_in_a_far_scene_keep_their_digits(self) -> None:
        features = torch.randn(40, 256)
        features[20:] = features[20] + 50 + 1e-3 * torch.randn(20, 256)
        expected = torch.tensor(slow_distances(features))
        assert_close(pairwise_distances(features), expected, rtol=1e-5, atol=0.0)

    @pytest.mark.parametrize("precision", PRECISIONS)
    @pytest.mark.parametrize(("width", "points"), [(7, 65), (96, 130), (1408, 257), (22528, 100)])
    def test_equal_points_at_any_place_are_at_0(
        self, width: int, points: int, precision: torch.dtype
    ) -> None:
        for offset in (0.0, 1.0, 1000.0):
            features = 3 * torch.randn(points, width) + offset
            same = torch.randperm(points)[: points // 2]
            features[same] = features[same[0]].clone()
            found = pairwise_distances(features, precision)
            assert (found[same][:, same] == 0).all()
            assert (found == 0).sum() == len(same) ** 2 + points - len(same)

    @pytest.mark.parametrize("points", [63, 64, 65, 200])
    def test_blocks_of_rows_fit_together(self, points: int) -> None:
        features = torch.randn(2, points, 12, dtype=torch.float64)
        expected = torch.cdist(features, features).square().div(12).float()
        assert_close(pairwise_distances(features), expected, rtol=1e-6, atol=1e-9)

    @pytest.mark.parametrize("precision", PRECISIONS)
    def test_autocast_and_batches_change_nothing(self, precision: torch.dtype) -> None:
        features = torch.randn(2, 3, 9, 32)
        with torch.autocast("cpu", torch.bfloat16):
            found = pairwise_distances(features, precision)
        each = torch.stack([pairwise_distances(x, precision) for x in features.flatten(0, 1)])
        assert_close(found, each.unflatten(0, (2, 3)), rtol=1e-5, atol=0.0)

    @pytest.mark.parametrize("switch", ["highest", "high", "medium"])
    def test_products_that_drop_digits_are_not_trusted(self, switch: str) -> None:
        features = torch.randn(2, 256, 96) + 5
        plain = cluster(features, 16, 8, precision=torch.float32)
        before = torch.get_float32_matmul_precision()
        torch.set_float32_matmul_precision(switch)
        try:
            precision = patch_precision(torch.device("cpu"))
            assert precision == (torch.float32 if switch == "highest" else torch.float64)
            assert patch_precision(torch.device("cuda")) == torch.float64
            found = cluster(features, 16, 8, precision=precision)
        finally:
            torch.set_float32_matmul_precision(before)
        assert torch.equal(found.assignment, plain.assignment)


class TestDensityPeaks:
    @pytest.mark.parametrize("neighbours", [1, 3, 8, 500])
    @pytest.mark.parametrize("kind", KINDS)
    def test_equals_the_loop(self, kind: str, neighbours: int) -> None:
        distances = pairwise_distances(make(kind))
        peaks = density_peaks(distances, neighbours)
        log_density, delta = slow_peaks(distances.tolist(), neighbours)
        assert_close(peaks.log_density, torch.tensor(log_density), rtol=1e-5, atol=1e-6)
        assert_close(peaks.delta, torch.tensor(delta), rtol=1e-6, atol=0.0)

    def test_equal_density_makes_the_earlier_point_denser(self) -> None:
        distances = pairwise_distances(torch.tensor([[0.0], [1.0], [5.0], [6.0]]))
        peaks = density_peaks(distances, neighbours=1)
        assert_close(peaks.log_density, torch.full((4,), -1.0))
        assert peaks.delta.tolist() == [36.0, 1.0, 16.0, 1.0]

    def test_the_diagonal_is_not_read(self) -> None:
        distances = pairwise_distances(torch.randn(6, 4))
        peaks, other = density_peaks(distances, 2), density_peaks(distances + 99 * torch.eye(6), 2)
        assert torch.equal(peaks.delta, other.delta)
        assert torch.equal(peaks.log_density, other.log_density)

    @pytest.mark.parametrize("neighbours", [1, 3, 7, 8, 31])
    @pytest.mark.parametrize("points", [32, 64, 96, 256])
    def test_the_nearest_are_found_in_groups(self, points: int, neighbours: int) -> None:
        distances = pairwise_distances(torch.randint(3, (points, 6)).float())  # full of ties
        others = distances.masked_fill(torch.eye(points, dtype=torch.bool), torch.inf)
        expected = -others.sort(dim=1).values[:, :neighbours].sum(dim=1) / neighbours
        assert torch.equal(density_peaks(distances, neighbours).log_density, expected)

    def test_leading_dimensions(self) -> None:
        distances = pairwise_distances(torch.randn(2, 3, 7, 5))
        peaks = density_peaks(distances, 2)
        for i in range(2):
            for j in range(3):
                alone = density_peaks(distances[i, j], 2)
                assert torch.equal(peaks.delta[i, j], alone.delta)
                assert torch.equal(peaks.log_density[i, j], alone.log_density)

    def test_no_neighbour_is_refused(self) -> None:
        with pytest.raises(ValueError, match="at least 1 neighbour"):
            density_peaks(torch.zeros(3, 3), 0)


class TestCluster:
    @pytest.mark.parametrize(("centres", "neighbours"), [(1, 1), (4, 3), (6, 40), (30, 2)])
    @pytest.mark.parametrize(("kind", "dtype"), CASES)
    def test_equals_the_loop(self, kind: str, centres: int, neighbours: int, dtype: torch.dtype) -> None:
        features = make(kind).to(dtype)
        found = cluster(features, centres, neighbours)
        distances = pairwise_distances(features)
        chosen, assignment = slow_cluster(distances.tolist(), centres, neighbours)
        assert found.centres.tolist() == chosen
        assert found.assignment.tolist() == assignment
        assert torch.equal(found.log_rank, density_peaks(distances, neighbours).log_rank[found.centres])

    def test_finds_the_scenes(self) -> None:
        scene = torch.tensor([0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 0, 0])
        features = 5 * torch.randn(3, 64)[scene] + 0.1 * torch.randn(12, 64)
        found = cluster(features, 3, 2)
        assert sorted(scene[found.centres].tolist()) == [0, 1, 2]
        assert torch.equal(scene[found.centres][found.assignment], scene)

    def test_constant_frames_take_the_first(self) -> None:
        found = cluster(make("constant"), 3, 2)
        assert found.centres.tolist() == [0, 1, 2]
        assert found.assignment.tolist() == [0, 1, 2] + [0] * 9

    def test_order_survives_where_the_density_underflows(self) -> None:
        features = make("wide apart")
        assert (density_peaks(pairwise_distances(features), 3).log_density.exp() == 0).all()
        found = cluster(features, 4, 3)
        assert found.centres.tolist() != [0, 1, 2, 3]
        assert found.log_rank.isfinite().all()

    @pytest.mark.parametrize("n", [1, 2, 5])
    def test_enough_centres_leave_every_point_alone(self, n: int) -> None:
        for features in (torch.randn(n, 3), torch.zeros(n, 3)):
            found = cluster(features, 5, 2)
            assert found.centres.tolist() == found.assignment.tolist() == list(range(n))

    @pytest.mark.parametrize("kind", KINDS)
    def test_forced_points_displace_the_weakest(self, kind: str) -> None:
        features = make(kind)
        n = len(features)
        forced = torch.zeros(n, dtype=torch.bool)
        forced[[0, n - 1]] = True
        found = cluster(features, 4, 3, forced)
        chosen, assignment = slow_cluster(pairwise_distances(features).tolist(), 4, 3, forced.tolist())
        assert found.centres.tolist() == chosen
        assert found.assignment.tolist() == assignment
        assert {0, n - 1} <= set(chosen)

    def test_forced_in_a_batch(self) -> None:
        features = torch.randn(3, 10, 4)
        forced = torch.zeros(3, 10, dtype=torch.bool)
        forced[0, 7], forced[2, :4] = True, True
        found = cluster(features, 4, 2, forced)
        for i in range(3):
            alone = cluster(features[i], 4, 2, forced[i])
            assert torch.equal(found.centres[i], alone.centres)
            assert torch.equal(found.assignment[i], alone.assignment)
        assert found.centres[2].tolist() == [0, 1, 2, 3]

    def test_refusals(self) -> None:
        features = torch.randn(5, 2)
        with pytest.raises(ValueError, match="3 points are forced"):
            cluster(features, 2, 1, torch.tensor([True, True, False, True, False]))
        with pytest.raises(ValueError, match="at least 1 centre"):
            cluster(features, 0, 1)
        with pytest.raises(ValueError, match="one forced flag a point"):
            cluster(features, 2, 1, torch.tensor([True]))

    def test_two_runs_agree_and_no_random_number_is_drawn(self) -> None:
        features = make("duplicated rows")
        state = torch.get_rng_state()
        first, second = cluster(features, 5, 3), cluster(features, 5, 3)
        assert torch.equal(first.centres, second.centres)
        assert torch.equal(first.assignment, second.assignment)
        assert torch.equal(torch.get_rng_state(), state)

    def test_permuted_points_form_the_same_clusters(self) -> None:
        features = torch.randn(30, 16)
        order = torch.randperm(30)
        plain, permuted = cluster(features, 6, 4), cluster(features[order], 6, 4)
        assert sorted(order[permuted.centres].tolist()) == plain.centres.tolist()
        own_centre = order[permuted.centres[permuted.assignment]]
        assert torch.equal(own_centre, plain.centres[plain.assignment][order])

    @given(data=st.data())
    @settings(max_examples=60, deadline=None, derandomize=True)
    def test_small_integer_points_are_full_of_ties(self, data: st.DataObject) -> None:
        n = data.draw(st.integers(1, 9))
        rows = data.draw(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=n, max_size=n))
        centres, neighbours = data.draw(st.integers(1, 10)), data.draw(st.sampled_from([1, 2, 4]))
        features = torch.tensor(rows, dtype=torch.float32)
        found = cluster(features, centres, neighbours)
        distances = pairwise_distances(features)
        assert_close(distances, torch.tensor(slow_distances(features)), rtol=1e-6, atol=0.0)
        chosen, assignment = slow_cluster(distances.tolist(), centres, neighbours)
        assert (found.centres.tolist(), found.assignment.tolist()) == (chosen, assignment)


class TestClusterMeans:
    @pytest.mark.parametrize("dtype", DTYPES)
    def test_equals_the_loop_and_an_empty_cluster_is_zero(self, dtype: torch.dtype) -> None:
        features = torch.randn(2, 9, 5).to(dtype)
        assignment = torch.tensor([[0, 2, 2, 0, 4, 4, 4, 1, 0], [1, 1, 1, 1, 1, 1, 1, 1, 1]])
        found = cluster_means(features, assignment, 5)
        assert found.dtype == dtype
        for b in range(2):
            for c in range(5):
                members = [features[b, i].float() for i in range(9) if assignment[b, i] == c]
                expected = sum(members) / len(members) if members else torch.zeros(5)
                assert_close(found[b, c].float(), torch.as_tensor(expected).to(dtype).float())
