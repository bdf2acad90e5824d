"""Prompt sets: the shipped one, loading from JSON and CSV, and every refusal in words."""

import json
import os
import re
from dataclasses import replace

import pytest

from plantain.data.csv_file import MAX_FILE_BYTES
from plantain.data.prompts import (
    REQUIRED_TAGS,
    PromptPair,
    PromptSet,
    described,
    load_prompts,
    parse_csv,
    piece_count,
    shipped_prompts,
    word_count,
)
from plantain.errors import InputError

TAGS = {
    "subject": "man",
    "setting": "on a pier",
    "pose": ["t", "leap"],
    "body": "tall",
    "clothing": "a coat",
    "bent_joints": [0, 4],
}


@pytest.fixture(scope="module")
def dense_pose():
    return load_prompts("dense_pose")


@pytest.fixture
def write(tmp_path):
    def write_file(name, content):
        path = tmp_path / name
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        return path

    return write_file


def pose_wording(pair, text):
    """What is left of a prompt without its subject, clothing and setting."""
    opening, _, rest = text.partition(pair.tags["clothing"])
    assert pair.tags["subject"] in opening
    pose, _, ending = rest.rpartition(pair.tags["setting"])
    assert ending.strip(".") == ""
    return pose.strip(", ")


# -- the shipped set ---------------------------------------------------------------------------


def test_dense_pose_holds_25_pairs_under_both_rules(dense_pose):
    assert len(dense_pose) == len(dense_pose.pairs) == 25
    assert set(dense_pose.rules) == {"equal_words", "tags"}
    assert dense_pose.conditions == ("T-pose", "expressive pose")
    assert dense_pose.name == "dense_pose"
    assert dense_pose.title
    assert dense_pose.question
    assert "dense_pose" in shipped_prompts()
    assert (dense_pose.role, dense_pose.label, dense_pose.design) == ("pose", "T-pose → expressive", "")
    assert dense_pose.caveat.startswith("It does not say that they differ because of the pose: words, length and ")


def test_dense_pose_prompts_of_a_pair_have_equal_length(dense_pose):
    for pair in dense_pose.pairs:
        assert word_count(pair.a) == word_count(pair.b), pair.id
        assert piece_count(pair.a) == piece_count(pair.b), pair.id


def test_dense_pose_has_all_tags(dense_pose):
    for pair in dense_pose.pairs:
        assert all(pair.tags[tag] not in (None, "", []) for tag in REQUIRED_TAGS), pair.id


@pytest.mark.parametrize("tag", ["subject", "setting"])
def test_dense_pose_tag_is_unique(dense_pose, tag):
    assert len({pair.tags[tag] for pair in dense_pose.pairs}) == 25


def test_dense_pose_holds_everything_but_the_pose_constant(dense_pose):
    for pair in dense_pose.pairs:
        a, b = pose_wording(pair, pair.a), pose_wording(pair, pair.b)
        assert a != b
        assert pair.a.replace(a, "") == pair.b.replace(b, ""), pair.id


def test_dense_pose_wordings_vary(dense_pose):
    assert len({pose_wording(pair, pair.a) for pair in dense_pose.pairs}) >= 8
    assert len({pose_wording(pair, pair.b) for pair in dense_pose.pairs}) == 25
    assert len({pair.a for pair in dense_pose.pairs}) == 25


@pytest.mark.parametrize("name", shipped_prompts())
def test_every_shipped_set_loads_under_its_own_name(name):
    prompts = load_prompts(name)
    assert prompts.name == name
    assert len(prompts) >= 3


def test_a_run_older_than_roles_is_described_by_the_shipped_set(dense_pose):
    old = dense_pose.to_dict() | {"control_of": "something"}
    for key in ("role", "label", "caveat"):
        del old[key]
    bare = PromptSet.from_dict(old)
    assert bare == dense_pose
    assert bare.role == ""
    assert described(bare) == dense_pose
    assert described(bare).caveat == dense_pose.caveat


def test_a_set_that_is_not_the_shipped_one_describes_itself(dense_pose):
    cut = replace(dense_pose, pairs=dense_pose.pairs[:3], role="")
    for own in (cut, replace(cut, name="mine"), replace(cut, name="gone.json")):
        assert described(own) is own


