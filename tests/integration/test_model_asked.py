"""The model test with networks that no host keeps: what is not in use the controller is asked for."""
from dovemodel import description
from test_model import runner, test_every_kernel_is_as_the_model_says  # noqa: F401

SEEDS = range(4, 7)
LAB = description(replicate=False)
