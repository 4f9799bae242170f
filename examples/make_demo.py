"""Writes `examples/demo.mp4`: one generated minute, told in five scenes, with a needle event at 00:09.

    python examples/make_demo.py

Its script's seed lies outside of all that `dynfocus-tiny` was trained on.
"""

from pathlib import Path

from dynfocus_cli.synth.world import write_script
from dynfocus_cli.synth.write import write_video

SEED = (1 << 42) - 8978


def main() -> None:
    script = write_script(SEED, duration_s=60, scenes=5)
    write_video(script, Path(__file__).with_name("demo.mp4"), size=384, fps=24)


if __name__ == "__main__":
    main()
