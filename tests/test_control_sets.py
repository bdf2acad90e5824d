"""The control sets: what their command makes, read without a gap, matched in length, balanced where they say so."""

import json
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from plantain.data.prompts import ROLES, load_prompts, match_rows, shipped_prompts
from plantain.data.texts import piece_count, word_count
from plantain.errors import InputError
from plantain.model.load import load_pipeline
from plantain.model.text import text_mask
from plantain.paths import PROMPTS
from plantain.pose.distance import distance_from_t_pose, pair_distances
from plantain.pose.poses import POSES
from plantain.posebox.__main__ import main
from plantain.posebox.proof import draw_pictures, judge
from plantain.posebox.set_parts import RULES, Draw, long_wordings, rows
from plantain.posebox.sets import BODIES, CLOTHES, FEW, MANY, control_sets, write_sets
from plantain.posebox.words.filler import fillings
from plantain.posebox.words.reading import read
from plantain.posebox.words.vocabulary import GLUE, remark, write
from plantain.posebox.words.wordings import ASIDES

MAIN = load_prompts("dense_pose")
SETS = control_sets()
LEXICAL = [f"lexical_{number}" for number in range(1, 9)]


@pytest.fixture(scope="module")
def tokens():
    pipe = load_pipeline("posebox")
    return lambda texts: text_mask(pipe, list(texts)).sum(axis=1)


def tags(name, tag):
    return [pair.tags[tag] for pair in SETS[name].pairs]


def scenes(name):
    return [(read(pair.a).scene, read(pair.b).scene) for pair in SETS[name].pairs]


# -- all of them -----------------------------------------------------------------------------------


def test_the_shipped_files_are_what_the_command_makes(tmp_path, capsys):
    assert main(["sets", "--out", str(tmp_path / "made")]) == 0
    made = {path.name: path.read_bytes() for path in (tmp_path / "made").iterdir()}
    assert capsys.readouterr().out.count("Wrote ") == len(made)
    assert set(made) == {f"{name}.json" for name in shipped_prompts()} - {"dense_pose.json"}
    for name, content in made.items():
        assert content == (PROMPTS / name).read_bytes(), f"run python -m plantain.posebox sets --out prompts: {name}"


def test_the_command_refuses_a_file(tmp_path, capsys):
    (tmp_path / "file").touch()
    assert main(["sets", "--out", str(tmp_path / "file")]) == 2
    assert "is a file; name a folder" in capsys.readouterr().err


def test_what_is_written_is_loaded_again_and_says_how_it_was_made(tmp_path):
    for path in write_sets(tmp_path):
        assert load_prompts(path).to_dict() == SETS[path.stem].to_dict()
        assert json.loads(path.read_text())["made_by"].endswith(f"(draws seeded with {path.stem}/0)")


@pytest.mark.parametrize("name", SETS)
def test_a_set_has_the_subjects_of_dense_pose_in_its_order(name):
    times = 2 if name == "articulation" else 1
    assert tags(name, "subject") == [pair.tags["subject"] for pair in MAIN.pairs] * times
    expected = [(i, i + 25 * k) for i in range(25) for k in range(times)]
    assert match_rows(MAIN, SETS[name]) == expected


@pytest.mark.parametrize("name", SETS)
def test_a_set_reads_well_and_says_what_it_is_for(name):
    prompts = SETS[name]
    assert prompts.role in ROLES
    assert prompts.role != "pose"
    assert 10 < len(prompts.label) < 25
    assert prompts.caveat.startswith("It does not say that ")
    assert prompts.caveat.endswith(", and an untrained network can pass the same test.")
    assert len(prompts.caveat) < 300
    assert prompts.title
    assert "?" in prompts.question
    assert len(prompts.question) < 300
    assert prompts.rules == (("tags",) if name == "length" else RULES)
    assert len(set(prompts.prompts)) >= len(prompts)
    assert len({prompts.title for prompts in SETS.values()}) == len(SETS)


def test_roles_and_designs():
    roles = {name: prompts.role for name, prompts in SETS.items() if name not in LEXICAL}
    assert roles == {
        **dict.fromkeys(("dense_pose_fixed", "articulation", "body_clothing"), "variant"),
        "canonical": "near",
        **dict.fromkeys(("setting", "remarks", "length"), "control"),
        "paraphrase": "nothing",
    }
    assert {SETS[name].role for name in LEXICAL} == {"lexical"}
    designs = {name: prompts.design for name, prompts in SETS.items() if prompts.design}
    assert designs == {"articulation": "few and many", "body_clothing": "factorial"}


