"""Matches of maps, and scores of decoders, against SciPy and by hand."""

import numpy as np
import pytest
from scipy.stats import pearsonr

from plantain.errors import InputError
from plantain.stats.decode import centred_r, outline_features, own_minus_others, rivals_of
from plantain.stats.match import own_and_others, unit_maps

EXACT = 1e-8


@pytest.fixture
def maps():
    return np.random.default_rng(0).random((6, 40))


def test_products_of_unit_maps_are_pearsons_r(maps):
    r = unit_maps(maps[:3]) @ unit_maps(maps[3:]).T
    expected = [[pearsonr(a, b)[0] for b in maps[3:]] for a in maps[:3]]
    np.testing.assert_allclose(r, expected, atol=EXACT)


@pytest.mark.parametrize("value", [0.0, 0.1, 1e6])
def test_a_constant_map_matches_nothing(value):
    assert (unit_maps(np.full(7, value)) == 0).all()


def test_own_and_others_by_hand(maps):
    r = np.random.default_rng(1).random((2, 5, 5))
    usable = np.array([True, True, False, True, True])
    own, others = own_and_others(r, usable)
    for p in range(5):
        rest = [q for q in range(5) if q != p and usable[q]]
        expected = (r[:, p, rest].mean(axis=1) + r[:, rest, p].mean(axis=1)) / 2 if usable[p] else 0.0
        np.testing.assert_allclose(others[:, p], expected, atol=EXACT)
        np.testing.assert_allclose(own[:, p], r[:, p, p] if usable[p] else 0.0)
    with pytest.raises(InputError, match="at least 2 usable pairs"):
        own_and_others(r, np.arange(5) == 0)


def test_scores_of_decoders_by_hand():
    rng = np.random.default_rng(2)
    truth, tokens = rng.random((4, 30, 3)), rng.random((4, 30)) > 0.4
    predicted = rng.random((2, 30, 3))
    others = np.array([True, True, True, False])
    expected = []
    for q in (0, 2):
        both = tokens[1] & tokens[q]

        def r(head, picture, both=both):
            p, t = predicted[head][both], truth[picture][both]
            return pearsonr((p - p.mean(axis=0)).ravel(), (t - t.mean(axis=0)).ravel())[0]

        expected.append([r(head, 1) - r(head, q) for head in range(2)])
    found = own_minus_others(predicted, rivals_of(1, truth, tokens, others))
    np.testing.assert_allclose(found, np.mean(expected, axis=0), atol=EXACT)
    np.testing.assert_allclose(
        centred_r(predicted, truth[0])[0],
        pearsonr((predicted[0] - predicted[0].mean(0)).ravel(), (truth[0] - truth[0].mean(0)).ravel())[0],
        atol=EXACT,
    )


def test_pictures_that_share_too_few_tokens_are_no_rivals():
    tokens = np.zeros((3, 10), bool)
    tokens[0, :5] = tokens[1, 5:] = tokens[2, 3:5] = True
    assert np.isnan(
        own_minus_others(np.ones((2, 10, 1)), rivals_of(0, np.ones((3, 10, 1)), tokens, np.ones(3, bool)))
    ).all()


def test_outline_features_hold_neighbours_and_place():
    body = np.arange(12.0).reshape(1, 3, 4)
    features = outline_features(body)[0].reshape(3, 4, -1)
    assert features.shape[-1] == 77
    np.testing.assert_array_equal(features[1, 1, :9], [0, 1, 2, 4, 5, 6, 8, 9, 10])
    np.testing.assert_array_equal(features[0, 0, :9], [0, 0, 0, 0, 0, 1, 0, 4, 5])
    assert tuple(features[2, 3, 9:11]) == (1, 1)
    assert features[1, 1, 11] == 0  # the first neighbour's square
