"""Everything around the emulator that lives on one machine: engine, network, images, registry, target VM, card."""
