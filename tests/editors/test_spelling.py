"""Texts that no encoding spells are written all the same, and nothing of them is lost."""

import json
import os

import pytest

from editors.requests.spelling import as_json, is_spellable, spelled

ODD = (os.fsdecode(b"masqu\xe9.png"), "half a letter: \ud83d", "\udcff\ud800")


@pytest.mark.parametrize("text", ["masque", "बिल्ली", "👩‍🚀", *ODD])
def test_what_is_written_can_be_encoded_and_read_back(text):
    written = as_json({"name": text}, sort_keys=True)
    written.encode()
    assert json.loads(written) == {"name": text}
    assert is_spellable(text) == (text not in ODD)
    assert (text in written) == is_spellable(text)
    spelled(text).encode()
    assert (spelled(text) == text) == is_spellable(text)


def test_a_byte_is_told_as_the_byte_it_is():
    assert spelled(ODD[0]) == r"masqu\xe9.png"
