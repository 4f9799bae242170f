"""Chat templates that several families share, in our words."""

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n"
    "{% if message.content is string %}{{ message.content }}"
    "{% else %}{% for part in message.content %}"
    "{% if part.type == 'image' %}IMAGE{% elif part.type == 'video' %}VIDEO"
    "{% elif part.type == 'text' %}{{ part.text }}{% endif %}"
    "{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def chatml(image: str, video: str, system: str = "") -> str:
    """Parts in the order in which they were said; `system` opens a conversation that has no such message."""
    opening = (
        "{% if messages[0].role != 'system' %}<|im_start|>system\n" + system + "<|im_end|>\n{% endif %}"
        if system
        else ""
    )
    return opening + CHATML.replace("IMAGE", image).replace("VIDEO", video)


# Pictures first, then videos, then text, in whatever order they were said; each text is followed by a space.
# A system message stands without a name.
VICUNA = (
    "{% for message in messages %}"
    "{% if message.role == 'system' %}{{ message.content[0].text }}"
    "{% else %}{{ message.role | upper }}: {% endif %}"
    "{% for part in message.content if part.type == 'image' %}<image>\n{% endfor %}"
    "{% for part in message.content if part.type == 'video' %}<video>\n{% endfor %}"
    "{% for part in message.content if part.type == 'text' and message.role != 'system' %}"
    "{{ part.text }} {% endfor %}{% endfor %}"
    "{% if add_generation_prompt %}ASSISTANT:{% endif %}"
)
