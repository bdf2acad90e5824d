"""Ridge from sums, against scikit-learn on the rows themselves."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from plantain.errors import InputError
from plantain.stats.ridge import ALPHAS, Sums, fit, left_out_r2

EXACT = 1e-8
N, C, K, GROUPS = 60, 5, 3, 4


@pytest.fixture
def rows():
    rng = np.random.default_rng(0)
    x = rng.normal(np.array([0, 5, 0, -2, 1]), [1, 10, 0.1, 3, 1], size=(2, N, C))
    y = x[0] @ rng.normal(size=(C, K)) + rng.normal(size=(N, K))
    return x, y, rng.integers(GROUPS, size=N)


def sums_of(x, y, groups):
    sums = Sums.empty(GROUPS, len(x), x.shape[2], y.shape[1])
    for group in range(GROUPS):
        sums.count(group, y[groups == group])
        sums.add(group, x[:, groups == group], y[groups == group])
    return sums


@pytest.mark.parametrize("alpha", ALPHAS)
def test_weights_are_those_of_scikit_learn(rows, alpha):
    x, y, groups = rows
    decoder = fit(sums_of(x, y, groups), np.ones(GROUPS, bool), alphas=[alpha])
    for head in range(2):
        peer = make_pipeline(StandardScaler(), Ridge(alpha * N)).fit(x[head], y)
        np.testing.assert_allclose(
            x[head] @ decoder.weights[head] + decoder.offset[head], peer.predict(x[head]), atol=EXACT
        )


@pytest.mark.parametrize("alpha", ALPHAS)
def test_with_one_scale_weights_are_those_of_scikit_learn_on_features_divided_by_it(rows, alpha):
    x, y, groups = rows
    decoder = fit(sums_of(x, y, groups), np.ones(GROUPS, bool), alphas=[alpha], together=True)
    for head in range(2):
        common = np.sqrt(x[head].var(axis=0).mean())
        peer = Ridge(alpha * N).fit(x[head] / common, y)
        np.testing.assert_allclose(
            x[head] @ decoder.weights[head] + decoder.offset[head], peer.predict(x[head] / common), atol=EXACT
        )


def test_with_one_scale_turning_the_features_changes_nothing(rows):
    x, y, groups = rows
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(C, C)))[0]
    train = np.arange(GROUPS) != 1
    for together in (True, False):
        straight, turned = (fit(sums_of(z, y, groups), train, together=together) for z in (x, x @ turn))
        predicted = [z @ d.weights + d.offset[:, None] for z, d in ((x, straight), (x @ turn, turned))]
        r2 = [left_out_r2(z, y, groups, together) for z in (x, x @ turn)]
        assert np.allclose(*predicted, atol=EXACT) == together
        assert np.allclose(*r2, atol=EXACT) == together


def test_the_penalty_is_chosen_inside_the_training_groups_as_a_grid_search_does(rows):
    x, y, groups = rows
    train = np.arange(GROUPS) != 1
    decoder = fit(sums_of(x, y, groups), train)
    inside = groups != 1
    for head in range(2):
        errors = []
        for alpha in ALPHAS:
            total = 0.0
            for held in np.unique(groups[inside]):
                seen = inside & (groups != held)
                peer = make_pipeline(StandardScaler(), Ridge(alpha * seen.sum())).fit(x[head][seen], y[seen])
                rest = inside & (groups == held)
                total += ((peer.predict(x[head][rest]) - y[rest]) ** 2).sum()
            errors.append(total)
        assert decoder.alpha[head] == ALPHAS[int(np.argmin(errors))]


def test_some_targets_and_some_decoders_alone(rows):
    x, y, groups = rows
    sums = Sums.empty(GROUPS, 2, C, K)
    for group in range(GROUPS):
        some = groups == group
        sums.count(group, y[some])
        for head in range(2):
            sums.add(group, x[head : head + 1, some], y[some], slice(head, head + 1))
    every, one = (
        fit(sums_of(x, y, groups), np.ones(GROUPS, bool), alphas=[1.0]),
        fit(sums, np.ones(GROUPS, bool), slice(1, 2), [1.0]),
    )
    np.testing.assert_allclose(one.weights, every.weights[..., 1:2], atol=EXACT)


def test_a_feature_that_does_not_vary_has_no_weight(rows):
    x, y, groups = rows
    x[:, :, 2] = 4.0
    decoder = fit(sums_of(x, y, groups), np.ones(GROUPS, bool))
    assert (decoder.weights[:, 2] == 0).all()
    assert np.isfinite(decoder.weights).all()


def test_left_out_r2_is_that_of_grouped_folds(rows):
    x, y, groups = rows
    peer = make_pipeline(StandardScaler(), Ridge())
    found = left_out_r2(x, y, groups)
    for head in range(2):
        left = total = 0.0
        for fold in range(GROUPS):
            train, test = groups != fold, groups == fold
            decoder = fit(sums_of(x, y, groups), np.arange(GROUPS) != fold)
            peer.set_params(ridge__alpha=decoder.alpha[head] * train.sum()).fit(x[head][train], y[train])
            left += ((peer.predict(x[head][test]) - y[test]) ** 2).sum()
            total += ((y[train].mean(axis=0) - y[test]) ** 2).sum()
        assert found[head] == pytest.approx(1 - left / total, abs=EXACT)


def test_noise_is_not_predicted_and_the_thing_itself_is():
    rng = np.random.default_rng(3)
    y, folds = rng.normal(size=(50, 2)), np.arange(50) % 5
    x = np.stack([rng.normal(size=(50, 4)), np.concatenate([y, rng.normal(size=(50, 2))], axis=1)])
    noise, thing = left_out_r2(x, y, folds)
    assert noise < 0.1
    assert thing > 0.95


def test_nothing_to_train_on_is_a_sentence(rows):
    x, y, groups = rows
    with pytest.raises(InputError, match="rows to be fitted on"):
        fit(Sums.empty(GROUPS, 1, C, K), np.ones(GROUPS, bool))
    with pytest.raises(InputError, match="at least 3 folds"):
        left_out_r2(x, y, groups % 2)
