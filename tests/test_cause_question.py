"""``cause`` and ``dissociation`` on made-up studies, whose heads' effects are known; and the rung of the ladder."""

from dataclasses import replace

import numpy as np
import pytest
from made_runs import PLANTED, dense_run, moving_study

import plantain
from plantain.data.family import Family, Studies, load_crossed, load_family, load_studies
from plantain.data.interventions import RANKINGS
from plantain.errors import InputError
from plantain.questions.cause import cause, everything
from plantain.questions.chosen import adds, chosen, curve, partial_of, random_band, rankings_of
from plantain.questions.dissociation import dissociation
from plantain.questions.effect import single_count
from plantain.questions.ladder import ladder

PROMPTS = plantain.load_prompts("dense_pose")
N = PLANTED.n_heads("head")
MOVERS = (1, 6, 9, 14)


def effects(heads=MOVERS, size=0.1):
    found = np.full(N, 0.001)
    found[list(heads)] = size
    return found


@pytest.fixture(scope="module")
def study():
    """Place finds the heads that move, |t| those that do not; all write about alike, movers among the upper half."""
    upper = np.isin(np.arange(N), (*MOVERS, 0, 3, 5, 7))
    scores = {"place": effects(), "t": -effects(), "write": 1 + 0.01 * upper}
    return moving_study(PROMPTS, effects(), scores, write=np.ones(N), k=(2, 4))


def test_the_mean_of_a_ranking_is_that_of_its_heads_over_all_pairs(study):
    found = chosen(study, "place", 4)
    assert found.mean == pytest.approx(4 * 0.1, abs=0.02)
    assert found.low < found.mean < found.high
    assert found.bottom == pytest.approx(4 * 0.001, abs=0.02)
    assert chosen(study, "t", 4).mean == pytest.approx(4 * 0.001, abs=0.02)
    assert chosen(study, "place", 3) is None


def test_a_ranking_that_finds_what_moves_lies_beyond_its_matched_sets(study):
    found = chosen(study, "place", 4)
    assert found.ratio == pytest.approx(1, abs=0.02)
    assert len(found.others) >= 20
    assert found.p == pytest.approx(1 / (len(found.others) + 1))
    assert chosen(study, "t", 4).p > 0.2


def test_no_p_is_given_where_nothing_matches():
    size = np.exp(np.linspace(0, 4, N))
    unlike = moving_study(PROMPTS, effects(), {"write": size, "place": effects()}, write=size, k=(2, 4))
    assert np.isnan(chosen(unlike, "write", 4).p)


def test_place_adds_to_size_where_it_finds_the_movers_among_those_that_write_most(study):
    found = adds(study, "place", 4)
    assert found.high > found.low
    assert found.t > 3
    assert found.p <= 0.1
    r, p = partial_of(study, "place")
    assert r > 0.5
    assert p < 0.05
    assert adds(study, "t", 4) is None  # not among the rankings that are asked


def test_single_heads_count_where_they_move_towards_their_own_pair(study):
    count = single_count(study)
    assert tuple(np.flatnonzero(count.t > 3)) == MOVERS
    assert count.set_p[0] < 0.01
    still = single_count(moving_study(PROMPTS, np.zeros(N), {"place": effects()}, write=np.ones(N), k=(2,)))
    assert still.counts[0] <= 1


def test_an_answer_has_sentences_tables_columns_and_a_figure(study):
    from plantain.report.figures.cause import draw

    twin = moving_study(PROMPTS, np.zeros(N), {"place": effects()}, write=np.ones(N), k=(2,), weights="untrained 0")
    found = cause(Studies({"trained": study, "untrained 0": twin}))
    assert f"{len(MOVERS)} of {N}" in found.tables[0].text
    assert "untrained 0 0 of 16" in found.sentences[1]
    assert all(len({len(row) for row in table.cells}) == 1 for table in found.tables)
    assert {name: len(list(values)) for name, values in found.columns.items()}["t_cause"] == N
    assert everything(study)["y"] == pytest.approx(1, abs=0.05)
    k, low, high = random_band(study)
    assert list(k) == [2, 4]
    assert (low <= high).all()
    assert [name for name in RANKINGS if name in rankings_of(study)] == ["t", "place", "write"]
    assert curve(study, "place")[0] == [2, 4]
    picture = draw(found)
    assert picture.to_bytes("svg").startswith(b"<?xml")
    assert "place" in picture.alt


