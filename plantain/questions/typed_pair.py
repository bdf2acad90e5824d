"""Two prompts somebody typed: what is run for them, which t can be had, and what it says."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from plantain import stats
from plantain.data.prompts import PromptSet, load_prompts
from plantain.data.result import ProbeResult
from plantain.data.settings import ProbeConfig
from plantain.data.texts import MAX_CHARACTERS, check_differ, check_text
from plantain.errors import InputError, is_number
from plantain.questions.carry_over import along_axis
from plantain.questions.response import THRESHOLDS
from plantain.stats import MIN_PAIRS
from plantain.wording import Table, number, signed

PLACEHOLDER = "{subject}"
MAX_SEEDS = 32
COLUMNS = ["Block", "Max |t|", "Heads at |t| > 3", "Heads", "Same block, cached run: max |t|"]


@dataclass(frozen=True)
class PairReading:
    """What a typed pair's run says."""

    over: str  # what t is taken over, in words
    t: np.ndarray  # (n_card_heads,): over noise seeds for one pair, over subjects for a template
    reference: np.ndarray | None  # |t| of the cached ``dense_pose`` run, same shape
    names: tuple[str, ...]  # of the blocks
    block_index: np.ndarray  # the block of every head
    which: str  # which t this is, and how many heads it moves
    caveat: str  # what that does not say
    sentences: tuple[str, ...]  # these two as the first, then lengths and the pose axis

    @property
    def abs_t(self) -> np.ndarray:
        return np.abs(self.t)

    @property
    def n_above(self) -> int:
        """Heads at |t| > 3."""
        return int((self.abs_t > THRESHOLDS[0]).sum())

    def by_block(self, values: np.ndarray) -> list[np.ndarray]:
        """Split a value a head into an array a block."""
        return [values[self.block_index == index] for index in range(len(self.names))]

    @property
    def rows(self) -> list[list[str]]:
        """A row a block, in the order of ``COLUMNS``."""
        cached = ["—"] * len(self.names)
        if self.reference is not None:
            cached = [number(t.max()) for t in self.by_block(self.reference)]
        return [
            [name, number(t.max()), str(int((t > THRESHOLDS[0]).sum())), str(len(t)), other]
            for name, t, other in zip(self.names, self.by_block(self.abs_t), cached, strict=True)
        ]

    @property
    def table(self) -> Table:
        """A row a block."""
        return Table("|t| by block", "", (tuple(COLUMNS), *(tuple(row) for row in self.rows)))


def check_prompt(text: str | None, name: str, other: str | None = None) -> None:
    """Refuse a prompt that cannot be run, or not with the ``other`` one; ``name`` stands in the sentence."""
    for given in (text, other):
        if not isinstance(given, str | None):
            raise InputError(f"{name} must be text; got {type(given).__name__}.")
    text = (text or "").strip()
    check_text(text, name)
    strange = [found for found in re.findall(r"\{[^{}]*\}", text) if found != PLACEHOLDER]
    if strange:
        raise InputError(f"{name} holds {strange[0][:40]}; the only placeholder is {PLACEHOLDER}.")
    if other is not None and len(other) <= MAX_CHARACTERS:  # a longer one is refused by itself
        check_differ(other, text, "Both prompts")
    if other is not None and (PLACEHOLDER in text) != (PLACEHOLDER in other):
        raise InputError(f"Write {PLACEHOLDER} in both prompts or in neither.")


def check_n_seeds(n_seeds: int) -> None:
    """Refuse a number of noise seeds that gives no t, or takes too long."""
    if not (is_number(n_seeds) and MIN_PAIRS <= n_seeds <= MAX_SEEDS):
        raise InputError(f"Expected {MIN_PAIRS} to {MAX_SEEDS} noise seeds; got {str(n_seeds)[:40]}.")


def job(a: str, b: str, n_seeds: int, seed: int = 0) -> tuple[PromptSet, ProbeConfig]:
    """Prompts and settings for two typed prompts.

    >>> prompts, config = typed_pair.job("a cat", "a dog", n_seeds=8)
    >>> result = plantain.run_probe(pipe, prompts, config)

    Plain prompts run under ``n_seeds`` noise seeds; with ``{subject}`` in both, they run once for each of
    the 25 subjects of ``dense_pose``.
    """
    check_prompt(a, "Prompt A")
    check_prompt(b, "Prompt B", other=a)
    if PLACEHOLDER in a:
        return _fill_subjects(a, b), ProbeConfig(seed=seed)
    check_n_seeds(n_seeds)
    return PromptSet.from_pairs([(a, b)], name="your pair"), ProbeConfig(seed=seed, n_seeds=n_seeds)


