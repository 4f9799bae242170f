"""Frames and their masks as training has them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFont

from dynfocus_cli.synth.backdrops import BACKDROPS
from dynfocus_cli.synth.digits import FONTS
from dynfocus_cli.synth.look import PLAIN, WIDE_LOOKS, Look
from dynfocus_cli.synth.world import (
    COLORS,
    SHORT,
    WIDE,
    Actor,
    Background,
    Scene,
    Script,
    Thing,
    write_script,
)
from dynfocus_tiny import materials as materials_module
from dynfocus_tiny.frames import draw_wide, film, film_mask, more_small
from dynfocus_tiny.materials import (
    HELD_OUT_PHOTOGRAPHS,
    HELD_OUT_PICTURES,
    PHOTOGRAPHS,
    Materials,
    load_materials,
)
from dynfocus_tiny.vision import draw_batch

SIZE = 96


@pytest.mark.parametrize("name", WIDE_LOOKS)
def test_a_mask_covers_what_is_painted(name: str) -> None:
    look = WIDE_LOOKS[name]
    for seed in range(6):
        script = write_script(seed)
        seen = script.scenes[0].at(1.0)[0]
        frame = film(script, 1.0, look, SIZE, random.Random(seed)).astype(int)
        mask = film_mask(seen, look, SIZE)
        assert frame.shape == (SIZE, SIZE, 3)
        assert mask.shape == (SIZE, SIZE)
        covered = frame[mask > 0.95]
        assert len(covered) > 20
        assert np.abs(covered - COLORS[seen.thing.color]).mean() < 40


def test_half_of_the_worlds_of_many_sizes_have_small_things_alone() -> None:
    wide = draw_wide(Materials())
    rng, again = random.Random(5), random.Random(5)
    smaller = of_many_sizes = 0
    for _ in range(200):
        world, look = wide(again)
        drawn, drawn_look = more_small(wide)(rng)
        rng.setstate(again.getstate())
        assert drawn_look == look
        assert drawn.radii[0] == world.radii[0]
        smaller += drawn.radii[1] < world.radii[1]
        of_many_sizes += world.radii[1] == WIDE.radii[1]
    assert 0.35 < smaller / of_many_sizes < 0.65


def test_a_wide_picture_stands_between_bars() -> None:
    frame = film(write_script(1), 0.0, WIDE_LOOKS["16:9"], SIZE, random.Random(0))
    assert not frame[: (SIZE - 54) // 2].any()
    assert not frame[-(SIZE - 54) // 2 :].any()
    assert frame[SIZE // 2].any()


def test_wide_batches_hold_old_and_new_looks_and_labels_of_every_patch() -> None:
    draw = draw_wide(Materials())
    pairs = [draw(random.Random(seed)) for seed in range(60)]
    assert {world.is_wide() for world, _ in pairs} == {True, False}
    assert any(world == SHORT and look == PLAIN for world, look in pairs)
    assert len({look.aspect for _, look in pairs}) > 4
    pixels, labels = draw_batch(random.Random(1), 6, SIZE, 8, draw)
    assert pixels.shape == (6, SIZE, SIZE, 3)
    assert labels.shape == (6, 144, 3)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A font and two pictures, one of them held out."""
    for name in ("fonts", "pictures"):
        (tmp_path / name).mkdir()
    noise = np.random.default_rng(0).integers(0, 255, (60, 90, 3), dtype=np.uint8)
    for name in (HELD_OUT_PICTURES[0], "meadow"):
        Image.fromarray(noise).save(tmp_path / "pictures" / f"{name}.png")
    Image.new("RGB", (60, 60)).save(tmp_path / "pictures" / "black.png")
    before = dict(FONTS), dict(BACKDROPS)
    yield tmp_path
    for registry, entries in zip((FONTS, BACKDROPS), before, strict=True):
        registry.clear()  # type: ignore[attr-defined]
        registry.update(entries)  # type: ignore[attr-defined]


def test_pictures_are_learned_from_or_held_out_by_name(folder: Path) -> None:
    materials = load_materials(folder)
    assert materials == Materials((), (), PHOTOGRAPHS, HELD_OUT_PHOTOGRAPHS)
    assert BACKDROPS[PHOTOGRAPHS] is not BACKDROPS[HELD_OUT_PHOTOGRAPHS]
    looks = [draw_wide(materials)(random.Random(seed))[1] for seed in range(80)]
    assert PHOTOGRAPHS in {look.backdrop for look in looks}
    assert HELD_OUT_PHOTOGRAPHS not in {look.backdrop for look in looks}


def test_font_files_are_learned_from_or_held_out_by_family(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built_in = ImageFont.load_default(20)
    assert isinstance(built_in, ImageFont.FreeTypeFont)
    built_in.path.seek(0)  # type: ignore[attr-defined]
    (folder / "fonts" / "any.ttf").write_bytes(built_in.path.read())  # type: ignore[attr-defined]
    assert load_materials(folder).fonts == ("file:any.ttf",)
    monkeypatch.setattr(materials_module, "HELD_OUT_FAMILIES", (built_in.getname()[0],))
    materials = load_materials(folder)
    assert (materials.fonts, materials.held_out_fonts) == ((), ("file:any.ttf",))
    (seen,) = one_thing("7").scenes[0].at(0)
    mask = film_mask(seen, Look(digits="file:any.ttf"), SIZE) > 0.5
    rows, columns = mask.nonzero()
    assert 40 < len(rows) < 600
    assert abs(rows.mean() - SIZE / 2) < 4
    assert abs(columns.mean() - SIZE / 2) < 4


def one_thing(shape: str) -> Script:
    ground = Background("plain", ((20, 20, 20), (20, 20, 20)), 0)
    return Script(0, 8, (Scene(0, 0, 8, ground, (Actor(Thing("red", shape), 0, 8, 1, 1, 0.13),)),))
