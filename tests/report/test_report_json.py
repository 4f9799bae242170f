"""The records: their schemas, their order, their bytes."""

from __future__ import annotations

import json
from dataclasses import replace

import jsonschema
import numpy as np
import pytest

from dynfocus_cli.report.json import (
    answer_record,
    dumps,
    error_record,
    forecast_record,
    inspection_record,
    load_schema,
)
from dynfocus_cli.types import Answer, Check, Counterfactual, Option, Timings
from strict_schema import validate

SCHEMAS = (
    "dynfocus.answer/1",
    "dynfocus.inspection/1",
    "dynfocus.plan/1",
    "dynfocus.error/1",
    "dynfocus.models/1",
    "dynfocus.model/1",
    "dynfocus.model_entry/1",
    "dynfocus.training_plan/1",
    "dynfocus.training/1",
    "dynfocus.doctor/1",
    "dynfocus.cache/1",
    "dynfocus.prediction/1",
    "dynfocus.retrieval/1",
    "dynfocus.moments/1",
    "dynfocus.index/1",
)

# The example of the design document, as the contract has it.
EXAMPLE = """
{"schema": "dynfocus.answer/1", "video": "demo.mp4", "question": "What?", "answer": "A dog.",
 "model": {"name": "dynfocus-tiny", "backend": "dynfocus", "revision": "0123", "quantization": "none",
           "device": "cpu"},
 "source": {"duration_s": 60.0, "width": 1280, "height": 720, "fps": 30.0, "codec": "h264", "rotation": 0,
            "variable_frame_rate": false},
 "sampling": {"policy": "fps", "fps": 1.0, "frames": 60, "start_s": 0.0, "end_s": 60.0,
              "focus": [[470.0, 490.0]]},
 "selection": {"scorer": "question", "prototypes": 25, "key_frames": 20, "clustering": "dpc_knn"},
 "tokens": {"video": 880, "per_key_frame": 40, "per_other_frame": 2, "prompt": 31, "generated": 6,
            "context": 2048, "all_patches": 15360},
 "frames": [{"index": 0, "time_s": 0.0, "timecode": "00:00:00.000", "event": 3, "meaningful": true,
             "score": 0.91, "tokens": 40}],
 "timings_s": {"decode": 0.4, "encode": 0.6, "select": 0.02, "generate": 0.3, "total": 1.4},
 "cache": {"features": "miss"}, "seed": 0, "warnings": []}
"""


WITH_MAKERS = ("stock",)
"""Fields of models that their makers run in another way."""

ADDED = ("in_domain", "subtitles", "health")
"""Fields beyond the contract, at the end, and not required: older records lack them."""

BY_FRAME = ("selector",)
"""Fields of a selection without events."""
OPTIONAL = {
    "dynfocus.answer/1": ("question_id", "key", "settings", "options", "check", "truncated", "attention"),
    "dynfocus.inspection/1": ("question_id", "key", "settings", "shots"),
    "dynfocus.cache/1": ("indexes",),
    "dynfocus.index/1": ("key", "settings"),
    "dynfocus.moments/1": ("threshold",),
    "dynfocus.plan/1": ("question_id",),
    "dynfocus.error/1": ("question", "question_id", "key", "settings", "benchmark", "id", "arm"),
    "dynfocus.prediction/1": ("log_likelihoods",),
}
"""Fields of records of several questions, or of a file of results."""


def keys(value):
    """The nested keys of a record in their order, of the first item where there is a list."""
    if isinstance(value, dict):
        return [(key, keys(inner)) for key, inner in value.items()]
    return keys(value[0]) if isinstance(value, list) and value else None


@pytest.mark.parametrize("name", SCHEMAS)
def test_schemas_are_valid_and_open(name):
    schema = load_schema(name)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["title"] == name

    def objects(node):
        if isinstance(node, dict):
            if node.get("type") == "object":
                yield node
            for inner in node.values():
                yield from objects(inner)

    for node in objects(schema):
        assert "additionalProperties" not in node
        optional = (*ADDED, *WITH_MAKERS, *BY_FRAME, *OPTIONAL.get(name, ()))
        assert node["required"] == [key for key in node["properties"] if key not in optional]
        for key, described in node["properties"].items():
            assert "description" in described or "const" in described, key


