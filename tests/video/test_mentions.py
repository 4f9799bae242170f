from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynfocus_cli.video.mentions import Mentions, find_mentions, with_time_codes


@pytest.mark.parametrize(
    ("question", "moments"),
    [
        ("What is she doing at 08:00?", [480]),
        ("at 08:00.5", [480.5]),
        ("What happens at 12 seconds?", [12]),
        ("after 90s", [90]),
        ("at 2m30s", [150]),
        ("at 1 minute and 30 seconds.", [90]),
        ("1:20 who is it?", [80]),
        ("(1:20) who", [80]),
        ("30 seconds into the video", [30]),
        ("two minutes in, what", [120]),
        ("at the 2-minute mark", [120]),
        ("at minute 3", [180]),
        ("@3:00", [180]),
        ("at 5:00 and at 6:00", [300, 360]),
        ("at 5:00 and 6:00?", [300, 360]),
        ("at 0:05, 0:10 and 0:15", [5, 10, 15]),
        ("at 0:05, 0:10, and 0:15?", [5, 10, 15]),
        ("at 00:05 or 00:10 or 00:15", [5, 10, 15]),
        ("(0:05, 0:10) what", [5, 10]),
        ("at 0:05, 1:75 and 0:15", [5, 15]),
        ("at 0:05 and a 16:10 screen", [5]),
        ("at 0:05 and 16:10 aspect", [5]),
        ("at 5 seconds and 10 seconds", [5, 10]),
        ("at 5 s, 10 s and 15 s", [5, 10, 15]),
        ("at 1 minute and 2 minutes", [60, 120]),
        ("at 1 minute and 30 seconds or 2 minutes", [90, 120]),
        ("at 1 minute, 2 minutes and 5 seconds, and 3 minutes", [60, 125, 180]),
        ("at 5 seconds and 1 minute", [5, 60]),
        ("at 0 hours, 1 minute and 5 seconds", [65]),
        ("at 2m30s and 3m30s", [150, 210]),
        ("at the 1-minute and 2-minute marks", [60, 120]),
        ("5 seconds and 10 seconds into the video", [5, 10]),
        ("at 1 minute and 5 seconds later", [60]),
        ("at 30 seconds, 5 seconds before the cut", [30]),
        ("at minute 1:12", [72]),
        ("around minute 3", [180]),
        ("at 12 and 20 seconds", [12, 20]),
        ("at 12, 20 and 30 seconds", [12, 20, 30]),
        ("at 1 or two minutes", [60, 120]),
        ("in the 12th second", [12]),
        ("at 1:00, no, at 1:00", [60]),
        ("At  01:00\n!", [60]),
        ("At 01:00: what does she hold?", [60]),
        ("After 30 seconds: who is it?", [30]),
        ("at 20 seconds from the end?", [580]),
        ("20 seconds before the end of the video", [580]),
        ("at 1 minute and 5 seconds before the end", [535]),
        ("at 0:20 from the end", [580]),
        ("at the 10-second mark from the end", [590]),
        ("at 10 seconds after the start", [10]),
        ("in the last 10 seconds before 0:30", [30]),
        ("within the first 10 seconds after 0:30", [30]),
        ("at 5 s,10 s", [5, 10]),
        ("at 5 seconds after the video starts", [5]),
        ("from 30 seconds to 10 seconds before the end", [590]),
        ("30 seconds into the recording", [30]),
        ("30 seconds into this clip, what?", [30]),
        ("at 1:30 into the film", [90]),
        ("What happens 30 seconds into it?", [30]),
        ("Which man at 12 seconds left the room?", [12]),
        ("at 12 seconds, left or right?", [12]),
        ("around 30 seconds", [30]),
        ("What happens around 2 minutes?", [120]),
        ("Which exit does he take at 30 seconds?", [30]),
        ("for around 5 seconds at 0:30", [30]),
        ("Is the door closing 5 seconds into the video?", [5]),
        ("at the 2nd minute mark", [120]),
        ("What does he look for around 30 seconds into the video?", [30]),
        ("What is at 0:12 in the upper half of the picture?", [12]),
        ("in the third second", [3]),
        ("What is he looking for around 1:20?", [80]),
        ("What is he looking for around 30 seconds?", [30]),
        ("What is he waiting for around 1:20?", [80]),
        ("Who comes in around 0:30?", [30]),
        ("Who comes in around 30 seconds?", [30]),
        ("Who walks over around 0:30?", [30]),
        ("What does he take around 1:20?", [80]),
        ("What does he take around 30 seconds?", [30]),
        ("Which car is she in around 2:00?", [120]),
        ("What does he reach for around 30 seconds?", [30]),
        ("What does she pour at 0:45 into the bowl?", [45]),
        ("Who walks at 12 seconds into the room?", [12]),
        ("At 1:20 into which room does she go?", [80]),
        ("30 seconds into the attached video", [30]),
        ("30 seconds into the YouTube video", [30]),
        ("30 seconds into our video", [30]),
        ("30 seconds into that video", [30]),
        ("30 seconds into the match recording", [30]),
        ("10 seconds into the fight scene video", [10]),
        ("2 minutes into the trailer", [120]),
        ("2 minutes into the tape", [120]),
        ("2 minutes into the episode", [120]),
        ("2 minutes into the short film", [120]),
        ("2 minutes into playback", [120]),
        ("What does it say at 0:30 on the clock?", [30]),
        ("What is the score at 1:20 on the scoreboard?", [80]),
        ("The man who at 0:12 left in a car, what is he wearing?", [12]),
        ("Who is at 0:15 left?", [15]),
        ("Who gets up at 30 seconds to go out?", [30]),
        ("Does the dance at 0:30 last 10 seconds?", [30]),
        ("Is the door closing 5 seconds in?", [5]),
        ("Is the room brighter at 1:20 than around 0:30?", [30, 80]),
    ],
)
def test_moments(question: str, moments: list[float]) -> None:
    assert find_mentions(question, 600.0) == Mentions(moments=tuple(map(float, moments)))


