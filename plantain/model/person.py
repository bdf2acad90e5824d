"""Who stands in a picture, and where: a person detector and a keypoint model, through transformers.

>>> models = load_person_models()
>>> detect_points(models, pictures).shape                     # (n, 17, 3)

Neither is needed for Posebox, whose bodies are known. Their weights are fetched from the Hub when they are first asked
for; check the licence of those weights before redistribution.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import huggingface_hub
import numpy as np
import torch
from huggingface_hub.errors import GatedRepoError, HFValidationError, LocalEntryNotFoundError, RepositoryNotFoundError
from PIL import Image

from plantain.errors import InputError
from plantain.model.hub import hub_id
from plantain.model.load import check_device
from plantain.wording import shorten

DETECTOR = "PekingU/rtdetr_r50vd_coco_o365"
ESTIMATOR = "usyd-community/vitpose-base-simple"
N_POINTS = 17
# COCO's first class. A detection below the score is none, as in the models' own examples.
PERSON, MIN_DETECTION = 0, 0.3
# Pictures at a time: two small models beside a large one in memory.
BATCH = 8
_FILES = ("*.json", "*.safetensors")  # never a pickle


@dataclass(frozen=True)
class PersonModels:
    """A detector and a keypoint estimator with their processors, on a device."""

    detector: Any
    detector_processor: Any
    estimator: Any
    estimator_processor: Any
    names: tuple[str, str]
    device: str

    @property
    def source(self) -> str:
        """What keypoints come from, for ``Bodies.source``."""
        return " and ".join(self.names)


def load_person_models(
    detector: str | None = None, estimator: str | None = None, device: str | None = None
) -> PersonModels:
    """Load a person detector (RT-DETR) and a keypoint model (ViTPose), ready for ``detect_points``.

    >>> models = load_person_models(device="cuda")
    >>> models = load_person_models("path/to/a/detector", "path/to/an/estimator")

    Parameters
    ----------
    detector, estimator : a Hub id, ``OWNER/NAME@REVISION``, or a folder written by ``save_pretrained`` of model and
        processor; None: ``DETECTOR``, ``ESTIMATOR``
    device : "cuda", "cpu", …; None: a GPU where there is one

    Raises
    ------
    InputError
        A name that is unknown or out of reach, a folder that is no such model, a detector whose first class is no
        person, an estimator of other keypoints than COCO's 17, or an unknown device.
    """
    import transformers as t

    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    check_device(device)
    names = detector or DETECTOR, estimator or ESTIMATOR
    # The processors on PIL do the same sums with and without torchvision.
    finder, finder_processor = _load(names[0], "rt_detr", t.RTDetrForObjectDetection, t.RTDetrImageProcessorPil)
    pointer, pointer_processor = _load(names[1], "vitpose", t.VitPoseForPoseEstimation, t.VitPoseImageProcessorPil)
    person = str((finder.config.id2label or {}).get(PERSON, "person"))
    if person.lower() not in ("person", f"label_{PERSON}"):
        raise InputError(f"The first class of the detector {names[0]!r} is {person!r}; give one trained on COCO.")
    if pointer.config.num_labels != N_POINTS:
        raise InputError(
            f"{names[1]!r} finds {pointer.config.num_labels} keypoints; give a ViTPose with COCO's {N_POINTS}, such as "
            f"{ESTIMATOR}."
        )
    return PersonModels(
        detector=finder.to(device).eval(),
        detector_processor=finder_processor,
        estimator=pointer.to(device).eval(),
        estimator_processor=pointer_processor,
        names=names,
        device=device,
    )


def detect_points(models: PersonModels, pictures: Sequence[Any] | np.ndarray) -> np.ndarray:
    """Keypoints of the one person that stands out in each picture: float32, (n, 17, 3), in COCO's order.

    >>> points = detect_points(load_person_models(), pictures)
    >>> np.isnan(points).all(axis=(1, 2))                         # pictures where nobody was found

    ``pictures``: uint8 arrays (height, width, 3), or what PIL opens; of any sizes. x and y are pixels of each picture,
    the score is the model's own, in about 0 … 1. Of several people the one with the largest score × area is taken;
    low scores are kept, so whoever reads the points leaves them out.

    Raises
    ------
    InputError
        A picture that is no uint8 array of three colours.
    """
    images = [_image(picture) for picture in pictures]
    points = np.full((len(images), N_POINTS, 3), np.nan, np.float32)
    for start in range(0, len(images), BATCH):
        some = images[start : start + BATCH]
        boxes = _person_boxes(models, some)
        found = [i for i, box in enumerate(boxes) if box]
        if found:
            kept = [[box] for box in boxes if box]
            points[[start + i for i in found]] = _points_in(models, [some[i] for i in found], kept)
    return points


def _person_boxes(models: PersonModels, images: list[Image.Image]) -> list[list[float] | None]:
    """The box of each picture's person: x, y, width, height in pixels, inside the picture; None where there is none."""
    inputs = models.detector_processor(images=images, return_tensors="pt").to(models.device)
    with torch.inference_mode():
        outputs = models.detector(**inputs)
    sizes = torch.tensor([(image.height, image.width) for image in images], device=models.device)
    results = models.detector_processor.post_process_object_detection(
        outputs, threshold=MIN_DETECTION, target_sizes=sizes
    )
    boxes: list[list[float] | None] = []
    for image, result in zip(images, results, strict=True):
        people = result["labels"] == PERSON
        corners = result["boxes"][people].float().cpu().numpy()  # left, top, right, bottom
        corners = np.clip(corners, 0, [image.width, image.height] * 2)
        sides = corners[:, 2:] - corners[:, :2]
        weight = result["scores"][people].float().cpu().numpy() * sides.prod(axis=1)
        if not (weight > 0).any():
            boxes.append(None)
            continue
        best = int(weight.argmax())
        boxes.append([*corners[best, :2].tolist(), *sides[best].tolist()])
    return boxes