# -- a set in memory ---------------------------------------------------------------------------


def test_prompts_alternate_a_and_b():
    assert PromptSet.from_pairs([(" a ", "b"), ("c", "d\n")]).prompts == ["a", "b", "c", "d"]


def test_typed_pairs_get_ids():
    assert [pair.id for pair in PromptSet.from_pairs([("a", "b"), ("c", "d")]).pairs] == ["pair-01", "pair-02"]


def test_a_set_survives_a_round_trip_through_json(dense_pose):
    assert PromptSet.from_dict(json.loads(json.dumps(dense_pose.to_dict()))) == dense_pose


@pytest.mark.parametrize(("text", "words", "pieces"), [("a T-pose, 12 men", 5, 8), ("", 0, 0), ("Café à l'été", 3, 5)])
def test_words_and_pieces(text, words, pieces):
    assert (word_count(text), piece_count(text)) == (words, pieces)


# -- files -------------------------------------------------------------------------------------


def test_json_defaults(write):
    prompts = load_prompts(write("mine.json", {"pairs": [{"a": " x ", "b": "y", "mood": "calm"}]}))
    assert (prompts.name, prompts.title, prompts.conditions, prompts.rules) == ("mine", "", ("A", "B"), ())
    assert prompts.pairs == (PromptPair("pair-01", "x", "y", {"mood": "calm"}),)


def test_json_fields(write):
    data = {
        "name": "other",
        "title": "T",
        "question": "Q?",
        "conditions": ["low", "high"],
        "rules": ["equal_words"],
        "role": "control",
        "label": "low → high",
        "caveat": "It does not say why.",
        "design": "factorial",
        "pairs": [{"id": "one", "a": "x", "b": "y"}],
    }
    assert load_prompts(write("mine.json", data)).to_dict() == data
    assert list(load_prompts(write("mine.json", data)).to_dict()) == list(data)


def test_csv_columns_become_tags_and_ids_default(write):
    prompts = load_prompts(write("mine.csv", "a,b,subject,note\nx,y,man,\nu,v,woman,late\n"))
    assert prompts.name == "mine"
    assert prompts.pairs == (
        PromptPair("pair-01", "x", "y", {"subject": "man", "note": ""}),
        PromptPair("pair-02", "u", "v", {"subject": "woman", "note": "late"}),
    )


def test_csv_takes_quoted_commas_and_quotes_and_line_breaks(write):
    prompts = load_prompts(write("mine.csv", 'id,a,b\nfirst,"a tall, thin man","a ""tall"" man"\nnext,"one\ntwo",y\n'))
    assert prompts.prompts == ["a tall, thin man", 'a "tall" man', "one\ntwo", "y"]
    assert [pair.id for pair in prompts.pairs] == ["first", "next"]


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_csv_takes_a_byte_order_mark_and_both_line_ends(write, encoding, newline):
    text = newline.join(["a,b", "José,Zoë", ""])
    assert load_prompts(write("MINE.CSV", text.encode(encoding))).prompts == ["José", "Zoë"]


def test_json_takes_a_byte_order_mark(write):
    content = json.dumps({"pairs": [{"a": "x", "b": "y"}]}).encode("utf-8-sig")
    assert load_prompts(str(write("mine.json", content))).prompts == ["x", "y"]