def test_a_comma_between_thousands_is_part_of_the_number() -> None:
    assert find_mentions("at 1,200 seconds", 4000.0).moments == (1200.0,)
    assert with_time_codes("at 1,200 seconds") == "at 20:00"
    assert with_time_codes("at 20 seconds from the end") == "at 20 seconds from the end"


@pytest.mark.parametrize(
    ("question", "span"),
    [
        ("between 1:20 and 2:05", (80, 125)),
        ("from 1:20 to 2:05, what", (80, 125)),
        ("from 10s to 20s", (10, 20)),
        ("between 5 seconds and 10 seconds", (5, 10)),
        ("between 1 minute and 30 seconds and 2 minutes", (90, 120)),
        ("in the first 1 minute and 30 seconds", (0, 90)),
        ("between 20 and 30 seconds", (20, 30)),
        ("0:45-0:50 what", (45, 50)),
        ("between seconds 10 and 20", (10, 20)),
        ("from minute 1 to minute 3", (60, 180)),
        ("between minutes 1:20 and 2:05", (80, 125)),
        ("between 2:05 and 1:20", (80, 125)),
        ("in the last 30 seconds", (570, 600)),
        ("in the first 2 minutes", (0, 120)),
        ("in the first minute", (0, 60)),
        ("the final ten seconds", (590, 600)),
        ("in the last 10 seconds before the end", (590, 600)),
        ("in the last 10 seconds before the video ends", (590, 600)),
        ("in the first 10 seconds after the video starts", (0, 10)),
        ("between 0:00 and 10:00", (0, 600)),
        ("What happens in the 2nd minute?", (60, 120)),
        ("in the 1st minute", (0, 60)),
        ("in the second minute", (60, 120)),
        ("during the third minute of the video", (120, 180)),
        ("at the 10th minute", (540, 600)),
        ("last 10 seconds?", (590, 600)),
        ("Last 10 seconds: who is it?", (590, 600)),
        ("during the last minute", (540, 600)),
        ("the last 10 seconds", (590, 600)),
        ("the video's last 10 seconds", (590, 600)),
        ("in these last 10 seconds", (590, 600)),
        ("In short, the very last 10 seconds", (590, 600)),
        ("opening 10 seconds", (0, 10)),
        ("Compare the first or last 10 seconds", (590, 600)),
        ("Describe last 30 seconds", (570, 600)),
        ("Summarize last 30 seconds", (570, 600)),
        ("what happened last 30 seconds?", (570, 600)),
        ("And last 30 seconds?", (570, 600)),
        ("What about last 30 seconds?", (570, 600)),
        ("Focus on last 30 seconds", (570, 600)),
        ("Look at last 30 seconds and tell me who wins", (570, 600)),
        ("Skip to last 30 seconds", (570, 600)),
        ("Can you describe last 30 seconds?", (570, 600)),
        ("Do these last 30 seconds look different?", (570, 600)),
        ("Does the dog bark in last 30 seconds?", (570, 600)),
        ("What does each closing 30 seconds show?", (570, 600)),
        ("Show last 10 seconds", (590, 600)),
        ("Are these last 10 seconds in slow motion?", (590, 600)),
        ("the first 10 and last 10 seconds", (590, 600)),
        ("Is there music in the first 10 or last 10 seconds?", (590, 600)),
    ],
)
def test_spans(question: str, span: tuple[float, float]) -> None:
    assert find_mentions(question, 600.0) == Mentions(spans=(span,))


