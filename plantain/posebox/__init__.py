"""Posebox: a pipeline of FLUX.2 Klein's shape that is small enough for a laptop."""
