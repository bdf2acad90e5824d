"""``plantain dense`` and what is asked of its runs: the whole way on small pictures, questions on made-up runs."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from made_runs import PLANTED, attention_runs, dense_run, made_pictures

import plantain
from plantain import cli
from plantain.data.dense import SCORES, load_dense
from plantain.data.family import Family, weights_of
from plantain.data.pictures import load_pictures
from plantain.errors import InputError
from plantain.model import person
from plantain.posebox.truth import bodies_of
from plantain.probe import dense as probe_dense
from plantain.questions.code import code
from plantain.questions.deformation import deformation, rotation_r2
from plantain.questions.ladder import RUNGS, ladder
from plantain.questions.place import place
from plantain.questions.specificity import FORMS, STRICT, TwoWay, specificity

PROMPTS = plantain.load_prompts("dense_pose")
PLACED, SIDED, CODED, DEFORMED = (3, 8), (8,), (5,), (5, 11)
WEIGHTS = ("trained", "grafted", "untrained 0", "untrained 1", "permuted 0")
BIG = 0.2  # ten times the noise


def made(weights):
    """The trained run has heads that place, code and deform; the graft has one that places."""
    if weights == "grafted":
        return dense_run(PROMPTS, place={3: BIG}, weights=weights)
    if weights != "trained":
        return dense_run(PROMPTS, weights=weights)
    scores = {
        "code": dict.fromkeys(CODED, BIG),
        "code_beyond": dict.fromkeys(CODED, BIG),
        "deformation": dict.fromkeys(DEFORMED, BIG),
        "deformation_beyond": dict.fromkeys(DEFORMED, BIG),
        "figure": dict.fromkeys(range(6), BIG),
    }
    return dense_run(PROMPTS, {3: BIG}, dict.fromkeys(SIDED, BIG), scores)


@pytest.fixture(scope="module")
def family():
    return Family.of(made(weights) for weights in WEIGHTS)


@pytest.fixture(scope="module")
def folder(family, tmp_path_factory):
    out = tmp_path_factory.mktemp("dense")
    for weights, run in family.runs.items():
        run.save(out / weights.replace(" ", "-"))
    return out


# -- questions of a family -------------------------------------------------------------------------


def passing(count):
    return tuple(np.flatnonzero(count.t > 3))


def test_place_finds_the_planted_heads_and_sided_those_of_one_side(family):
    found = place(family)
    assert passing(found.own["trained", "attention heads"]) == PLACED
    assert passing(found.sided["trained", "attention heads"]) == SIDED
    assert passing(found.own["grafted", "attention heads"]) == (3,)
    planted = {run for head in PLACED for run in range(*attention_runs(head).indices(PLANTED.n_runs))}
    assert planted <= set(passing(found.own["trained", "card heads"]))
    assert found.blocks["trained"]["joint[0]"] == (1, 4)
    assert found.families["trained", "joint attention"].n_heads == 4
    sided = found.sided["trained", "attention heads"]
    assert sided.max_p[SIDED[0]] < 0.01
    assert "too lenient" in found.text
    assert "grafted 1; untrained 0 0" in found.sentences[1]
    with pytest.raises(InputError, match="truths body, drawn"):
        place(family, "outline")


def test_code_is_established_only_where_it_exceeds_every_baseline_and_its_null(family):
    found = code(family)
    assert passing(found.forms.counts["trained", "code_beyond"]) == CODED
    assert "The strict form exceeds every twin. It says nothing about single heads: random projections" in found.finding
    beside = replace(found, projected=(len(CODED), 0)).finding
    assert "true of the model, not of its heads" in beside
    alone = code(Family.of([family.trained]))
    assert "no twin has been run" in alone.finding
    assert "Not established" in alone.finding
    swapped = Family.of([replace(family.runs["untrained 0"], run=family.trained.run), family.runs["untrained 1"]])
    assert "Not established" in code(swapped).finding


def test_deformation_counts_each_form_and_reads_angles_beside_the_text(family):
    found = deformation(family)
    assert passing(found.forms.counts["trained", "deformation_beyond"]) == DEFORMED
    assert found.forms.counts["trained", "figure"].counts[0] == 6
    assert set(found.rotations) == set(WEIGHTS)
    assert found.rotations["trained"].shape == (PLANTED.n_heads("head"),)
    assert "Joint angles" in found.text


def test_text_features_that_hold_the_angles_decode_them(family):
    """An axis that is rounding alone is no feature."""
    from plantain.pose.distance import pose_rotations

    angles = pose_rotations([pair.tags for pair in PROMPTS.pairs])
    mixing = np.random.default_rng(0).normal(size=(angles.shape[1], 30))
    decoded = family.trained.decoded | {"text": (angles @ mixing).astype(np.float32)}
    heads, text = rotation_r2(replace(family.trained, decoded=decoded))
    assert text > heads.max()


def test_a_head_that_reads_the_text_alone_tells_no_more_of_the_angles_than_the_text(family):
    from plantain.pose.distance import pose_rotations

    rng, angles = np.random.default_rng(1), pose_rotations([pair.tags for pair in PROMPTS.pairs])
    text = (angles @ rng.normal(size=(angles.shape[1], 30)) + rng.normal(size=(len(angles), 30))).astype(np.float32)
    pooled = family.trained.decoded["pooled"].copy()
    pooled[:, 0] = text @ rng.normal(size=(30, pooled.shape[2]))
    heads, own = rotation_r2(replace(family.trained, decoded=family.trained.decoded | {"text": text, "pooled": pooled}))
    assert heads.argmax() == 0
    assert heads[0] <= own + 0.02


def test_a_family_without_decoders_has_no_code_and_its_ladder_says_not_run(family):
    bare = Family.of([replace(family.trained, decoded={})])
    for question in (code, deformation):
        with pytest.raises(InputError, match="has no decoder of"):
            question(bare)
    assert "3. Does it name body parts alike in the T-pose and out of it? Not run." in ladder(bare).sentences


def test_the_ladder_counts_every_rung_for_every_weights(family):
    found = ladder(family)
    own = {rung: found.of(rung, "attention heads")["trained"].count for rung in RUNGS}
    assert [own[rung] for rung in ("place", "place_sided", "code", "deformation", "cause")] == [2, 1, 1, 2, None]
    assert found.of("place", "attention heads")["grafted"].count == 1
    assert found.of("place", "attention heads")["trained"].p is None
    assert "2 of 16 attention heads; at most 1 in a twin (grafted)" in found.sentences[1]


def test_the_ladder_prints_text_and_json(run_cli, folder, tmp_path):
    status, printed, _ = run_cli("ladder", folder, "--out", tmp_path / "figure")
    assert status == 0
    assert printed.startswith("planted, dense_pose: trained, grafted, untrained 0, untrained 1, permuted 0")
    assert {path.suffix for path in (tmp_path / "figure").iterdir()} == {".svg", ".pdf", ".png"}
    status, printed, _ = run_cli("ladder", folder, "--json")
    assert status == 0
    rungs = json.loads(printed)["rungs"]
    assert len(rungs) == len(WEIGHTS) * len(RUNGS) * 2
    for rung in rungs:
        assert set(rung) == {"rung", "scope", "weights", "count", "n_heads", "p"}
        assert rung["rung"] in ("respond", "place", "place_sided", "code", "deformation", "cause")
        assert rung["scope"] in ("card heads", "attention heads")
        assert rung["weights"] in WEIGHTS
        assert rung["n_heads"] == PLANTED.n_heads("card" if rung["scope"] == "card heads" else "head")
        if rung["count"] is None:
            assert rung["p"] is None
        else:
            assert type(rung["count"]) is int
            assert rung["p"] is None or 0 < rung["p"] <= 1


@pytest.mark.parametrize("name", ["place", "code", "deformation"])
def test_questions_print_text_and_json_and_write_a_row_a_head(run_cli, folder, tmp_path, name):
    status, printed, _ = run_cli(name, folder, "--out", tmp_path)
    assert status == 0
    assert "untrained 1" in printed
    lines = (tmp_path / f"{name}.csv").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 1 + PLANTED.n_heads("head")
    status, printed, _ = run_cli(name, folder, "--json")
    assert status == 0
    assert set(json.loads(printed)) == {"sentences", "tables"}


def test_place_may_be_asked_by_another_map_and_reading(run_cli, folder):
    status, printed, _ = run_cli("place", folder, "--truth", "drawn", "--reading", "size")
    assert status == 0
    assert "Truth drawn, shift read by size, 25 pairs" in printed


# -- other content ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sets(family):
    """The pose; the same pairs under other clothes, where one more head deforms; a set without bodies or decoders."""
    clothes, place_ = replace(PROMPTS, name="clothes"), replace(PROMPTS, name="elsewhere")
    scores = {"deformation_beyond": dict.fromkeys((*DEFORMED[:1], 2), BIG), "code": {5: BIG}}
    drawn_alone = dense_run(place_, {3: BIG, 6: BIG}, decoders=False)
    usable = drawn_alone.usable.copy()
    usable[0] = False
    return {
        "dense_pose": family,
        "clothes": Family.of([dense_run(clothes, {8: BIG}, scores=scores), dense_run(clothes, weights="untrained 0")]),
        "elsewhere": Family.of([replace(drawn_alone, usable=usable)]),
    }


def test_every_question_is_counted_on_every_set_that_has_it(sets):
    found = specificity(sets)
    assert list(found.passed) == [
        *(("dense_pose", w) for w in ("trained", "untrained 0")),
        *(("clothes", w) for w in ("trained", "untrained 0")),
        ("elsewhere", "trained"),
    ]
    pose, clothes, elsewhere = (found.passed[name, "trained"] for name in ("dense_pose", "clothes", "elsewhere"))
    assert list(pose) == list(FORMS)
    assert (pose["place"], pose["deformation_beyond"], pose["code_beyond"]) == (2, 2, 1)
    by_drawn = place(sets["dense_pose"], truth="drawn", n_flips=1)
    assert pose["place_sided"] == by_drawn.sided["trained", "attention heads"].counts[0]
    assert (clothes["place"], clothes["deformation_beyond"], clothes["code"]) == (1, 2, 1)
    assert elsewhere["place"] == 2
    assert all(elsewhere[form] is None for form in FORMS if not form.startswith("place"))
    _, by_set, _ = found.tables
    assert by_set.cells[0][2:] == tuple(FORMS.values())
    assert by_set.cells[-1][:3] == ("elsewhere", "trained", "2")
    assert by_set.cells[-1][4:] == ("not asked",) * 5


def test_strict_decoders_are_held_head_by_head_where_two_sets_have_them(sets):
    found = specificity(sets)
    others = {form: list(found.of(form)) for form in FORMS if found.of(form)}
    assert others == {"place": ["clothes", "elsewhere"], **{form: ["clothes"] for form in STRICT}}
    table = found.of("deformation_beyond")["clothes"]
    n = PLANTED.n_heads("head")
    assert table.counts == (1, 1, 1, n - 3)
    assert table.expected_both == pytest.approx(2 * 2 / n)
    assert found.of("place")["elsewhere"].counts == (1, 1, 1, n - 3)
    assert found.of("deformation_beyond", weights="untrained 0")["clothes"].counts == (0, 0, 0, n)
    np.testing.assert_array_equal(found.columns["t_deformation_beyond_clothes"], table.content)
    assert "Decoders cannot be asked of elsewhere" in found.text
    assert found.finding == found.sentences[0]


def test_a_two_way_table_has_fishers_p():
    """Of a tea taster's eight cups: 3 of 4 on each side, p 34/70 (Fisher 1935)."""
    passed = np.array([5.0, 5, 5, 5, 0, 0, 0, 0]), np.array([5.0, 5, 5, 0, 5, 0, 0, 0])
    table = TwoWay("trained", "attention heads", "clothes", *passed)
    assert (table.counts, table.expected_both) == ((1, 1, 3, 3), 2.0)
    assert table.p == pytest.approx(34 / 70)