@pytest.mark.parametrize("name", SETS)
def test_posebox_understands_a_set_and_its_tags_say_what_it_reads(name):
    for pair in SETS[name].pairs:
        for side, text in enumerate((pair.a, pair.b)):
            reading = read(text)
            assert (reading.unknown, reading.conflicts, reading.unsaid) == ((), (), ()), text
            pose = reading.scene.pose
            assert distance_from_t_pose(pair.tags["pose"][side]) == distance_from_t_pose(pose)
            assert pair.tags["pose"][side].startswith(pose)
            assert pair.tags["bent_joints"][side] == len(POSES[pose].bent_joints())
            assert pair.tags["distance"][side] == distance_from_t_pose(pose)[0]
            place = pair.tags["setting"]
            assert (place[side] if isinstance(place, list) else place) in text
            assert pair.tags["clothing"] in text or name == "length"
            assert pair.tags["body"] in text or name == "length"


@pytest.mark.parametrize("name", [name for name in SETS if name != "length"])
def test_the_prompts_of_a_pair_are_of_equal_length(name, tokens):
    pairs = SETS[name].pairs
    for pair in pairs:
        assert (word_count(pair.a), piece_count(pair.a)) == (word_count(pair.b), piece_count(pair.b)), pair.id
    assert (tokens(pair.a for pair in pairs) == tokens(pair.b for pair in pairs)).all()


@pytest.mark.parametrize("name", [*LEXICAL, "length", "setting", "canonical", "articulation", "body_clothing"])
def test_only_what_is_asked_about_differs_in_the_picture(name):
    changing = {"setting": {"setting"}, "canonical": {"pose"}, "articulation": {"pose"}, "body_clothing": {"pose"}}
    for a, b in scenes(name):
        assert {field for field in vars(a) if getattr(a, field) != getattr(b, field)} == changing.get(name, set())


# -- each of them ----------------------------------------------------------------------------------


def test_paraphrases_say_one_pose_and_a_coin_chose_the_sides():
    assert [a for a, _ in scenes("paraphrase")] == [b for _, b in scenes("paraphrase")]
    assert [a.pose for a, _ in scenes("paraphrase")] == [pair.tags["pose"][1] for pair in MAIN.pairs]
    first = sum(a == b.removesuffix("-2") and a != b for a, b in tags("paraphrase", "pose"))
    assert 5 <= first <= 20


@pytest.mark.parametrize(("name", "slot"), list(zip(LEXICAL, ASIDES, strict=True)))
def test_lexical_sets_hold_one_remark_against_25_others_that_share_none_of_its_choices(name, slot):
    assert set(tags(name, "slot")) == {slot}
    found = []
    for pair, own in zip(SETS[name].pairs, MAIN.pairs, strict=True):
        assert pair.tags["pose"] == [own.tags["pose"][0]] * 2
        opening, ending = own.a.removesuffix(f", {own.tags['setting']}."), f", {own.tags['setting']}."
        remarks = [text.removeprefix(opening + ", ").removesuffix(ending) for text in (pair.a, pair.b)]
        assert all(word_count(words) == 18 for words in remarks)
        found.append(remarks)
    fixed, varied = zip(*found, strict=True)
    assert (len(set(fixed)), len(set(varied))) == (1, 25)
    n_choices = ASIDES[slot].count("{")
    for words in varied:
        changed = sum(a != b for a, b in zip(fixed[0].split(), words.split(), strict=True))
        assert changed == n_choices


def test_remarks_are_one_against_25_on_seven_other_things():
    one, many = zip(*tags("remarks", "slot"), strict=True)
    assert len(set(one)) == 1
    assert set(many) == set(ASIDES) - set(one)
    assert max(Counter(many).values()) == 4
    openings = [own.a.removesuffix(f"{own.tags['setting']}.") for own in MAIN.pairs]
    pairs = SETS["remarks"].pairs
    found = [[text.removeprefix(start) for text in (p.a, p.b)] for p, start in zip(pairs, openings, strict=True)]
    fixed, varied = (
        {text.removesuffix(p.tags["setting"] + ".") for text, p in zip(side, pairs, strict=True)}
        for side in zip(*found, strict=True)
    )
    assert (len(fixed), len(varied)) == (1, 25)


