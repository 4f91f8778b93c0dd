"""A field's value passes, or is one sentence with field, value and remedy, in the error of the caller."""

import numpy as np
import pytest

from dataset_builder.errors import InvalidJob
from dataset_builder.scenes.errors import InvalidScene
from editors.checks import Checks
from editors.errors import InvalidEdit
from trainer.errors import InvalidConfig

ERRORS = [InvalidEdit, InvalidJob.of, InvalidConfig.of, InvalidScene.of]


@pytest.mark.parametrize("error", ERRORS)
def test_every_error_names_its_field_in_the_same_sentence(error):
    with pytest.raises((InvalidEdit, InvalidJob, InvalidConfig, InvalidScene)) as caught:
        Checks(error).whole_number("steps", 2.5, 1, 10)
    assert str(caught.value) == "steps: 2.5 is not allowed; give a whole number from 1 to 10."
    assert getattr(caught.value, "field", None) == "steps"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), True, "1", None, [1], -0.1, 1.1])
def test_what_is_no_number_of_the_range_never_passes_for_one(value):
    with pytest.raises(InvalidEdit):
        Checks(InvalidEdit).share("p", value)


@pytest.mark.parametrize("value", [0, 1, 0.5, np.float32(0.25)])
def test_numbers_of_the_range_pass_their_ends_too(value):
    Checks(InvalidEdit).share("p", value)


@pytest.mark.parametrize("value", [2.0, True, "3", None, 0, float("nan")])
def test_what_is_no_whole_number_never_passes_for_one(value):
    with pytest.raises(InvalidEdit, match="a whole number from 1"):
        Checks(InvalidEdit).whole_number("num", value, 1)
    Checks(InvalidEdit).whole_number("num", 10**30, 1)


@pytest.mark.parametrize("value", ["", "c", None, 1, ("a",)])
def test_a_choice_is_one_of_the_words(value):
    with pytest.raises(InvalidEdit, match="choose from a, b"):
        Checks(InvalidEdit).choice("which", value, ("a", "b"))


@pytest.mark.parametrize("value", ["a", (), ("a", "c"), None])
def test_choices_are_some_of_the_words(value):
    with pytest.raises(InvalidEdit, match="choose some of a, b"):
        Checks(InvalidEdit).choices("only", value, ("a", "b"))
    Checks(InvalidEdit).choices("only", ("b", "a"), ("a", "b"))