# -- refusals ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], 'a list "pairs"'),
        ({"name": "x"}, 'a list "pairs"'),
        ({"pairs": "ab"}, 'a list "pairs"'),
        ({"pairs": []}, "Prompt set 'mine' holds no pairs"),
        ({"pairs": ["x"]}, "Pair 1 is not an object with the texts a and b; got str"),
        ({"pairs": [{"a": "x"}]}, "Pair 1 has no text 'b'"),
        ({"pairs": [{"a": "x", "b": "y"}, {"a": 3, "b": "y"}]}, "Pair 2 has no text 'a'"),
        ({"pairs": [{"a": "x", "b": "y"}], "conditions": ["one"]}, '"conditions" must be a list of two names'),
        ({"pairs": [{"a": "x", "b": "y"}], "rules": "tags"}, '"rules" must be a list of names'),
        ({"pairs": [{"a": "x", "b": "y"}], "rules": ["rhymes"]}, "Unknown rule 'rhymes'.*equal_words, tags"),
        (
            {"pairs": [{"a": "x", "b": "y"}], "role": "villain"},
            "Unknown role 'villain' in prompt set 'mine'; known: pose, variant, near, control, lexical, nothing",
        ),
        (
            {"pairs": [{"a": "x", "b": "y"}], "design": "odd"},
            "Unknown design 'odd' in .*; known: few and many, factorial",
        ),
        ({"pairs": [{"a": "x", "b": "y"}], "caveat": ["no"]}, "'caveat' of a prompt set must be text"),
        ({"pairs": [{"a": "x", "b": "y"}], "title": 5}, "'title' of a prompt set must be text; got 5"),
        ({"pairs": [{"id": "k", "a": "x", "b": "y"}] * 2}, "Two pairs have the id 'k'"),
    ],
)
def test_unusable_json_content_is_refused(write, data, message):
    with pytest.raises(InputError, match=message):
        load_prompts(write("mine.json", data))


@pytest.mark.parametrize(
    "text",
    [
        '{"pairs": [',
        "",
        "[" * 100_000,
        "1" * 5000,
        '{"pairs": [{"a": "x", "b": "y", "w": NaN}]}',
        '{"name": "\\ud800"}',
    ],
    ids=["cut", "empty", "deep", "long number", "NaN", "surrogate"],
)
def test_bad_json_is_refused(write, text):
    with pytest.raises(InputError, match=r"mine\.json is not valid JSON.*; mend it or save the pairs as CSV"):
        load_prompts(write("mine.json", text))


def test_bad_json_names_the_line(write):
    with pytest.raises(InputError, match=r"not valid JSON \(line 2: "):
        load_prompts(write("mine.json", '{"pairs":\n oops}'))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "a,text\nx,y\n",
            "needs the columns 'a' and 'b' in its first row, separated by , ; tab or |; it has 'a', 'text'",
        ),
        ("", "needs the columns 'a' and 'b' in its first row, .*; it has none"),
        ("a,b\n", "holds no pairs"),
        (
            "a,b\nx,y\na tall, thin man,y\n",
            r"Row 3 of mine\.csv has text in column 3, and the first row has only 2 columns",
        ),
        ("a,b\nx\n", r"Prompt b of pair 'pair-01' \(row 2 of mine\.csv, column b\) is empty"),
        ("a,b\n" + "x" * 200_000 + ",y\n", "not readable as CSV"),
        ("a,b" + "x" * 200_000 + "\n", "not readable as CSV"),
        ("a,b\nu,v\n\n,y\n", r"Prompt a of pair 'pair-02' \(row 4 of mine\.csv, column a\) is empty"),
    ],
)
def test_bad_csv_is_refused(write, text, message):
    with pytest.raises(InputError, match=message):
        load_prompts(write("mine.csv", text))


@pytest.mark.parametrize("name", ["mine.json", "mine.csv"])
def test_other_encodings_are_refused(write, name):
    with pytest.raises(InputError, match=rf"Line 2 of {re.escape(name)} is not UTF-8 text\. .*as “CSV UTF-8”"):
        load_prompts(write(name, "a,b\nJosé,Zoë\n".encode("latin-1")))


def test_unknown_name_lists_the_shipped_ones():
    with pytest.raises(InputError, match=r"No prompt set called 'dense_poses'; shipped sets: .*dense_pose"):
        load_prompts("dense_poses")


@pytest.mark.parametrize("name", ["gone.json", "gone.csv"])
def test_missing_file_is_named(tmp_path, name):
    with pytest.raises(InputError, match=f"Cannot read the prompt file .*{re.escape(name)}.*No such file"):
        load_prompts(tmp_path / name)


def test_huge_file_is_refused_unread(write):
    with pytest.raises(InputError, match=r"mine\.csv is larger than 10 MB"):
        load_prompts(write("mine.csv", b"x" * (MAX_FILE_BYTES + 1)))