def test_a_plan_is_valid_and_says_what_an_inspection_would(make_forecast, make_inspection):
    record = forecast_record(make_forecast(warnings=("Short.",)))
    validate(record)
    inspected = inspection_record(make_inspection(question="What?"))
    for shared in ("model", "source", "sampling", "selection"):
        assert record[shared] == inspected[shared]
    assert record["tokens"] == {**inspected["tokens"], "generated": 64}
    assert record["memory_bytes"]["peak"] == 7 << 30
    assert record["estimated_s"] == {
        "encode": 12.345,
        "select": 0.5,
        "first_token": 0.042,
        "each_token": 0.00123,
    }


def test_unknown_schema_is_named():
    with pytest.raises(KeyError, match=r"dynfocus\.nothing/1"):
        load_schema("dynfocus.nothing/1")


def test_the_contracts_example_is_valid_and_in_our_order(make_inspection):
    example = json.loads(EXAMPLE)
    validate(example)
    ours = answer_record(Answer("A dog.", make_inspection(question="What?")))
    assert ours.pop("truncated") is False
    added = {key: ours[key] for key in ADDED}
    assert keys(ours) == keys({**example, "warnings": ours["warnings"], **added})


def test_answer_and_inspection_describe_the_same_evidence():
    answer = load_schema("dynfocus.answer/1")["properties"]
    inspection = load_schema("dynfocus.inspection/1")["properties"]
    own = {"schema", "question", "answer", "truncated", "options", "check", "attention", "shots"}
    assert {k: v for k, v in answer.items() if k not in own} == {
        k: v for k, v in inspection.items() if k not in own
    }


@pytest.mark.parametrize("question", [None, "What is there?"])
def test_inspection_record(make_inspection, question):
    record = inspection_record(make_inspection(question=question))
    validate(record)
    assert record["question"] == question
    assert "answer" not in record
    assert sum(frame["tokens"] for frame in record["frames"]) == record["tokens"]["video"]


def test_rounding(make_inspection):
    record = inspection_record(make_inspection())
    assert record["source"]["fps"] == 29.97003
    assert record["sampling"]["focus"] == [[1.0, 2.0]]
    assert record["timings_s"]["select"] == 0.021
    assert record["frames"][1]["score"] == 0.9722


def test_numbers_of_numpy_and_negative_zero_do_not_change_the_bytes(make_inspection):
    plain = make_inspection(frames=1)
    odd = replace(plain, frames=(replace(plain.frames[0], time_s=np.float32(-0.0), score=np.float32(1.0)),))
    assert dumps(inspection_record(odd)) == dumps(inspection_record(plain))


def test_equal_runs_give_equal_bytes_but_for_timings(make_inspection):
    first = make_inspection(question="Où ?")
    second = replace(make_inspection(question="Où ?"), timings_s=Timings(9, 9, 9, 9, 36))
    records = [answer_record(Answer("Là.", run)) for run in (first, second)]
    assert records[0].pop("timings_s") != records[1].pop("timings_s")
    assert dumps(records[0]) == dumps(records[1])


def test_text_stays_readable_and_on_one_line(make_inspection):
    line = dumps(answer_record(Answer("犬\nと猫", make_inspection(question="q", video="é.mp4"))))
    assert "犬\\nと猫" in line
    assert "é.mp4" in line
    assert "\n" not in line


def test_error_record():
    record = error_record("a.mp4", 3, "VideoUnreadable", "No such file: a.mp4.")
    validate(record)
    assert list(record) == ["schema", "video", "error"]


@pytest.mark.parametrize(
    ("where", "value"),
    [(("tokens", "extra"), 1), (("frames", 0, "score"), 1.5), (("source", "rotation"), 45), (("seed",), "0")],
)
def test_schema_refuses_what_the_contract_does_not_know(make_inspection, where, value):
    record = inspection_record(make_inspection())
    *path, last = where
    node = record
    for step in path:
        node = node[step]
    node[last] = value
    with pytest.raises(jsonschema.ValidationError):
        validate(record)


def test_a_reader_of_this_version_accepts_what_a_later_one_adds(make_inspection):
    record = inspection_record(make_inspection())
    record["tokens"]["extra"] = record["extra"] = 1
    jsonschema.Draft202012Validator(load_schema(record["schema"])).validate(record)


def test_options_and_check_stand_in_the_record_where_they_were_asked_for(make_inspection):
    options = (Option("A", "a dog", -0.51234), Option("B", "a cat", -1.5))
    check = Check(Counterfactual("B", 5, 200, True), None)
    record = answer_record(Answer("A", make_inspection(question="What?"), options, check))
    validate(record)
    assert record["options"][0] == {"letter": "A", "text": "a dog", "log_likelihood": -0.5123}
    assert record["check"] == {
        "even_frames": {"answer": "B", "changed": True, "frames": 5, "tokens": 200},
        "without_key_frames": None,
    }
