"""How far two computations of one thing may lie apart, whatever the processor.

Equal to the bit is what the same code gives for the same input at the same place of a batch of the same shape: with a
hook added and removed, in a resumed run, in parts that are joined. Everything else may take another kernel, split a
product otherwise, or add in another order, and is compared within a tolerance from here or one that says its reason.
"""

# Relative, of mean squares: other rows of a batch, another batch size or another path through the same blocks. Float32
# rounding that grows through 10 to 25 blocks; 3e-6 at most has been seen.
BATCH_ROUNDING = 1e-4
# Of the largest value of a text's features: the same through the text encoder, whose layers are fewer.
FEATURE_ROUNDING = 1e-5
# In levels of 0 to 255, of pictures: the same rounding, where a value lies half-way between two levels.
LEVELS = 1


def same_features(encoded, expected) -> bool:
    """Whether text features that were encoded in other company are the same."""
    far = (encoded - expected).abs().max()
    return encoded.shape == expected.shape and bool(far <= FEATURE_ROUNDING * expected.abs().max())


def sum_rounding(n: int) -> float:
    """Return the relative error of a float32 sum of n values of one sign at most, in whatever order they are added.

    Each addition rounds by 2**-24 (Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., section 4.2).
    """
    return n * 2.0**-24