def test_a_pipe_a_device_or_a_folder_is_not_read(tmp_path):
    """A pipe would be waited for, and a device read until the memory is full."""
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "device.csv").symlink_to("/dev/zero")
    (tmp_path / "folder.csv").mkdir()
    for name in ("pipe.csv", "device.csv", "folder.csv"):
        with pytest.raises(InputError, match=rf"{name} is not an ordinary file; give the path"):
            load_prompts(tmp_path / name)


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        ("", "y", "Prompt a of pair 'k' is empty"),
        ("x", "", "Prompt b of pair 'k' is empty"),
        ("same", "same", "two prompts of pair 'k' are the same"),
        ("a man", "a\u200b man", "two prompts of pair 'k' look the same"),
        ("\u200b\u00ad", "y", "Prompt a of pair 'k' is empty"),
        ("word " * 10_000, "y", "Prompt a of pair 'k' has 10,000 words; a pipeline reads at most 512 tokens"),
        ("x", "y-" * 600 + "y", "Prompt b of pair 'k' has 601 words"),
        ("x\x00", "y", "Prompt a of pair 'k' holds a control character"),
        ("x", "y\x1b[31m", "Prompt b of pair 'k' holds a control character"),
        ("x", "y\x7f", "Prompt b of pair 'k' holds a control character"),
        ("x\ud800", "y", "Prompt a of pair 'k' holds a control character"),
    ],
)
def test_unusable_prompt_names_its_pair(a, b, message):
    with pytest.raises(InputError, match=message):
        PromptSet("mine", (PromptPair("k", a, b),))


def test_512_words_and_line_breaks_are_allowed():
    assert len(PromptSet.from_pairs([("word " * 512, "one\n\ttwo")])) == 1


@pytest.mark.parametrize("pair_id", ["=cmd()", "../x", "a b", "", "-x", "@x", "+1", "x" * 65, "x\n", "é", "a/b", "a,b"])
def test_ids_that_are_not_plain_are_refused(pair_id):
    with pytest.raises(InputError, match="is not usable; use up to 64 letters, digits, dots, dashes and underscores"):
        PromptSet("mine", (PromptPair(pair_id, "x", "y"),))


@pytest.mark.parametrize("pair_id", ["fisherman", "pair-01", "a.b_c", "7", "x" * 64])
def test_plain_ids_are_allowed(pair_id):
    assert PromptSet("mine", (PromptPair(pair_id, "x", "y"),)).pairs[0].id == pair_id


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        ("a tall man", "a man", "Pair 'bad' breaks the rule equal_words: 3 words in a, 2 in b"),
        (
            "a man, tall",
            "a tall man",
            r"Pair 'bad' breaks the rule equal_words: 4 pieces \(words, digits, marks\) in a, 3",
        ),
        ("a T-pose man", "a man leaps high", r"Pair 'bad' breaks the rule equal_words: 5 pieces"),
        ("a T-pose man", "a man leaps", "Pair 'bad' breaks the rule equal_words: 4 words in a, 3 in b"),
    ],
)
def test_broken_equal_words_names_the_pair(a, b, message):
    pairs = (PromptPair("good", "one two", "three four"), PromptPair("bad", a, b))
    assert len(PromptSet("mine", pairs)) == 2
    with pytest.raises(InputError, match=message):
        PromptSet("mine", pairs, rules=("equal_words",))


@pytest.mark.parametrize("empty", [None, "", []])
@pytest.mark.parametrize("tag", REQUIRED_TAGS)
def test_broken_tags_names_the_pair_and_the_tag(tag, empty):
    good, bad = PromptPair("good", "x", "y", TAGS), PromptPair("bad", "x", "y", TAGS | {tag: empty})
    assert len(PromptSet("mine", (good,), rules=("tags",))) == 1
    with pytest.raises(InputError, match=f"Pair 'bad' breaks the rule tags: it lacks {tag}"):
        PromptSet("mine", (good, bad), rules=("tags",))


def test_all_missing_tags_are_named():
    with pytest.raises(InputError, match="lacks " + ", ".join(REQUIRED_TAGS)):
        PromptSet("mine", (PromptPair("bad", "x", "y"),), rules=("tags",))


