"""Times in the words of several languages, in the few English forms that `mentions.py` reads.

    bei 12 Sekunden    -> at 12 seconds      entre el minuto 1:20 y el 2:05 -> between 1:20 and 2:05
    al minuto 1:12     -> at 1:12            dans les 30 dernières secondes -> in the last 30 seconds
    在12秒的时候        -> at 12 seconds      最後の30秒                      -> in the last 30 seconds
    in der 2. Minute   -> in the 2nd minute  第2分钟                         -> in the 2nd minute

Only what stands around a number is translated; the rest of a question stays as it is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

_FULL_WIDTH = str.maketrans("０１２３４５６７８９：．～", "0123456789:.~")
_FULL_WIDTH_DIGITS = str.maketrans("0123456789", "０１２３４５６７８９")
"""What is no time of the video gets full-width digits, which nothing reads."""
_NUMBER = r"(?<![\w.,:])[0-9]{1,6}(?:[.,][0-9]{1,3})?(?![0-9:])"
_CODE = r"(?<![\w.,:])(?:[0-9]{1,2}:)?[0-9]{1,3}:[0-9]{2}(?:[.,][0-9]{1,3})?(?![\w:])"
_ORDINAL = r"(?<![\w.,:])(?P<ordinal>[0-9]{1,6})"
_UNITS = ("hour", "minute", "second")
_NO_LENGTH = r"(?! (?:die )?[0-9]{1,6}(?:[.,][0-9]{1,3})? ?[a-z])"
"""After a word that says how long, or how long ago, where a length follows: "en 10 segundos"."""
_FROM_ELSEWHERE = (
    r"(?:del|de la|della|do|da) \w+ (?:tiempo|tempo|parte|mitad|metade|metà)"
    r"|(?:antes )?(?:del|do) (?:final|fin|fim)|(?:dalla|prima della) fine"
)
"""Of three languages that share words: one must not read what another leaves alone."""
_SINCE_OR_UNTIL = re.compile("(?:ab|seit|bis|dès|jusqu|hasta|até|fino)", re.IGNORECASE)
"""Before an ordinal: these speak of one end of a minute, not of all of it."""
_LIST = r"(?:, | (?:{also}) )"
_MOST = 15
"""Times in a list, beside the first."""


@dataclass(frozen=True)
class Language:
    """How a language speaks of times; each field is a pattern of its words."""

    second: str
    minute: str
    hour: str
    at: str
    """Before a length or a time code."""
    within: str
    """Before a unit with its number after it, as "in Minute 3", or an ordinal; `at` goes there as well."""
    after: str
    before: str
    between: str
    also: str
    """And, or: between the times of a list and in "between ... and"."""
    start: str
    """From."""
    to: str
    first: str
    last: str
    article: str
    ordinal: str
    """What makes a number an ordinal, after it."""
    elsewhere: str
    """After a time: what says that it is not counted from the start of the video."""

    def translate(self, text: str) -> str:
        """The text with this language's times in English."""
        if not self._unit.search(text) and not self._cue.search(text):
            return text
        text = self._edge.sub(self._translate_edge, text)
        text = self._span.sub(self._translate_span, text)
        text = self._numbered.sub(self._translate_numbered, text)
        return self._moment.sub(self._translate_moment, text)

    @cached_property
    def _any_unit(self) -> str:
        return rf"(?:{self.hour}|{self.minute}|{self.second})(?![\w])"

    @cached_property
    def _length(self) -> str:
        part = rf"{_NUMBER} ?{self._any_unit}"
        return rf"{part}(?:,?(?: (?:{self.also}))? {part}){{0,2}}"

    @cached_property
    def _time(self) -> str:
        article = rf"(?:(?:{self.article}) )?"
        return rf"{article}(?:{self._any_unit} )?(?:{_CODE}|{self._length}|{_NUMBER})"

    @cached_property
    def _unit(self) -> re.Pattern[str]:
        return re.compile(rf"(?<![^\W\d_]){self._any_unit}", re.IGNORECASE)

    @cached_property
    def _cue(self) -> re.Pattern[str]:
        return re.compile(rf"\b(?:{self._cues}|{self.between}|{self.start}) ?[0-9]", re.IGNORECASE)

    @property
    def _cues(self) -> str:
        return "|".join((self.at, self.after, self.before))

    @cached_property
    def _edge(self) -> re.Pattern[str]:
        """The first or last part: "in den letzten 30 Sekunden", "les 30 dernières secondes"."""
        return re.compile(
            rf"\b(?:(?:{self.within}) )?(?:{self.article}) (?:(?P<number>{_NUMBER}) )?"
            rf"(?:(?P<first>{self.first})|{self.last}) (?P<length>{self._length}|{self._any_unit})",
            re.IGNORECASE,
        )

    @cached_property
    def _span(self) -> re.Pattern[str]:
        between = rf"(?:{self.between}) (?P<a>{self._time}) (?:{self.also}) (?P<b>{self._time})"
        start = rf"(?:{self.start}) (?P<c>{self._time}) (?:{self.to}) (?P<d>{self._time})"
        return re.compile(rf"\b(?:{between}|{start})", re.IGNORECASE)

    @cached_property
    def _numbered(self) -> re.Pattern[str]:
        """A unit before its number: "at minute 1:12"; or an ordinal: "in der 12. Sekunde"."""
        article = rf"(?:(?:{self.article}) )?"
        return re.compile(
            rf"\b(?:(?P<after>{self.after})|(?P<before>{self.before})|(?:{self.at}|{self.within})) {article}"
            rf"(?:(?P<unit>{self._any_unit}) (?P<time>{_CODE}|{_NUMBER}(?! ?{self._any_unit}))"
            rf"|{_ORDINAL}(?:{self.ordinal}) (?P<ordinal_unit>{self._any_unit}))(?! (?:{self.elsewhere})\b)",
            re.IGNORECASE,
        )

    @cached_property
    def _moment(self) -> re.Pattern[str]:
        one = rf"(?:(?:{self.article}) )?(?:{_CODE}|{self._length})"
        between = _LIST.format(also=self.also)
        # "at 12 and 20 seconds": the unit is said once.
        bare = rf"(?:{_NUMBER}{between}){{1,{_MOST}}}{_NUMBER} ?{self._any_unit}"
        return re.compile(
            rf"\b(?:(?P<after>{self.after})|(?P<before>{self.before})|{self.at}) "
            rf"(?P<times>(?>{one})(?:{between}(?>{one})){{0,{_MOST}}}|{bare})(?! (?:{self.elsewhere})\b)",
            re.IGNORECASE,
        )

    def _translate_edge(self, match: re.Match[str]) -> str:
        edge = "first" if match["first"] else "last"
        length = f"{match['number']} {match['length']}" if match["number"] else match["length"]
        english = self._translate_time(length) if length[0].isdigit() else self._english(length)
        return f"in the {edge} {english}"

    def _translate_span(self, match: re.Match[str]) -> str:
        times = [match["a"] or match["c"], match["b"] or match["d"]]
        english = [self._translate_time(time) for time in times]
        units = [unit for time in english for unit in _UNITS if unit in time]
        # "between seconds 10 and 20": the unit is said once.
        english = [
            f"{time} {units[0]}s" if units and re.fullmatch(r"[0-9.]+", time) else time for time in english
        ]
        return f"between {english[0]} and {english[1]}"

    def _translate_numbered(self, match: re.Match[str]) -> str:
        cue = "after" if match["after"] else "before" if match["before"] else "at"
        if match["ordinal"]:
            number, unit = int(match["ordinal"]), self._english(match["ordinal_unit"])
            if unit != "second" and not _SINCE_OR_UNTIL.match(match[0]):
                if cue == "at":
                    return _numbered(number, unit)
                number = max(number - 1, 0) if cue == "before" else number  # where it begins
            return f"{cue} {number} {unit}s"
        time = match["time"].replace(",", ".")
        return f"{cue} {time}" if ":" in time else f"{cue} {time} {self._english(match['unit'])}s"

    def _translate_moment(self, match: re.Match[str]) -> str:
        cue = "after" if match["after"] else "before" if match["before"] else "at"
        times = re.split(_LIST.format(also=self.also), match["times"], flags=re.IGNORECASE)
        if not re.fullmatch(_NUMBER, times[0]):
            return f"{cue} {self._translate_all(match['times'])}"
        unit = self._translate_time(times[-1]).partition(" ")[2]
        numbers = [*times[:-1], times[-1].partition(" ")[0]]
        return f"{cue} " + " and ".join(f"{self._translate_time(number)} {unit}" for number in numbers)

    def _translate_all(self, times: str) -> str:
        """A list of times, with the words between them, in English."""
        one = re.compile(rf"{_CODE}|{_NUMBER} ?{self._any_unit}", re.IGNORECASE)
        english = one.sub(lambda match: self._translate_time(match[0]), times)
        english = re.sub(rf" (?:{self.also}) ", " and ", english, flags=re.IGNORECASE)
        return re.sub(rf"\b(?:{self.article}) (?=[0-9])", "", english, flags=re.IGNORECASE)

    def _translate_time(self, time: str) -> str:
        code = re.search(_CODE, time)
        if code is not None:
            return code[0].replace(",", ".")
        english = re.sub(
            rf"({_NUMBER}) ?({self._any_unit})",
            lambda match: f"{match[1].replace(',', '.')} {self._english(match[2])}s",
            time,
            flags=re.IGNORECASE,
        )
        number = re.search(r"[0-9]", english)
        assert number is not None, "a time has a number"
        head, tail = english[: number.start()], english[number.start() :]
        unit = self._unit.search(head)
        if unit is not None and tail.replace(",", "").isdigit():
            return f"{tail.replace(',', '.')} {self._english(unit[0])}s"
        return re.sub(rf" (?:{self.also}) ", " and ", tail, flags=re.IGNORECASE)

    def _english(self, unit: str) -> str:
        units = zip(_UNITS, (self.hour, self.minute, self.second), strict=True)
        return next(name for name, words in units if re.fullmatch(words, unit, re.IGNORECASE))


