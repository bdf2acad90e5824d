"""What is found of a typed pair: kept for whoever asks for the same again, and as files."""

from __future__ import annotations

import io
import threading
from collections import OrderedDict
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from PIL.Image import Image

from plantain.data.result import ProbeResult
from plantain.data.webp import decode
from plantain.questions.typed_pair import PLACEHOLDER, PairReading, read_pair
from plantain.questions.typed_shift import TypedShift, typed_shift
from plantain.report import figures
from plantain.report.export import Files, figure_files, squares_csv, table_files
from plantain.report.files import answer_csv, to_csv
from plantain.report.picture import WIDE, Picture
from plantain.ui import catalog
from plantain.ui.pair_where import DIFFER, PairMaps

_MOST = 32  # answers kept; of Klein one is 2 MB


@dataclass(frozen=True)
class Typed:
    """What was asked: with a model's weights, all that the numbers follow from."""

    a: str
    b: str
    n_seeds: int
    seed: int

    @classmethod
    def of(cls, a: str, b: str, n_seeds: int, seed: int) -> Typed:
        """The same for all texts that run alike: over subjects there is one noise seed, whatever the field says.

        >>> Typed.of("a cat ", "a dog", 8, 0)
        Typed(a='a cat', b='a dog', n_seeds=8, seed=0)
        """
        return cls(a.strip(), b.strip(), 1 if PLACEHOLDER in a else n_seeds, seed)


@dataclass(frozen=True, eq=False)
class PairAnswer:
    """A probed pair, and where the model draws in seconds its two pictures and every head's shift over them."""

    result: ProbeResult
    tokens: np.ndarray  # real ones of each prompt, (n_pairs, 2)
    images: tuple[Image, ...] = ()
    maps: PairMaps | None = None
    failed: str = ""  # why there are no maps

    @cached_property
    def reading(self) -> PairReading:
        """t, beside the cached runs of the same weights."""
        return read_pair(self.result, self.tokens, catalog.reference_for(self.result), catalog.control_for(self.result))

    @cached_property
    def shift(self) -> TypedShift | None:
        """The shift by block, on one scale with pose pairs; None where those were not run."""
        reworded = catalog.control_for(self.result, "paraphrase")
        return typed_shift(self.result, catalog.reference_for(self.result), reworded)

    def draw_t(self, width: float) -> Picture:
        """|t| by block over the cached run's."""
        reading = self.reading
        own = reading.by_block(reading.abs_t)
        reference = None if reading.reference is None else reading.by_block(reading.reference)
        labels = f"your prompts, t over {reading.over}", "dense_pose, t over 25 pairs"
        return figures.response.pair_over_reference(own, reference, reading.names, *labels, width)

    def files(self, head: int = 0) -> Files:
        """All of it as files: figures, tables, t and shift of every head, the pictures, prompts and what was said.

        >>> answer.files(head=35).keys()
        """
        reading, result = self.reading, self.result
        d = result.differences().mean(axis=0)
        files: Files = {"prompts.csv": to_csv([{"a": pair.a, "b": pair.b} for pair in result.prompts.pairs])}
        files |= {"said.txt": "\n".join(self.said) + "\n"}
        files |= {"heads.csv": answer_csv(result.head_map, "card", {"t": reading.t.tolist(), "shift": d.tolist()})}
        files |= figure_files("t", self.draw_t(WIDE)) | table_files([reading.table])
        if self.shift is not None:
            files |= figure_files("shift", figures.typed.draw(self.shift)) | table_files([self.shift.table])
        for side, image in zip("ab", self.images, strict=False):
            files[f"prompt_{side}.png"] = image_bytes(image)
        return files if self.maps is None else files | maps_files(self.maps, head)

    @property
    def said(self) -> list[str]:
        """Its sentences, as plain text."""
        shift = [] if self.shift is None else [self.shift.sentence]
        return [*shift, *self.reading.sentences]


def maps_files(maps: PairMaps, head: int) -> Files:
    """*Where* of a head: the maps over both pictures as a figure, their numbers, and r of every attention head.

    >>> maps_files(answer.maps, answer.maps.strongest).keys()
    """
    values, name = maps.shift[head], maps.names[head]
    width, height = maps.size
    sides = zip((f"Prompt A, {name}", "Prompt B"), maps.pictures, strict=True)
    layers = [figures.maps.Layer(said, values, decode(file, height, width)) for said, file in sides]
    drawn = figures.maps.draw([*layers, figures.maps.Layer(DIFFER, maps.difference)], f"The shift of {name}.")
    columns = {"mean_shift": maps.sizes.tolist(), "r": maps.r.tolist()}
    return {
        **figure_files("where", drawn),
        "where.csv": squares_csv({"shift": values, "pictures_differ": maps.difference}),
        "attention_heads.csv": answer_csv(maps.result.head_map, "head", columns),
    }


def image_bytes(image: Image) -> bytes:
    """A picture as a PNG file."""
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


class Kept:
    """The last answers, by what was asked: of one process and so of one model's weights.

    >>> kept = Kept(); kept.put(Typed.of("a cat", "a dog", 8, 0), answer)
    """

    def __init__(self, most: int = _MOST) -> None:
        self._most, self._answers = most, OrderedDict[Typed, PairAnswer]()
        self._lock = threading.Lock()

    def get(self, typed: Typed) -> PairAnswer | None:
        """The answer, if it is still kept."""
        with self._lock:
            if typed in self._answers:
                self._answers.move_to_end(typed)
            return self._answers.get(typed)

    def put(self, typed: Typed, answer: PairAnswer) -> None:
        """Keep one; beyond the most, the one that was asked for longest ago goes."""
        with self._lock:
            self._answers[typed] = answer
            self._answers.move_to_end(typed)
            while len(self._answers) > self._most:
                self._answers.popitem(last=False)
