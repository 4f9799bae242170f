"""The families of public vision-language models, a file each: how frames become tokens, and what stands
around them in the prompt.

A file is called by the `model_type` of config.json, and its one subclass of `Family` is registered by that
name; nothing lists the files.
"""

from __future__ import annotations

from importlib import import_module

from dynfocus_cli.models.vlm.family import Family


def family_class(model_type: str) -> type[Family]:
    """The family in the file of that name.

    Raises:
        ModuleNotFoundError: there is none.
    """
    import_module(f"{__name__}.{model_type}")
    return Family.by_model_type[model_type]
