"""Crops, flips, normalisation and gradients, against torchvision and by hand; and their keys."""

from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError
from scipy.stats import kstest
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional

from neurohw.config.preprocessing import PreprocessingSection
from neurohw.data.augment import (
    centre_crop,
    channel_statistics,
    draw_crops,
    flipped,
    normalised,
    resized_crops,
    sobel,
)


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(1)


@pytest.fixture
def images(generator: torch.Generator) -> torch.Tensor:
    return torch.randint(0, 256, (40, 3, 24, 18), dtype=torch.uint8, generator=generator)


@pytest.mark.parametrize("size", [5, 24, 50])
def test_resized_crops_are_torchvisions(images: torch.Tensor, generator: torch.Generator, size: int) -> None:
    crops = draw_crops(len(images), (24, 18), generator)
    where = zip(images, crops.top, crops.left, crops.height, crops.width, strict=True)
    theirs = [
        functional.resized_crop(image.float(), *map(int, box), [size, size], antialias=True) for image, *box in where
    ]
    torch.testing.assert_close(resized_crops(images, crops, size), torch.stack(theirs), atol=2e-3, rtol=0)


def test_crops_are_distributed_as_torchvisions(generator: torch.Generator) -> None:
    count, size = 2000, (64, 50)
    crops = draw_crops(count, size, generator)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        reader = v2.RandomResizedCrop(32)
        theirs = [reader.make_params([torch.empty(3, *size)]) for _ in range(count)]
    for key in ("top", "left", "height", "width"):
        ours = getattr(crops, key).double().numpy()
        assert kstest(ours, [float(crop[key]) for crop in theirs]).pvalue > 1e-3, key
    assert (crops.top + crops.height).max() <= 64
    assert (crops.left + crops.width).max() <= 50
    assert min(getattr(crops, key).min() for key in ("top", "left")) == 0


def test_crops_that_never_fit_are_the_largest_in_the_middle(generator: torch.Generator) -> None:
    crops = draw_crops(3, (10, 90), generator, area=(1.0, 1.0))
    assert crops.height.tolist() == [10] * 3
    assert crops.width.tolist() == [13] * 3
    assert crops.left.tolist() == [38] * 3
    tall = draw_crops(1, (90, 10), generator, area=(1.0, 1.0))
    assert (tall.height.item(), tall.width.item(), tall.top.item()) == (13, 10, 38)


def test_the_same_generator_gives_the_same_and_the_global_one_is_left_alone(images: torch.Tensor) -> None:
    before = torch.get_rng_state()

    def once(seed: int) -> torch.Tensor:
        generator = torch.Generator().manual_seed(seed)
        return flipped(resized_crops(images, draw_crops(len(images), (24, 18), generator), 12), generator)

    assert torch.equal(once(3), once(3))
    assert not torch.equal(once(3), once(4))
    assert torch.equal(before, torch.get_rng_state())


def test_half_of_the_images_are_mirrored(generator: torch.Generator) -> None:
    images = torch.arange(4, dtype=torch.uint8).expand(2000, 1, 1, 4)
    mirrored = flipped(images, generator)[:, 0, 0]
    backward = (mirrored == torch.tensor([3, 2, 1, 0])).all(1)
    assert 900 < backward.sum() < 1100
    assert (mirrored[~backward] == torch.arange(4)).all()
    assert torch.equal(flipped(images, generator, 0.0), images)
    assert torch.equal(flipped(images, generator, 1.0), images.flip(3))


def test_normalised_images_have_zero_mean_and_unit_variance_by_channel(images: torch.Tensor) -> None:
    images[:, 1] //= 3
    mean, std = channel_statistics(images)
    torch.testing.assert_close(mean, images.double().mean((0, 2, 3)))
    torch.testing.assert_close(std, images.double().std((0, 2, 3), correction=0))
    result = normalised(images, mean, std).double()
    torch.testing.assert_close(result.mean((0, 2, 3)), torch.zeros(3).double(), atol=1e-6, rtol=0)
    torch.testing.assert_close(result.var((0, 2, 3), correction=0), torch.ones(3).double(), atol=1e-5, rtol=0)


def test_a_channel_of_one_value_becomes_zero() -> None:
    flat = torch.full((2, 3, 4, 4), 77, dtype=torch.uint8)
    assert torch.equal(normalised(flat, *channel_statistics(flat)), torch.zeros(2, 3, 4, 4))


@pytest.mark.parametrize("size", [1, 17, 18])
def test_centre_crops_are_torchvisions(images: torch.Tensor, size: int) -> None:
    assert torch.equal(centre_crop(images, size), functional.center_crop(images, [size, size]))


def test_sobel_gives_the_gradients_of_the_mean_of_rgb() -> None:
    """A ramp of 1 a pixel to the right and 10 down: 8 times the slopes, with DeepCluster's signs."""
    ramp = torch.arange(6.0) + 10 * torch.arange(5.0)[:, None]
    gradients = sobel(torch.stack([ramp, 2 * ramp, 3 * ramp])[None])  # the mean is 2 ramp
    assert gradients.shape == (1, 2, 5, 6)
    torch.testing.assert_close(gradients[0, 0, 1:-1, 1:-1], torch.full((3, 4), -16.0))
    torch.testing.assert_close(gradients[0, 1, 1:-1, 1:-1], torch.full((3, 4), -160.0))


def test_keys_have_deepclusters_defaults() -> None:
    section = PreprocessingSection()
    assert (section.crop_area, section.crop_aspect, section.flip) == ((0.08, 1.0), (3 / 4, 4 / 3), 0.5)
    assert (section.augmentation, section.normalisation, section.sobel) == ("crop-and-flip", "channel", False)


@pytest.mark.parametrize(
    "wrong",
    [{"flip": 1.5}, {"crop_area": [0.5, 0.1]}, {"crop_area": [0.0, 1.0]}, {"crop_aspect": [2.0, 1.0]}, {"size": 0},
     {"normalisation": "zca"}, {"sobel": 1}, {"augmentation": "colour"}, {"zoom": 2}],
)  # fmt: skip
def test_wrong_keys_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        PreprocessingSection(**wrong)