def test_a_remark_takes_its_choices():
    assert remark("frame", ["matte", "plain", "oak", "first"]).startswith(
        "printed on matte paper and shown in a plain oak"
    )


def test_lengths_differ_by_filler_alone_and_not_at_all_in_seven_pairs(tokens):
    differences = []
    for pair in SETS["length"].pairs:
        n_a, n_b = pair.tags["extra_words"]
        differences.append(n_b - n_a)
        plain = Counter(
            fillings(read(pair.a).scene, long_wordings("t-pose")[int(pair.tags["pose"][0][7:]) - 1])[0][0].split()
        )
        for text, extra in ((pair.a, n_a), (pair.b, n_b)):
            assert word_count(text) == word_count(" ".join(plain.elements())) + extra
            assert {word.strip(".,") for word in Counter(text.split()) - plain} <= GLUE | {
                "A",
                "An",
                pair.tags["subject"].split()[0],
            }
    assert Counter(differences) == Counter({0: 7} | dict.fromkeys(range(1, 10), 2))
    pairs = SETS["length"].pairs
    assert (tokens(pair.b for pair in pairs) - tokens(pair.a for pair in pairs) == differences).all()


def test_every_filled_prompt_says_the_same_in_as_many_words_as_it_claims():
    for row in rows():
        filled = fillings(row.scene, long_wordings("t-pose")[row.wording])
        plain = write(row.scene, long_wordings("t-pose")[row.wording])
        assert filled[0][0] == plain
        assert set(range(10)) <= set(filled)
        for extra, texts in filled.items():
            for text in texts:
                assert (word_count(text), piece_count(text)) == (word_count(plain) + extra, piece_count(plain) + extra)
                assert (read(text).scene, read(text).unknown, read(text).conflicts) == (row.scene, (), ())


def test_settings_are_one_against_many_and_nobody_at_home_among_the_many():
    one, many = zip(*tags("setting", "setting"), strict=True)
    assert set(one) == {"on a green lawn beside a fence"}
    assert (len(set(many)), max(Counter(many).values())) == (17, 2)
    assert one[0] not in many
    assert all(place != pair.tags["setting"] for place, pair in zip(many, MAIN.pairs, strict=True))


def test_canonical_poses_come_in_ten_wordings_each_and_never_in_parallel_ones():
    pairs = [[int(tag.rsplit("-", 1)[1]) for tag in both] for both in tags("canonical", "pose")]
    assert all(a != b for a, b in pairs)
    assert [a for a, _ in pairs] == [row.wording + 1 for row in rows()]
    assert len({b for _, b in pairs}) >= 8


def test_articulation_is_matched_in_both_cells():
    cells, joints, degrees = (tags("articulation", tag) for tag in ("cell", "bent_joints", "distance"))
    assert cells == ["few"] * 25 + ["many"] * 25
    for (a, b), canonical in zip(scenes("articulation"), ["a-pose"] * 25 + ["flexed-neutral"] * 25, strict=True):
        assert a.pose == canonical
        assert not POSES[b.pose].canonical
    joints, degrees = np.array(joints).reshape(2, 25, 2), np.array(degrees).reshape(2, 25, 2)
    assert (joints[0] == 2).all()
    assert (joints[1, :, 0] == 8).all()
    assert np.abs(joints[1, :, 1] - 8).max() == 1
    assert joints[1].mean(axis=0).tolist() == [8, 8]
    few, many = np.diff(degrees.mean(axis=1), axis=1).ravel()
    assert abs(few) < 1
    assert 0 < many < 7.5
    words = [
        len({tag[side] for tag in tags("articulation", "pose")[at]})
        for at in (slice(25), slice(25, 50))
        for side in (0, 1)
    ]
    assert words == [10, len(FEW), 8, 2 * len(MANY)]


