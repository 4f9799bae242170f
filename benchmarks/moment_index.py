"""Hypothesis: a memory-mapped matrix answers a query over 1,000 hours of video in at most 1.5 times the time
of one matrix product over the same vectors, in bounded memory, and no index that others keep is faster where
every frame's score is wanted.

    python benchmarks/moment_index.py growth --folder /a/disk/with/6/GB [--out FILE]
    python benchmarks/moment_index.py clips --folder /a/disk [--out FILE]
    python benchmarks/moment_index.py peers --folder /a/disk/with/6/GB [--hours 1 100] [--out FILE]

Vectors are synthetic, one a second: scenes of ten seconds around a direction of their own. `growth` fills
`find`'s index with videos of an hour and of a minute, and takes in turns, on one thread, a query (the highest
score of each video, by which `find` passes over those in which nothing is to be found) and the product of a
matrix in memory. Beside them stands the search of a video by itself, which those that are left have, for its
curve and its moments. `clips` searches 200 generated clips again and again, with the index asked first, as
`find FOLDER` does, and without, as with `--jsonl`; it tells what that takes without the start of Python.
`peers` takes what is installed of

    pip install --target /some/folder usearch faiss-cpu lancedb    # and that folder in PYTHONPATH

and asks for the best 100 frames, exactly and by an approximate index. Seconds of the processor are the
figures to compare: on a busy machine those of the clock also hold the time of others.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from resource import RUSAGE_SELF, getrusage
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from dynfocus_cli.features.encoding import VisionTower
from dynfocus_cli.files import flush
from dynfocus_cli.moments.catalogue import Catalogue
from dynfocus_cli.moments.embedding import VideoVectors
from dynfocus_cli.moments.index import BLOCK, MomentIndex, VideoEntry
from dynfocus_cli.moments.moment import Moments
from dynfocus_cli.moments.retriever import Retriever
from dynfocus_cli.moments.search import search
from dynfocus_cli.options import FindOptions
from dynfocus_cli.types import ModelInfo, VideoSource
from memory import peak_resident
from provenance import provenance

HOUR_S, SCENE_S, NOISE = 3600, 10, 0.5
POOL_HOURS = 10
"""Of vectors that differ: `growth` repeats them, as their time does not depend on what they are."""
WIDTHS = {"dynfocus-tiny": 207, "SigLIP": 768}
GROWTH, PEER_HOURS = (1, 10, 100, 1000), (1, 10, 100, 1000)
LENGTHS_S = (HOUR_S, 60)
TURNS, WANTED, CLIPS = 5, 100, 200
HOPELESS = 0.5
"""A product that a video's best frame has at least, where `growth` takes it as one to be searched."""
TEXTS = ("a blue square", "the 7", "a yellow 7 and a blue star")
"""What `clips` searches for."""
ALIKE = 10
"""Videos that are searched by themselves."""
LIMIT = 1.5
MOST_BUILT = 40_000
"""Vectors that approximate indexes are built of: a graph of 360,000 took over 90 s on one thread."""
PEERS = {
    "usearch": ("usearch exact", "usearch HNSW"),
    "faiss": ("faiss exact", "faiss HNSW"),
    "lancedb": ("lancedb exact", "lancedb IVF_PQ"),
}

Seconds = tuple[float, float]
"""Of the processor, and of the clock."""
Vectors = NDArray[np.float16]


def unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Vectors of length 1 in the same directions."""
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def drawn(hours: int, width: int, seed: int) -> Vectors:
    """(3600 * hours, D) of unit length, a scene's alike."""
    random = np.random.default_rng(seed)
    scenes = random.standard_normal((hours * HOUR_S // SCENE_S, 1, width), np.float32)
    frames = random.standard_normal((len(scenes), SCENE_S, width), np.float32)
    return unit(scenes + NOISE * frames).reshape(-1, width).astype(np.float16)


def chunks(hours: int, width: int, *, repeated: bool) -> Iterator[Vectors]:
    """So many hours of vectors, ten at a time."""
    pool = drawn(min(hours, POOL_HOURS), width, 0)
    for number in range(max(1, hours // POOL_HOURS)):
        yield pool if repeated or number == 0 else drawn(POOL_HOURS, width, number)


def timed(ways: dict[str, Callable[[], object]], turns: int) -> dict[str, list[Seconds]]:
    """What each takes, in turns; the first turn, in which files and memory are touched anew, is not told."""
    seconds: dict[str, list[Seconds]] = {name: [] for name in ways}
    for turn in range(turns + 1):
        for name, way in ways.items():
            cpu, clock = time.process_time(), time.perf_counter()
            way()
            spent = time.process_time() - cpu, time.perf_counter() - clock
            if turn:
                seconds[name].append(spent)
    return seconds


def medians(seconds: list[Seconds]) -> dict[str, float]:
    """Milliseconds."""
    cpu, clock = (statistics.median(column) * 1000 for column in zip(*seconds, strict=True))
    return {"cpu_ms": round(cpu, 2), "clock_ms": round(clock, 2)}


def ratio(seconds: list[Seconds], to: list[Seconds]) -> dict[str, float]:
    """The median of what one took to what another took in the same turn."""
    return {
        name: round(statistics.median(a[which] / b[which] for a, b in zip(seconds, to, strict=True)), 3)
        for which, name in enumerate(("cpu", "clock"))
    }


def extra_memory(way: Callable[[], object]) -> int:
    """The most resident memory, mapped files with it, above what the process had before; bytes."""
    Path("/proc/self/clear_refs").write_text("5")  # the kernel's peak begins anew
    before = peak_resident()
    way()
    return peak_resident() - before


class Plain(Retriever):
    """Compares with one vector, whatever the caption."""

    name, revision, scale, bias, threshold, is_measured = "plain", "1", 20.0, -10.0, 0.5, False
    info = ModelInfo("plain", "selector", "1", "none", "cpu")
    weights, device = 0, torch.device("cpu")

    def __init__(self, query: torch.Tensor) -> None:
        self.query = query

    @property
    def tower(self) -> VisionTower:
        raise RuntimeError("nothing is embedded here")

    def text(self, caption: str) -> torch.Tensor:
        return self.query


def filled(folder: Path, hours: int, width: int, length_s: int) -> tuple[MomentIndex, list[str]]:
    """An index of so many hours, and its videos. The first is added as `find` adds it; the others' rows and
    vectors are written in the same form, without waiting for the disk after each."""
    index = MomentIndex(folder, {"width": str(width)}, {"model": "synthetic", "frames": "1 a second"})
    source = VideoSource("", float(length_s), 640, 360, 25.0, "h264", 25 * length_s, True, 0, 0.0)
    times_s, names = tuple(map(float, range(length_s))), [f"{0:064x}"]
    for place, chunk in enumerate(chunks(hours, width, repeated=True)):
        if place == 0:
            index.add(names[0], VideoEntry(source, times_s, chunk[:length_s], (0.0, float(length_s))))
        with Catalogue.changing(index.folder, {}) as catalogue:
            first = catalogue.row(names[0])
            assert first is not None, "it was added"
            catalogue._connection.execute("PRAGMA synchronous = OFF")
            with open(index.folder / catalogue.about["vectors"], "ab") as file:
                for begin in range(length_s if place == 0 else 0, len(chunk), length_s):
                    data = chunk[begin : begin + length_s].tobytes()
                    file.write(data)
                    names.append(f"{len(names):064x}")
                    at = (len(names) - 1) * length_s
                    catalogue.put(replace(first, digest=names[-1], first=at, checksum=zlib.crc32(data)))
            written = index.folder / catalogue.about["vectors"]
    flush(written)
    with open(written, "rb") as file:  # out of memory: the first query, which is not told, reads it
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    return index, names


def grown(folder: Path, hours: int, width: int, length_s: int) -> dict[str, Any]:
    """A row of the table of growth."""
    import psutil

    index, names = filled(folder, hours, width, length_s)
    query = torch.from_numpy(unit(np.random.default_rng(9).standard_normal(width, np.float32)))
    retriever, wanted = Plain(query), frozenset(names)

    def ask() -> int:
        peaks = index.peaks(query, wanted)
        assert peaks is not None, "it was filled"
        return int(np.count_nonzero(peaks.products + peaks.errors < HOPELESS))

    def each() -> None:
        for name in names[:ALIKE]:
            entry = index.get(name, name)
            assert entry is not None, "it is there"
            frames = VideoVectors(entry.times_s, torch.from_numpy(entry.vectors), entry.within)
            search(entry.source, frames, "", retriever, FindOptions(refine=False))

    memory = extra_memory(ask)
    with Catalogue.reading(index.folder) as catalogue:
        assert catalogue is not None, "it is there"
        data = np.fromfile(index.folder / catalogue.about["vectors"], np.float16).reshape(-1, width)
    half, matrix = query.half(), torch.from_numpy(data)
    ways: dict[str, Callable[[], object]] = {"query": ask, "float16": lambda: torch.mv(matrix, half)}
    if 2 * data.nbytes < psutil.virtual_memory().available / 2:
        whole = matrix.float()
        ways["float32"] = lambda: torch.mv(whole, query)
    faults = getrusage(RUSAGE_SELF).ru_majflt
    seconds = timed(ways, TURNS)
    faults = getrusage(RUSAGE_SELF).ru_majflt - faults
    alone = timed({"each": each}, TURNS)["each"]
    info = index.info()
    assert info is not None, "it was filled"
    row = {
        "hours": hours,
        "width": width,
        "video_s": length_s,
        "videos": info.videos,
        "vectors": info.frames,
        "disk_bytes": info.size,
        "query_memory_bytes": memory,
        "reads_from_disk": faults,
        **{name: medians(spent) for name, spent in seconds.items()},
        **{f"to_{name}": ratio(seconds["query"], seconds[name]) for name in seconds if name != "query"},
        "one_video_by_itself": {
            name: round(value / min(ALIKE, len(names)), 3) for name, value in medians(alone).items()
        },
    }
    shutil.rmtree(folder)
    return row


def growth(folder: Path) -> dict[str, Any]:
    """The table of growth."""
    rows = []
    print(
        f"{'':14}{'hours':>6}{'video s':>8}{'query':>9}{'float16':>9}{'float32':>9}"
        f"{'to f16':>7}{'to f32':>7}  MiB"
    )
    for name, width in WIDTHS.items():
        for length_s in LENGTHS_S if name == "dynfocus-tiny" else (HOUR_S,):
            for hours in GROWTH:
                row = grown(folder / f"{width}-{hours}-{length_s}", hours, width, length_s)
                rows.append(row)
                cells = [row.get(key, {}).get("cpu_ms", "") for key in ("query", "float16", "float32")]
                cells += [row.get(f"to_{key}", {}).get("cpu", "") for key in ("float16", "float32")]
                shown = "".join(f"{cell:>{size}}" for cell, size in zip(cells, (9, 9, 9, 7, 7), strict=True))
                print(
                    f"{name:14}{hours:>6}{length_s:>8}{shown}  {row['query_memory_bytes'] >> 20}", flush=True
                )
    largest = [row for row in rows if row["hours"] == max(GROWTH)]
    met = all(row["to_float16"]["cpu"] <= LIMIT for row in largest)
    print(f"1,000 hours in at most {LIMIT} products: {'met' if met else 'NOT met'}")
    return {"block_bytes": BLOCK, "turns": TURNS, "limit": LIMIT, "rows": rows}


def clips(folder: Path) -> dict[str, Any]:
    """What a second search of generated clips takes, with all that belongs to a search."""
    from dynfocus_cli.moments.library import find_all, open_finder, with_borders

    os.environ["DYNFOCUS_CACHE_DIR"] = str(folder / "cache")
    own = folder / "clips"
    if not own.exists():
        command = [str(Path(sys.executable).with_name("dynfocus")), "synth", str(own), "--clips", str(CLIPS)]
        subprocess.run([*command, "--seed", "7", "--size", "96", "--fps", "6"], check=True)
    videos = sorted(map(str, own.glob("*.mp4")))
    finder, options = open_finder("dynfocus-tiny"), with_borders(FindOptions(), exact=False)

    def each(text: str) -> Callable[[], Moments]:
        return lambda: find_all(videos, text, finder, options)

    def screened(text: str) -> Callable[[], Moments]:
        def ask() -> Moments:
            screening = finder.screen(videos, text, options)
            assert screening is not None, "there is an index"
            left = [video for video in videos if video not in screening.passed_over]
            return find_all(left, text, finder, options)

        return ask

    found = each("a red circle")()  # makes the index where there is none
    ways: dict[str, Callable[[], object]] = {}
    for text in TEXTS:
        assert screened(text)().ranked == each(text)().ranked, "no moment is passed over"
        ways |= {f"{text}, index first": screened(text), f"{text}, each video": each(text)}
    seconds = timed(ways, TURNS)
    frames = found.frames
    print(f"{len(videos)} clips, {frames} frames; milliseconds of the processor of a later search:")
    rows = []
    for text in TEXTS:
        first, alone = seconds[f"{text}, index first"], seconds[f"{text}, each video"]
        searched = len(screened(text)().videos)
        row = {"text": text, "searched": searched, "index_first": medians(first), "each": medians(alone)}
        rows.append({**row, "to_each": ratio(first, alone)})
        print(
            f"{text:34}{searched:>4} searched{row['index_first']['cpu_ms']:>9} index first"
            f"{row['each']['cpu_ms']:>9} each"
        )
    return {"videos": len(found.videos), "frames": frames, "searches": rows, "turns": TURNS}


def asker(
    name: str, vectors: Vectors, query: NDArray[np.float32], folder: Path
) -> tuple[Callable[[], NDArray[np.int64]], int]:
    """Builds a peer's index; what then asks for the best frames' places, and its bytes on disk."""
    file, width = folder / "index", vectors.shape[1]
    tool, kind = name.split()
    if name == "usearch exact":
        from usearch.index import search as brute

        half = query.astype(np.float16)
        return lambda: brute(vectors, half, WANTED, "ip", exact=True, threads=1).keys, vectors.nbytes
    if tool == "usearch":
        from usearch.index import Index

        graph = Index(ndim=width, metric="ip", dtype="f16")
        graph.add(np.arange(len(vectors)), vectors, threads=1)
        graph.save(str(file))
        return lambda: graph.search(query, WANTED).keys, file.stat().st_size
    if tool == "faiss":
        import faiss

        faiss.omp_set_num_threads(1)
        half_kind = faiss.ScalarQuantizer.QT_fp16
        inner = faiss.METRIC_INNER_PRODUCT
        if kind == "exact":
            matrix = faiss.IndexScalarQuantizer(width, half_kind, inner)
        else:
            matrix = faiss.IndexHNSWSQ(width, half_kind, 32, inner)
        matrix.train(vectors[:1].astype(np.float32))
        for begin in range(0, len(vectors), HOUR_S):
            matrix.add(vectors[begin : begin + HOUR_S].astype(np.float32))
        faiss.write_index(matrix, str(file))
        return lambda: matrix.search(query[None], WANTED)[1][0], file.stat().st_size
    import lancedb
    import pyarrow

    def batches() -> Iterator[pyarrow.RecordBatch]:
        for begin in range(0, len(vectors), HOUR_S):
            part = np.ascontiguousarray(vectors[begin : begin + HOUR_S])
            column = pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(part.reshape(-1)), width)
            places = pyarrow.array(np.arange(begin, begin + len(part)))
            yield pyarrow.record_batch([column, places], names=["vector", "place"])

    schema = pyarrow.schema([("vector", pyarrow.list_(pyarrow.float16(), width)), ("place", pyarrow.int64())])
    database = lancedb.connect(file)
    table = database.create_table("frames", pyarrow.RecordBatchReader.from_batches(schema, batches()))
    if kind != "exact":
        table.create_index(metric="dot", vector_column_name="vector")

    def ask() -> NDArray[np.int64]:
        wanted = table.search(query, vector_column_name="vector").distance_type("dot")
        return np.array(wanted.select(["place", "_distance"]).limit(WANTED).to_arrow()["place"].to_pylist())

    return ask, sum(each.stat().st_size for each in file.rglob("*") if each.is_file())


def measured_peer(name: str, file: Path, width: int, folder: Path) -> dict[str, Any]:
    """What a peer takes, in a process of its own."""
    vectors: Vectors = np.memmap(file, np.float16, "r").reshape(-1, width)
    random = np.random.default_rng(9)
    near = vectors[random.integers(len(vectors))].astype(np.float32)
    query = unit(near + 0.5 / width**0.5 * random.standard_normal(width, np.float32))
    if name == "usearch exact":
        vectors = np.array(vectors)
    asks: list[Callable[[], NDArray[np.int64]]] = []
    sizes: list[int] = []

    def build() -> None:
        ask, size = asker(name, vectors, query, folder)
        asks.append(ask)
        sizes.append(size)
        ask()

    cpu, clock = time.process_time(), time.perf_counter()
    memory = extra_memory(build)
    built = {
        "cpu_s": round(time.process_time() - cpu, 2),
        "clock_s": round(time.perf_counter() - clock, 2),
    }
    matrix, half = torch.from_numpy(np.array(vectors)), torch.from_numpy(query).half()
    seconds = timed({"query": asks[0], "product": lambda: torch.mv(matrix, half)}, TURNS)
    exact = np.concatenate(
        [
            vectors[begin : begin + HOUR_S].astype(np.float32) @ query
            for begin in range(0, len(vectors), HOUR_S)
        ]
    )
    best = set(np.argsort(-exact)[:WANTED].tolist())
    return {
        "peer": name,
        "vectors": len(vectors),
        "query": medians(seconds["query"]),
        "product": medians(seconds["product"]),
        "to_product": ratio(seconds["query"], seconds["product"]),
        "recall": len(best & set(asks[0]().tolist())) / WANTED,
        "build": built,
        "memory_bytes": memory,
        "disk_bytes": sizes[0],
    }


def peers(folder: Path, all_hours: list[int]) -> dict[str, Any]:
    """The table of peers."""
    width, rows, missing = WIDTHS["dynfocus-tiny"], [], [tool for tool in PEERS if find_spec(tool) is None]
    print(
        f"{'':16}{'hours':>6}{'query':>10}{'to product':>12}{'recall':>8}"
        f"{'build s':>9}{'disk':>7}{'memory':>8} MB"
    )
    for hours in all_hours:
        file = folder / f"{hours}.f16"
        with open(file, "wb") as out:
            for chunk in chunks(hours, width, repeated=False):
                out.write(chunk.tobytes())
        for name in (name for tool, names in PEERS.items() if tool not in missing for name in names):
            if not name.endswith("exact") and hours * HOUR_S > MOST_BUILT:
                continue
            own = folder / "peer"
            own.mkdir()
            command = [sys.executable, __file__, "peer", "--folder", str(own), "--peer", name]
            run = [*command, "--file", str(file)]
            quiet = {**os.environ, "LANCE_LOG": "error", "PYTHONWARNINGS": "ignore"}
            done = subprocess.run(run, stdout=subprocess.PIPE, text=True, check=False, env=quiet)
            shutil.rmtree(own)
            if done.returncode:
                print(f"{name} failed at {hours} hours", flush=True)
                continue
            row = {"hours": hours, **json.loads(done.stdout.splitlines()[-1])}
            rows.append(row)
            print(
                f"{name:16}{hours:>6}{row['query']['cpu_ms']:>10}{row['to_product']['cpu']:>12}{row['recall']:>8}"
                f"{row['build']['cpu_s']:>9}{row['disk_bytes'] // 10**6:>7}{row['memory_bytes'] // 10**6:>8}",
                flush=True,
            )
        file.unlink()
    packages = {"usearch": "usearch", "faiss": "faiss-cpu", "lancedb": "lancedb"}
    versions = {package: version(package) for tool, package in packages.items() if tool not in missing}
    return {"width": width, "best": WANTED, "turns": TURNS, "versions": versions, "rows": rows}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("growth", "clips", "peers", "peer"))
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--hours", type=int, nargs="+", default=list(PEER_HOURS))
    parser.add_argument("--out", type=Path)
    parser.add_argument("--peer", help="only measure this one")
    parser.add_argument("--file", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.what == "peer":
        width = WIDTHS["dynfocus-tiny"]
        return print(json.dumps(measured_peer(arguments.peer, arguments.file, width, arguments.folder)))
    arguments.folder.mkdir(parents=True, exist_ok=True)
    if arguments.what == "peers":
        result = peers(arguments.folder, arguments.hours)
    else:
        result = {"growth": growth, "clips": clips}[arguments.what](arguments.folder)
    result |= {"measured": provenance()}
    if arguments.out:
        arguments.out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