def test_specificity_needs_the_pose_and_another_set_of_one_architecture(sets):
    with pytest.raises(InputError, match="needs dense runs of dense_pose and of another set; got clothes"):
        specificity({"clothes": sets["clothes"]})


# -- the command, on the model ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """(folder, arguments): four pairs of pose at 64 × 64 pixels, and the model's own dense run of them."""
    out = tmp_path_factory.mktemp("small")
    pairs = [pair.tags | {"id": pair.id, "a": pair.a, "b": pair.b} for pair in PROMPTS.pairs[::6][:4]]
    (out / "four.json").write_text(json.dumps({"name": "four", "pairs": pairs}), encoding="utf-8")
    common = ["--model", "posebox", "--prompts", out / "four.json", "--height", 64, "--width", 64, "--batch-size", 8]
    status = cli.main([str(argument) for argument in ["dense", *common, "--out", out / "trained"]])
    assert status == 0
    return out, common


def test_dense_draws_reads_and_saves(run_cli, small):
    out, common = small
    dense = load_dense(out / "trained")
    assert dense.complete
    assert dense.truths == ["body", "drawn"]
    assert set(dense.decoded) == {"figure", "deformation", "deformation_beyond", "pooled", "text"}
    assert load_pictures(out / "trained", dense.prompts).complete
    assert dense.about["bodies"] == "rendered from the words"
    status, _, said = run_cli("dense", *common, "--out", out / "trained")
    assert status == cli.EXIT_BAD_INPUT
    assert "is not empty; give another --out, or --resume" in said
    assert run_cli("dense", *common, "--out", out / "trained", "--resume")[0] == 0
    assert load_dense(out / "trained").own.tobytes() == dense.own.tobytes()


