"""What others published of a task in another setting: shown beside our curves, no expectation of them."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from neurohw.studies.expected import MetricOfTheKind, entries, require_in_range


class Published(BaseModel):
    """One value, an entry [[published]] of an experiment's expected.toml.

    Args:
        metric: a column of metrics.csv.
        epoch: after which it was read.
        value: mean; of a metric in percent: a fraction; else in SI units.
        name: what a figure calls it, as in "DeepCluster, paper".
        where: dotted keys of the points it may stand beside.
        closest: dotted keys; of several such points it stands beside the one that has most of them.
        source: who measured it, and in which setting.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    metric: MetricOfTheKind
    epoch: Annotated[int, Field(ge=0)]
    value: Annotated[float, Field(allow_inf_nan=False)]
    name: Annotated[str, Field(min_length=3)]
    where: dict[str, Any] = {}
    closest: dict[str, Any] = {}
    source: Annotated[str, Field(min_length=3)]

    @model_validator(mode="after")
    def _a_share_is_a_fraction(self) -> Published:
        require_in_range(self.metric, self.value)
        return self


def published(name: str) -> list[Published]:
    """Return what a shipped experiment's expected.toml has of others; nothing if there is none.

    Raises:
        InputError: the file is not valid.
    """
    return entries(name, "published", Published, common=("source",))