def test_bodies_and_clothes_are_crossed_and_balanced():
    found = scenes("body_clothing")
    bodies = [BODIES.index((a.height, a.build)) for a, _ in found]
    outfits = [CLOTHES.index((a.top, a.top_colour, a.bottom, a.bottom_colour)) for a, _ in found]
    assert sorted(zip(bodies, outfits, strict=True)) == [(i, j) for i in range(5) for j in range(5)]
    poses = [b.pose for _, b in found]
    assert sorted(poses) == sorted(row.expressive for row in rows())
    ranked = sorted(poses, key=distance_from_t_pose)
    fifths = [ranked.index(pose) // 5 for pose in poses]
    wordings = [(int(a.rsplit("-", 1)[1]) - 1) % 5 for a, _ in tags("body_clothing", "pose")]
    for level in (bodies, outfits):
        for other in (fifths, wordings):
            assert len(set(zip(level, other, strict=True))) == 25
    assert len(set(tags("body_clothing", "body"))) == len(set(tags("body_clothing", "clothing"))) == 5
    assert [a.setting for a, _ in found] == [row.scene.setting for row in rows()]


def test_dense_pose_fixed_is_dense_pose_with_one_wording():
    for pair, own in zip(SETS["dense_pose_fixed"].pairs, MAIN.pairs, strict=True):
        assert pair.b == own.b
        assert long_wordings("t-pose")[0] in pair.a
        assert read(pair.a).scene == read(own.a).scene
        assert pair.tags["pose"] == ["t-pose-1", own.tags["pose"][1]]


def test_posebox_draws_what_the_most_filled_prompts_say():
    prompts = [pair.b for pair in SETS["length"].pairs if pair.tags["extra_words"][1] == 9]
    pictures = draw_pictures(load_pipeline("posebox"), prompts)
    for text, picture in zip(prompts, pictures, strict=True):
        right = judge(picture, text, read(text).scene).right
        assert right["pose"], text
        assert right["setting"], text


# -- what they are made with -----------------------------------------------------------------------


def test_draws_are_recorded_by_name_and_balanced():
    draw, again, other = Draw("x"), Draw("x"), Draw("y")
    assert draw.balanced("abc", 8) == again.balanced("abc", 8)
    assert [draw.coin() for _ in range(20)] != [other.coin() for _ in range(20)]
    assert sorted(Counter(draw.balanced("abc", 8)).values()) == [2, 3, 3]
    assert draw.one([5]) == 5
    # Fixed for good: Random.random() is the same in every Python.
    assert Draw("x").shuffled(range(5)) == [3, 0, 4, 2, 1]


def test_distance_from_the_t_pose():
    assert distance_from_t_pose("t-pose") == distance_from_t_pose("t-pose-7") == (0, 0)
    degrees, joints = distance_from_t_pose("windmill")
    assert (degrees, joints) == (pytest.approx((52 + 52) / 9, abs=0.01), 2)
    assert distance_from_t_pose("crouch-cover")[0] > distance_from_t_pose("a-pose")[0] > 0
    with pytest.raises(InputError, match="Posebox has no pose 'headstand'; it has t-pose, a-pose"):
        distance_from_t_pose("headstand")


def test_dense_pose_gets_its_distances_by_its_pose_tags():
    for pair in MAIN.pairs:
        assert "distance" not in pair.tags
        a, b = pair_distances(pair.tags)
        assert (a, b) == (0, distance_from_t_pose(pair.tags["pose"][1])[0])
    pair = SETS["canonical"].pairs[0]
    assert pair_distances(pair.tags) == tuple(pair.tags["distance"])


@pytest.mark.parametrize("own", [{}, {"pose": "t-pose"}, {"pose": ["t-pose", "headstand"]}, {"pose": ["t-pose", 3]}])
def test_pairs_without_known_poses_have_no_distance(own):
    assert pair_distances(own) is None


def test_rows_are_matched_by_a_tag_or_the_mismatch_is_named():
    first, second = SETS["canonical"], SETS["setting"]
    turned = replace(second, pairs=second.pairs[::-1])
    assert match_rows(first, turned)[:2] == [(0, 24), (1, 23)]
    with pytest.raises(InputError, match="Only one of 'canonical' and 'setting' has the subject 'fisherman'"):
        match_rows(first, replace(second, pairs=second.pairs[1:]))
    with pytest.raises(InputError, match="Pair 'fisherman' of prompt set 'canonical' has no tag 'mood' to match it by"):
        match_rows(first, second, by="mood")