def test_a_study_without_truth_is_measured_by_the_models_own_difference(study):
    bare = replace(study, about=study.about | {"truth": "none"})
    assert cause(Studies({"trained": bare})).measure == "y"


def test_the_ladder_counts_cause_where_a_study_lies_beside_the_dense_runs(study, tmp_path):
    dense_run(PROMPTS).save(tmp_path / "dense" / "model")
    assert ladder(load_family([tmp_path / "dense"])).of("cause", "attention heads")["trained"].count is None
    study.save(tmp_path / "patch" / "model")
    rung = ladder(load_family([tmp_path / "dense"])).of("cause", "attention heads")["trained"]
    assert (rung.count, rung.n_heads) == (len(MOVERS), N)
    assert rung.p < 0.01
    assert ladder(Family.of([dense_run(PROMPTS)])).of("cause", "card heads")["trained"].count is None
    blind = replace(study, about=study.about | {"truth": "none"})
    unknown = ladder(replace(Family.of([dense_run(PROMPTS)]), studies={"trained": blind}))
    assert unknown.of("cause", "attention heads")["trained"].count is None
    replace(study, provenance=study.provenance | {"weights_fingerprint": "another"}).save(tmp_path / "patch" / "model")
    other = ladder(load_family([tmp_path / "dense"])).of("cause", "attention heads")["trained"]
    assert other.count is None, "a study of another model stands beside these dense runs"


def test_studies_are_loaded_by_their_weights_and_refused_twice(study, tmp_path):
    study.save(tmp_path / "a")
    twin = moving_study(PROMPTS, np.zeros(N), {"place": effects()}, write=np.ones(N), k=(2,), weights="untrained 0")
    twin.save(tmp_path / "b")
    assert list(load_studies([tmp_path]).runs) == ["trained", "untrained 0"]
    told = {"model": "posebox-untrained", "weights_seed": 3}  # as a run of a model drawn anew has it
    assert replace(twin, provenance=told).weights == "untrained 3"
    study.save(tmp_path / "c")
    with pytest.raises(InputError, match="Two of the patching studies are trained"):
        load_studies([tmp_path])
    with pytest.raises(InputError, match="No whole patching study"):
        load_studies([tmp_path / "b"])


def test_two_contrasts_that_move_by_their_own_heads_dissociate(tmp_path):
    setting = replace(PROMPTS, name="setting")
    of_pose, of_setting = {"place": effects()}, {"place": effects((0, 3, 10, 12))}
    made = {
        "pose": moving_study(PROMPTS, effects(), of_pose, write=np.ones(N), k=(4,)),
        "setting": moving_study(setting, effects((0, 3, 10, 12)), of_setting, write=np.ones(N), k=(4,)),
        "crossed": moving_study(setting, effects((0, 3, 10, 12)), of_pose, np.ones(N), (4,), sets_from="dense_pose"),
        "back": moving_study(PROMPTS, effects(), of_setting, np.ones(N), (4,), sets_from="setting"),
    }
    for name, one in made.items():
        one.save(tmp_path / name)
    found = dissociation(load_crossed([tmp_path]))
    (cell,) = found.cells
    assert cell.shared == 0
    assert all(t > 3 for t in cell.t.values())
    assert "a double dissociation at k = 4" in found.sentences[0]
    assert cell.moved["dense_pose", "dense_pose"] == pytest.approx(0.4, abs=0.03)
    assert cell.moved["dense_pose", "setting"] == pytest.approx(0.004, abs=0.03)
    (tmp_path / "back" / "patch.json").unlink()
    with pytest.raises(InputError, match="No study of 'dense_pose' with the heads of 'setting'"):
        load_crossed([tmp_path])
