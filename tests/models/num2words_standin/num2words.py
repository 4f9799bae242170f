"""English words of 0 to 99, where the package num2words, which SmolVLM's processor asks for, is missing."""

# fmt: off
ONES = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)
# fmt: on
TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")


def num2words(number: int) -> str:
    """`number` in words: 64 is "sixty-four"."""
    if not 0 <= number < 100:
        raise NotImplementedError(f"{number = }")
    if number < 20:
        return ONES[number]
    tens, ones = divmod(number, 10)
    return TENS[tens - 2] + (f"-{ONES[ones]}" if ones else "")
