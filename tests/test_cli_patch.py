"""``plantain patch``: the whole way on a small saved pipeline, what is refused, and pictures judged on Posebox."""

from dataclasses import replace

import numpy as np
import pytest
from made_runs import dense_of, dense_run, made_pictures, patch_study, prompts_of
from pipelines import build_planted

import plantain
from plantain import cli
from plantain.data.interventions import ROLES, StudySize, single_heads
from plantain.data.patching import load_study
from plantain.posebox.patched import rendered_pairs
from plantain.posebox.truth import bodies_of
from plantain.probe import cause, grafted_cause, patched_pictures
from plantain.probe.cause import run_patching, study_folds
from plantain.probe.dense import run_dense

PROMPTS = prompts_of(8)
SIZE = ["--k", 2, "--matched", 3]


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """(folder, arguments): a saved pipeline that draws in four steps, and a dense run of it with pictures."""
    out = tmp_path_factory.mktemp("patch")
    pipe = build_planted()
    pipe.register_to_config(is_distilled=True)
    pipe.save_pretrained(out / "model")
    dense_of(pipe, PROMPTS).save(out / "dense")
    made_pictures(PROMPTS, (32, 32)).save(out / "dense")
    dense_of(pipe, PROMPTS, seed=1).save(out / "beside")
    return out, ["patch", "--model", out / "model", "--device", "cpu", *SIZE]


@pytest.fixture(scope="module")
def whole(small):
    """The folder of a whole study."""
    out, common = small
    given = [*common, "--dense", out / "dense", "--beside", out / "beside", "--out", out / "whole"]
    assert cli.main([str(argument) for argument in given]) == 0
    return out / "whole"


def test_the_whole_way_saves_a_study_of_every_pair(whole):
    study = load_study(whole)
    assert study.complete
    assert study.about["truth"] == "drawn by the model itself"
    assert study.about["size"]["k"] == [2]
    assert (study.about["drawing_steps"], study.about["drawing_guidance"]) == (4, 1.0)
    assert len(study.table.where(role="chosen", ranking="selectivity", direction="necessity")) == 5  # folds
    assert 0 < len(study.table.where(role="matched", ranking="write")) <= 2 * 3 * 5
    assert set(study.table.step) == {0, 3}  # a drawing has no sixth step
    every = study.table.where(role="kind", draw=3, tokens="image", step=0)
    np.testing.assert_allclose(study.of(every, "y"), 1, atol=1e-3)
    assert study.of(every, "y_truth").any()


def test_an_interrupted_study_says_what_is_saved_and_goes_on_to_the_same_bits(run_cli, small, whole, monkeypatch):
    out, common = small
    real, common = cause.iter_patching, [*common, "--dense", out / "dense", "--beside", out / "beside"]

    def interrupted(*given, **named):
        for n, progress in enumerate(real(*given, **named)):
            yield progress
            if n == 2:
                raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(cause, "iter_patching", interrupted)
        status, _, said = run_cli(*common, "--out", out / "part")
    assert status == cli.EXIT_INTERRUPTED
    assert f"what is done is saved in {out / 'part'}; go on with the same command and --resume" in said
    assert load_study(out / "part").n_pairs == 3
    status, _, said = run_cli(*common, "--out", out / "part", "--matched", 4, "--resume")
    assert status == cli.EXIT_BAD_INPUT
    assert "the saved study has other size" in said
    status, _, said = run_cli(*common, "--out", out / "part", "--resume")
    assert status == 0, said
    assert "Saved 8 pairs" in said
    assert f"python -m plantain cause {out / 'part'}" in said
    assert load_study(out / "part").values.tobytes() == load_study(whole).values.tobytes()


def test_an_estimate_prints_the_forwards_of_the_study_and_leaves_nothing(run_cli, small, whole):
    out, common = small
    given = [*common, "--dense", out / "dense", "--beside", out / "beside", "--out", out / "asked", "--estimate"]
    status, printed, _ = run_cli(*given)
    assert status == 0
    assert printed.startswith(f"{len(load_study(whole).values):,} patched forwards, about ")
    assert not (out / "asked").exists()


def test_without_pictures_there_is_no_truth(run_cli, small, monkeypatch):
    out, common = small
    seen = {}

    def asked(pipe, dense, pictures, **named):
        seen.update(named, pictures=pictures)
        return 7, 60.0

    monkeypatch.setattr(cause, "estimate", asked)
    status, printed, said = run_cli(*common, "--dense", out / "beside", "--out", out / "asked", "--estimate")
    assert status == 0
    assert printed.startswith("7 patched forwards, about")
    assert "No pictures lie with the dense run" in said
    assert (seen["pictures"], seen["truth"]) == (None, "none")


def test_a_grafted_study_is_asked_for_with_its_seed(run_cli, small, monkeypatch):
    out, common = small
    seen = {}

    def grafts(pipe, dense, pictures, **named):
        seen.update(named, shape=pictures.shape)
        yield cause.CauseProgress(1, 1, patch_study(PROMPTS, weights="grafted"), 0.0)

    monkeypatch.setattr(grafted_cause, "iter_grafted_patching", grafts)
    given = ["--dense", out / "dense", "--grafted", "--weights-seed", 3, "--out", out / "graft"]
    assert run_cli(*common, *given)[0] == 0
    assert load_study(out / "graft").weights == "grafted"
    assert seen == {
        "truth": "drawn by the model itself",
        "view": "head",
        "weights_seed": 3,
        "shape": (8, 2, 32, 32, 3),
    }


