"""Images in folders or in a zip, decoded into the tensors of a dataset."""

from __future__ import annotations

import hashlib
import io
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from neurohw.data.dataset import Dataset
from neurohw.data.layout import Samples, layout_of
from neurohw.data.tree import Tree, opened
from neurohw.errors import DataError
from neurohw.reading import size_text

FORMATS = ("JPEG", "PNG", "BMP", "PPM")
LONGEST_SIDE = 4096  # px
LARGEST_DECODED = 2**33  # bytes of all images of the training or of the test set
_MODES = ("1", "L", "P", "RGB", "CMYK")  # Pillow's, of what becomes RGB of 8 bits


def load_pictures(path: Path, name: str, only: tuple[str, ...] = ()) -> Dataset:
    """Return the images of a folder or zip of class sub-folders (`layout_of`) in RGB; grey ones have equal channels.

    Args:
        path: of the folder or zip.
        name: of the dataset.
        only: the classes that are taken, in this order; all, in naming order, unless given.

    Raises:
        DataError: a file, a name or an image is not what is allowed; the message names it.
    """
    with opened(path) as tree, warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        layout = layout_of(tree)
        layout = layout.only(only) if only else layout
        first = layout.train[0][0]
        shape = _pixels(tree, first, tree.read(first)).shape
        checksums = {part: hashlib.md5(usedforsecurity=False) for part in ("train", "test")}
        train, test = (
            _decoded(tree, samples, _contents(tree, layout.classes, samples, checksums[part]), first, shape)
            for part, samples in (("train", layout.train), ("test", layout.test))
        )
    return Dataset(
        name=name,
        train_images=train,
        train_labels=_labels(layout.train),
        test_images=test,
        test_labels=_labels(layout.test),
        image_shape=(3, shape[0], shape[1]),
        levels=255,
        class_names=layout.classes,
        checksums={part: digest.hexdigest() for part, digest in checksums.items()},
    )


def picture_checksums(path: Path) -> dict[str, str]:
    """Return the checksums of `load_pictures`, without decoding: of classes and files, however they are packed.

    Raises:
        DataError: a file or a name is not what is allowed.
    """
    checksums = {}
    with opened(path) as tree:
        layout = layout_of(tree)
        for part, samples in (("train", layout.train), ("test", layout.test)):
            digest = hashlib.md5(usedforsecurity=False)
            for _ in _contents(tree, layout.classes, samples, digest):
                pass
            checksums[part] = digest.hexdigest()
    return checksums


def _contents(tree: Tree, classes: tuple[str, ...], samples: Samples, digest: hashlib._Hash) -> Iterator[bytes]:
    """Yield the file of each sample, and add it to the digest."""
    for file, label in samples:
        content = tree.read(file)
        digest.update(f"{classes[label]}/{file.rpartition('/')[2]}\0{len(content)}\0".encode())
        digest.update(content)
        yield content


def _decoded(tree: Tree, samples: Samples, contents: Iterator[bytes], first: str, shape: tuple[int, ...]) -> Tensor:
    """Return images [N, 3 height width], all of which must have the shape (height, width, 3) of the first."""
    height, width, channels = shape
    if (size := len(samples) * height * width * channels) > LARGEST_DECODED:
        raise tree.wrong(f"{len(samples)} images of {height} x {width} need {size_text(size)}; "
                         f"allowed: at most {size_text(LARGEST_DECODED)}")  # fmt: skip
    images = np.empty((len(samples), channels, height, width), np.uint8)
    for image, (file, _), content in zip(images, samples, contents, strict=True):
        pixels = _pixels(tree, file, content)
        if pixels.shape != shape:
            raise tree.wrong(f"found {pixels.shape[0]} x {pixels.shape[1]} px, but {height} x {width} in {first}; "
                             "allowed: one size for all images", file)  # fmt: skip
        image[:] = pixels.transpose(2, 0, 1)
    return torch.from_numpy(images).flatten(1)


def _pixels(tree: Tree, file: str, content: bytes) -> NDArray[np.uint8]:
    """Return the pixels [height, width, 3] of an image's file."""
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            if max(image.size) > LONGEST_SIDE:
                raise tree.wrong(
                    f"found {image.height} x {image.width} px; allowed: at most {LONGEST_SIDE} a side", file
                )
            if image.mode not in _MODES or "transparency" in image.info:
                raise tree.wrong(f"found {image.mode}{' with transparency' * ('transparency' in image.info)}; allowed: "
                                 "8 bits of grey or colour, without transparency", file)  # fmt: skip
            return np.asarray(image.convert("RGB"))
    except DataError:
        raise
    except UnidentifiedImageError as error:
        raise tree.wrong(f"found no image; allowed: {', '.join(FORMATS)}", file) from error
    except Exception as error:  # decoders raise what they like
        raise tree.wrong(f"found an image that cannot be decoded ({error}); allowed: a whole one", file) from error


def _labels(samples: Samples) -> Tensor:
    return torch.tensor([label for _, label in samples])
