"""Makes this folder of the full recordings: python tests/golden/regenerate.py RECORDINGS

The recordings were made by running the DynFocus release and LLaMA-VID, at the commits that manifest.json
names, on small random inputs; NOTES.md beside them says how. They take 5 MB, so what no test reads is left
out here, and large cases are cut in ways that leave each value as it was recorded.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

Tensors = dict[str, Tensor]

HERE = Path(__file__).parent
UNREAD = ("w.merge.proj_k.", "w.merge.proj_q.", "w.merge.norm.", "centre_scores", "score_in")
"""How the names of tensors begin that no test reads: most are weights that the release never uses."""

CLUSTERS = 10
"""Of the recorded k-means."""


def first_channel(tensors: Tensors) -> Tensors:
    """The scores as they are; of the features that are only gathered, one channel."""
    return tensors | {name: tensors[name][..., :1].contiguous() for name in ("G", "key_frame_feature")}


def first_frame(tensors: Tensors) -> Tensors:
    """One of the frames, which are clustered each on its own."""
    return {name: tensor if name.startswith("w.") else tensor[:1] for name, tensor in tensors.items()}


def without_pooled(tensors: Tensors) -> Tensors:
    return {name: tensor for name, tensor in tensors.items() if name != "pooled"}


def some_clusters(tensors: Tensors) -> Tensors:
    """The k-means alone, with the frames of some clusters: no frame ever changed its cluster, so the others
    make no difference to these."""
    labels, initial = tensors["kmeans_labels"], tensors["kmeans_init_perm"][: len(tensors["prototypes"])]
    kept = (labels.bincount() > 1).nonzero().flatten()[:CLUSTERS]
    frames = torch.isin(labels, kept).nonzero().flatten()
    return {
        "pooled": tensors["pooled"][frames],
        "kmeans_labels": torch.searchsorted(kept, labels[frames]),
        "kmeans_init_perm": torch.searchsorted(frames, initial[kept]),
        "prototypes": tensors["prototypes"][kept],
    }


def every_fourth_pixel(tensors: Tensors) -> Tensors:
    return tensors | {"pixel_values": tensors["pixel_values"][..., ::4, ::4].contiguous()}


CUTS: dict[str, Callable[[Tensors], Tensors]] = {
    "b_score_topk_1": first_channel,
    "c_merger_1": first_frame,
    "e_connector_T12_2": without_pooled,
    "e_connector_T100_3": some_clusters,
    "j_preprocess": every_fourth_pixel,
}


def main(recordings: Path) -> None:
    for file in sorted(recordings.glob("*.safetensors")):
        tensors = load_file(file)
        read = {name: tensor for name, tensor in tensors.items() if not name.startswith(UNREAD)}
        save_file(CUTS.get(file.stem, dict)(read), HERE / file.name)
    for name in ("manifest.json", "k_prompts_sampling.json"):
        shutil.copyfile(recordings / name, HERE / name)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