def test_both_edges() -> None:
    question = "Compare first 10 seconds with last 10 seconds"
    assert find_mentions(question, 600.0) == Mentions(spans=((0.0, 10.0), (590.0, 600.0)))


@pytest.mark.parametrize(
    "question",
    [
        "",
        "Is it 8:00 am?",
        "at 8:00 am",
        "at 8:00 p.m.",
        "at 8:00PM",
        "at 8 o'clock",
        "at 8:00 o'clock",
        "between 8:00 and 9:00 pm",
        "at 8:00 in the morning",
        "16:9 aspect",
        "at 16:9",
        "at 16:10 aspect",
        "John 3:16",
        "the score was 1:15",
        "every 5 seconds",
        "at 5 seconds before the end of the race",
        "at 12 seconds after the cut",
        "at 1 minute and 5 seconds before the cut",
        "around 2 minutes and 30 seconds after the goal",
        "at 1 hour, 2 minutes and 3 seconds after he leaves",
        f"at {','.join(['111'] * 500)} seconds",
        "at second 20 from the end",
        "the last 10 seconds before the goal",
        "at 12,5 seconds",
        "around .5 seconds in",
        "for 10 seconds",
        "at 5 m/s",
        "at 5 m",
        "at 8",
        "at 1:75",
        "a last minute goal",
        "first, second and third",
        "at 10:30:99:12",
        "at 30 seconds per lap",
        "at 5:305",
        "at 12 and 20 seconds apart",
        "in the second 10 minutes",
        "a 5 minute clip at 16:9",
        "Does the applause last 10 seconds?",
        "Does the match last 90 minutes?",
        "Does this last 10 seconds?",
        "Could it last ten seconds?",
        "Does it only last 10 seconds?",
        "Doesn't it last 10 seconds?",
        "Does the applause of the crowd last 10 seconds?",
        "Is it going to last 10 seconds?",
        "Does the dive take around 30 seconds?",
        "a clip of around 30 seconds",
        "30 seconds into the football match",
        "at 10 seconds left in the game",
        "Is the shop closing 10 minutes later?",
        "Does he hold his breath for around 30 seconds?",
        "Does it take around 2 minutes?",
        "Does it take him exactly 30 seconds to dress?",
        "Does it last around 10 seconds?",
        "a break of roughly 1:30",
        "Does she hold it for about 1:30?",
        "Is it about to end in around 30 seconds?",
        "Does he stay around 30 seconds longer?",
        "Did he leave around 5 minutes ago?",
        "What happens 30 seconds into the second half?",
        "at 1:30 into the second half",
        "from 0:10 to 0:20 into the race",
        "30 seconds into the video game",
        "at 30 seconds of the second half",
        "at 1:30 in the first half",
        "in the first 10 seconds of the second half",
        "in the last minute of the first half",
        "in the 2nd minute of the second half",
        "at minute 2 of the second half",
        "Does the clock stop at 10 seconds left?",
        "at 0:10 left on the clock",
        "at 10 seconds remaining",
        "at 10 seconds to go",
        "in 5 minutes",
        "in the second 10 minutes of it",
    ],
)
def test_what_names_no_position(question: str) -> None:
    assert find_mentions(question, 3600.0) == Mentions()


@pytest.mark.parametrize("question", ["at 1:00", "at 99:00", "in the last 5 minutes", "from 2:00 to 3:00"])
def test_a_time_past_the_end_is_warned_of_and_changes_nothing(question: str) -> None:
    found = find_mentions(question, 60.0)
    assert (found.moments, found.spans) == ((), ())
    assert len(found.warnings) == 1
    assert "00:01:00.000 long" in found.warnings[0]


def test_of_a_numbered_minute_there_is_what_the_video_has() -> None:
    assert find_mentions("in the 2nd minute", 90.0) == Mentions(spans=((60.0, 90.0),))
    assert find_mentions("in the 1st minute", 30.0) == find_mentions("in the first minute", 30.0)
    late = find_mentions("in the 2nd minute", 50.0)
    assert (late.spans, len(late.warnings)) == ((), 1)


