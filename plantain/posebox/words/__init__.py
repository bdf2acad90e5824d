"""The words of the toy world: how scenes are said, and how prompts are read."""
