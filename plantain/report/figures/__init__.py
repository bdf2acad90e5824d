"""Figures, each named after the question it answers; ``panels`` has what they share."""
