"""Where the shipped prompt sets and assets lie, from whatever folder Python was started."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROMPTS = ROOT / "prompts"
ASSETS = ROOT / "assets"
RUNS = ASSETS / "runs"
POSEBOX = ASSETS / "posebox"
