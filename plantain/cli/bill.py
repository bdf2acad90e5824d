"""What a run on a rented machine takes and costs, on stderr."""

import math
import sys
import time
from typing import Any

from tqdm import tqdm

from plantain.data.settings import ProbeConfig
from plantain.errors import InputError
from plantain.wording import cost, duration


class Bill:
    """Time and cost on a rented machine, on stderr; says nothing where no price is given."""

    def __init__(self, price_per_hour: float | None) -> None:
        if price_per_hour is not None and not (math.isfinite(price_per_hour) and price_per_hour > 0):
            raise InputError(f"The price of an hour must be a number above 0; got {price_per_hour}.")
        self._price = price_per_hour
        self._started = time.monotonic()
        self._loaded_in = 0.0
        self._expected: Any = None

    def expect(self, pipe: Any, n_pairs: int, config: ProbeConfig) -> None:
        """Once the model is loaded: what the probe is expected to take."""
        if self._price is None:
            return
        from plantain.probe.estimate import before  # torch

        self._loaded_in = time.monotonic() - self._started
        self._expected = before(pipe, n_pairs, config)
        self._say("Expected", self._expected.seconds)

    def correct(self, done: int) -> None:
        """After the first batch of this session: what it says of the rest."""
        if self._expected is None or self._expected.measured:
            return
        seconds = time.monotonic() - self._started - self._loaded_in
        self._expected = self._expected.after(done, seconds)
        self._say(f"By the first {done} of {self._expected.n_pairs} pairs", self._expected.seconds)

    def settle(self) -> None:
        """At the end: what it took."""
        if self._price is not None:
            self._say("Measured", time.monotonic() - self._started - self._loaded_in)

    def _say(self, what: str, seconds: float) -> None:
        assert self._price is not None
        line = (
            f"{what}: {duration(seconds)} for the probe, {duration(self._loaded_in)} for loading; together "
            f"{cost(seconds + self._loaded_in, self._price)} at {self._price:g} an hour."
        )
        tqdm.write(line, file=sys.stderr)  # above a bar, where there is one
