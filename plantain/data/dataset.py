"""A dataset on the Hugging Face Hub that keeps runs: a Space's own disk is lost at every restart."""

import hashlib
import json
import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, get_token
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    HTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
)
from huggingface_hub.utils import validate_repo_id

from plantain.data.disk import MAX_JSON_BYTES, TENSOR_NAME
from plantain.data.prompts import SAID, load_prompts, shipped_prompts
from plantain.data.result import ProbeResult, load_result
from plantain.data.settings import ProbeConfig
from plantain.errors import InputError
from plantain.paths import safe_name
from plantain.wording import shorten

VARIABLE = "PLANTAIN_RESULTS_REPO"
TOKENS_PAGE = "https://huggingface.co/settings/tokens"
# Limits of what is fetched, since a dataset may hold anything. A run of 25 pairs on Klein has 10 MB a
# seed and step; 16 seeds, the page's most, have 157 MB.
MAX_RUNS = 200
MAX_TENSOR_BYTES = 256 * 1024**2
MAX_TOTAL_BYTES = 2 * 1024**3
MAX_LISTED = 10_000

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_LOG = logging.getLogger(__name__)


def default_repo() -> str | None:
    """The dataset named by the environment variable ``PLANTAIN_RESULTS_REPO``; None where it is not set."""
    return os.environ.get(VARIABLE, "").strip() or None


def run_name(result: ProbeResult) -> str:
    """The run's folder in a dataset: prompt set, model, and 12 digits of what makes it this run.

    >>> run_name(result)            # "dense_pose-posebox-1f0c…"

    The digits are of the pairs, the settings, and the weights; not of what the set is said to be for, the machine,
    the time or the batch size, so that a repetition takes the place of the run it repeats.
    """
    config = result.config.to_dict() | {"guidance_scale": float(result.config.guidance_scale)}
    del config["batch_size"]
    resolved = ("weights_fingerprint", "height", "width", "n_text_tokens", "dtype", "realised_sigmas")
    identity = {
        "prompts": {key: value for key, value in result.prompts.to_dict().items() if key not in SAID[1:]},
        "config": config,
        "head_map": result.head_map.to_dict(),
        **{key: result.provenance.get(key) for key in resolved},
        **({"coarser": coarser} if (coarser := result.provenance.get("coarser")) else {}),  # few runs have it
    }
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:12]
    return "-".join([_plain(result.prompts.name), _plain(result.model.rsplit("/", 1)[-1]), digest])


def check_push(repo_id: str, private: bool = False) -> None:
    """Make sure that runs can be pushed, before hours of computing; makes the dataset where there is none.

    >>> check_push("OWNER/plantain-results")

    A dataset that exists stays as public or private as it is. A new one is public, as a Space is, unless ``private``.

    Raises InputError: no valid id, no token, a token that is wrong or may not write there, or a Hub out of reach.
    """
    _check_id(repo_id)
    if not _has_token(repo_id):
        raise InputError(
            f"Pushing to {repo_id} needs a token, and none is set: make one with write access on {TOKENS_PAGE} "
            "and set it as HF_TOKEN, or log in with `hf auth login`."
        )
    api = HfApi()
    with _in_words(repo_id, "write to"):
        try:
            api.auth_check(repo_id, repo_type="dataset", write=True)
        except GatedRepoError:
            raise
        except RepositoryNotFoundError:
            api.create_repo(repo_id, repo_type="dataset", private=private, exist_ok=True)


def push_run(run: ProbeResult | str | Path, repo_id: str, private: bool = False) -> str:
    """Put a complete run into the dataset, in one commit, and return the address of its folder.

    >>> push_run("runs/posebox", "OWNER/plantain-results")

    The commit holds ``NAME/run.json`` and its tensor file, and takes away tensor files that an
    earlier push of the same run left; everything else in the dataset stays. ``private`` matters only
    where the dataset is made, see ``check_push``.

    Raises InputError: a partial or damaged run, and all that ``check_push`` refuses; the local run stays as it is.
    """
    result = run if isinstance(run, ProbeResult) else load_result(run)
    if not result.complete:
        raise InputError(
            f"Only a complete run is pushed; this one has {result.n_pairs} of {len(result.prompts)} pairs. "
            "Finish it with --resume."
        )
    check_push(repo_id, private)
    name, api = run_name(result), HfApi()
    with TemporaryDirectory() as temporary, _in_words(repo_id, "write to"):
        files = {f"{name}/{path.name}": path.read_bytes() for path in result.save(Path(temporary, name)).iterdir()}
        try:
            _commit(api, repo_id, name, files)
        except HfHubHTTPError as error:
            if error.response.status_code != 412:
                raise
            _commit(api, repo_id, name, files)  # another commit came in between: once more, upon that one
    return f"{api.endpoint}/datasets/{repo_id}/tree/main/{name}"


