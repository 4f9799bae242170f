"""What the stock processors and models make of the videos: a script, for a process of its own.

    python stock.py MODELS RESULTS

MODELS holds a model folder for each family. Each case is written to RESULTS/FAMILY/CASE.safetensors:
    input_ids (S,), logits (S, V) of all positions, generated_ids (n,) and by how much each was ahead, margins
    (n,), pixels as the vision tower gets them, and, where tokens turn by time, row and column, position_ids
    (3, S).

The processors need torchvision, and SmolVLM's needs num2words. Where one is missing, or does not work,
what is beside this script stands in for it, in this process only.
"""

from __future__ import annotations

import sys
from pathlib import Path

GENERATED = 12
"""Tokens written of each answer, or fewer if it ends."""


def stand_in() -> None:
    """Puts something in the place of a package that is missing."""
    for name, needed in (("torchvision", "torchvision.transforms.v2.functional"), ("num2words", "num2words")):
        try:
            __import__(needed)
        except Exception:  # a torchvision that does not fit torch raises one of many kinds
            for loaded in [module for module in sys.modules if module.split(".")[0] == name]:
                del sys.modules[loaded]
            sys.path.insert(0, str(Path(__file__).parent / f"{name}_standin"))


def run(model_folder: Path, results: Path) -> None:
    """Every case of one family."""
    import torch
    from safetensors.torch import save_file
    from transformers import AutoModelForImageTextToText, AutoProcessor
    from videos import FPS, QUESTION, videos

    processor = AutoProcessor.from_pretrained(model_folder)
    model = AutoModelForImageTextToText.from_pretrained(model_folder, dtype=torch.float32).eval()
    message = {"role": "user", "content": [{"type": "video"}, {"type": "text", "text": QUESTION}]}
    prompt = processor.apply_chat_template([message], add_generation_prompt=True)
    for case, video in videos(model_folder.name).items():
        metadata = {
            "total_num_frames": video.source_frames,
            "fps": FPS,
            "frames_indices": video.indices,
            "duration": video.duration,
        }
        inputs = processor(
            text=[prompt],
            videos=[video.pixels],
            video_metadata=[metadata],
            do_sample_frames=False,
            do_resize=video.resize,
            return_tensors="pt",
        )
        with torch.inference_mode():
            logits = model(**inputs).logits[0]
            written = model.generate(
                **inputs,
                max_new_tokens=GENERATED,
                do_sample=False,
                repetition_penalty=1.0,
                output_logits=True,
                return_dict_in_generate=True,
            )
        best = torch.cat(written.logits).topk(2).values
        kept = {
            "input_ids": inputs["input_ids"][0],
            "logits": logits,
            "generated_ids": written.sequences[0, inputs["input_ids"].shape[1] :],
            "margins": best[:, 0] - best[:, 1],
            "pixels": inputs.get("pixel_values_videos", inputs.get("pixel_values")),
        }
        if "mm_token_type_ids" in inputs:
            names = ("mm_token_type_ids", "video_grid_thw", "second_per_grid_ts", "attention_mask")
            turns = {name: inputs[name] for name in names if name in inputs}
            kept["position_ids"] = model.model.get_rope_index(inputs["input_ids"], **turns)[0][:, 0]
        save_file(
            {name: tensor.contiguous() for name, tensor in kept.items()}, results / f"{case}.safetensors"
        )


def main(models: Path, results: Path) -> None:
    """Every family that has a folder."""
    stand_in()
    import torch
    from transformers.utils import logging

    torch.set_num_threads(1)
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    for model_folder in sorted(models.iterdir()):
        folder = results / model_folder.name
        folder.mkdir(parents=True)
        run(model_folder, folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
