"""Statistics over prompt pairs: NumPy arrays in, NumPy arrays out, no torch.

Throughout, ``d`` has shape (n_pairs, n_heads) and holds the differences B - A of one quantity.
The pair is the sampling unit. Letters in shape comments: P pairs, H heads, F flips, S splits.

Two kinds of head have no variance over pairs, and neither is dropped: all differences zero
(*silent*: t = d_z = 0), and all differences equal but not zero (t = d_z = ±inf).
"""

from plantain.stats.among import (
    Among,
    MeanInterval,
    PartialSpearman,
    area_between,
    mean_interval,
    partial_spearman,
    place_among,
)
from plantain.stats.axis import AxisAlignment, AxisTransfer, HeldOutShare, axis_alignment, axis_transfer, held_out_share
from plantain.stats.count import THRESHOLDS, HeadCount, count_heads
from plantain.stats.discoveries import exact_p, fdr, t_pvalues
from plantain.stats.effect import CrossFittedShare, HedgesG, cross_fitted_share, hedges_g, mean_squared_effect
from plantain.stats.factorial import TwoByTwo, TwoWay, canonical_effect, two_way
from plantain.stats.flips import sign_flip_null
from plantain.stats.length import LengthAdjusted, length_adjusted
from plantain.stats.matched import MatchedSets, matched_sets
from plantain.stats.null import ResampledNull, SignFlipNull
from plantain.stats.paired import MIN_PAIRS, check_differences, cohens_dz, expected_counts, paired_t, pearson
from plantain.stats.reliability import (
    MinFPrime,
    SplitHalfNull,
    min_f_prime,
    rank_stability,
    spearman_brown,
    split_half,
    split_half_null,
)
from plantain.stats.ridge import left_out_r2
from plantain.stats.selective import (
    Placement,
    Selectivity,
    SelectivityNull,
    placed_among,
    selectivity,
    selectivity_null,
)
from plantain.stats.slope import MODELS, DoseResponse, dose_response
from plantain.stats.upper import UpperCount, count_upper

__all__ = [
    "MIN_PAIRS",
    "MODELS",
    "THRESHOLDS",
    "Among",
    "AxisAlignment",
    "AxisTransfer",
    "CrossFittedShare",
    "DoseResponse",
    "HeadCount",
    "HedgesG",
    "HeldOutShare",
    "LengthAdjusted",
    "MatchedSets",
    "MeanInterval",
    "MinFPrime",
    "PartialSpearman",
    "Placement",
    "ResampledNull",
    "Selectivity",
    "SelectivityNull",
    "SignFlipNull",
    "SplitHalfNull",
    "TwoByTwo",
    "TwoWay",
    "UpperCount",
    "area_between",
    "axis_alignment",
    "axis_transfer",
    "canonical_effect",
    "check_differences",
    "cohens_dz",
    "count_heads",
    "count_upper",
    "cross_fitted_share",
    "dose_response",
    "exact_p",
    "expected_counts",
    "fdr",
    "hedges_g",
    "held_out_share",
    "left_out_r2",
    "length_adjusted",
    "matched_sets",
    "mean_interval",
    "mean_squared_effect",
    "min_f_prime",
    "paired_t",
    "partial_spearman",
    "pearson",
    "place_among",
    "placed_among",
    "rank_stability",
    "selectivity",
    "selectivity_null",
    "sign_flip_null",
    "spearman_brown",
    "split_half",
    "split_half_null",
    "t_pvalues",
    "two_way",
]