def test_other_weights_and_pictures_that_nobody_can_judge_are_refused(run_cli, small):
    out, common = small
    dense_run(PROMPTS).save(out / "strange")
    status, _, said = run_cli(*common, "--dense", out / "strange", "--out", out / "no")
    assert status == cli.EXIT_BAD_INPUT
    assert "The dense run is of other weights" in said
    status, _, said = run_cli(*common, "--dense", out / "dense", "--draw", "--out", out / "no")
    assert status == cli.EXIT_BAD_INPUT
    assert "cannot be judged: whose pose they show is known for Posebox's world alone" in said
    assert not (out / "no").exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--model", "elsewhere"], "No dense run of elsewhere is shipped"),
        (["--untrained", "--weights-seed", "77"], "is shipped; make one (python -m plantain dense)"),
        (["--dense", "{empty}"], "holds no run (no dense.json)"),
        (["--out", "{study}"], "is not empty; give another --out, or --resume to go on with the study in it"),
        (["--out", "{other}", "--resume"], "holds no study to go on with (no patch.json)"),
        (["--out", "{study}", "--resume", "--grafted"], "A grafted study is not gone on with"),
        (["--grafted", "--permuted"], "leave --untrained and --permuted out"),
        (["--grafted", "--draw"], "leave --draw and --estimate out"),
        (["--grafted", "--estimate"], "leave --draw and --estimate out"),
        (["--untrained", "--permuted"], "give one of the two"),
        (["--weights-seed", "3"], "--weights-seed says how the untrained twin is drawn"),
        (["--k", "0"], "k are numbers of heads, from 1"),
        (["--matched", "-1"], "Numbers of sets, steps and seeds are 0 or more"),
    ],
)
def test_what_cannot_be_is_refused_before_a_model_loads(run_cli, tmp_path, monkeypatch, arguments, sentence):
    import plantain.model.load

    monkeypatch.setattr(plantain.model.load, "load_pipeline", None)
    (tmp_path / "empty").mkdir()
    patch_study(PROMPTS, pairs_done=2).save(tmp_path / "study")
    dense_run(PROMPTS).save(tmp_path / "other")
    places = {name: tmp_path / name for name in ("empty", "study", "other")}
    given = [argument.format(**places) for argument in arguments]
    model = [] if "--model" in given else ["--model", "posebox"]
    out = [] if "--out" in given else ["--out", tmp_path / "out"]
    status, _, said = run_cli("patch", *model, *out, *given)
    assert status == cli.EXIT_BAD_INPUT
    assert sentence in said
    assert not (tmp_path / "out").exists()


# -- pictures, on Posebox --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def drawn(posebox, tmp_path_factory):
    """(arguments, study): eight pairs of pose on Posebox; in two of them everything is patched, into A and into B."""
    out = tmp_path_factory.mktemp("posebox")
    prompts = plantain.load_prompts("dense_pose")
    prompts = replace(prompts, pairs=prompts.pairs[::3][:8])
    dense = run_dense(posebox, prompts, bodies=bodies_of(prompts, (8, 8)), decoders=False)
    dense.save(out / "dense")
    table = single_heads(dense.head_map)
    table = table.rows(np.array([0, 75]))  # both directions
    kind = np.full(2, ROLES.index("kind"), np.int8)
    first = np.full(2, study_folds(prompts)[0], np.int16)
    table = replace(table, runs=np.ones_like(table.runs), role=kind, draw=np.full(2, 3, np.int16), fold=first)
    size = StudySize(k=(2,), n_matched=3, n_matched_back=3, n_within=3)  # what --matched 3 asks
    study = run_patching(
        posebox, dense, rendered_pairs(prompts), size=size, table=table, truth="rendered from the words"
    )
    study.save(out / "study")
    common = ["patch", "--model", "posebox", "--device", "cpu", "--dense", out / "dense", *SIZE]
    return [*common, "--out", out / "study"], study


@pytest.mark.slow
def test_a_whole_study_is_drawn_and_judged_and_drawing_goes_on_where_it_stopped(run_cli, drawn, monkeypatch):
    given, study = drawn
    real = patched_pictures.iter_drawn

    def interrupted(*given, **named):
        for progress in real(*given, **named):
            yield progress
            if progress.done == 1:
                raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(patched_pictures, "iter_drawn", interrupted)
        status, _, said = run_cli(*given, "--resume", "--draw")
    assert status == cli.EXIT_INTERRUPTED
    assert len(load_study(given[-1]).drawn) == 1
    status, _, said = run_cli(*given, "--resume", "--draw")
    assert status == 0, said
    found = load_study(given[-1])
    assert found.values.tobytes() == study.values.tobytes()
    into_a, into_b = np.array([0]), np.array([1])
    asked = found.folds == found.folds[0]
    assert asked.sum() == len(found.drawn) > 1
    assert np.isnan(found.of(into_b, "turned")).all()  # of the parts of a model A alone is drawn by default
    # With everything patched at every step A's picture is B's, and in B's pose.
    for name, value in {"turned": 1, "pose": 1, "distance": 0}.items():
        np.testing.assert_array_equal(found.of(into_a, name)[0], np.where(asked, value, np.nan))
