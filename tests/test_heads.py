"""Head maps: Klein 4B's counts, the table's columns, and grouping against slow loops."""

import numpy as np
import pytest
from made_runs import KLEIN, head_map

from plantain.data.heads import HeadMap
from plantain.errors import InputError

COLUMNS = ["block", "block_index", "kind", "part", "index", "first_channel", "n_channels", "first_run"]


@pytest.fixture(scope="module")
def klein_map(klein):
    return HeadMap.from_transformer(klein)


def odd_map(channels_per_head=16):
    return head_map(3, 7, 5, 48, 720, channels_per_head=channels_per_head)


def slow_heads(head_map, mean_square, grouping, part):
    """Each head from its channels, one at a time: runs are spread over channels and averaged again."""
    per_channel = np.repeat(mean_square, head_map.channels_per_head)
    attention = head_map.n_attention_heads * head_map.head_width
    heads, start = [], 0
    for block in range(head_map.n_joint + head_map.n_single):
        width = attention if block < head_map.n_joint else attention + head_map.mlp_width
        step = head_map.head_width if grouping == "head" else head_map.channels_per_head
        for first in range(0, width, step):
            is_attention = first < attention
            if (grouping == "head" or part == "attention") and not is_attention:
                continue
            if part == "mlp" and is_attention:
                continue
            heads.append(per_channel[start + first : start + first + step].mean())
        start += width
    assert start == len(per_channel)
    return np.array(heads)


# -- Klein 4B ----------------------------------------------------------------------------------


def test_klein_sizes_are_read_off_the_model(klein_map):
    assert klein_map == KLEIN


def test_klein_map_matches_the_projections_it_describes(klein, klein_map):
    channels = [b.attn.to_out[0].in_features for b in klein.transformer_blocks]
    channels += [b.attn.to_out.in_features for b in klein.single_transformer_blocks]
    runs = [klein_map.runs_of(block) for block in range(25)]
    assert [(r.stop - r.start) * 16 for r in runs] == channels


def test_klein_card_heads_by_block(klein_map):
    table = klein_map.table()
    sizes = {name: int((table["block"] == name).sum()) for name in klein_map.block_names}
    assert sizes == {f"joint[{i}]": 192 for i in range(5)} | {f"single[{i}]": 768 for i in range(20)}


@pytest.mark.parametrize(
    ("grouping", "part", "n_heads"),
    [
        ("card", "all", 16320),
        ("card", "attention", 4800),
        ("card", "mlp", 11520),
        ("head", "all", 600),
        ("head", "attention", 600),
    ],
)
def test_klein_heads_in_all(klein_map, grouping, part, n_heads):
    assert klein_map.n_heads(grouping, part) == n_heads
    assert klein_map.group(np.zeros((2, 16320)), grouping, part).shape == (2, n_heads)


def test_klein_attention_heads_by_block(klein_map):
    blocks, sizes = np.unique(klein_map.table("head")["block_index"], return_counts=True)
    assert blocks.tolist() == list(range(25))
    assert set(sizes) == {24}


def test_klein_runs(klein_map):
    assert klein_map.n_runs == 16320
    assert klein_map.n_joint_runs == 960
    assert (klein_map.attention_runs, klein_map.mlp_runs) == (192, 576)


# -- the table ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("grouping", "part"), [("card", "all"), ("card", "attention"), ("card", "mlp"), ("head", "all")]
)
def test_table_columns_are_equally_long_and_name_every_head_once(klein_map, grouping, part):
    table = klein_map.table(grouping, part)
    assert list(table) == COLUMNS
    assert {len(column) for column in table.values()} == {klein_map.n_heads(grouping, part)}
    names = set(zip(table["block"], table["part"], table["index"], strict=True))
    assert len(names) == klein_map.n_heads(grouping, part)


def test_table_rows_by_hand():
    def row(table, index):
        return tuple(table[column][index].item() for column in COLUMNS)

    card, head = odd_map().table(), odd_map().table("head")
    mlp = odd_map().table("card", "mlp")
    # 15 attention runs a block, 45 MLP runs more in a single block
    assert row(card, 0) == ("joint[0]", 0, "joint", "attention", 0, 0, 16, 0)
    assert row(card, 44) == ("joint[2]", 2, "joint", "attention", 14, 224, 16, 44)
    assert row(card, 45) == ("single[0]", 3, "single", "attention", 0, 0, 16, 45)
    assert row(card, 60) == ("single[0]", 3, "single", "mlp", 0, 240, 16, 60)
    assert row(card, -1) == ("single[6]", 9, "single", "mlp", 44, 944, 16, 464)
    assert row(mlp, 45) == ("single[1]", 4, "single", "mlp", 0, 240, 16, 120)
    assert row(head, 6) == ("joint[1]", 1, "joint", "attention", 1, 48, 48, 18)
    assert row(head, 16) == ("single[0]", 3, "single", "attention", 1, 48, 48, 48)


