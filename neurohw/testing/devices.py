"""What every device model must do."""

from __future__ import annotations

import pytest

from neurohw.crossbar.aihwkit.translation import COUNTERPARTS, NoCounterpart, aihwkit_takes_it
from neurohw.devices.checks import CHECKS, Check
from neurohw.devices.model import DeviceModel


class DeviceModelConformance:
    """What every device model must do: subclass it and give it the fixture `model`, which returns the device model.

    `neurohw device check` runs the same checks on a file.
    """

    @pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
    def test_check(self, model: DeviceModel, check: Check) -> None:
        """One of `neurohw.devices.checks`."""
        check(model)

    def test_aihwkit_takes_it(self, model: DeviceModel) -> None:
        """Its translation makes a tile; where aihwkit has no such law, it is refused by the law's name."""
        if model.pulse.law in COUNTERPARTS:
            aihwkit_takes_it(model)
        else:
            with pytest.raises(NoCounterpart, match=model.pulse.law):
                aihwkit_takes_it(model)

    def test_every_number_has_a_source(self, model: DeviceModel) -> None:
        """The assumed ones can be listed, and the others say where they are from."""
        sources = dict(model.numbers())
        assert set(model.assumed()) <= set(sources)
        assert all(quantity.source.strip() for quantity in sources.values())

    def test_an_override_changes_one_number(self, model: DeviceModel) -> None:
        """A replaced number is the asked one, named as an override; nothing else changes but the checksum."""
        changed = model.with_parameters({"step_ctoc": 0.123})
        assert changed.response().step_ctoc == 0.123
        assert changed.with_parameters({}) == changed
        assert changed.checksum() != model.checksum()
        assert dict(changed.numbers())["pulse.step_ctoc"].source == "override"
