"""Words that stand beside the numbers of a run wherever it is shown: page, report, model card."""

from plantain.data.prompts import PromptSet, described
from plantain.data.result import ProbeResult
from plantain.questions.response import Summary

# What a visitor needs beside every count; "responds to" is all that a paired t can say.
_COUNTED = "A count above the sign-flip null says that the two sides differ systematically for these heads."
_OWN_SET = (
    "It does not say that they differ because of what was meant: words and length may differ too, and an untrained "
    "network can pass the same test."
)

# What the embedded models know; their numbers are about them and not about Klein.
_EMBEDDED_NOTES = {
    "posebox": "Posebox was trained to draw poses, and its text encoder with it.",
    "posebox-untrained": "The transformer of posebox-untrained has learned nothing; its text encoder was trained on "
    "poses. What responds here responds to how the text features differ.",
    "posebox-random": "All weights of posebox-random are random: "
    "whatever responds here responds to words, not to pose.",
}


def caveat(prompts: PromptSet) -> str:
    """What stands beside every count of a prompt set: its own words where it has some."""
    return f"{_COUNTED} {described(prompts).caveat or _OWN_SET}"


def about_model(name: str) -> str | None:
    """A sentence on an embedded model, to stand beside its numbers; None for others."""
    if name not in _EMBEDDED_NOTES:
        return None
    about = "These numbers are about Posebox, a small stand-in of Klein's shape, not about FLUX.2 Klein."
    return f"{about} {_EMBEDDED_NOTES[name]}"


def shared_subjects(result: ProbeResult) -> str | None:
    """A warning where pairs share a subject, and so are not the independent pairs that t and its null take them for."""
    done = result.prompts.pairs[: result.n_pairs]
    subjects = [str(pair.tags["subject"]) for pair in done if pair.tags.get("subject")]
    if len(subjects) == len(set(subjects)):
        return None
    return (
        f"{len(subjects)} pairs have {len(set(subjects))} subjects: pairs of one subject are not independent, so t, "
        "its null and every p here are too sure. Compare such a set by subject (`python -m plantain compare`)."
    )


def counting(result: ProbeResult, summary: Summary) -> str:
    """What counts as a head in a summary, in words: "510 card heads of 16 channels, MLP among them"."""
    at = at_step(result, summary.view.step)
    if summary.view.grouping == "head":
        return f"{summary.n_heads:,} attention heads{at}"
    parts = {"all": "MLP among them", "attention": "attention only", "mlp": "MLP only"}[summary.view.part]
    return f"{summary.n_heads:,} card heads of {result.config.channels_per_head} channels, {parts}{at}"


def at_step(result: ProbeResult, step: int) -> str:
    """Which of several denoising steps is meant: ", at step 2 of 4, noise level 0.955"; else nothing."""
    n = result.config.num_inference_steps
    level = f", noise level {result.levels[step]:.3g}" if result.levels else ""
    return "" if n == 1 else f", at step {step + 1} of {n}{level}"


def describe_run(result: ProbeResult) -> dict[str, str]:
    """What made a run, as short texts in reading order."""
    p = result.provenance
    versions = ", ".join(f"{name} {version}" for name, version in p.get("versions", {}).items())
    sigmas = ", ".join(f"{sigma:g}" for sigma in result.levels)
    real = result.token_counts[:, :, 1]
    return {
        "model": f"{result.model}" + (f" at revision {p['revision']}" if p.get("revision") else ""),
        "weights": f"fingerprint {str(p.get('weights_fingerprint', 'unknown'))[:16]}",
        "prompts": f"{result.prompts.name}, {result.n_pairs} of {len(result.prompts)} pairs",
        "noise seeds": ", ".join(str(seed) for seed in result.config.seeds),
        "steps": f"{result.config.num_inference_steps}, noise level {sigmas or 'unknown'}",
        "guidance": f"{result.config.guidance_scale:g}",
        "picture": f"{p.get('width', '?')} × {p.get('height', '?')} pixels, {int(result.token_counts[0, 0, 0])} tokens",
        "text": f"{real.min()} to {real.max()} real tokens of {p.get('n_text_tokens', '?')}; "
        f"mean difference B − A {float((real[:, 1] - real[:, 0]).mean()):+.2f}",
        "device": ", ".join(str(p[key]) for key in ("device", "dtype", "coarser") if p.get(key)) or "unknown",
        "made": f"{p.get('started', 'unknown')}, {float(p.get('seconds', 0)):.1f} s",
        "versions": versions or "unknown",
    }
