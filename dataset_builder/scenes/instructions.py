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
            the {noun} should be {colour}
            could you make the {noun} {colour}?
            please turn the {noun} {colour}
            dye the {noun} {colour}
            the {noun} in {colour}
            give the {noun} a {colour} colour
            I would like the {noun} in {colour}
            switch the {noun} to {colour}""",
            """recolour the {noun} in {colour}
            I want the {noun} to be {colour}""",
        ),
        "material": _ways(
            """make the {noun} out of {material}
            turn the {noun} into {material}
            the {noun} should be made of {material}
            make {its} material {material}
            {noun} made of {material}
            could you make the {noun} from {material}?
            {material} {noun}
            transform the {noun} into {material}
            I would like the {noun} in {material}
            cast the {noun} in {material}
            as if the {noun} were {material}""",
            """have the {noun} be made from {material}
            let the {noun} be of {material}""",
        ),
        "swap": _ways(
            """replace the {noun} with {new}
            turn the {noun} into {new}
            change the {noun} to {new}
            swap the {noun} for {new}
            make {it} {new}
            {new} instead of the {noun}
            could you replace the {noun} with {new}?
            put {new} where the {noun} is
            substitute {new} for the {noun}
            transform the {noun} into {new}
            I would like {new} rather than the {noun}
            switch the {noun} with {new}
            not the {noun} but {new}""",
            """have {it} be {new}
            exchange the {noun} for {new}""",
        ),
        "background": _ways(
            """put {it} {where}
            move {it} to {place}
            change the background to {place}
            make the background {place}
            {where}
            as if {they} were {where}
            could you put {it} {where}?
            place {it} {where}
            take {it} to {place}
            switch the background to {place}
            I would like {it} {where}
            with {place} behind {it}
            replace the background with {place}""",
            """show {it} {where}
            set the scene {where}""",
        ),
        "background of nothing": _ways(
            """change the place to {place}
            make it {place}
            turn it into {place}
            {where}
            change it to {place}
            could you make it {place}?
            replace it with {place}
            I would like {place}""",
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
            {style}
            could you turn it into {style}?
            draw it as {style}
            convert it to {style}
            I would like {style}
            change the style to {style}
            render it as {style}
            make this picture {style}""",
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
            make it dark outside
            could you make it night?
            change the time to night
            I would like it at night
            as a night picture
            let the sun go down and the night come
            turn off the daylight""",
            """have it be midnight
            show it at night""",
        ),
        "time_of_day/day": _ways(
            """make it day
            make it daytime
            turn it into a day scene
            change it to daylight
            in the daytime
            make it bright day
            could you make it day?
            change the time to day
            I would like it in daylight
            by daylight
            as a picture in the daytime
            turn it to broad day""",
            """have it be noon
            show it by day""",
        ),
        "time_of_day/sunset": _ways(
            """make it sunset
            turn it into a sunset scene
            at sunset
            change the time to sunset
            make it evening with a sunset
            add a sunset
            could you make it sunset?
            change it to sunset
            I would like it in the evening
            with a setting sun
            as the sun goes down
            in the evening light""",
            """show it at sunset
            have it be at dusk""",
        ),
        "time_of_day/dawn": _ways(
            """make it dawn
            turn it into early morning
            at dawn
            change the time to dawn
            make it sunrise
            could you make it dawn?
            change it to dawn
            I would like it early in the morning
            as the sun comes up
            in the morning light""",
            """show it at daybreak""",
        ),
        "weather/clear": _ways(
            """make the weather clear
            clear the sky
            make it sunny
            good weather
            make the sky blue and clear
            could you clear the sky?
            change the weather to clear
            I would like clear weather
            take the bad weather away
            under a clear sky
            stop the bad weather""",
            """give it fine weather""",
        ),
        "weather/clear night": _ways(
            """make the weather clear
            clear the sky
            clear night sky
            good weather
            could you clear the sky?
            change the weather to clear
            I would like clear weather
            take the bad weather away
            stop the bad weather""",
            """give it fine weather""",
        ),
        "weather/cloudy": _ways(
            """make it cloudy
            add clouds
            cover the sky with clouds
            under a cloudy sky
            make the sky grey
            could you make it cloudy?
            change the weather to cloudy
            I would like clouds
            fill the sky with clouds
            with grey clouds
            hide the sun behind clouds""",
            """have the sky be overcast""",
        ),
        "weather/rain": _ways(
            """make it rain
            add rain
            make it rainy
            in the rain
            let it rain
            turn it into a rainy scene
            could you make it rain?
            change the weather to rain
            I would like rain
            with raindrops
            start the rain
            put it in the rain""",
            """have it be raining
            give it rainy weather""",
        ),
        "weather/snow": _ways(
            """make it snow
            add snow
            let it snow
            make it snowy
            turn it into a winter scene
            in falling snow
            could you make it snow?
            change the weather to snow
            I would like snow
            with snowflakes
            with falling snow
            make it winter""",
            """have it be snowing
            give it snowy weather""",
        ),
        "weather/fog": _ways(
            """make it foggy
            add fog
            in the fog
            make it misty
            let there be fog
            could you make it foggy?
            change the weather to fog
            I would like fog
            with fog
            fill it with fog
            hide it in fog""",
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
            with {thing}
            could you give the {noun} {thing}?
            {thing} on the {noun}
            I would like the {noun} in {thing}
            the {noun} with {thing}
            please add {thing}
            get the {noun} {thing}
            place {thing} on {it}""",
            """dress the {noun} with {thing}
            let {it} have {thing}""",
        ),
        "remove_accessory": _ways(
            """remove the {bare}
            take off the {bare}
            take the {bare} away
            without the {bare}
            no {bare}
            could you remove the {bare}?
            please take off the {bare}
            delete the {bare}
            erase the {bare}
            I would like it without the {bare}
            lose the {bare}""",
            """get rid of the {bare}""",
        ),
        "add_object": _ways(
            """add {thing}
            put {thing} in the picture
            place {thing} there
            insert {thing}
            add {thing} to the scene
            could you add {thing}?
            please put {thing} there
            I would like {thing}
            with {thing}
            draw {thing}
            make {thing} appear
            bring in {thing}""",
            """have {thing} there too""",
        ),
        "remove_object": _ways(
            """remove the {noun}
            take the {noun} away
            erase the {noun}
            delete the {noun}
            without the {noun}
            could you remove the {noun}?
            please take the {noun} out
            wipe out the {noun}
            I would like it without the {noun}
            no {noun}
            make the {noun} disappear
            leave out the {noun}""",
            """get rid of the {noun}""",
        ),
    }
)