@pytest.mark.parametrize(
    ("options", "weights"),
    [(["--untrained", "--weights-seed", 2], "untrained 2"), (["--permuted"], "permuted 0"), (["--grafted"], "grafted")],
)
def test_twins_are_read_against_the_trained_models_maps(run_cli, small, options, weights):
    out, common = small
    twin = out / weights.replace(" ", "-")
    status, _, said = run_cli("dense", *common, "--out", twin, "--maps", out / "trained", "--no-decoders", *options)
    assert status == 0, said
    dense = load_dense(twin)
    assert (weights_of(dense), dense.complete, dense.decoded) == (weights, True, {})
    np.testing.assert_array_equal(dense.maps, load_dense(out / "trained").maps)
    assert not (twin / "pictures").exists()
    status, printed, _ = run_cli("place", out / "trained", twin, "--prompts", "four")
    assert status == 0
    assert weights in printed


def test_figures_that_cannot_be_rendered_are_left_out_and_said(run_cli, small, tmp_path):
    out, common = small
    status, _, said = run_cli("dense", *common, "--out", tmp_path, "--maps", out / "trained")
    assert status == 0
    assert "Code is left out. Figures are rendered in 128 × 128 pixels, and this run has 64 × 64." in said


def test_keypoints_give_bodies_and_code_from_the_models_own_pictures(run_cli, small, tmp_path, monkeypatch):
    """As for any model; the person models are stood in for by Posebox's known skeletons, the last A not found."""
    out, common = small
    prompts = load_dense(out / "trained").prompts
    points = bodies_of(prompts, (4, 4), size=64).points
    points[3, 0] = np.nan
    monkeypatch.setattr(person, "load_person_models", lambda *_: SimpleNamespace(source="known keypoints"))
    monkeypatch.setattr(person, "detect_points", lambda _, pictures: points.reshape(len(pictures), 17, 3))
    status, _, said = run_cli("dense", *common, "--out", tmp_path / "keyed", "--maps", out / "trained", "--keypoints")
    assert status == 0, said
    assert f"Pair {prompts.pairs[3].id!r}: its pictures do not both show a body; it has no canonical figures." in said
    dense = load_dense(tmp_path / "keyed")
    assert set(SCORES) < set(dense.decoded)
    # Of three bodies on 4 × 4 tokens not each shares three with another, without which there is no score.
    assert len(dense.score("code")) > 0
    assert dense.about["bodies"] == "known keypoints"
    assert dense.about["figures"].startswith("its own pictures, 4 copies of every A moved")
    points[:] = np.nan
    status, _, said = run_cli("dense", *common, "--out", tmp_path / "blind", "--maps", out / "trained", "--keypoints")
    assert status == 0, said
    assert "Code is left out. No pair's pictures both show a body" in said


