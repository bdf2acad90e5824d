"""Which run is the untrained twin of which: the same prompts and settings on weights that have learned nothing."""

from collections.abc import Sequence
from pathlib import Path

from plantain.data.disk import read_json
from plantain.data.result import ProbeResult, load_result
from plantain.errors import InputError

_RESOLVED = ("height", "width", "dtype", "coarser", "n_text_tokens", "realised_sigmas")


def is_untrained_twin(twin: ProbeResult, of: ProbeResult) -> bool:
    """Whether ``twin`` is the whole same run on the same architecture with an untrained transformer.

    >>> is_untrained_twin(load_result("assets/runs/posebox-untrained"), load_result("assets/runs/posebox"))
    True

    Which model a twin is of is told by name: ``MODEL-untrained`` beside ``MODEL``.
    """
    same = (twin.prompts, twin.config, twin.head_map) == (of.prompts, of.config, of.head_map)
    # What is left to the model is resolved on the machine, and recorded there.
    resolved = all(twin.provenance.get(key) == of.provenance.get(key) for key in _RESOLVED)
    tokens = [run.provenance.get("tokenizer_digest") for run in (twin, of)]
    read_alike = None in tokens or tokens[0] == tokens[1]  # older runs don't tell
    whole = twin.complete and of.complete
    return same and resolved and read_alike and whole and twin.model == f"{of.model}-untrained"


def check_twin(twin: ProbeResult, of: ProbeResult, names: tuple[str, str] | None = None) -> None:
    """Refuse, with an InputError, a run that is not the untrained twin of another; ``names``: how both are called."""
    if not is_untrained_twin(twin, of):
        one, other = names or (f"{twin.model} on {twin.prompts.name}", of.model)
        raise InputError(
            f"{one} is not the untrained twin of {other}: that is a whole run of {of.model}-untrained with the same "
            "prompts and settings, beside a whole run."
        )


def find_untrained_twin(result: ProbeResult, folders: Sequence[str | Path]) -> tuple[Path, ProbeResult] | None:
    """The first run among ``folders`` and just below them, by name, that is the untrained twin of a result.

    >>> find_untrained_twin(result, ["runs", "assets/runs"])
    """
    below = [path for folder in folders for path in (Path(folder), *sorted(Path(folder).glob("*/")))]
    for folder in below:
        try:
            # The small file first: tensor files of Klein are megabytes, and most runs are of other models.
            if not (folder / "run.json").is_file():
                continue
            description = read_json(folder / "run.json")
            if description["provenance"]["model"] != f"{result.model}-untrained":
                continue
            twin = load_result(folder)
        except (InputError, LookupError, TypeError):
            continue  # a damaged neighbour is no reason to refuse this run
        if is_untrained_twin(twin, result):
            return folder, twin
    return None
