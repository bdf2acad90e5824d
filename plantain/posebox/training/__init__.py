"""How the embedded model was trained."""
