"""The toy world: scenes, what is in them, and how they are drawn."""