def _points_in(models: PersonModels, images: list[Image.Image], boxes: list[list[list[float]]]) -> np.ndarray:
    """Keypoints in one box a picture: (n, 17, 3)."""
    inputs = models.estimator_processor(images, boxes=boxes, return_tensors="pt").to(models.device)
    # Models of several data sets have an expert for each, COCO's the first.
    experts = models.estimator.config.backbone_config.num_experts
    more = {"dataset_index": torch.zeros(len(images), dtype=torch.long, device=models.device)} if experts > 1 else {}
    with torch.inference_mode():
        outputs = models.estimator(**inputs, **more)
    # No threshold, which drops points and leaves ragged arrays, and no target_sizes, which are read as (width, height)
    # and multiply boxes that are in pixels already.
    results = models.estimator_processor.post_process_pose_estimation(outputs, boxes=boxes)
    return np.stack(
        [
            np.concatenate([person["keypoints"].numpy(), person["scores"].reshape(-1, 1).numpy()], axis=1)
            for (person,) in results
        ]
    )


def _load(name: str, kind: str, model_class: Any, processor_class: Any) -> tuple[Any, Any]:
    """A model and its processor, from a folder or the Hub."""
    folder = _folder(name)
    try:
        found = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("model_type")
    except (OSError, ValueError, AttributeError) as error:
        raise InputError(
            f"{name!r} is not a saved model: expected a readable config.json with {kind} in it."
        ) from error
    if found != kind:
        raise InputError(f"{name!r} holds a model of type {found!r}; {model_class.__name__} needs {kind!r}.")
    try:
        model = model_class.from_pretrained(folder, local_files_only=True, use_safetensors=True, dtype=torch.float32)
        processor = processor_class.from_pretrained(folder, local_files_only=True)
    except Exception as error:  # a folder may be broken in any way; the cause stays attached
        why = shorten(str(error))
        raise InputError(f"The model in {folder} cannot be loaded ({why}); save or download it again.") from error
    return model, processor


def _folder(name: str) -> Path:
    """The folder of a named model, fetched from the Hub if need be."""
    try:
        path = Path(name).expanduser()
        if path.is_dir():
            return path
    except (OSError, RuntimeError):  # a name too long for any folder, or the home of no user
        pass
    if name.count("/") != 1 or name.startswith((".", "/", "~")):
        raise InputError(
            f"Unknown model {name!r}: expected a Hub id such as {DETECTOR}, or an existing folder with a saved model "
            "and its processor."
        )
    hub_name, revision = hub_id(name)
    try:
        return Path(huggingface_hub.snapshot_download(hub_name, revision=revision, allow_patterns=list(_FILES)))
    except GatedRepoError as error:
        raise InputError(f"{hub_name} is gated: accept its terms on https://huggingface.co/{hub_name}.") from error
    except RepositoryNotFoundError as error:
        raise InputError(f"The Hub has no model {hub_name!r} that you may read; check the spelling.") from error
    except HFValidationError as error:
        raise InputError(f"{hub_name!r} is no valid Hub id; one looks like {DETECTOR}.") from error
    except LocalEntryNotFoundError as error:
        raise InputError(
            f"Cannot reach the Hub for {hub_name!r} and it is not in the local cache; check the network, or give a "
            "folder that holds the model."
        ) from error
    except Exception as error:  # time-outs, proxies, a full disk: no common type
        raise InputError(f"Fetching {hub_name!r} failed: {shorten(str(error))} Try again.") from error


def _image(picture: Any) -> Image.Image:
    if isinstance(picture, Image.Image):
        return picture.convert("RGB")
    array = np.asarray(picture)
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3 or not array.size:
        raise InputError(
            f"A picture is uint8 of shape (height, width, 3), or a PIL image; got {array.dtype} of {array.shape}."
        )
    return Image.fromarray(array)