def read_pair(
    result: ProbeResult, tokens: np.ndarray, reference: ProbeResult | None, control: ProbeResult | None = None
) -> PairReading:
    """Take t over what the run has several of, and lay it beside a cached ``dense_pose`` run.

    ``tokens``: real tokens of each prompt, shape (n_pairs, 2). ``control``: a cached run of a control set on the
    same weights, to say how far along the pose axis the pair lies among pairs that are not about pose.
    """
    over_subjects = result.n_pairs > 1
    d = result.differences() if over_subjects else _over_seeds(result)
    t = stats.paired_t(d)
    which, caveat = _which_t(t, len(d), over_subjects)
    sentences = [f"{which} {caveat}", _lengths(tokens), _alignment(d, reference)]
    if reference is not None and control is not None:
        sentences.append(_along(d, reference, control))
    return PairReading(
        over=f"{len(d)} subjects" if over_subjects else f"{len(d)} noise seeds of one pair",
        t=t,
        reference=None if reference is None else np.abs(stats.paired_t(reference.differences())),
        names=tuple(result.head_map.block_names),
        block_index=result.head_map.table()["block_index"],
        which=which,
        caveat=caveat,
        sentences=tuple(sentences),
    )


def fill_subject(text: str, subject: str) -> str:
    """``{subject}`` replaced with its article; capitalised at the start of the prompt."""
    named = f"{'an' if subject[0] in 'aeiou' else 'a'} {subject}"
    filled = text.strip().replace(PLACEHOLDER, named)
    return filled[:1].upper() + filled[1:]


def _fill_subjects(a: str, b: str) -> PromptSet:
    subjects = [str(pair.tags["subject"]) for pair in load_prompts("dense_pose").pairs]
    pairs = [(fill_subject(a, subject), fill_subject(b, subject)) for subject in subjects]
    return PromptSet.from_pairs(pairs, name="your pair over subjects")


def _over_seeds(result: ProbeResult) -> np.ndarray:
    """Differences of the one pair under each noise seed: (n_seeds, n_heads)."""
    return np.concatenate([result.differences(seed=seed) for seed in result.config.seeds])


def _which_t(t: np.ndarray, n: int, over_subjects: bool) -> tuple[str, str]:
    count = f"{int((np.abs(t) > THRESHOLDS[0]).sum()):,} of {len(t):,} card heads lie at |t| > {THRESHOLDS[0]:g}."
    if over_subjects:
        return f"t over {n} subjects: {count}", (
            "The same words changed in every pair, so this may be the words as well as what they mean; only control "
            "prompts could tell."
        )
    return f"t over {n} noise seeds of one pair: {count}", (
        "This is n = 1 in prompts: a large |t| says that the shift is stable under noise, not that it holds for "
        "another subject or wording. Where noise moves a head little, |t| is large for any two prompts."
    )


def _lengths(tokens: np.ndarray) -> str:
    a, b = tokens[:, 0], tokens[:, 1]
    if (a == b).all():
        return "Both sides have the same number of tokens."
    gap = float((b - a).mean())
    if gap == 0:
        return "Unequal length within pairs, though not on average; length alone shifts heads in single blocks."
    return (
        f"Unequal length: B is {abs(gap):g} tokens {'longer' if gap > 0 else 'shorter'} on average ({b.mean():g} "
        f"against {a.mean():g}). The transformer sees the padding, so length alone shifts heads in single blocks."
    )


def _alignment(d: np.ndarray, reference: ProbeResult | None) -> str:
    if reference is None:
        return "There is no cached dense_pose run of these weights and settings to lay it over."
    found = stats.axis_alignment(d.mean(axis=0), reference.differences())
    r, low, high = (signed(value, 2) for value in (found.r, *np.nanquantile(found.null, [0.025, 0.975])))
    return (
        f"Along the T-pose-to-expressive axis of the cached run: r = {r} (95 % of sign-flipped axes give {low} to "
        f"{high}; p = {found.p:.3f}). It says how alike the two shifts are, whatever drives them."
    )


def _along(d: np.ndarray, reference: ProbeResult, control: ProbeResult) -> str:
    below_control, below_pose = along_axis(d.mean(axis=0), reference, control)
    mean = f", as the mean of {len(d)}," if len(d) > 1 else ""
    return (
        f"On the axis learned from dense_pose (card heads) it lies{mean} further along than "
        f"{100 * below_control:.0f} % of held-out pairs of the control set {control.prompts.name}, and than "
        f"{100 * below_pose:.0f} % of held-out pose pairs; subjects of dense_pose itself lie a little too "
        "far. Such an axis may be one of wording, and where the control's pairs lie on its other side, any pair "
        "lies further along than they."
    )


def prompts_for_reading(a: str, b: str) -> Sequence[str]:
    """The two texts with one subject filled in: what a check of their words reads."""
    return [fill_subject(text, "nurse") for text in (a, b) if text]
