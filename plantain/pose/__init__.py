"""A body in numbers, for any model: skeletons, poses, how far one is from another."""