def test_words_that_posebox_does_not_know_leave_the_drawn_map(run_cli, tmp_path):
    lines = "".join(f"a {who} standing,a {who} sitting\n" for who in ("xylograph", "yurtle", "zeugma"))
    (tmp_path / "odd.csv").write_text(f"a,b\n{lines}", encoding="utf-8")
    made_pictures(plantain.load_prompts(tmp_path / "odd.csv"), (128, 128)).save(tmp_path / "maps")
    common = ["dense", "--model", "posebox", "--prompts", tmp_path / "odd.csv", "--maps", tmp_path / "maps"]
    status, _, said = run_cli(*common, "--out", tmp_path / "out")
    assert status == 0, said
    assert "Posebox cannot draw 'xylograph'" in said
    assert "Code is left out. Posebox cannot draw" in said
    assert load_dense(tmp_path / "out").truths == ["drawn"]


def test_interrupted_it_says_what_is_saved_and_goes_on(run_cli, small, tmp_path, monkeypatch):
    out, common = small
    real = probe_dense.iter_dense

    def interrupted(*given, **named):
        for progress in real(*given, **named):
            yield progress
            if progress.done == 2:
                raise KeyboardInterrupt

    common = [
        "dense",
        *common,
        "--batch-size",
        2,
        "--out",
        tmp_path / "part",
        "--maps",
        out / "trained",
        "--no-decoders",
    ]
    with monkeypatch.context() as patch:
        patch.setattr(probe_dense, "iter_dense", interrupted)
        status, _, said = run_cli(*common)
    assert status == cli.EXIT_INTERRUPTED
    assert f"what is done is saved in {tmp_path / 'part'}; go on with the same command and --resume" in said
    assert load_dense(tmp_path / "part").n_pairs == 2
    assert run_cli(*common, "--resume")[0] == 0
    assert load_dense(tmp_path / "part").complete


