"""Random operations and faults on three hosts; at each quiet point every host's kernel state is
what a simple model says, row by row, and guests that are cold to each other lose nothing and hear
nothing that is not theirs. Here networks are replicated to the hosts; test_model_asked.py has
those for which the controller is asked.

    pytest tests/integration/test_model.py --seed N --steps M    one seed again
    tests/lab/model --seeds 1000                                 many, by hand
"""
import pytest

from dovemodel import Runner, controls, description

SEEDS = range(1, 4)
STEPS = 2
LAB = description(replicate=True)


@pytest.fixture(scope="module")
def runner(lab):
    made = Runner(lab)
    yield made
    made.guests.close()


def test_every_kernel_is_as_the_model_says(runner, request, figures):
    seed = request.config.getoption("--seed")
    steps = request.config.getoption("--steps") or STEPS
    for one in request.module.SEEDS if seed is None else [seed]:
        runner.run(one, steps)
    figures(f"{request.module.__name__}: {runner.tally}")
    assert not controls(runner.tally), "control: too little was compared"
