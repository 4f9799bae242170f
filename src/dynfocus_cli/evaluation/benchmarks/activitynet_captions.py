"""ActivityNet Captions: sentences that describe what happens in a video one after the other, each with its
moment (Krishna et al., ICCV 2017)."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from dynfocus_cli.errors import UsageError
from dynfocus_cli.evaluation.item import Dataset
from dynfocus_cli.evaluation.item_reader import ItemReader
from dynfocus_cli.evaluation.moment_benchmark import MomentBenchmark
from dynfocus_cli.evaluation.official_files import as_list, official_file, read_json, require_fields
from dynfocus_cli.evaluation.video_folder import VideoFolder

FIELDS = ("timestamps", "sentences")


class ActivityNetCaptions(MomentBenchmark):
    name = "activitynet-captions"
    title = "ActivityNet Captions: 17,031 queries with one moment each, about 4,885 videos of minutes (val_2)"
    url = "https://cs.stanford.edu/people/ranjaykrishna/densevid/"
    marks = ("val_1.json", "val_2.json")
    splits: ClassVar[tuple[str, ...]] = ("val_2", "val_1", "train")

    def read(self, data: Path, split: str) -> Dataset:
        path = official_file(self, data, f"{split}.json")
        videos = read_json(path)
        if not isinstance(videos, dict):
            raise UsageError(f"{path} is not an object with a field for each video, as the official file is.")
        require_fields(path, list(videos.values()), FIELDS)
        reader = ItemReader(VideoFolder(data))
        for video, row in videos.items():
            spans, sentences = as_list(row["timestamps"]), as_list(row["sentences"])
            if len(spans) != len(sentences):
                reader.problem(video, f"It has {len(sentences)} sentences and {len(spans)} moments.")
                continue
            for number, (span, sentence) in enumerate(zip(spans, sentences, strict=True)):
                text = sentence.strip() if isinstance(sentence, str) else sentence
                reader.add(f"{video}-{number}", _name(reader.videos, video), text, None, spans_s=[span])
        return reader.dataset(path)


def _name(videos: VideoFolder, video: str) -> str:
    """Its id with `v_` as the official file has it, or without where its file is called so."""
    bare = video.removeprefix("v_")
    return video if videos.paths(video) or not videos.paths(bare) else bare