GERMAN = Language(
    second=r"sekunden?|sek\.?|s",
    minute=r"minuten?|min\.?",
    hour=r"stunden?|std\.?",
    at=f"bei|um{_NO_LENGTH}|gegen|ab|seit{_NO_LENGTH}|zum zeitpunkt",
    within="in|zu|zur|während",
    after="nach",
    before=f"vor{_NO_LENGTH}|bis zur|bis",
    between="zwischen",
    also="und|oder",
    start="von|ab",
    to="bis zu|bis zur|bis",
    first="ersten?",
    last="letzten?",
    article="der|die|den|dem",
    ordinal=r"\.|te|ten|ste|sten",
    elsewhere=r"restzeit|vor (?:dem )?(?:ende|schluss)|(?:in )?der (?:ersten|zweiten) (?:halbzeit|hälfte)",
)
FRENCH = Language(
    second="secondes?|sec|s",
    minute="minutes?|min",
    hour="heures?",
    at="à|vers|au bout de|dès",
    within="dans|pendant|en",
    after="après",
    before="avant|jusqu['’]à",
    between="entre",
    also="et|ou",
    start="de|depuis",
    to="à|jusqu['’]à",
    first="premières?",
    last="dernières?",
    article="les|la|le",
    ordinal="e|è|re|er|ère|ème|ième",
    elsewhere=r"(?:de|avant) la fin|du terme|restantes|de la \w+ (?:mi-temps|période|partie|moitié)",
)
SPANISH = Language(
    second="segundos?|seg",
    minute="minutos?",
    hour="horas?",
    at=f"a los|a las|a la|al|en{_NO_LENGTH}|en el|hacia|sobre{_NO_LENGTH}",
    within="durante",
    after="después de|despues de|tras",
    before="antes de|hasta",
    between="entre",
    also="y|o",
    start="desde|del|de",
    to="hasta|al|a",
    first="primer(?:os|o)?",
    last="[úu]ltimos?",
    article="los|las|el|la",
    ordinal="º|°|o|er",
    elsewhere=rf"finales|iniciales|restantes|siguientes|anteriores|{_FROM_ELSEWHERE}",
)
PORTUGUESE = Language(
    second="segundos?|seg",
    minute="minutos?",
    hour="horas?",
    at=f"aos|às|ao|em{_NO_LENGTH}|nos|no|por volta dos",
    within="durante",
    after="após|depois de|depois dos",
    before="antes de|antes dos|até",
    between="entre",
    also="e|ou",
    start="desde|dos|do|de",
    to="até|aos|ao|a",
    first="primeir(?:os|o)",
    last="[úu]ltimos?",
    article="nos|os|as|no|o|a",
    ordinal="º|°|o",
    elsewhere=rf"finais|iniciais|restantes|seguintes|anteriores|{_FROM_ELSEWHERE}",
)
ITALIAN = Language(
    second="second[oi]",
    minute="minut[oi]",
    hour="or[ae]",
    at="a(?= [0-9]+ ?(?:second|minut|or[ae]))|ai|alle|al|verso|intorno",
    within="nel|durante|in",
    after="dopo",
    before="prima di|fino a",
    between="tra|fra",
    also="e|o",
    start="da|dal|dai",
    to="fino ai|fino a|ai|al|a",
    first="prim[io]",
    last="ultim[io]",
    article="negli|nei|nel|gli|il|i|le|la",
    ordinal="º|°|o",
    elsewhere=rf"rimanenti|{_FROM_ELSEWHERE}",
)
LANGUAGES = (GERMAN, FRENCH, SPANISH, PORTUGUESE, ITALIAN)
"""Words of one must not turn English into a time: "a 5 s clip" is no Italian."""