def keep(result: ProbeResult, repo_id: str | None = None) -> str | None:
    """Push what a page has just finished, if it is worth keeping; its address, or None where it is not.

    >>> keep(result)

    Visitors of a public Space press Run: kept are only complete runs of a shipped prompt set at
    default settings, and only if the dataset (None: ``default_repo()``) has none of them yet. Without
    a dataset or without a token nothing is asked of the Hub.

    Raises InputError as ``push_run``.
    """
    repo_id = repo_id or default_repo()
    if repo_id is None or not _has_token(repo_id) or not worth_keeping(result):
        return None
    _check_id(repo_id)
    with _in_words(repo_id, "read"):
        if HfApi().file_exists(repo_id, f"{run_name(result)}/run.json", repo_type="dataset"):
            return None
    return push_run(result, repo_id)


def worth_keeping(result: ProbeResult) -> bool:
    """Whether this is a complete run of a shipped prompt set, word for word, at default settings."""
    shipped = result.prompts.name in shipped_prompts() and result.prompts == load_prompts(result.prompts.name)
    return result.complete and shipped and result.config == ProbeConfig()


def fetch_runs(repo_id: str, into: str | Path) -> list[Path]:
    """Fetch all runs of a dataset into a folder and return theirs, by name; damaged ones are left out.

    >>> fetch_runs("OWNER/plantain-results", "runs/kept")

    Only ``NAME/run.json`` and the tensor file it names are fetched, within the limits above, checked
    as ``load_result`` checks them, and written as ``ProbeResult.save`` writes: a reader of the folder
    sees whole runs only. What is left out, and why, is logged. A public dataset needs no token.

    Raises InputError: no valid id, no such dataset, a token that is wrong, a Hub out of reach, or a full disk; runs
    fetched before that stay.
    """
    _check_id(repo_id)
    into, api, total = Path(into), HfApi(), 0
    kept: list[Path] = []
    with _in_words(repo_id, "read"):
        # One commit throughout: a push in the meantime cannot mix two states of a run.
        commit = str(api.repo_info(repo_id, repo_type="dataset").sha)
        into.mkdir(parents=True, exist_ok=True)
        runs = _list_runs(api, repo_id, commit)
        # Beside its destination, so that nothing is copied; hidden one folder deeper than runs are sought.
        with TemporaryDirectory(prefix=".fetching-", dir=into) as staging:
            for name, sizes in sorted(runs.items()):
                if len(kept) == MAX_RUNS:
                    _LOG.warning("Only the first %s runs of %s are fetched.", MAX_RUNS, repo_id)
                    break
                reason, size = _fetch(api, repo_id, commit, name, sizes, Path(staging), MAX_TOTAL_BYTES - total)
                total += size
                try:
                    if reason is None:
                        kept.append(load_result(Path(staging, name)).save(into / name))
                except OSError:
                    raise
                except Exception as error:  # whatever a stranger's file holds, the other runs are shown
                    reason = str(error)
                if reason is not None:
                    _LOG.warning("Run %s of %s is left out: %s", name, repo_id, reason)
    return kept


def _list_runs(api: Any, repo_id: str, commit: str) -> dict[str, dict[str, int]]:
    """Run name -> size of its files in bytes, by file name; only names of our own making are looked at."""
    runs: dict[str, dict[str, int]] = {}
    listed = api.list_repo_tree(repo_id, repo_type="dataset", revision=commit, recursive=True)
    for entry in islice(listed, MAX_LISTED):
        name, _, file = entry.path.partition("/")
        if _NAME.fullmatch(name) and (file == "run.json" or TENSOR_NAME.fullmatch(file)) and hasattr(entry, "size"):
            runs.setdefault(name, {})[file] = int(entry.size)
    return runs


