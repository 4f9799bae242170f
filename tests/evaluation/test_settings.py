from __future__ import annotations

from dynfocus_cli.evaluation.settings import SettingDifference, flat_settings, setting_differences


def test_fields_within_fields_are_joined_by_dots() -> None:
    settings = {"split": "test", "model": {"name": "a", "config": {"width": 1}}, "files": {}}
    assert dict(flat_settings(settings)) == {"split": "test", "model.name": "a", "model.config.width": 1}


def test_what_one_run_does_not_have_is_none_there() -> None:
    runs = [{"tokens": 320, "options": {}}, {"tokens": 320, "options": {"scorer": "visual"}}]
    assert list(setting_differences(runs)) == [SettingDifference("options.scorer", (None, "visual"))]