_CLOCK = re.compile(
    rf"({_CODE})(?= ?(?:uhr|h|morgens|abends|nachts|du matin|du soir|de l['’]après-midi|del mattino|di sera"
    r"|(?:de|da) (?:la )?(?:mañana|manhã|tarde|noche|noite))\b)",
    re.IGNORECASE,
)
"""A time of day."""
_DURATION = re.compile(
    r"\b(?:dura(?:n|m|no|rá)?|duró|durou|dure(?:nt)?|tardan?|tardó|demoram?|dauer(?:t|te|n)) "
    rf"(?:sobre|hacia|cerca|por volta|vers|intorno|gegen)(?: (?:los|dos|de|a|ai))? {_NUMBER}",
    re.IGNORECASE,
)
"""How long something lasts: "dura intorno ai 30 secondi"."""

# Chinese and Japanese write no spaces, and most of what says "at" stands behind the time.
_HAN_PART = r"[0-9]{1,6}(?:\.[0-9]{1,3})? ?(?:小时|小時|時間|分钟|分鐘|分|秒钟|秒鐘|秒)"
_HAN_CODE = r"(?:[0-9]{1,2}:)?[0-9]{1,3}:[0-9]{2}(?:\.[0-9]{1,3})?"
_HAN_TIME = rf"(?<![0-9:])(?:(?:{_HAN_PART} ?){{1,3}}|{_HAN_CODE}(?![0-9:]))"
_HAN_LENGTH = rf"(?:{_HAN_PART} ?){{1,3}}"
_HAN_SPAN = re.compile(
    rf"(?:在|从|從|自)? ?第?(?P<a>{_HAN_TIME}) ?(?:到|至|和|から|と|~|〜|-|—) ?第?(?P<b>{_HAN_TIME})"
    r" ?(?:まで|の間|之间|之間|间|間)?"
)
_HAN_EDGE = re.compile(
    r"(?:(?P<first>最初の?|最初的|开头的?|開頭的?|前|冒頭の?)|(?:最后的?|最後的?|最後の|ラスト)) ?"
    rf"(?P<length>{_HAN_LENGTH})"
)
_HAN_OCLOCK = r"(?<![0-9])[0-9]{1,2} ?(?:時(?!間)|时|点|點) ?[0-9]{1,2} ?分(?: ?[0-9]{1,2} ?秒)?"
_HAN_DAY = (
    r"(?:上午|下午|早上|晚上|凌晨|中午|傍晚|深夜|午前|午後|朝|夜|夕方) ?の?"
    rf"(?:{_HAN_OCLOCK}|{_HAN_CODE})(?: ?(?:到|至|から|~|〜|-|—) ?{_HAN_CODE})?"
)
_HAN_FRACTION = r"(?<![0-9])[0-9]{1,6} ?分[の之] ?[0-9一二三四五六七八九十]++(?! ?[秒人番回つ])"  # 3分の1
_HAN_NO_POSITION = re.compile(rf"{_HAN_DAY}|{_HAN_OCLOCK}|{_HAN_FRACTION}")
_HAN_ONE = rf"(?<![0-9:.第时時间間钟鐘分])(?<![时時间間钟鐘分] ){_HAN_PART}"  # not of 1分20秒 the 20秒
_HAN_DURATION = re.compile(
    r"(?:(?:持[续續]|[长長][达達]|[历歷][时時]|需要|[还還]剩|剩[下余餘]|倒计时|残り|(?<![たの])あと)"
    rf"(?:了|大约|大約|大概|约|約)? ?|(?:[上下]半[场場]|前半|[後后]半)[的の]? ?第?){_HAN_LENGTH}"
    rf"|(?<![到过過])了(?:大约|大約|大概|约|約)? ?(?>{_HAN_LENGTH})(?!时|時|的时|的時|处|處)"
    rf"|(?:(?:[こそ]の|[这這那][个個段部]?) ?{_HAN_LENGTH}[の的]|{_HAN_ONE} ?[の的]"
    r"(?!(?:动画|動画|ビデオ|映像|クリップ|映画|録画|ムービー) ?に|(?:视频|視頻)[画畫]面))"
    r"(?:[间間]|[动動]画|ビデオ|映像|クリップ|映画|録画|ムービー|休[憩息]|长度|長さ"
    r"|视频|視頻|影片|短片|片段|[电電]影|录像|錄像|[时時][间間](?![点點码碼]))"
    rf"|(?<![0-9:.第]){_HAN_LENGTH}(?:[之以]?[内內间間](?![容部])|に(?:わた|渡)(?:り|って(?!い)))"
    rf"|{_HAN_ONE} ?に ?[0-9一二三]+ ?[回度](?!目)"
)
"""How long something lasts, or what is left: 这个5分钟的视频, 残り10秒, 10秒に1回."""
# Neither what is since, until or after a minute, nor a minute and some seconds.
_HAN_NUMBERED = re.compile(
    r"(?<![到至从從自])(?<![到至从從自] )[在于於]? ?(?:第 ?(?P<a>[1-9][0-9]{0,5}) ?"
    r"(?P<unit>小(?=[时時])|時(?=間)|分)[时時間钟鐘]*+|(?<![0-9:.分間])(?P<b>[1-9][0-9]{0,5}) ?分目)"
    r"(?! ?(?:[0-9后後前起半零又整多]|[之以][后後前降]|[过過][后後]|[开開]始|[为為]止|[结結]束|より|から|まで"
    r"|の?あと|の[前後]))(?:的时候|的時候|时候|時候|の時点|[时時处處]|左右)?"
)
_HAN_MOMENT = re.compile(
    rf"(?:在|第|到|于|於) ?第?(?P<a>{_HAN_TIME})(?:的时候|的時候|时候|時候|の時点|时|時|处|處|左右|后|後|目)?"
    rf"|(?P<b>{_HAN_TIME}) ?"
    r"(?:的时候|的時候|の時点|の時|のとき|の|時点|地点|付近|時|时|处|處|左右|後|后|頃|目|あたり|で|に)"
)
_HAN_UNITS = {"小": "hours", "時": "hours", "分": "minutes", "秒": "seconds"}


