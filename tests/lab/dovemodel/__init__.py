"""A lab under random operations and faults, compared with a simple model at each quiet point.

    world        the model: what should be, and what each event makes of it
    actions      each thing that can be done, to the lab and to the model
    operations   which of them, at random, by a seed; faults, those that break something
    quiet        the moment at which everything has been done everywhere
    kernel       a host's kernel state, as bridge, ip and nft tell it
    compare      model against kernel, row by row
    guests       whole guests that cost a device each: they ask, answer and listen, frame by frame
    runner       seeds, one after the other, on one lab
"""
from .runner import Failure, Runner, Tally, controls, description

__all__ = ["Failure", "Runner", "Tally", "controls", "description"]
