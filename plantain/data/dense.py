"""What a dense run leaves behind: how every head's shift matches every pair's map, and what decoders read off it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from plantain.data import disk
from plantain.data.heads import HeadMap
from plantain.data.prompts import PromptSet
from plantain.data.result import ProbeResult, load_result
from plantain.data.settings import ProbeConfig
from plantain.data.view import View
from plantain.errors import InputError

TRUTHS = ("body", "drawn")
"""Maps of where a pair's pictures differ: by the body's outline, or in the pictures that the model itself drew."""
READINGS = ("vector", "size")
"""A head's shift at a token: length of B − A over its channels, or how much its RMS changes."""
GRAFTED, BLOCKS_DONE = "grafted", "blocks_done"
"""What provenance tells of the weights of a grafted twin, and ``about`` of how many of its blocks are read."""
MOST_SYMMETRIC = 0.95
"""A map that is closer to its mirror image, by Pearson's r, does not tell one side from the other."""
SCORES = ("figure", "deformation", "deformation_beyond", "code", "code_beyond", "code_home")


@dataclass(frozen=True)
class DenseResult:
    """Every head read token by token, for the pairs done so far.

    >>> dense = load_dense("assets/runs/dense/posebox/dense_pose")
    >>> dense.place("head").shape                                # own − others: (n_pairs, n_attention_heads)

    Heads are card heads in the order of ``head_map``, then its attention heads. Letters: T truths, P pairs, H heads,
    A attention heads.

    Attributes
    ----------
    maps : float32, shape (T, P, rows, columns)
        ``TRUTHS`` on the grid of image tokens, 0 … 1; zero where a pair has none.
    usable : bool, shape (T, P)
        Pairs that have a map which is not constant.
    own, others : float32, shape (T, 2, 2, H, P)
        Pearson r over tokens of a head's shift in a pair (read as ``READINGS``) with the map of its own pair, and the
        mean with other pairs' maps (half over the maps, half over the shifts); with the maps as they are, and
        mirrored left to right. ``others`` is whole when all pairs are done.
    matrix : float16, shape (A, P, P)
        Of attention heads the r of every pair's shift with every pair's map: the first truth that has maps, by vector.
    shift : float16, shape (A, P, g, g), and shift_scale : float32, shape (A, P)
        The shift maps of attention heads, pooled to at most 16 × 16 and divided by their largest value, and that value.
    decoded : dict of arrays, empty until decoders have run
        ``SCORES``: float32, (A, P), own − others of a decoder's reading (NaN where a pair cannot be read); ``pooled``:
        float32, (P, A, C), a head's mean over image tokens on the B side; ``text``: float32, (P, W), the text features'
        mean over real tokens on the B side.
    run : ProbeResult
        The card's own values, of the same forwards: prompts, settings, head map and provenance are the run's.
    about : dict
        What else led to the matches: where bodies and figures come from, seconds.
    """

    run: ProbeResult
    maps: np.ndarray
    usable: np.ndarray
    own: np.ndarray
    others: np.ndarray
    matrix: np.ndarray
    shift: np.ndarray
    shift_scale: np.ndarray
    decoded: dict[str, np.ndarray] = field(default_factory=dict)
    about: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        t, p, a = len(TRUTHS), len(self.prompts), self.head_map.n_heads("head")
        h, side = self.head_map.n_runs + a, self.shift.shape[-2:]
        grid = self.maps.shape[2:] if self.maps.ndim == 4 else (0, 0)
        wanted = {
            "maps": (t, p, *grid),
            "usable": (t, p),
            "own": (t, 2, 2, h, p),
            "others": (t, 2, 2, h, p),
            "matrix": (a, p, p),
            "shift": (a, p, *side),
            "shift_scale": (a, p),
        }
        for name, shape in wanted.items():
            if getattr(self, name).shape != shape:
                raise InputError(f"{name} has the shape {getattr(self, name).shape}; this dense run needs {shape}.")
        text = self.decoded["text"].shape[-1:] if "text" in self.decoded else ()
        decoded = dict.fromkeys(SCORES, (a, p)) | {"pooled": (p, a, self.head_map.head_width), "text": (p, *text)}
        for name, values in self.decoded.items():
            if values.shape != decoded.get(name):
                raise InputError(f"{name} has the shape {values.shape}; this dense run needs {decoded.get(name)}.")

    @property
    def prompts(self) -> PromptSet:
        return self.run.prompts

    @property
    def head_map(self) -> HeadMap:
        return self.run.head_map

    @property
    def n_pairs(self) -> int:
        """Pairs matched."""
        return self.run.n_pairs

    @property
    def complete(self) -> bool:
        """Whether all pairs are matched, and in a grafted twin all blocks; decoders come after."""
        blocks = len(self.head_map.block_names)
        return self.run.complete and self.about.get(BLOCKS_DONE, blocks) == blocks

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do: the decoders that were asked for have run as well."""
        return self.complete and (bool(self.decoded) or not self.about.get("decoders", False))

    @property
    def truths(self) -> list[str]:
        """The truths that at least three pairs have a map of."""
        return [name for name, usable in zip(TRUTHS, self.usable, strict=True) if usable.sum() >= 3]

    def place(
        self,
        view: View | str = "head",
        truth: str | None = None,
        reading: str = "vector",
        sided: bool = False,
        only: np.ndarray | None = None,
    ) -> np.ndarray:
        """Is the shift where this pair's body moved: own − others of the usable pairs, (n_pairs, n_heads), float64.

        >>> stats.paired_t(dense.place("card"))

        ``sided`` asks more: own − mirrored, less its mean over the others, of pairs whose map has sides. Truth None:
        "body" where there is one. ``only``: the pairs wanted, (P,); each is still held against all others.

        Raises
        ------
        InputError
            A run that is not whole, or a truth or reading that it does not have.
        """
        truth = truth or (self.truths[0] if self.truths else TRUTHS[0])
        if truth not in self.truths or reading not in READINGS:
            known = f"truths {', '.join(self.truths) or 'none'}; readings {', '.join(READINGS)}"
            raise InputError(f"This dense run has the {known}; got {truth!r}, {reading!r}.")
        if not self.complete:
            raise InputError(
                f"Place needs all pairs, since each is held against the others, and all blocks; {self.run.n_pairs} of "
                f"{len(self.prompts)} pairs are done. Go on with the run (--resume)."
            )
        t, j = TRUTHS.index(truth), READINGS.index(reading)
        pairs = self.sided(truth) if sided else self.usable[t]
        s = self.own[t, j].astype(np.float64) - self.others[t, j]  # (2, H, P)
        chosen = s[0] - s[1] if sided else s[0]
        return chosen[self.rows(view)][:, pairs & (True if only is None else only)].T

    def sided(self, truth: str) -> np.ndarray:
        """Usable pairs whose map is not its own mirror image (r at most ``MOST_SYMMETRIC``), bool (n_pairs,).

        >>> dense.sided("body").sum()

        Of a symmetric map nothing is left but rounding, and that goes with the body's size, which the words tell.
        """
        t = TRUTHS.index(truth)
        flat = self.maps[t].reshape(len(self.prompts), -1).astype(np.float64)
        flat = flat - flat.mean(axis=1, keepdims=True)
        mirrored = flat.reshape(self.maps[t].shape)[..., ::-1].reshape(flat.shape)
        length = (flat**2).sum(axis=1)
        r = np.divide((flat * mirrored).sum(axis=1), length, out=np.ones(len(flat)), where=length > 0)
        return np.asarray(self.usable[t] & (r <= MOST_SYMMETRIC))

    def score(self, name: str, only: np.ndarray | None = None) -> np.ndarray:
        """Of ``SCORES``, the pairs that could be read, of those wanted: (n_pairs, n_attention_heads), float64."""
        if name not in self.decoded:
            raise InputError(f"This dense run has no decoder for {name!r}: it was run without, or lacks bodies.")
        values = self.decoded[name].astype(np.float64).T
        return values[np.isfinite(values).all(axis=1) & (True if only is None else only)]

    def rows(self, view: View | str = "head") -> np.ndarray:
        """Where the heads of a view lie along ``own``: (n_heads,)."""
        view = View.of(view)
        table = self.head_map.table(view)
        if view.grouping == "card":
            return np.asarray(table["first_run"])
        every = self.head_map.table("head")["first_run"]
        return self.head_map.n_runs + np.searchsorted(every, table["first_run"])

    def save(self, folder: str | Path) -> Path:
        """Write the run into a folder (``dense.json`` and its tensors, beside the probe's), replacing an earlier state.

        >>> dense.save("runs/mine")
        """
        tensors = {name: getattr(self, name) for name in disk.DENSE.tensors} | {
            f"decoded.{name}": values for name, values in self.decoded.items()
        }
        self.run.save(folder)  # first: a description never names pairs that are not there
        description = {"complete": self.complete, "pairs_done": self.run.n_pairs, "about": self.about}
        return disk.write_run(folder, tensors, description, disk.DENSE)


def load_dense(folder: str | Path) -> DenseResult:
    """Read a saved dense run, whole or partial (``dense.complete`` says which), and check it.

    >>> load_dense("assets/runs/dense/posebox/dense_pose")

    Raises
    ------
    InputError
        No dense run in the folder, another schema, a missing or altered tensor file, shapes that do not fit, or
        values that cannot be; the file is named.
    """
    description = disk.read_description(folder, disk.DENSE)
    path = Path(folder) / disk.DENSE.description
    try:
        about, done = description["about"], description["pairs_done"]
        name, digest = description["tensor_file"], description["tensor_sha256"]
        if not isinstance(about, dict) or isinstance(done, bool) or not isinstance(done, int) or done < 0:
            raise TypeError("about or pairs_done cannot be")
    except (KeyError, TypeError) as error:
        raise InputError(f"{path} is damaged ({error}); restore the folder or make the dense run again.") from error
    run = load_result(folder)
    if run.n_pairs < done:
        raise InputError(f"{path} tells of {done} pairs and the run beside it of {run.n_pairs}; make it again.")
    file, tensors = disk.read_tensors(folder, name, digest, disk.DENSE)
    decoded = {key.removeprefix("decoded."): value for key, value in tensors.items() if key.startswith("decoded.")}
    arrays = {key: tensors[key] for key in disk.DENSE.tensors}
    try:
        result = DenseResult(run.first(done), **arrays, decoded=decoded, about=about)
    except (InputError, IndexError, ValueError) as error:
        raise InputError(f"{file} does not fit {path}: {error}") from error
    finite = [*arrays.values(), *(decoded[key] for key in ("pooled", "text") if key in decoded)]
    r = max(np.abs(values).max(initial=0) for values in (result.own, result.others, result.matrix))
    if not all(np.isfinite(values).all() for values in finite) or r > 1.001:
        raise InputError(f"{file} holds values that are no matches; make the dense run again.")
    return result


def check_config(config: ProbeConfig) -> None:
    """Refuse, with an InputError, settings of several noise seeds or steps: a dense run reads one forward a prompt."""
    if config.n_seeds != 1 or config.num_inference_steps != 1:
        raise InputError(
            f"A dense run reads one noise seed and one step; got n_seeds={config.n_seeds}, "
            f"num_inference_steps={config.num_inference_steps}. Make one run for each."
        )