def _fetch(
    api: Any, repo_id: str, commit: str, name: str, sizes: dict[str, int], staging: Path, room: int
) -> tuple[str | None, int]:
    """Fetch one run into ``staging / name``: why it cannot be used (None: it can), and the bytes fetched."""

    def download(file: str) -> Path:
        where = {"repo_type": "dataset", "revision": commit, "local_dir": str(staging)}
        return Path(api.hf_hub_download(repo_id, f"{name}/{file}", **where))

    if "run.json" not in sizes:
        return "it has no run.json.", 0
    fetched = sizes["run.json"]
    if fetched > min(MAX_JSON_BYTES, room):
        return f"its run.json has {fetched:,} bytes, more than is fetched.", 0
    try:
        tensor = json.loads(download("run.json").read_text(encoding="utf-8"))["tensor_file"]
        size = sizes[tensor]  # only names that are in the list, hence of our pattern
    except (ValueError, LookupError, TypeError, RecursionError):
        return "its run.json is damaged, or names a tensor file that is not there.", fetched
    if size > min(MAX_TENSOR_BYTES, room - fetched):
        return f"its tensor file has {size:,} bytes, more than is fetched.", fetched
    download(tensor)
    return None, fetched + size


def _commit(api: Any, repo_id: str, name: str, files: dict[str, bytes]) -> None:
    """One commit upon the newest: the files of a run, and its other tensor files gone."""
    head = api.repo_info(repo_id, repo_type="dataset").sha
    try:
        there = [entry.path for entry in api.list_repo_tree(repo_id, name, repo_type="dataset", revision=head)]
    except EntryNotFoundError:  # the first push of this run
        there = []
    stale = [path for path in there if TENSOR_NAME.fullmatch(path.rsplit("/", 1)[-1]) and path not in files]
    operations: list[Any] = [CommitOperationAdd(path, content) for path, content in sorted(files.items())]
    operations += [CommitOperationDelete(path, is_folder=False) for path in stale]
    # With its parent named, the Hub refuses (412) where another commit came in between.
    api.create_commit(repo_id, operations, commit_message=f"Run {name}", repo_type="dataset", parent_commit=head)


def _plain(text: str) -> str:
    """A part of a folder name: letters, digits, dots, dashes and underscores, at most 48 of them."""
    return safe_name(text.encode("ascii", "replace").decode(), "unnamed").strip("-._")[:48] or "unnamed"


def _check_id(repo_id: str) -> None:
    try:
        validate_repo_id(repo_id)
        valid = repo_id.count("/") == 1
    except HFValidationError:
        valid = False
    if not valid:
        raise InputError(
            f"{repo_id!r} is no valid id of a Hub dataset; expected OWNER/NAME, such as your-name/plantain-results."
        )


def _has_token(repo_id: str) -> bool:
    with _in_words(repo_id, "write to"):  # a token may itself have to be fetched
        return bool(get_token())


@contextmanager
def _in_words(repo_id: str, doing: str) -> Iterator[None]:
    """Whatever goes wrong with the Hub as one InputError; ``doing``: "read" or "write to"."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # time-outs, proxies, storage backends, a full disk: no common type
        raise InputError(_sentence(error, repo_id, doing)) from error


def _sentence(error: BaseException, repo_id: str, doing: str) -> str:
    # The client wraps a failed upload, and what kept it from reaching a file.
    while isinstance(error, (RuntimeError, LocalEntryNotFoundError)) and error.__cause__ is not None:
        error = error.__cause__
    if isinstance(error, OfflineModeIsEnabled):
        return f"Cannot {doing} the dataset {repo_id} while HF_HUB_OFFLINE is set; unset it and try again."
    if isinstance(error, GatedRepoError):
        return f"The dataset {repo_id} is gated; accept its terms on https://huggingface.co/datasets/{repo_id}."
    if isinstance(error, RepositoryNotFoundError):
        hint = "pushing a run makes it; a private one needs HF_TOKEN" if doing == "read" else "and the token's scope"
        return f"The Hub has no dataset {repo_id} that you may {doing}; check the spelling, {hint}."
    why = shorten(str(error)) or type(error).__name__
    if isinstance(error, HfHubHTTPError):
        status = error.response.status_code
        known = {
            401: f"The Hub does not accept the token: wrong or expired. Set one from {TOKENS_PAGE} as HF_TOKEN.",
            403: f"This token may not {doing} the dataset {repo_id}; make one that may on {TOKENS_PAGE}; set HF_TOKEN.",
            412: f"Other commits to the dataset {repo_id} came in between, twice; push again.",
            429: "The Hub has had too many requests from here; wait some minutes and try again.",
        }
        if status >= 500:
            return f"The Hub has a fault of its own (status {status}); try again later."
        refused = f"The Hub refused to {doing} the dataset {repo_id}: {why} Check its name and the token."
        return known.get(status, refused)
    if isinstance(error, (HTTPError, LocalEntryNotFoundError, ConnectionError, TimeoutError)):
        return f"Cannot reach the Hub to {doing} the dataset {repo_id} ({why}); check the network and try again."
    return f"Cannot {doing} the dataset {repo_id} ({why}); try again."
