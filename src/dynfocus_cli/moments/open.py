"""The retriever of a model, whatever kind it has."""

from __future__ import annotations

from collections.abc import Callable

from dynfocus_cli.models.dynfocus.spec import DynFocusSpec
from dynfocus_cli.models.protocol import Backend, ModelSpec
from dynfocus_cli.moments.native import NativeRetriever
from dynfocus_cli.moments.retriever import Retriever
from dynfocus_cli.network.retrieval import RetrievalHead


def open_retriever(spec: ModelSpec, load: Callable[[], Backend]) -> Retriever | None:
    """What compares frames with captions in a model; None where it has nothing that does.

    Args:
        load: gives the model with its weights, when they are needed.

    Raises:
        ModelUnavailable: what it has is damaged or of another model.
    """
    if isinstance(spec, DynFocusSpec):
        head = RetrievalHead.load(spec.folder)
        return None if head is None else NativeRetriever(spec, head, load)
    from dynfocus_cli.models.vlm.spec import VlmSpec
    from dynfocus_cli.moments.dual_encoder import DualEncoderRetriever

    assert isinstance(spec, VlmSpec), "there are two kinds of models"
    return None if spec.selector is None else DualEncoderRetriever(spec.selector, spec.info)
