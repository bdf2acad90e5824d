"""What goes in and what comes out: prompts, settings, heads, runs on disk; no torch."""