@pytest.mark.parametrize("name", ["block", "part", "index"])
def test_an_id_that_is_a_column_of_exported_tables_is_refused(name):
    with pytest.raises(InputError, match="is a column name"):
        PromptSet("set", (PromptPair(name, "a cat", "a dog"),))


# -- what would cost too much ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a,b\n" + "x" * 50_000 + ",y\n", "has 50,000 characters; at most 20,000 are read"),
        ("a,b\n" + "x,y\n" * 20_001, "holds more than 20,000 pairs"),
        ("a,b\n" + "\n" * 1_100_000, "or 1,048,576 rows"),
        ("a,b\n" + "x" * 1_000_001, "a line of more than 1,000,000 characters"),
        (",".join(["a", "b", *(f"c{i}" for i in range(17_000))]) + "\nx,y" + "," * 17_000 + "\n", "has 17,002 columns"),
        ("a,b," + ",".join(f"c{i}" for i in range(150)) + "\n" + "x\n" * 20_000, "would make it 840 times as large"),
        ("a,b," + "c" * 100_000 + "\n" + "x,y,\n" * 1000, "would make it 953 times as large"),
        (
            "a,b,c\n" + "".join(f"x,y{i}," + "z" * 7000 + "\n" for i in range(1000)),
            "more than 6,000,000 bytes, tags and their names",
        ),
    ],
    ids=["letters", "pairs", "empty rows", "line", "columns", "short rows", "names of columns", "tags"],
)
def test_a_small_file_that_would_cost_much_is_refused(text, sentence):
    with pytest.raises(InputError, match=sentence):
        parse_csv(text, "large")


def test_a_refusal_quotes_a_long_header_shortened():
    for header in ("c" * 1_000_000, "," * 1_000_000, "a,b," + ",".join(["d" * 100_000] * 2)):
        with pytest.raises(InputError) as refused:
            parse_csv(header + "\n", "large")
        assert len(str(refused.value)) < 400


def nested(depth, item):
    for _ in range(depth):
        item = [item]
    return item


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"rules": ["equal_words"] * 1000}, "names a rule twice"),
        ({"pairs": [{"a": "x", "b": "y", "tag": nested(300, 1)}]}, "a list in a list, more than 4 deep"),
        ({"pairs": [{"a": "x", "b": "y", "tag": {"k": nested(4, 1)}}]}, "a list in a list, more than 4 deep"),
        ({"title": "t" * 6_000_001}, "more than 6,000,000 bytes"),
        ({"pairs": [{"a": "x", "b": "y", "tag": ["\U0001f34c"] * 400_000}]}, "more than 6,000,000 bytes"),
    ],
    ids=["rules", "lists", "lists in an object", "title", "items"],
)
def test_a_small_set_that_would_cost_much_is_refused(more, sentence):
    with pytest.raises(InputError, match=sentence):
        PromptSet.from_dict({"pairs": [{"a": "x", "b": "y"}], **more})


def test_a_set_counts_as_it_is_written():
    """A letter of any script as the bytes that it takes, not as its escape."""
    a, b = "一只猫站在公园里的长椅旁边" * 10, "一只猫坐在公园里的长椅旁边" * 10
    assert len(PromptSet.from_pairs([(a, b + str(i)) for i in range(7000)])) == 7000
    with pytest.raises(InputError, match="more than 6,000,000 bytes"):
        PromptSet.from_pairs([(a, b + str(i)) for i in range(8000)])
    with pytest.raises(InputError, match="must be plain JSON values"):
        PromptSet("made", (PromptPair("p", "x", "y", {"t": {"k": {(1,): 1}}}),))


def test_a_large_table_without_long_names_is_told_its_size():
    names = ",".join(f"column{i:02d}" for i in range(20))
    with pytest.raises(InputError, match=r"more than 6,000,000 bytes with the names of 22 columns at each of 20,000"):
        parse_csv(f"a,b,{names}\n" + (f"x,y,{'word,' * 19}word\n") * 20_000, "wide")


def test_tags_of_a_few_lists_are_kept():
    pairs = [{"a": "x", "b": "y", "tag": {"k": nested(3, 1)}}]
    assert PromptSet.from_dict({"pairs": pairs}).pairs[0].tags == {"tag": {"k": nested(3, 1)}}
