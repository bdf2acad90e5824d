"""Which pairs are left out together: no subject and no pose is on both sides of a fold."""

import numpy as np

from plantain.data.prompts import PromptSet

N_FOLDS = 5


def folds_of(prompts: PromptSet) -> np.ndarray | None:
    """A fold for every pair, so that no subject and no pose of B is in two of them: (P,); None with fewer than three.

    >>> folds_of(plantain.load_prompts("dense_pose"))[:5]

    Pairs that share a subject or a pose (by their tags, wordings of a pose taken as one) stay together; a pair without
    tags stands alone. The groups are dealt to five folds, the largest first.
    """
    names: dict[tuple[str, str], int] = {}
    group = list(range(len(prompts)))

    def root(i: int) -> int:
        while group[i] != i:
            i = group[i]
        return i

    for i, pair in enumerate(prompts.pairs):
        pose = pair.tags.get("pose")
        shared = [("subject", pair.tags.get("subject"))]
        if isinstance(pose, list) and len(pose) == 2:
            shared.append(("pose", str(pose[1]).rstrip("0123456789").rstrip("-")))
        for kind, name in shared:
            if isinstance(name, str):
                group[root(i)] = root(names.setdefault((kind, name), i))
    roots = np.array([root(i) for i in range(len(prompts))])
    groups, sizes = np.unique(roots, return_counts=True)
    n_folds = min(N_FOLDS, len(groups))
    if n_folds < 3:
        return None
    folds, filled = np.zeros(len(prompts), dtype=int), np.zeros(n_folds, dtype=int)
    for chosen in groups[np.argsort(-sizes, kind="stable")]:
        fold = int(filled.argmin())
        folds[roots == chosen] = fold
        filled[fold] += (roots == chosen).sum()
    return folds
