"""Runs of pose and its controls on one model and its untrained twins: which there are, and reading them.

Runs lie in ``OUT/MODEL/SET``, those of untrained twins in ``OUT/MODEL-untrained-SEED/SET``, of permuted ones in
``OUT/MODEL-permuted-SEED/SET``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from plantain.data.heads import HeadMap
from plantain.data.prompts import described
from plantain.data.result import ProbeResult, load_result
from plantain.data.settings import ProbeConfig
from plantain.errors import InputError
from plantain.paths import safe_name

POSE = "dense_pose"
OF_POSE = ("pose", "variant")
"""Roles of the contrasts of pose, beside which pose cannot be told apart from itself."""
TWINS = ("untrained", "permuted")
"""What has learned nothing, as the end of its name tells: drawn anew, or its own values shuffled."""
LEXICAL = tuple(f"lexical_{i}" for i in range(1, 9))
# As the picture shows them: pose and its variants, then what is not pose.
_VARIANTS = ("dense_pose_fixed", "articulation", "body_clothing", "canonical")
DEFAULT = (POSE, *_VARIANTS, "setting", "remarks", *LEXICAL, "length", "paraphrase")


@dataclass(frozen=True)
class ControlStudy:
    """Runs of pose and its controls with the same settings on the same architecture.

    ``runs`` are looked up by weights ("trained" first, then "untrained 0", …, "permuted 0", …) and set, in the order of
    ``DEFAULT``.
    """

    model: str  # name of the trained one
    runs: Mapping[str, Mapping[str, ProbeResult]]
    left_out: tuple[str, ...] = ()  # folders of runs that are not whole, or of sets that not every model was run on

    @property
    def trained(self) -> Mapping[str, ProbeResult]:
        return self.runs["trained"]

    @property
    def weights(self) -> list[str]:
        return list(self.runs)

    @property
    def sets(self) -> list[str]:
        return list(self.trained)

    def controls(self, pose: str = POSE) -> tuple[str, ...]:
        """The sets that are not about pose's own contrast, told by the roles in their files."""
        roles = {name: described(run.prompts, by_name=True).role for name, run in self.trained.items()}
        return tuple(name for name in self.sets if name != pose and roles[name] not in OF_POSE)

    @property
    def config(self) -> ProbeConfig:
        return next(iter(self.trained.values())).config

    @property
    def head_map(self) -> HeadMap:
        return next(iter(self.trained.values())).head_map


def load_controls(folders: str | Path | Sequence[str | Path]) -> ControlStudy:
    """Read the runs in some folders and below them, and put trained beside untrained.

    >>> study = load_controls("assets/runs/controls")
    >>> study.weights
    ['trained', 'untrained 0', 'untrained 1']

    Runs belong together when settings and head map are equal; those of one weights fingerprint are one model,
    told by name: ``MODEL-untrained``, ``MODEL-permuted`` beside ``MODEL``. Partial runs are left out, and named.

    Raises InputError: no runs, runs of several models or settings, or two runs of one set with the same weights.
    """
    given = [folders] if isinstance(folders, (str, Path)) else list(folders)
    paths = sorted({path.parent for folder in given for path in Path(folder).rglob("run.json")})
    if not paths:
        raise InputError(f"No runs in {', '.join(map(str, given))}; make them with `python -m plantain controls`.")
    found = [(path, load_result(path)) for path in paths]
    left_out = [str(path) for path, result in found if not result.complete]
    found = [(path, result) for path, result in found if result.complete]
    if not found:
        raise InputError(f"No run in {', '.join(map(str, given))} is whole; go on with `python -m plantain controls`.")
    settings = {(result.config, result.head_map) for _, result in found}
    if len(settings) > 1:
        raise InputError(_one_of("several settings or architectures", found))
    groups: dict[tuple[str, str], dict[str, ProbeResult]] = {}
    for path, result in found:
        group = groups.setdefault((result.model, str(result.provenance.get("weights_fingerprint"))), {})
        if result.prompts.name in group:
            raise InputError(f"{path} is a second run of {result.prompts.name!r} with the same weights; remove one.")
        group[result.prompts.name] = result
    models = {model for model, _ in groups}
    trained = [key for key in groups if not any(key[0] == f"{m}-{kind}" for m in models for kind in TWINS)]
    if len(trained) != 1 or models - {trained[0][0], *(f"{trained[0][0]}-{kind}" for kind in TWINS)}:
        raise InputError(_one_of("several models", found))
    model = trained[0][0]
    shared = set.intersection(*(set(group) for group in groups.values()))
    left_out += [f"{key[0]}: {name}" for key, group in groups.items() for name in sorted(set(group) - shared)]
    if not shared:
        raise InputError(f"No set was run on every model in {', '.join(map(str, given))}; run the missing ones.")
    order = [name for name in DEFAULT if name in shared] + sorted(shared - set(DEFAULT))
    runs = {"trained": {name: groups[trained[0]][name] for name in order}}
    for kind in TWINS:
        by_seed = sorted((groups[key] for key in groups if key[0] == f"{model}-{kind}"), key=_weights_seed)
        runs |= {f"{kind} {_weights_seed(group)}": {name: group[name] for name in order} for group in by_seed}
    return ControlStudy(model, runs, tuple(left_out))


def _weights_seed(group: Mapping[str, ProbeResult]) -> int:
    return int(next(iter(group.values())).provenance.get("weights_seed", 0))


def _one_of(what: str, found: Sequence[tuple[Path, ProbeResult]]) -> str:
    models = sorted({result.model for _, result in found})
    return f"These are runs of {what} ({', '.join(models)}); give the folders of one model, all with one setting."


def model_folder(out: str | Path, name: str, untrained: bool | str = False, weights_seed: int | None = None) -> Path:
    """Where the runs of a model, or of one of its twins, lie: ``out/posebox-untrained-0``."""
    plain, kind = safe_name(name, "model"), "permuted" if untrained == "permuted" else "untrained"
    return Path(out) / (f"{plain}-{kind}-{weights_seed}" if untrained else plain)
