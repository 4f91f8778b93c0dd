"""How people ask for an edit: several ways to say each, a few of them never trained on.

A template is filled from what the edit changes: `{noun}` ("cat", "cats"), `{new}` ("a dog", "two dogs"),
`{colour}`, `{material}`, `{place}` ("a beach"), `{where}` ("on a beach"), `{style}` ("a watercolour
painting"), `{thing}` ("a red cap"), `{bare}` ("red cap"), `{it}`, `{its}` and `{they}` by number.

Law: the held-out phrasings of an edit are none of its training phrasings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, kw_only=True, slots=True)
class Phrasings:
    """The ways to ask for one edit: those trained on, and those kept for testing."""

    train: tuple[str, ...]
    held_out: tuple[str, ...]


def _ways(train: str, held_out: str) -> Phrasings:
    """Read phrasings, one a line."""
    return Phrasings(
        train=tuple(line.strip() for line in train.strip().splitlines()),
        held_out=tuple(line.strip() for line in held_out.strip().splitlines()),
    )


PHRASINGS: Mapping[str, Phrasings] = MappingProxyType(
    {
        "colour": _ways(
            """make the {noun} {colour}
            turn the {noun} {colour}
            change the colour of the {noun} to {colour}
            paint the {noun} {colour}
            {colour} {noun}
            the {noun} should be {colour}""",
            """recolour the {noun} in {colour}
            I want the {noun} to be {colour}""",
        ),
        "material": _ways(
            """make the {noun} out of {material}
            turn the {noun} into {material}
            the {noun} should be made of {material}
            make {its} material {material}
            {noun} made of {material}""",
            """have the {noun} be made from {material}
            let the {noun} be of {material}""",
        ),
        "swap": _ways(
            """replace the {noun} with {new}
            turn the {noun} into {new}
            change the {noun} to {new}
            swap the {noun} for {new}
            make {it} {new}
            {new} instead of the {noun}""",
            """have {it} be {new}
            exchange the {noun} for {new}""",
        ),
        "background": _ways(
            """put {it} {where}
            move {it} to {place}
            change the background to {place}
            make the background {place}
            {where}
            as if {they} were {where}""",
            """show {it} {where}
            set the scene {where}""",
        ),
        "background of nothing": _ways(
            """change the place to {place}
            make it {place}
            turn it into {place}
            {where}""",
            """let it be {place}""",
        ),
        "background plain": _ways(
            """put {it} {where}
            make the background plain {tint}
            remove the background and make it {tint}
            give it a {tint} background
            change the background to plain {tint}""",
            """use a solid {tint} backdrop""",
        ),
        "style": _ways(
            """turn it into {style}
            make it {style}
            make it look like {style}
            as {style}
            in the style of {style}
            {style}""",
            """have it be {style}
            redraw it as {style}""",
        ),
        "time_of_day/night": _ways(
            """make it night
            turn it into a night scene
            make it night time
            change it to night
            at night
            turn day into night
            make it dark outside""",
            """have it be midnight
            show it at night""",
        ),
        "time_of_day/day": _ways(
            """make it day
            make it daytime
            turn it into a day scene
            change it to daylight
            in the daytime
            make it bright day""",
            """have it be noon
            show it by day""",
        ),
        "time_of_day/sunset": _ways(
            """make it sunset
            turn it into a sunset scene
            at sunset
            change the time to sunset
            make it evening with a sunset
            add a sunset""",
            """show it at sunset
            have it be at dusk""",
        ),
        "time_of_day/dawn": _ways(
            """make it dawn
            turn it into early morning
            at dawn
            change the time to dawn
            make it sunrise""",
            """show it at daybreak""",
        ),
        "weather/clear": _ways(
            """make the weather clear
            clear the sky
            make it sunny
            good weather
            make the sky blue and clear""",
            """give it fine weather""",
        ),
        "weather/clear night": _ways(
            """make the weather clear
            clear the sky
            clear night sky
            good weather""",
            """give it fine weather""",
        ),
        "weather/cloudy": _ways(
            """make it cloudy
            add clouds
            cover the sky with clouds
            under a cloudy sky
            make the sky grey""",
            """have the sky be overcast""",
        ),
        "weather/rain": _ways(
            """make it rain
            add rain
            make it rainy
            in the rain
            let it rain
            turn it into a rainy scene""",
            """have it be raining
            give it rainy weather""",
        ),
        "weather/snow": _ways(
            """make it snow
            add snow
            let it snow
            make it snowy
            turn it into a winter scene
            in falling snow""",
            """have it be snowing
            give it snowy weather""",
        ),
        "weather/fog": _ways(
            """make it foggy
            add fog
            in the fog
            make it misty
            let there be fog""",
            """cover it in mist""",
        ),
        "weather/thunderstorm": _ways(
            """add a thunderstorm
            make it stormy
            in a thunderstorm
            add lightning
            turn it into a storm""",
            """have a storm come up""",
        ),
        "weather/rainbow": _ways(
            """add a rainbow
            put a rainbow in the sky
            with a rainbow
            make a rainbow appear""",
            """let there be a rainbow""",
        ),
        "add_accessory": _ways(
            """add {thing}
            give the {noun} {thing}
            put {thing} on the {noun}
            make the {noun} wear {thing}
            the {noun} should wear {thing}
            with {thing}""",
            """dress the {noun} with {thing}
            let {it} have {thing}""",
        ),
        "remove_accessory": _ways(
            """remove the {bare}
            take off the {bare}
            take the {bare} away
            without the {bare}
            no {bare}""",
            """get rid of the {bare}""",
        ),
        "add_object": _ways(
            """add {thing}
            put {thing} in the picture
            place {thing} there
            insert {thing}
            add {thing} to the scene""",
            """have {thing} there too""",
        ),
        "remove_object": _ways(
            """remove the {noun}
            take the {noun} away
            erase the {noun}
            delete the {noun}
            without the {noun}""",
            """get rid of the {noun}""",
        ),
    }
)
