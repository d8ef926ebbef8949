"""Transistors: netlists of target circuits, ngspice, and the behavioural parameters that follow."""
