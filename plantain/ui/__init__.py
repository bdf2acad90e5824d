"""The page: gradio is known here and in ``app.py``, nowhere else."""
