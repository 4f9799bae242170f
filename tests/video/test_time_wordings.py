"""Times in questions of several languages."""

from __future__ import annotations

import time

import pytest

from dynfocus_cli.video.mentions import Mentions, find_mentions
from dynfocus_cli.video.time_wordings import in_english


@pytest.mark.parametrize(
    ("question", "moments"),
    [
        ("Was passiert bei 12 Sekunden?", [12]),
        ("Was ist bei 1:12 zu sehen?", [72]),
        ("Wer ist in Minute 1:12 zu sehen?", [72]),
        ("Was ist in der 12. Sekunde?", [12]),
        ("bei 1 Minute und 12 Sekunden", [72]),
        ("bei 12,5 Sekunden", [12.5]),
        ("bei 12 und 20 Sekunden", [12, 20]),
        ("nach 90 Sekunden", [90]),
        ("Que se passe-t-il à 12 secondes ?", [12]),
        ("à la minute 1:12", [72]),
        ("à la 12e seconde", [12]),
        ("après 1 minute et 30 secondes", [90]),
        ("¿Qué pasa a los 12 segundos?", [12]),
        ("en el minuto 1:12", [72]),
        ("a los 12 y 20 segundos", [12, 20]),
        ("O que acontece aos 12 segundos?", [12]),
        ("no minuto 1:12", [72]),
        ("depois de 90 segundos", [90]),
        ("Cosa succede al secondo 12?", [12]),
        ("a 12 secondi", [12]),
        ("dopo 90 secondi", [90]),
        ("视频在12秒时发生了什么？", [12]),
        ("第１２秒是什么？", [12]),
        ("在1分12秒的时候", [72]),
        ("在1:12有什么", [72]),
        ("12秒で何が起きますか？", [12]),
        ("1分12秒の時点で何が見えますか", [72]),
        ("1:12に何がありますか", [72]),
        ("nach der 2. Minute", [120]),
        ("vor der 2. Minute", [60]),
        ("vor 1:12", [72]),
        ("seit Minute 2", [120]),
        ("in Minute 2", [120]),
        ("Wer geht bei 12 Sekunden nach links?", [12]),
        ("Was ist bei 12 Sekunden vor dem Haus?", [12]),
        ("à 12 secondes du début", [12]),
        ("en 1:12", [72]),
        ("sobre los 30 segundos", [30]),
        ("em 1:12", [72]),
        ("第1分12秒", [72]),
        ("第2分钟后", [120]),
        ("12秒の場面", [12]),
        ("12秒目に", [12]),
        ("在12秒的画面中", [12]),
        ("第12秒的视频画面", [12]),
        ("30秒左右", [30]),
        ("视频到了30秒时", [30]),
        ("在12秒的时间点", [12]),
        ("12秒に渡っている人", [12]),
        ("Was ist bei 12 Sekunden in der oberen Hälfte?", [12]),
        ("Quem aos 12 segundos inicia a corrida?", [12]),
    ],
)
def test_moments(question: str, moments: list[float]) -> None:
    assert find_mentions(question, 600.0) == Mentions(moments=tuple(map(float, moments)))


@pytest.mark.parametrize(
    ("question", "span"),
    [
        ("zwischen 1:20 und 2:05", (80, 125)),
        ("zwischen Sekunde 10 und 20", (10, 20)),
        ("von 1:20 bis 2:05", (80, 125)),
        ("in den letzten 30 Sekunden", (570, 600)),
        ("in der letzten Minute", (540, 600)),
        ("entre 10 et 20 secondes", (10, 20)),
        ("de 1:20 à 2:05", (80, 125)),
        ("dans les 30 dernières secondes", (570, 600)),
        ("entre el minuto 1:20 y el 2:05", (80, 125)),
        ("entre los 10 y los 20 segundos", (10, 20)),
        ("en los últimos 30 segundos", (570, 600)),
        ("entre 1:20 e 2:05", (80, 125)),
        ("nos primeiros 30 segundos", (0, 30)),
        ("tra 10 e 20 secondi", (10, 20)),
        ("negli ultimi 30 secondi", (570, 600)),
        ("1分20秒到2分05秒之间", (80, 125)),
        ("最后30秒有什么", (570, 600)),
        ("1:20から2:05まで", (80, 125)),
        ("最初の30秒", (0, 30)),
        ("in der 2. Minute", (60, 120)),
        ("in der 1. Minute", (0, 60)),
        ("à la 2e minute", (60, 120)),
        ("pendant la 1ère minute", (0, 60)),
        ("en el 2º minuto", (60, 120)),
        ("no 2º minuto", (60, 120)),
        ("nel 2° minuto", (60, 120)),
        ("第2分钟发生了什么？", (60, 120)),
        ("在第2分钟的时候", (60, 120)),
        ("2分目に何がありますか", (60, 120)),
        ("在最后1分钟的视频中", (540, 600)),
    ],
)
def test_spans(question: str, span: tuple[float, float]) -> None:
    assert find_mentions(question, 600.0) == Mentions(spans=(span,))