def in_english(text: str) -> str:
    """The text with its times in the forms that `find_mentions` reads; other words stay as they are."""
    text = _DURATION.sub(_in_full_width, _CLOCK.sub(r"\1 o'clock", text.translate(_FULL_WIDTH)))
    for language in LANGUAGES:
        text = language.translate(text)
    text = _HAN_NO_POSITION.sub(_in_full_width, text)
    text = _HAN_EDGE.sub(
        lambda match: f" in the {'first' if match['first'] else 'last'} {_han_time(match['length'])} ", text
    )
    text = _HAN_SPAN.sub(lambda match: f" between {_han_time(match['a'])} and {_han_time(match['b'])} ", text)
    text = _HAN_DURATION.sub(_in_full_width, text)
    text = _HAN_NUMBERED.sub(_han_numbered, text)
    text = _HAN_MOMENT.sub(lambda match: f" at {_han_time(match['a'] or match['b'])} ", text)
    return " ".join(text.split())


def with_plain_digits(text: str) -> str:
    """A text of `in_english` with the digits as they were."""
    return text.translate(_FULL_WIDTH)


def _in_full_width(match: re.Match[str]) -> str:
    return match[0].translate(_FULL_WIDTH_DIGITS)


def _numbered(number: int, unit: str) -> str:
    """2, minute -> in the 2nd minute."""
    ending = "th" if 10 < number % 100 < 14 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"in the {number}{ending} {unit}"


def _han_numbered(match: re.Match[str]) -> str:
    unit = "minute" if match["unit"] in (None, "分") else "hour"
    return f" {_numbered(int(match['a'] or match['b']), unit)} "


def _han_time(time: str) -> str:
    if ":" in time:
        return time.strip()
    parts = re.findall(r"([0-9.]+) ?([小時分秒])", time)
    return " and ".join(f"{number} {_HAN_UNITS[unit]}" for number, unit in parts)