def test_table_cannot_be_changed_behind_others():
    table = odd_map().table()
    with pytest.raises(ValueError, match="read-only"):
        table["index"][0] = 5
    table["block"] = None
    assert odd_map().table()["block"][0] == "joint[0]"


# -- grouping ----------------------------------------------------------------------------------


@pytest.mark.parametrize("channels_per_head", [1, 8, 16, 24, 48])
@pytest.mark.parametrize(
    ("grouping", "part"),
    [("card", "all"), ("card", "attention"), ("card", "mlp"), ("head", "all"), ("head", "attention")],
)
def test_group_is_the_slow_loop(channels_per_head, grouping, part):
    head_map = odd_map(channels_per_head)
    mean_square = np.random.default_rng(0).uniform(0, 5, (2, 3, head_map.n_runs))
    grouped = head_map.group(mean_square, grouping, part)
    for index in np.ndindex(2, 3):
        np.testing.assert_allclose(grouped[index], slow_heads(head_map, mean_square[index], grouping, part), rtol=1e-12)


def test_attention_heads_do_not_depend_on_how_runs_were_cut():
    per_channel = np.random.default_rng(1).uniform(0, 5, odd_map(1).n_runs)
    by_run = [odd_map(c).group(per_channel.reshape(-1, c).mean(axis=1), "head") for c in (16, 24, 48)]
    np.testing.assert_allclose(by_run[0], by_run[1], rtol=1e-12)
    np.testing.assert_allclose(by_run[0], by_run[2], rtol=1e-12)


def test_group_leaves_its_input_alone():
    mean_square = np.arange(465.0)
    before = mean_square.copy()
    odd_map().group(mean_square, "head")
    np.testing.assert_array_equal(mean_square, before)


# -- refusals ----------------------------------------------------------------------------------


@pytest.mark.parametrize("channels_per_head", [32, 7, 96, 720])
def test_wrong_channels_per_head_names_all_three_numbers(channels_per_head):
    message = (
        rf"channels_per_head={channels_per_head} must divide .*\(48\).*\(720\).*1, 2, 3, 4, 6, 8, 12, 16, 24, 48 do"
    )
    with pytest.raises(InputError, match=message):
        odd_map(channels_per_head)


def test_channels_per_head_must_divide_the_mlp_too():
    with pytest.raises(InputError, match=r"channels_per_head=16 must divide .*\(48\).*\(712\)"):
        HeadMap(1, 1, 2, 48, 712, 16)


def test_wrong_channels_per_head_of_klein(klein):
    with pytest.raises(InputError, match=r"channels_per_head=100 .*\(128\).*\(9216\)"):
        HeadMap.from_transformer(klein, channels_per_head=100)


@pytest.mark.parametrize("value", [-1, 1.0, True, "5", None])
@pytest.mark.parametrize("field", ["n_joint", "n_single", "n_attention_heads", "head_width", "mlp_width"])
def test_sizes_must_be_whole_numbers(field, value):
    with pytest.raises(InputError, match=f"{field} of a head map must be a whole number; got {value!r}"):
        HeadMap(**(odd_map().to_dict() | {field: value}))


@pytest.mark.parametrize(
    "sizes",
    [
        {"n_attention_heads": 5_000_000},
        {"n_attention_heads": 0, "mlp_width": 0, "n_single": 3_000_000},
        {"head_width": 0, "n_attention_heads": 10**9},
        {"mlp_width": 16 * 10**9},
    ],
    ids=str,
)
def test_a_map_of_no_model_is_refused_at_once(sizes):
    with pytest.raises(InputError, match="is that of no model; at most 2,000,000 are counted"):
        HeadMap(
            **({"n_joint": 5, "n_single": 20, "n_attention_heads": 24, "head_width": 128, "mlp_width": 9216} | sizes)
        )


def test_zero_channels_per_head_is_refused():
    with pytest.raises(InputError, match="channels_per_head=0 must divide"):
        odd_map(0)


@pytest.mark.parametrize("call", ["table", "n_heads"])
def test_mlp_has_no_attention_heads(call):
    with pytest.raises(InputError, match="MLP channels belong to no attention head: use grouping='card'"):
        getattr(odd_map(), call)("head", "mlp")


def test_mlp_has_no_attention_heads_to_group():
    with pytest.raises(InputError, match="MLP channels belong to no attention head"):
        odd_map().group(np.zeros(465), "head", "mlp")


@pytest.mark.parametrize(
    ("grouping", "part", "message"),
    [
        ("cards", "all", "grouping must be one of card, head; got 'cards'"),
        ("card", "text", "part must be one of all, attention, mlp; got 'text'"),
    ],
)
def test_unknown_view_is_refused(grouping, part, message):
    with pytest.raises(InputError, match=message):
        odd_map().table(grouping, part)


def test_model_without_single_blocks_has_no_mlp():
    head_map = HeadMap(2, 0, 3, 32, 0)
    assert head_map.n_heads("card") == head_map.n_heads("card", "attention") == 12
    with pytest.raises(InputError, match="no heads of part='mlp'"):
        head_map.table("card", "mlp")