def test_a_span_that_runs_past_the_end_keeps_its_part_of_the_video() -> None:
    found = find_mentions("from 0:50 to 20:00", 60.0)
    assert found.spans == ((50.0, 60.0),)
    assert "00:20:00.000" in found.warnings[0]


PIECES = st.sampled_from(
    [
        "at ",
        "between ",
        "from ",
        " and ",
        " to ",
        " or ",
        ", ",
        "first ",
        "last ",
        "the ",
        "8:00",
        "1:75",
        "0:99:99",
        "12",
        " seconds",
        "m",
        "s",
        "h",
        "pm",
        "a.m.",
        "-",
        ":",
        ".",
        "ſ",
        "٣",
        "twenty",
        " minute",
        "\n",
        "@",
        "9" * 7,
        "in",
        " mark",
    ]
)


@given(st.text() | st.lists(PIECES).map("".join), st.floats(min_value=0, max_value=1e6))
def test_any_text_gives_times_inside_the_video(question: str, duration_s: float) -> None:
    found = find_mentions(question, duration_s)
    assert all(0 <= moment < duration_s for moment in found.moments)
    assert all(0 <= start < end <= duration_s for start, end in found.spans)


@pytest.mark.parametrize(
    "question",
    [
        "at 1 second and 2 " * 5_000 + "9" * 50_000 + ":" * 20_000,
        "1 hour, 2 minutes, 3 seconds, " * 2_000,
        "at 1 minute and 2 seconds and " * 2_000,
        "at 0:01, " + "0:02, " * 10_000,
    ],
)
def test_a_long_question_is_read_in_no_time(question: str) -> None:
    find_mentions(question, 60.0)


@pytest.mark.parametrize(
    ("question", "read"),
    [
        ("What color is the heart at 12 seconds?", "What color is the heart at 00:12?"),
        ("At 1:05, what is there?", "At 01:05, what is there?"),
        ("12 seconds in, what is shown?", "at 00:12, what is shown?"),
        ("30 seconds into the video, what?", "at 00:30, what?"),
        ("What is shown at the 2-minute mark?", "What is shown at 02:00?"),
        ("What is there at minute 1:12?", "What is there at 01:12?"),
        ("What is there in the 12th second?", "What is there at 00:12?"),
        ("30 seconds into the recording, what?", "at 00:30, what?"),
        ("What is in the 2nd minute?", "What is in the 2nd minute?"),
        ("Does the applause last 10 seconds?", "Does the applause last 10 seconds?"),
        ("Does it take around 2 minutes?", "Does it take around 2 minutes?"),
        ("for around 5 seconds at 12 seconds", "for around 5 seconds at 00:12"),
        ("Is it 30 seconds into the second half?", "Is it 30 seconds into the second half?"),
        ("¿Corre en 10 segundos?", "¿Corre en 10 segundos?"),
        ("画面の3分の1には", "画面の3分の1には"),
        ("午前10時30分に何が", "午前10時30分に何が"),
        ("午前10時30分の、在12秒有什么", "午前10時30分の、 at 00:12 有什么"),
        ("What is there at 5 and 10 seconds?", "What is there at 00:05 and 00:10?"),
        ("after 90s what", "after 01:30 what"),
        ("(1:20) who", "(01:20) who"),
        ("at 12.7 s", "at 00:12"),
        ("@0:12 what is there?", "at 00:12 what is there?"),
        ("What is there at around 12 seconds?", "What is there at 00:12?"),
        ("What is there around minute 1:05?", "What is there at 01:05?"),
        ("Exactly at 0:12, what is there?", "Exactly at 00:12, what is there?"),
        ("¿Qué hay en el segundo 12?", "¿Qué hay at 00:12?"),
        ("What color is the heart at 00:12?", "What color is the heart at 00:12?"),
        ("What is shown between 0:10 and 0:20?", "What is shown between 0:10 and 0:20?"),
        ("Is it  8:00 am?", "Is it  8:00 am?"),
        ("at 1:75", "at 1:75"),
        ("at 1:50:00", "at 1:50:00"),
    ],
)
def test_moments_as_time_codes(question: str, read: str) -> None:
    assert with_time_codes(question) == read


@given(st.text() | st.lists(PIECES).map("".join))
def test_any_text_with_time_codes_names_the_same_moments(question: str) -> None:
    before = find_mentions(question, 1e9)
    assert with_time_codes(with_time_codes(question)) == with_time_codes(question)
    after = find_mentions(with_time_codes(question), 1e9)
    assert {int(moment) for moment in after.moments} >= {int(moment) for moment in before.moments}
