"""DynFocus in front of a public vision-language model: key frames keep their tokens, all others two."""