@pytest.mark.parametrize(
    "question",
    [
        "Ist es um 8:00 Uhr?",
        "à 8:00 du matin",
        "a las 8:00 de la mañana",
        "上午8:00",
        "午前8:00に",
        "Das Video dauert 12 Sekunden.",
        "alle 5 Sekunden",
        "la vidéo de 30 secondes",
        "un video de 30 segundos",
        "持续12秒",
        "12秒間の動画",
        "Läuft er seit 30 Sekunden?",
        "Ist er vor 30 Sekunden gegangen?",
        "um 10 Sekunden verkürzt",
        "Dauert es um die 30 Sekunden?",
        "Hält er etwa 30 Sekunden lang die Luft an?",
        "Es dauert ungefähr 2 Minuten.",
        "in 30 Sekunden",
        "bei 10 Sekunden Restzeit",
        "bei 10 Sekunden vor dem Ende",
        "bei 30 Sekunden in der zweiten Halbzeit",
        "pendant environ 30 secondes",
        "en 10 secondes",
        "à 10 secondes de la fin",
        "à 30 secondes de la deuxième mi-temps",
        "¿Corre en 10 segundos?",
        "¿Dura sobre 30 segundos?",
        "¿Dura sobre los 30 segundos?",
        "a los 10 segundos del segundo tiempo",
        "en el minuto 2 de la segunda parte",
        "en los 10 segundos finales",
        "em 10 segundos",
        "Dura por volta dos 30 segundos?",
        "aos 10 segundos do segundo tempo",
        "aos 10 segundos do fim",
        "Dura intorno ai 30 secondi?",
        "per circa 30 secondi",
        "a 10 secondi dalla fine",
        "al minuto 2 del secondo tempo",
        "午前10時30分に何が起きますか",
        "上午10点30分的时候",
        "10時30分に",
        "下午3點15分20秒時",
        "上午10:30到11:00",
        "画面の3分の1には",
        "最初の3分の2に",
        "在画面的2分之1处",
        "二分之一",
        "この10分の動画で",
        "30秒のクリップで",
        "10分間の",
        "5分の休憩",
        "在5分钟的视频中",
        "5分钟的视频",
        "在10秒内",
        "持续30秒左右",
        "他跑了大约10秒左右",
        "还剩10秒时",
        "残り10秒で",
        "下半场第2分钟",
        "後半30秒に",
        "30秒にわたって",
        "10秒に1回",
        "a 5 minute clip",
        "a 5 s clip",
        "no 5 is there",
    ],
)
def test_what_names_no_position(question: str) -> None:
    assert find_mentions(question, 36_000.0) == Mentions()


def test_other_words_stay_as_they_are() -> None:
    assert (
        in_english("Welche Farbe hat das Herz bei 12 Sekunden?") == "Welche Farbe hat das Herz at 12 seconds?"
    )
    assert in_english("What color is the heart?") == "What color is the heart?"


@pytest.mark.parametrize(
    "question",
    [
        "bei 12 und " * 5_000,
        "a los 12 segundos y " * 3_000,
        "entre 10 et " * 5_000,
        "在12秒" * 20_000 + "1" * 50_000,
        "de 1:20 " * 5_000,
        "in den " * 10_000,
    ],
)
def test_a_long_question_is_read_in_no_time(question: str) -> None:
    begun = time.process_time()
    find_mentions(question, 60.0)
    assert time.process_time() - begun < 10