def test_interrupted_while_it_draws_it_goes_on_with_the_same_command(run_cli, small, tmp_path, monkeypatch):
    def interrupted(*given):
        raise KeyboardInterrupt

    monkeypatch.setattr("plantain.cli.dense.draw_run", interrupted)
    status, _, said = run_cli("dense", *small[1], "--out", tmp_path / "out")
    assert status == cli.EXIT_INTERRUPTED
    assert f"pictures so far are saved in {tmp_path / 'out'}; go on with the same command" in said


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--untrained"], "A twin is read against its trained model's pictures"),
        (["--permuted"], "Give that dense run's folder as --maps"),
        (["--untrained", "--permuted"], "--untrained draws the weights anew and --permuted shuffles them"),
        (["--grafted", "--permuted"], "--grafted draws blocks anew inside the trained model"),
        (["--grafted", "--untrained"], "leave --untrained and --permuted out"),
        (["--weights-seed", "3"], "--weights-seed says how the untrained twin is drawn"),
        (["--n-seeds", "2"], "one noise seed and one step; got n_seeds=2"),
        (["--steps", "2"], "one noise seed and one step; got n_seeds=1, num_inference_steps=2"),
        (["--keypoints", "one"], "a detector and a keypoint model, or neither"),
        (["--maps", "{empty}"], "holds no pictures"),
        (["--prompts", "{pair}"], "needs at least 3 pairs; 'pair' has 1"),
        (["--out", "{probe}", "--resume"], r"holds no dense run to go on with (no dense.json)"),
    ],
)
def test_what_cannot_be_is_refused_before_a_model_loads(run_cli, tmp_path, monkeypatch, arguments, sentence):
    import plantain.model.load

    monkeypatch.setattr(plantain.model.load, "load_pipeline", None)
    (tmp_path / "pair.csv").write_text("a,b\na cat,a dog\n", encoding="utf-8")
    (tmp_path / "empty").mkdir()
    dense_run(PROMPTS).run.save(tmp_path / "probe")
    places = {"pair": tmp_path / "pair.csv", "empty": tmp_path / "empty", "probe": tmp_path / "probe"}
    given = [argument.format(**places) for argument in arguments]
    out = [] if "--out" in given else ["--out", tmp_path / "out"]
    status, _, said = run_cli("dense", "--model", "posebox", *out, *given)
    assert status == cli.EXIT_BAD_INPUT
    assert sentence in said
    assert not (tmp_path / "out").exists()


def test_run_takes_permuted_weights_and_refuses_both(run_cli, small, tmp_path):
    common = ["run", *small[1], "--out", tmp_path / "run"]
    status, _, said = run_cli(*common, "--permuted", "--untrained")
    assert status == cli.EXIT_BAD_INPUT
    assert "give one of the two" in said
    assert run_cli(*common, "--permuted", "--weights-seed", 1)[0] == 0
    known = plantain.load_result(tmp_path / "run").provenance
    assert (known["model"], known["weights"], known["weights_seed"]) == ("posebox-permuted", "permuted", 1)
    status, _, said = run_cli("draw", tmp_path / "run", "--steps", 1, "--guidance", 1)  # of the very weights
    assert status == 0, said
