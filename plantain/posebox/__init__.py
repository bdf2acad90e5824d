"""Posebox: a toy world in which pose is true by construction, and a pipeline of Klein's shape trained on it.

Words become a scene (``vocabulary``), a scene has a skeleton (``skeleton``, ``poses``) and becomes a picture
(``render``). ``training`` teaches a pipeline of the sizes in ``build`` to draw scenes from words; ``proof`` measures
whether it does.
"""
