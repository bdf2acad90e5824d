"""Controls: planted structure is found as such, runs go on where they stopped, and other settings are refused."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from made_runs import PLANTED, attention_runs, on_heads, planted
from pipelines import build_odd

import plantain
from plantain.data.prompts import PromptSet, described, load_prompts
from plantain.data.settings import ProbeConfig
from plantain.data.study import DEFAULT, LEXICAL, POSE, ControlStudy, load_controls
from plantain.errors import InputError
from plantain.paths import RUNS
from plantain.probe import probe
from plantain.probe.study import run_controls
from plantain.questions import selectivity as comparison
from plantain.questions.factors import count_factors
from plantain.report import study as control_report
from plantain.report import study_tables as control_tables
from plantain.report.figures import selectivity as control_figures
from plantain.report.picture import NARROW, WIDE

# Attention heads of the planted study, by what they respond to.
POSE_ONLY, WORDING, SETTING_ONLY, CANONICAL_ONLY = (0, 5), (2, 6, 7), (3, 8, 9), (10,)


def effects(name):
    """Planted sizes by attention head; one remark, place or pose against many is the same to a wording head."""
    sizes = {}
    if name in ("dense_pose", "dense_pose_fixed", "body_clothing", "articulation"):
        sizes |= dict.fromkeys(POSE_ONLY, 0.2)
    if name.startswith("lexical") or name in ("dense_pose", "dense_pose_fixed", "setting", "remarks"):
        sizes |= dict.fromkeys(WORDING, -0.1)
    if name == "setting":
        sizes |= dict.fromkeys(SETTING_ONLY, 0.2)
    if name == "canonical":
        sizes |= dict.fromkeys(CANONICAL_ONLY, 0.2)
    return on_heads(sizes)


@pytest.fixture(scope="module")
def study():
    trained = {name: planted(load_prompts(name), effects(name)) for name in DEFAULT}
    twin = {name: planted(load_prompts(name), {}, "planted-untrained", seed=1, fingerprint="g") for name in DEFAULT}
    return ControlStudy("planted", {"trained": trained, "untrained 0": twin})


@pytest.fixture(scope="module")
def report(study):
    return comparison.compare(study, n_flips=300, n_splits=20)


# -- what is planted is found ----------------------------------------------------------------------


def heads_of(mask):
    return set(np.flatnonzero(mask).tolist())


def test_heads_that_respond_to_pose_alone_are_larger_than_every_control(report):
    for name in report.controls:
        larger = heads_of(report.selectivity("trained", name, "attention heads").found.larger)
        assert larger >= set(POSE_ONLY)
        # Wording heads respond to pose as to a remark: only where nothing is one against many are they larger.
        varied = name in ("paraphrase", "length", "canonical")
        assert larger - set(POSE_ONLY) <= (set(WORDING) if varied else set())
    assert report.survivors["trained", "attention heads"] == (len(POSE_ONLY), 0)
    assert report.survivors["untrained 0", "attention heads"] == (0, 0)


def test_heads_that_respond_to_setting_alone_are_smaller(report):
    assert heads_of(report.selectivity("trained", "setting", "attention heads").found.smaller) == set(SETTING_ONLY)
    found = report.selectivity("trained", "setting", "attention heads")
    assert (found.larger, found.smaller) == (len(POSE_ONLY), len(SETTING_ONLY))
    assert report.selectivity("trained", "setting", "joint image").smaller == 1  # head 3; the others are single
    assert sum(smaller for _, _, smaller, _ in found.blocks) == found.smaller
    assert [name for name, *_ in found.blocks] == PLANTED.block_names


def test_wording_counts_for_pose_and_not_for_selectivity(report):
    count = report.count("trained", "dense_pose", "attention heads")
    assert count.counts[1] == len(POSE_ONLY) + len(WORDING)
    for name in LEXICAL:
        assert report.count("trained", name, "attention heads").counts[1] == len(WORDING)
        assert not heads_of(report.selectivity("trained", name, "attention heads").found.larger) & set(WORDING)
    placed = report.placement("trained", "attention heads")
    assert (placed.n_at_least, placed.p) == (0, 1 / 9)


def test_the_paraphrase_and_the_twin_stay_inside_their_null(report):
    for weights, name in (("trained", "paraphrase"), ("untrained 0", "dense_pose")):
        count = report.count(weights, name, "card heads")
        assert count.counts[0] <= count.null_p99[0] + 1
        assert count.set_p[0] > 0.01


def test_articulation_counts_the_canonical_effect_by_subject(report, study):
    count = report.count("trained", "articulation", "attention heads")
    assert (count.n_pairs, count.counts[1]) == (25, len(POSE_ONLY))
    assert report.bent["trained", "attention heads"]["interaction"].counts[1] == 0
    # An effect among few bent joints alone is half a canonical effect, and an interaction.
    whole = study.trained["articulation"]
    values = whole.mean_square.copy()
    few = [i for i, pair in enumerate(whole.prompts.pairs) if pair.tags["cell"] == "few"]
    values[few, 1, ..., attention_runs(12)] *= 4
    altered = {**study.trained, "articulation": replace(whole, mean_square=values)}
    found = comparison.compare(ControlStudy("planted", {"trained": altered}), n_flips=50, n_splits=5)
    assert found.bent["trained", "attention heads"]["interaction"].counts[1] == 1
    assert found.count("trained", "articulation", "attention heads").counts[1] == len(POSE_ONLY) + 1


def test_t_maps_of_pose_and_its_variant_agree_and_those_of_a_twin_do_not(report):
    assert report.set_correlation("trained", "dense_pose", "dense_pose_fixed") > 0.9
    assert abs(report.weights_correlation("dense_pose", "trained", "untrained 0")) < 0.6
    assert report.set_correlation("trained", "dense_pose", "dense_pose") == pytest.approx(1)


def test_the_factorial_finds_a_body_and_where_pose_depends_on_it():
    rng = np.random.default_rng(0)
    bodies, clothes = [f"b{i}" for i in range(5) for _ in range(5)], [f"c{i}" for _ in range(5) for i in range(5)]
    order = rng.permutation(25)  # the cells may come in any order
    bodies, clothes = [bodies[i] for i in order], [clothes[i] for i in order]
    rms = 1 + 0.1 * rng.standard_normal((25, 2, 400))
    level = np.array([int(body[1]) for body in bodies])[:, None]
    rms[:, :, :40] += 0.2 * level[:, None]  # body, on both sides alike
    rms[:, 1, 40:60] += 0.3 * level  # body, on one side: pose depends on it
    found = {count.effect: count for count in count_factors(rms, bodies, clothes)}
    assert found["body"].count >= 55
    assert 15 <= found["pose × body"].count <= 30
    assert found["pose × body"].p < 0.01
    for effect in ("clothing", "pose × clothing"):
        assert found[effect].count <= found[effect].null_p99 + 3
        assert found[effect].p > 0.01
    with pytest.raises(InputError, match="every body in every outfit once"):
        count_factors(rms, ["b0", *bodies[1:]], clothes)


def test_a_study_without_controls_of_a_kind_still_compares(study):
    few = {name: study.trained[name] for name in ("dense_pose", "paraphrase")}
    found = comparison.compare(ControlStudy("planted", {"trained": few}), n_flips=50, n_splits=5)
    assert found.placement("trained", "card heads") is None
    assert (found.survivors, found.bent, found.factors) == ({}, {}, {})
    text = control_tables.section(found).text
    assert "No untrained twin was run" in text
    assert "paraphrase" in text
    assert control_figures.draw(found).to_svg()
    with pytest.raises(InputError, match="no 'canonical' to hold the controls against"):
        comparison.compare(ControlStudy("planted", {"trained": few}), pose="canonical")


def test_rows_are_matched_by_subject_and_not_by_order(study):
    control = study.trained["lexical_1"]
    order = np.random.default_rng(0).permutation(25)
    prompts = replace(control.prompts, pairs=tuple(control.prompts.pairs[i] for i in order))
    turned = replace(control, prompts=prompts, mean_square=control.mean_square[order])
    runs = {name: study.trained[name] for name in ("dense_pose", "lexical_1")}
    same, other = (
        comparison.compare(ControlStudy("planted", {"trained": {**runs, "lexical_1": run}}), n_flips=50, n_splits=5)
        for run in (control, turned)
    )
    key = "trained", "lexical_1", "card heads"
    np.testing.assert_array_equal(same.selectivity(*key).found.larger, other.selectivity(*key).found.larger)


# -- the finding on a random transformer -----------------------------------------------------------


def test_fixed_against_varied_wording_passes_on_random_weights_and_a_paraphrase_does_not(monkeypatch):
    """A random transformer under random vectors, one for each word: nothing has been learned anywhere."""
    pipe = build_odd(joint_blocks=2, single_blocks=4)
    width = pipe.transformer.config.joint_attention_dim
    vectors = torch.randn(len(pipe.tokenizer), width, generator=torch.Generator().manual_seed(0))

    def encode(pipe, prompts):
        length = plantain.model.text.max_text_tokens(pipe)
        ids = [pipe.tokenizer(text, padding="max_length", max_length=length)["input_ids"] for text in prompts]
        return vectors[torch.tensor(ids)]

    monkeypatch.setattr(probe, "encode", encode)
    counts = {}
    for name in ("dense_pose_fixed", "lexical_1", "setting", "paraphrase"):
        result = probe.run_probe(pipe, load_prompts(name), ProbeConfig(height=32, width=32))
        summary = plantain.summarise(result, n_splits=20)
        counts[name] = summary.shares[0], summary.null_p99[0] / summary.n_heads, summary.set_p[0]
    for name in ("dense_pose_fixed", "lexical_1", "setting"):
        share, null, p = counts[name]
        assert share > 3 * null, counts
        assert p < 0.01, counts
    share, null, p = counts["paraphrase"]
    assert share <= null, counts
    assert p > 0.02, counts


# -- running, resuming, refusing -------------------------------------------------------------------


@pytest.fixture(scope="module")
def small_sets(small_prompts):
    tagged = tuple(replace(pair, tags={"subject": pair.id}) for pair in small_prompts.pairs)
    pose = replace(small_prompts, name="dense_pose", pairs=tagged)
    lexical = replace(
        pose, name="lexical_1", pairs=tuple(replace(p, b=p.b.replace("leaping", "humming")) for p in tagged)
    )
    return [pose, lexical]


@pytest.fixture(scope="module")
def runs(odd_pipeline, small_sets, tmp_path_factory):
    out = tmp_path_factory.mktemp("controls")
    steps = list(run_controls(odd_pipeline, small_sets, ProbeConfig(batch_size=2), n_untrained=2, out=out))
    return out, steps


def test_every_set_is_run_on_the_model_and_on_each_twin(odd_pipeline, runs):
    out, steps = runs
    assert [step.number for step in steps if step.done == step.total] == [1, 2, 3, 4, 5, 6]
    assert {step.n_runs for step in steps} == {6}
    assert steps[-1].seconds_left == 0
    assert all(0 < step.seconds_left < np.inf for step in steps[:-1])
    study = load_controls(out)
    assert study.weights == ["trained", "untrained 0", "untrained 1"]
    assert study.sets == ["dense_pose", "lexical_1"]
    prints = {runs["dense_pose"].provenance["weights_fingerprint"] for runs in study.runs.values()}
    assert len(prints) == 3
    assert plantain.model.identity.weights_fingerprint(odd_pipeline) in prints
    first, second = (study.runs[f"untrained {seed}"]["dense_pose"] for seed in (0, 1))
    assert (first.provenance["weights_seed"], second.provenance["weights_seed"]) == (0, 1)
    assert first.model == second.model == f"{study.model}-untrained"
    assert not np.allclose(first.mean_square, second.mean_square)


@pytest.mark.slow
def test_processes_that_share_controls_make_every_run_once(odd_pipeline, small_sets, runs, tmp_path):
    size = 5
    made, n_runs = [], []
    for rank in range(size):
        steps = list(
            run_controls(
                odd_pipeline, small_sets, ProbeConfig(batch_size=2), n_untrained=2, out=tmp_path, share=(rank, size)
            )
        )
        made += sorted({step.folder for step in steps})
        n_runs.append(steps[-1].n_runs)
        assert (steps[-1].number, steps[-1].seconds_left) == (n_runs[-1], 0)
    assert len(made) == len(set(made)) == sum(n_runs)
    assert max(n_runs) - min(n_runs) <= 1
    out, _ = runs
    whole = {path.relative_to(out): plantain.load_result(path.parent) for path in out.rglob("run.json")}
    shared = {path.relative_to(tmp_path): plantain.load_result(path.parent) for path in tmp_path.rglob("run.json")}
    assert whole.keys() == shared.keys()
    for name, run in whole.items():
        np.testing.assert_array_equal(shared[name].mean_square, run.mean_square)


def test_a_run_among_controls_is_the_run_alone(odd_pipeline, small_sets, runs):
    alone = probe.run_probe(odd_pipeline, small_sets[1], ProbeConfig(batch_size=2))
    np.testing.assert_array_equal(load_controls(runs[0]).trained["lexical_1"].mean_square, alone.mean_square)


@pytest.mark.slow
def test_interrupted_it_goes_on_where_it_stopped(odd_pipeline, small_sets, runs, tmp_path, monkeypatch):
    config = ProbeConfig(batch_size=2)
    steps = run_controls(odd_pipeline, small_sets, config, n_untrained=2, out=tmp_path)
    for step in steps:
        if (step.number, step.done) == (4, 3):
            break
    steps.close()  # what Ctrl-C does
    assert plantain.load_result(step.folder).n_pairs == 3
    assert "lexical_1" in str(step.folder)
    forwards, kind = [], type(odd_pipeline.transformer)
    real = kind.forward
    monkeypatch.setattr(kind, "forward", lambda *given, **named: forwards.append(1) or real(*given, **named))
    rest = list(run_controls(odd_pipeline, small_sets, config, n_untrained=2, out=tmp_path))
    assert len(forwards) == 2 + 5 + 5  # the pairs that were missing, and no others
    assert rest[-1].number == 6
    whole, again = load_controls(runs[0]), load_controls(tmp_path)
    for weights in whole.weights:
        for name in whole.sets:
            values = [study.runs[weights][name].mean_square for study in (whole, again)]
            np.testing.assert_array_equal(*values)
    finished = list(run_controls(odd_pipeline, small_sets, config, n_untrained=2, out=tmp_path))
    assert len(forwards) == 12
    assert len(finished) == 6


def test_a_folder_with_other_settings_is_refused_before_anything_runs(odd_pipeline, small_sets, runs, monkeypatch):
    monkeypatch.setattr(type(odd_pipeline.transformer), "forward", None)
    out = runs[0]
    with pytest.raises(InputError, match="a run with seed=0 where this one has 1, and runs of one folder"):
        next(run_controls(odd_pipeline, small_sets, ProbeConfig(batch_size=2, seed=1), out=out))
    with pytest.raises(InputError, match="of another architecture"):
        next(run_controls(odd_pipeline, small_sets, ProbeConfig(batch_size=2, channels_per_head=8), out=out))
    fewer = replace(small_sets[0], pairs=small_sets[0].pairs[:4])
    with pytest.raises(InputError, match="of 'dense_pose' with other prompts"):
        next(run_controls(odd_pipeline, [fewer], ProbeConfig(batch_size=2), out=out))
    with pytest.raises(InputError, match="holds a run already"):
        next(run_controls(odd_pipeline, small_sets, ProbeConfig(batch_size=2), out=out, resume=False))
    with pytest.raises(InputError, match="is a run of other weights"):
        next(run_controls(build_odd(seed=7), small_sets, ProbeConfig(batch_size=2), out=out))


def test_noise_levels_are_settings_too(odd_pipeline, small_sets, tmp_path):
    levels = ProbeConfig(batch_size=10, noise_levels=(1.0,))
    for first, second in ((levels, ProbeConfig(batch_size=10)), (ProbeConfig(batch_size=10), levels)):
        out = tmp_path / str(first.noise_levels)
        list(run_controls(odd_pipeline, small_sets[:1], first, n_untrained=0, out=out))
        with pytest.raises(InputError, match="a run with noise_levels="):
            next(run_controls(odd_pipeline, small_sets[:1], second, n_untrained=0, out=out))


def test_what_makes_no_study_is_refused(odd_pipeline, small_sets, tmp_path):
    for sets in ([], [small_sets[0], small_sets[0]]):
        with pytest.raises(InputError, match="told apart by their sets' names"):
            next(run_controls(odd_pipeline, sets, out=tmp_path))
    for n_untrained in (-1, True, 1.5):
        with pytest.raises(InputError, match="n_untrained must be a whole number from 0"):
            next(run_controls(odd_pipeline, small_sets, n_untrained=n_untrained, out=tmp_path))
    random = plantain.load_pipeline("posebox-random")
    with pytest.raises(InputError, match="posebox-random has random weights already"):
        next(run_controls(random, small_sets, n_untrained=1, out=tmp_path))
    assert not list(tmp_path.iterdir())


# -- loading ---------------------------------------------------------------------------------------


def test_runs_of_several_models_or_settings_are_no_study(runs, small_sets, tmp_path):
    with pytest.raises(InputError, match="No runs in"):
        load_controls(tmp_path)
    pose = load_prompts("dense_pose")
    planted(pose, {}).save(tmp_path / "one")
    planted(pose, {}, "other", fingerprint="g").save(tmp_path / "two")
    with pytest.raises(InputError, match="several models"):
        load_controls(tmp_path)
    assert load_controls([tmp_path / "two"]).model == "other"
    planted(pose, {}, seed=1).save(tmp_path / "three")
    with pytest.raises(InputError, match="a second run of 'dense_pose' with the same weights"):
        load_controls([tmp_path / "one", tmp_path / "three"])
    replace(planted(pose, {}), config=ProbeConfig(seed=4)).save(tmp_path / "four")
    with pytest.raises(InputError, match="several settings"):
        load_controls([tmp_path / "one", tmp_path / "four"])


def test_what_is_partial_or_missing_on_one_model_is_left_out_and_named(tmp_path):
    pose, setting = load_prompts("dense_pose"), load_prompts("setting")
    planted(pose, {}).save(tmp_path / "pose")
    planted(setting, {}).save(tmp_path / "setting")
    planted(pose, {}, "planted-untrained", fingerprint="g").save(tmp_path / "twin")
    whole = planted(load_prompts("length"), {})
    part = replace(whole, mean_square=whole.mean_square[:3], token_counts=whole.token_counts[:3])
    part.save(tmp_path / "partial")
    study = load_controls(tmp_path)
    assert study.sets == ["dense_pose"]
    assert study.left_out == (str(tmp_path / "partial"), "planted: setting")
    report = comparison.compare(study, n_flips=50, n_splits=5)
    assert "Left out: " in control_tables.section(report).text
    with pytest.raises(InputError, match="is whole"):
        load_controls(tmp_path / "partial")


# -- shown -----------------------------------------------------------------------------------------


def test_the_report_is_written_and_says_what_was_found(report, tmp_path):
    control_report.report_controls(report, tmp_path)
    markdown = (tmp_path / "controls.md").read_text(encoding="utf-8")
    assert control_figures.draw(report).alt in markdown
    for table in control_tables.tables(report):
        assert f"## {table.title}" in markdown
        assert len({len(row) for row in table.cells}) == 1
        assert table.text in control_tables.section(report).text
    data = json.loads((tmp_path / "controls.json").read_text(encoding="utf-8"))
    n_weights, n_scopes, n_sets = len(report.weights), len(report.scopes), len(report.sets)
    assert len(data["counts"]) == n_weights * n_scopes * n_sets
    assert data["more_than_all_controls"][1] == {
        "weights": "trained",
        "scope": "attention heads",
        "larger": 2,
        "smaller": 0,
    }
    with (tmp_path / "controls.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(data["counts"])
    wanted = {"weights": "trained", "set": "setting", "scope": "attention heads"}
    (row,) = (row for row in rows if wanted.items() <= row.items())
    assert (row["larger"], row["smaller"]) == ("2", "3")
    with (tmp_path / "control_heads.csv").open(encoding="utf-8") as file:
        heads = [row for row in csv.DictReader(file) if row["counted"] == "attention heads"]
    assert len(heads) == PLANTED.n_heads("head")
    assert {i for i, row in enumerate(heads) if row["size, trained, setting"] == "-1"} == set(SETTING_ONLY)
    assert (tmp_path / "is_it_pose.pdf").read_bytes().startswith(b"%PDF")


@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_the_picture_says_its_finding_and_keeps_inside_its_frame(report, width):
    picture = control_figures.draw(report, width)
    pose = report.count("trained", "dense_pose", "attention heads")
    assert f"trained, pose {100 * pose.shares[0]:.0f} % of attention heads" in picture.alt
    assert "more to pose than to setting, and the reverse: trained 2 against 3" in picture.alt
    figure = picture.figure
    figure.canvas.draw()
    frame = figure.bbox
    for axes in figure.axes:
        low, high = axes.get_xlim()
        ticks = [label for label in axes.get_xticklabels() if low <= label.get_position()[0] <= high]
        for text in [*axes.get_yticklabels(), *ticks, axes.title, *axes.texts]:
            if text.get_text():
                box = text.get_window_extent()
                assert box.x0 >= -1, text
                assert box.x1 <= frame.x1 + 1, text
    svg = picture.to_svg()
    assert 'role="img"' in svg
    for label in ("T-pose → expressive", "joint text, 4", "single MLP, 24"):
        assert label in svg


@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_long_names_of_models_and_sets_stay_inside_the_picture(study, width):
    own = PromptSet("a-set-of-my-own-with-a-very-long-name", study.trained["setting"].prompts.pairs)
    runs = {"dense_pose": study.trained["dense_pose"], own.name: planted(own, {})}
    long = ControlStudy("an-organisation/a-model-with-a-very-long-name-4B", {"trained": runs, "untrained 0": runs})
    figure = control_figures.draw(comparison.compare(long, n_flips=50, n_splits=5), width).figure
    figure.canvas.draw()
    assert figure.legends[0].get_window_extent().x1 <= figure.bbox.x1
    assert figure.legends[0].get_window_extent().y0 >= figure.axes[0].title.get_window_extent().y1
    labels = figure.axes[0].get_yticklabels()
    assert all(label.get_window_extent().x0 >= 0 for label in labels)


def test_every_default_set_has_a_label_and_is_shipped():
    shipped = plantain.data.prompts.shipped_prompts()
    for name in DEFAULT:
        assert name in shipped
        assert plantain.load_prompts(name).label
    assert set(shipped) == set(DEFAULT)


def test_the_cached_runs_are_whole_small_and_of_the_sets_as_shipped():
    folder = RUNS / "controls"
    study = load_controls(folder)
    assert study.weights == ["trained", "untrained 0", "untrained 1"]
    assert study.sets == list(DEFAULT)
    assert study.left_out == ()
    for runs in study.runs.values():
        assert all(run.prompts == load_prompts(name) for name, run in runs.items())
    trained = plantain.load_result(RUNS / "posebox")
    assert study.trained["dense_pose"].provenance["weights_fingerprint"] == trained.provenance["weights_fingerprint"]
    np.testing.assert_allclose(study.trained["dense_pose"].mean_square, trained.mean_square, rtol=1e-3)
    sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    assert max(sizes) <= 10e6
    assert sum(sizes) <= 40e6


def test_a_set_of_ones_own_is_compared_as_well(study):
    own = PromptSet("mine", study.trained["setting"].prompts.pairs)
    runs = {"dense_pose": study.trained["dense_pose"], "mine": planted(own, {})}
    found = comparison.compare(ControlStudy("planted", {"trained": runs}), n_flips=50, n_splits=5)
    assert found.controls == ("mine",)
    assert set(POSE_ONLY) <= heads_of(found.selectivity("trained", "mine", "attention heads").found.larger)
    assert found.pose == POSE


def test_a_study_of_three_pairs_says_what_it_can(shipped_study):
    """With three pairs split-half r and the mean squared effect are not defined: dashes, and JSON without NaN."""
    kept = ("dense_pose", "lexical_1", "setting")

    def three(run):
        return replace(run.first(3), prompts=replace(described(run.prompts), pairs=run.prompts.pairs[:3]))

    runs = {weights: {name: three(runs[name]) for name in kept} for weights, runs in shipped_study.runs.items()}
    report = comparison.compare(replace(shipped_study, runs=runs))
    json.dumps(control_report.to_dict(report), allow_nan=False)
    placed = next(table for table in control_tables.tables(report) if table.title.startswith("Pose among"))
    assert "—" in placed.cells[1]
