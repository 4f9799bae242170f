"""What a training leaves behind: a model folder that answers, and that is what was trained."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from small_trainings import prepared, request, trained, write_clip, write_data
from typer.testing import CliRunner

from dynfocus_cli.cli.app import app
from dynfocus_cli.errors import UsageError
from dynfocus_cli.models.open import load_model
from dynfocus_cli.progress import Silent
from dynfocus_cli.training import finetune, parts
from dynfocus_cli.training import plan as planning
from dynfocus_cli.training.answer_loss import AnswerLoss
from dynfocus_cli.training.batches import collate
from dynfocus_cli.training.best_weights import BEST, best_score, keep_best
from dynfocus_cli.training.export import export
from dynfocus_cli.training.feature_store import FeatureStore
from dynfocus_cli.training.loading import load_for_training, make_trainable
from dynfocus_cli.training.run_checkpoints import load_trained
from dynfocus_cli.training.run_record import run_folder
from dynfocus_cli.training.validation import Score, validation_loss
from public_models import write_public
from strict_schema import validate

pytestmark = pytest.mark.slow

FRAMES = ["--frames", "4", "--no-cache", "--device", "cpu"]


def run(*arguments: object):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_new_words_are_learned_and_asked_for(data: Path, tmp_path: Path) -> None:
    """From the command line to the command line: words that the shipped model never says."""
    out = tmp_path / "colors"
    video, question = data.with_name("0.mp4"), "What color is the background?"
    before = run("ask", video, question, *FRAMES)
    assert before.stdout.strip() != "teal"
    result = run(
        "train", data, out, *FRAMES, "--max-steps", 60, "--batch-size", 8, "--lr", 2e-3, "--samples", 20,
        "--validation", data, "--validate-every", 60,
    )  # fmt: skip
    # The videos are on both sides, so that nothing would be left.
    assert result.exit_code == 2
    assert "nothing is left to train on" in result.stderr
    result = run(
        "train", data, out, *FRAMES, "--max-steps", 60, "--batch-size", 8, "--lr", 2e-3, "--samples", 20,
        "--validation", "0",
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    assert result.stdout == f"{out}\n"
    answer = run("ask", video, question, *FRAMES, "--model", out, "--jsonl")
    assert answer.exit_code == 0, answer.stderr
    record = json.loads(answer.stdout)
    assert record["answer"] == "teal"
    assert record["warnings"] == []
    assert record["model"]["name"] == "colors"
    card = (out / "README.md").read_text()
    assert "8 examples on 4 videos to train on, 0 on 0 other videos" in card
    assert "60 of 1 x 8 examples" in card
    assert not run_folder(out).exists()
    again = run("train", data, out, *FRAMES)
    assert (again.exit_code, "exists already" in again.stderr) == (2, True)


@pytest.mark.parametrize("tune", ["lora", "qlora"])
@torch.no_grad()
def test_adapters_are_merged_into_what_they_were_trained_on(
    data: Path, tmp_path: Path, tune: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dynfocus_cli.checkpoints.shards.SHARD_BYTES", 3 << 20)
    ready = prepared(data, tmp_path / "out", tune=tune, lora_rank=4)
    model = load_for_training(ready)
    make_trainable(model, ready)
    for name, weights in parts.trainable(model.network):
        if ".lora_" in name:
            weights.normal_(std=0.05)
    (tmp_path / "merged").mkdir()
    export(model, tmp_path / "merged", "instruct", Silent())
    assert len(list((tmp_path / "merged").glob("model-*.safetensors"))) > 3
    merged = load_model(str(tmp_path / "merged"), "cpu")
    ids = torch.arange(20).unsqueeze(0)
    expected = model.network.eval().language_model(input_ids=ids).logits
    found = merged.network.language_model(input_ids=ids).logits
    plain = load_model("dynfocus-tiny", "cpu").network.language_model(input_ids=ids).logits
    assert merged.info.quantization == "none"
    torch.testing.assert_close(found, expected, atol=2e-3 if tune == "lora" else 5e-2, rtol=1e-2)
    assert (found - plain).abs().max() > 1.0


def test_align_changes_the_connector_alone(data: Path, tmp_path: Path) -> None:
    trained(data, tmp_path / "out", stage="align", max_steps=2)
    after = load_file(tmp_path / "out" / "model.safetensors")
    before = {
        name: weights.float()
        for name, weights in load_model("dynfocus-tiny", "cpu").network.state_dict().items()
    }
    changed = {parts.part_of(name) for name in after if not torch.equal(after[name], before[name])}
    assert changed == {"connector"}


def test_the_best_weights_are_kept(data: Path, tmp_path: Path) -> None:
    """The validation says how good each step is: by what is right, then by the loss; of the two best the
    later has learned more."""
    from unittest import mock

    scores, losses = iter([3, 5, 8, 8, 8, 2]), iter([2.0, 0.9, 0.5, 0.4, 0.4, 0.1])

    def measured(model, held, *_):
        return finetune.Score(len(held), next(scores), 40.0)

    told: list[str] = []
    with (
        mock.patch.object(finetune, "validate", measured),
        mock.patch.object(finetune, "validation_loss", side_effect=losses),
    ):
        done = trained(data, tmp_path / "out", told, validation="0.25", max_steps=5, validate_every=1)
    assert (done.best_step, done.before.right, done.after.right, done.after.loss) == (4, 3, 8, 0.4)
    assert done.before.loss == 2.0
    assert done.better
    assert [line.split()[0] for line in told] == ["Of", "Before:", *["Step"] * 5, "After:"]
    scores = iter([3, 1])
    with mock.patch.object(finetune, "validate", measured):
        worse = trained(data, tmp_path / "worse", told, validation="0.25", max_steps=1)
    assert told[-1] == worse.warnings[-1]
    assert told[-1].startswith("1 of 2 are right now, and 3 were before: try")
    assert not worse.better


def test_the_best_weights_outlive_a_kill_while_better_ones_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, better = torch.nn.Linear(2, 1), torch.nn.Linear(2, 1)
    assert best_score(tmp_path) is None  # nothing was kept yet
    keep_best(tmp_path, model, 3, Score(8, 5, 40.0, 0.5))
    with monkeypatch.context() as killed:
        killed.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            keep_best(tmp_path, better, 6, Score(8, 6, 40.0, 0.4))
    assert best_score(tmp_path) == (3, Score(8, 5, 40.0, 0.5))
    load_trained(better, tmp_path / BEST)
    assert torch.equal(better.weight, model.weight)


def test_a_loss_that_was_not_measured_is_no_good_one() -> None:
    """Nor is one that is no number, which is kept as none."""
    scores = [Score(8, 5, 40.0, 0.1), Score(8, 5, 40.0, 0.2), Score(8, 5, 40.0), Score(8, 4, 40.0, 0.01)]
    assert sorted(scores, key=lambda score: score.rank, reverse=True) == scores


def test_damaged_videos_and_those_of_another_world_are_told(tmp_path: Path) -> None:
    data = write_data(tmp_path / "clips", 2)
    video = data.with_name("0.mp4")
    content = bytearray(video.read_bytes())
    start = content.find(b"mdat") + 700
    for place in range(start, start + 300):
        content[place] ^= 0x5A
    video.write_bytes(content)
    told: list[str] = []
    done = trained(data, tmp_path / "out", told, max_steps=1)
    damaged, foreign = done.warnings
    assert told[:2] == [damaged, foreign]
    assert damaged.startswith(f"Damaged, and learned from all the same, frames in doubt included: {video} (")
    assert damaged.endswith(" of 6 frames).")
    assert "not all look like those that dynfocus-tiny was trained on" in foreign


def test_a_few_odd_videos_are_no_other_world(data: Path, tmp_path: Path) -> None:
    """Of four clips the classifier takes one for foreign."""
    store = FeatureStore(
        tmp_path, load_model("dynfocus-tiny", "cpu"), prepared(data, tmp_path / "out").request.options
    )
    store.encode(prepared(data, tmp_path / "out").train, Silent())
    assert store.unfamiliar_share == 0.25
    model = load_model("dynfocus-tiny", "cpu")
    assert finetune.familiarity_warnings(model, store.unfamiliar_share)
    assert not finetune.familiarity_warnings(model, 0.1)


def test_what_made_nothing_better_makes_no_world_familiar(data: Path, tmp_path: Path) -> None:
    from unittest import mock

    known = load_model("dynfocus-tiny", "cpu").familiarity.classifier.least
    for right, name in ((1, "equal"), (2, "better")):
        score = mock.Mock(side_effect=[finetune.Score(2, 1, 40.0), finetune.Score(2, right, 40.0)])
        with (
            mock.patch.object(finetune, "validate", score),
            mock.patch.object(finetune, "validation_loss", return_value=1.0),
        ):
            done = trained(data, tmp_path / name, validation="0.25", max_steps=1)
        assert done.better == (name == "better")
        found = load_model(str(tmp_path / name), "cpu").familiarity.classifier.least
        assert (found < known) == (name == "better")


def test_what_is_held_back_makes_no_world_more_familiar(data: Path, tmp_path: Path) -> None:
    """A black video is farther from the clips than they are from each other."""
    other = tmp_path / "other"
    other.mkdir()
    write_clip(other / "0.mp4", (0, 0, 0))
    line = {"video": "0.mp4", "question": "What color is the background?", "answer": "black"}
    (other / "data.jsonl").write_text(json.dumps(line) + "\n")
    thresholds = []
    for name, validation in (("alone", "0"), ("beside", str(other / "data.jsonl"))):
        out = tmp_path / name
        trained(data, out, validation=validation, max_steps=1)
        familiarity = load_model(str(out), "cpu").familiarity
        thresholds.append((familiarity.threshold, familiarity.classifier.least))
    assert thresholds[0] == thresholds[1]


def test_the_loss_of_what_was_held_back_is_that_of_training(data: Path, tmp_path: Path) -> None:
    """Of any batch, and the modules are left in the modes they had."""
    ready = prepared(data, tmp_path / "out", stage="align", precision="float32")
    model = load_for_training(ready)
    options = ready.request.options
    feature_store = FeatureStore(tmp_path / "features", model, options)
    held, broken = feature_store.encode(ready.train, Silent())
    loss = AnswerLoss(model.network.float(), model.prompt, model.device, None).train()
    one_by_one = validation_loss(loss, held, feature_store, model.spec, options)
    assert not broken
    assert all(module.training for module in loss.modules())
    with torch.no_grad():
        batch = collate(held, feature_store, model.spec, options, None)
        assert float(loss.eval()(batch)) == pytest.approx(one_by_one, rel=1e-4)


def test_where_nothing_held_back_can_be_decoded_the_run_ends(data: Path, tmp_path: Path) -> None:
    """It was sound when the run was planned."""
    video = write_clip(tmp_path / "held.mp4", (0, 128, 128))
    held = tmp_path / "held.jsonl"
    held.write_text('{"video": "held.mp4", "question": "What?", "answer": "x"}\n')
    ready = prepared(data, tmp_path / "out", validation=str(held), max_steps=1)
    video.write_bytes(b"no video")
    with pytest.raises(UsageError, match=r"No video to validate on can be decoded: .*held\.mp4"):
        finetune.fine_tune(ready, Silent(), print, print)


@pytest.mark.parametrize("scorer", ["visual", "question"])
def test_the_scorer_that_learned_is_the_one_that_chooses(data: Path, tmp_path: Path, scorer: str) -> None:
    out = tmp_path / "out"
    steps = ["--max-steps", 1, "--samples", 20, "--validation", "0"]
    assert run("train", data, out, *FRAMES, *steps, "--scorer", scorer).exit_code == 0
    record = json.loads(
        run("ask", data.with_name("0.mp4"), "What?", *FRAMES, "--model", out, "--json").stdout
    )
    assert record["selection"]["scorer"] == scorer
    assert f"| scorer | {scorer} |" in (out / "README.md").read_text()


@pytest.mark.parametrize("damaged", range(4))
def test_whichever_video_is_damaged_the_others_are_divided(data: Path, tmp_path: Path, damaged: int) -> None:
    for video in data.parent.glob("*.mp4"):
        (tmp_path / video.name).write_bytes(video.read_bytes())
    (tmp_path / f"{damaged}.mp4").write_bytes(b"no video")
    (tmp_path / "data.jsonl").write_text(data.read_text())
    ready = prepared(tmp_path / "data.jsonl", tmp_path / "out", validation="0.25")
    assert (len(ready.train), len(ready.validation), len(ready.problems)) == (4, 2, 2)


def test_a_dry_run_of_what_cannot_fit(data: Path, tmp_path: Path) -> None:
    """It is the question that a dry run is asked; nothing of that size is tried."""
    result = run("train", data, tmp_path / "out", *FRAMES, "--dry-run", "--batch-size", 10_000_000)
    assert result.exit_code == 0, result.stderr
    assert "That is more than there is." in result.stdout
    assert "no step is tried where memory is short" in result.stdout
    refused = run("train", data, tmp_path / "out", *FRAMES, "--batch-size", 10_000_000)
    assert (refused.exit_code, "are free: try --batch-size 1" in refused.stderr) == (5, True)
    assert list(tmp_path.iterdir()) == []


def test_a_loss_that_is_no_number_ends_the_run(data: Path, tmp_path: Path) -> None:
    ready = prepared(data, tmp_path / "out")
    load = load_for_training

    def ill(prepared):
        model = load(prepared)
        model.network.connector.fine[0].weight.data.fill_(float("inf"))
        return model

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(finetune, "load_for_training", ill)
        with pytest.raises(UsageError, match=r"The loss of step 1 is no number\. Try a lower `rate`"):
            finetune.fine_tune(ready, Silent(), print, print)
    assert not (tmp_path / "out").exists()


def test_what_is_trained_is_no_model_that_ask_would_prefer(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DYNFOCUS_MODELS_DIR", str(tmp_path / "models"))
    write_public(tmp_path / "models" / "smolvlm2-500m", "smolvlm")
    result = run("train", data, tmp_path / "out", *FRAMES, "--dry-run", "--json")
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["model"]["name"] == "dynfocus-tiny"


def test_what_is_settled_holds_for_training(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = run("train", data, tmp_path / "out", "--dry-run", "--json", "--frames", 3)
    monkeypatch.setenv("DYNFOCUS_FRAMES", "3")
    monkeypatch.setenv("DYNFOCUS_MODEL", "no-such-model")  # of what answers, not of what is trained
    settled = run("train", data, tmp_path / "out", "--dry-run", "--json")
    monkeypatch.setenv("DYNFOCUS_FRAMES", "6")
    more = run("train", data, tmp_path / "out", "--dry-run", "--json")
    tokens = [json.loads(result.stdout)["video_tokens"]["most"] for result in (said, settled, more)]
    assert tokens[0] == tokens[1] < tokens[2]


def test_names_that_are_no_text_and_what_lay_there_cost_no_training(data: Path, tmp_path: Path) -> None:
    videos, out = tmp_path / os.fsdecode(b"vid\xe9os"), tmp_path / "model"
    videos.mkdir()
    shutil.copy(data.with_name("0.mp4"), videos)
    (videos / "0.txt").write_text("A wall.")
    left = out.with_name(f"{out.name}.partial")
    left.mkdir()
    (left / "conversion.json").write_text("{}")
    result = run("train", videos, out, *FRAMES, "--max-steps", 1, "--samples", 1, "--validation", "0")
    assert result.exit_code == 0, result.stderr
    assert "vid\\udce9os" in (out / "README.md").read_text()
    assert not (out / "conversion.json").exists()


def test_a_video_that_went_is_passed_over(tmp_path: Path) -> None:
    data = write_data(tmp_path / "clips", 3)
    plan = prepared(data, tmp_path / "out", validation="0")
    data.with_name("1.mp4").unlink()
    feature_store = FeatureStore(tmp_path / "features", load_for_training(plan), plan.request.options)
    there, problems = feature_store.encode(plan.train, Silent())
    assert {Path(one.example.video).name for one in there} == {"0.mp4", "2.mp4"}
    assert len(problems) == 2
    assert all("1.mp4 cannot be read any more: No such file" in problem.reason for problem in problems)


@pytest.mark.parametrize("stage", ["align", "instruct"])
def test_a_dry_run_writes_nothing(data: Path, tmp_path: Path, stage: str) -> None:
    broken = data.with_name("broken.jsonl")
    broken.write_text(data.read_text() + '{"video": "gone.mp4", "question": "What?", "answer": "x"}\n')
    try:
        result = run("train", broken, tmp_path / "out", *FRAMES, "--dry-run", "--stage", stage, "--epochs", 2)
    finally:
        broken.unlink()
    assert result.exit_code == 0, result.stderr
    said = dict(line.split(maxsplit=1) for line in result.stdout.splitlines() if line.split()[0].isalpha())
    assert said["examples"] == "6 on 3 videos to train on"
    assert said["validation"] == "2 on 1 video held back"
    assert said["steps"] == "3 of 1 x 4 examples"
    assert said["time"].startswith("about ")
    assert "passed over      1\n" in result.stdout
    learns = "score network    0 parameters" not in result.stdout
    assert learns == (stage == "instruct")
    assert "line 9" in result.stderr
    assert "gone.mp4 is not there." in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_records_for_scripts(data: Path, tmp_path: Path) -> None:
    """Both on stdout, alone, and by their schemas; the plan says what the run then does."""
    broken = data.with_name("records.jsonl")
    broken.write_text(data.read_text() + '{"video": "gone.mp4", "question": "What?", "answer": "x"}\n')
    arguments = ["train", broken, tmp_path / "out", *FRAMES, "--max-steps", 2, "--samples", 20, "--json"]
    try:
        planned = run(*arguments, "--dry-run")
        result = run(*arguments)
    finally:
        broken.unlink()
    assert (planned.exit_code, result.exit_code) == (0, 0), planned.stderr + result.stderr
    plan, made = json.loads(planned.stdout), json.loads(result.stdout)
    validate(plan)
    validate(made)
    assert plan["examples"] == {
        "train": {"examples": 6, "videos": 3},
        "validation": {"examples": 2, "videos": 1},
    }
    assert [item["reason"] for item in plan["passed_over"]] == [f"{data.parent}/gone.mp4 is not there."]
    assert plan["fits"]
    assert plan["memory_bytes"]["peak"] < plan["memory_bytes"]["free"]
    assert plan["estimated_s"] == pytest.approx(2 * plan["step_s"], abs=0.1)
    for shared in ("model", "stage", "tune", "precision", "seed", "steps", "passed_over"):
        assert made[shared] == plan[shared]
    assert made["folder"] == str(tmp_path / "out")
    assert made["before"]["questions"] == made["after"]["questions"] == 2
    assert made["after"]["right"] == 2 * made["after"]["exact_match"]
    assert 1 <= made["best_step"] <= made["steps"] == 2


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--max-steps", "0"], 2, "--max-steps must be at least 1"),
        (["--max-steps", "9" * 20], 2, "--max-steps must be at least 1 and at most 1,000,000,000"),
        (["--epochs", "inf"], 2, "--epochs must be a number above 0"),
        (["--epochs", "1e300"], 2, "1,000,000,000 at most"),
        (["--samples", "1000000000"], 2, "--samples must be at most 10,000"),
        (["--tune", "qlora", "--quantize", "none"], 2, "leave --quantize none out"),
        (["--lr", "0"], 2, "--lr must lie above 0"),
        (["--stage", "align", "--tune", "lora"], 2, "--tune is for --stage instruct"),
        (["--tune", "full", "--quantize", "nf4"], 2, "take --tune qlora"),
        (["--precision", "float32", "--tune", "qlora"], 2, "runs in 16 bits"),
        (["--model", "no-such-model"], 4, "no-such-model"),
        (["--validation", "1.5"], 2, "--validation must be a share"),
        (["--media", "/nowhere"], 2, "holds no example that can be used"),
    ],
)
def test_what_makes_no_sense(data: Path, tmp_path: Path, arguments: list[str], code: int, said: str) -> None:
    result = run("train", data, tmp_path / "out", *FRAMES, *arguments)
    assert result.exit_code == code, result.stderr
    assert said in result.stderr
    assert "Traceback" not in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_video_costs_its_examples_alone(data: Path, tmp_path: Path) -> None:
    from small_trainings import write_data

    damaged = write_data(tmp_path / "clips")
    damaged.with_name("1.mp4").write_bytes(b"no video")
    ready = prepared(damaged, tmp_path / "out")
    assert len(ready.train) == 6
    assert [problem.where.rpartition(", ")[2] for problem in ready.problems] == ["line 3", "line 4"]
    for video in (tmp_path / "clips").glob("*.mp4"):
        video.write_bytes(b"no video")
    result = run("train", damaged, tmp_path / "out", *FRAMES)
    assert result.exit_code == 2
    assert "no example is left to train on" in result.stderr


def test_without_peft_adapters_are_a_sentence(data: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    result = run("train", data, tmp_path / "out", *FRAMES, "--tune", "lora")
    assert result.exit_code == 4
    assert "pip install 'dynfocus[train]'" in result.stderr


def test_what_cannot_fit_does_not_begin(data: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(planning, "free_memory", lambda device: 50 << 20)
    result = run("train", data, tmp_path / "out", *FRAMES)
    assert result.exit_code == 5
    assert "This training takes about" in result.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("scorer", "grown"), [(None, "visual"), ("question", "question")])
def test_a_model_without_a_score_network_is_given_one(
    data: Path, tmp_path: Path, scorer: str | None, grown: str
) -> None:
    """As one that was made of LLaMA-VID's weights."""
    from dynfocus_cli.options import SelectionOptions

    shipped = load_model("dynfocus-tiny", "cpu")
    shipped.network.connector.score_network = None
    plain = shipped.network.config
    plain.score_network, plain.question_aware_score, plain.scorer = False, False, "density"
    (tmp_path / "plain").mkdir()
    export(shipped, tmp_path / "plain", "instruct", Silent())
    options = replace(request(data, tmp_path).options, selection=SelectionOptions(scorer=scorer))
    trained(
        data, tmp_path / "out", model=str(tmp_path / "plain"), options=options, validation="0.25", max_steps=2
    )
    made = load_model(str(tmp_path / "out"), "cpu")
    assert made.config.scorer == grown
    assert (made.network.connector.score_network.question_film is not None) == (grown == "question")
    assert run("ask", data.with_name("0.mp4"), "What?", *FRAMES, "--model", tmp_path / "out").exit_code == 0
