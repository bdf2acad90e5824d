"""Measuring: a pipeline under capture. Only the package's face, the shell and the page come in here."""
