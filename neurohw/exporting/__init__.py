"""A device written for other simulators: ngspice, Verilog-A, aihwkit, NeuroSim, CrossSim."""
