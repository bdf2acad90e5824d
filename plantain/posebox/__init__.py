"""Posebox: a toy world in which pose is true by construction, and a pipeline of Klein's shape trained on it.

``words`` become a scene, and a scene of the ``world`` a picture. ``training`` teaches a pipeline of the sizes in
``build`` to draw scenes from words; ``proof`` measures whether it does.
"""
