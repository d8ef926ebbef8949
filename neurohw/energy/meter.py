"""The meters: wrappers around arrays and target circuits that count, and change nothing."""

from neurohw.energy.array_meter import SNAPSHOT_UPDATES, ArraySettings
from neurohw.energy.meter_array import MeteredArray
from neurohw.energy.meter_target import MeteredTarget
from neurohw.energy.side import Converters
from neurohw.energy.trains import Trains

__all__ = ["SNAPSHOT_UPDATES", "ArraySettings", "Converters", "MeteredArray", "MeteredTarget", "Trains"]
