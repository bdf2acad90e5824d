"""The page: one file a tab, and what the tabs share. Only this folder and ``app.py`` import gradio."""
