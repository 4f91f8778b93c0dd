"""The board of the Prompts tab: which word goes to which, how much each counts, where and when the edit acts.

Reference: Hertz et al., "Prompt-to-Prompt Image Editing with Cross Attention Control" (2022, arXiv
2208.01626): word swap and refinement are the lines between the words, re-weighting the slider below each,
local editing the words that are pressed, the two schedules the bars of the timeline.

Law: the board decides nothing. What it tells are fields of `PromptEdit`, which judges them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import gradio as gr

from editors import LocalBlend
from ui.components.elements import MAKE

if TYPE_CHECKING:
    from editors.model.tokens import TokenizedPrompt

WEIGHTS = (-2, 4)
"""What a word's slider spans; Python and the command line take -100 to 100."""

TEMPLATE = """<div class="board"></div>"""
STYLE = """
.board { display: flex; flex-direction: column; gap: 10px; font-size: 14px; }
.board .words { display: flex; flex-wrap: wrap; gap: 14px 6px; }
.board .words div { display: flex; flex-direction: column; align-items: center; }
.board .words button { padding: 3px 9px; border-radius: 6px; cursor: pointer; color: var(--body-text-color);
  background: var(--background-fill-secondary); border: 1px solid var(--border-color-primary); }
.board .words .alone button { border-color: var(--color-accent); border-style: dashed; }
.board .words button[aria-pressed=true] { background: var(--color-accent); color: white; }
.board .words .none { visibility: hidden; }
.board .words i { height: 20px; border-left: 1.5px solid var(--body-text-color-subdued); }
.board .words .swap i { border-left: 2.5px solid var(--color-accent); }
.board .words .alone i { border-color: transparent; }
.board .words input { width: 54px; margin-top: 3px; }
.board .words output { font-size: 11px; color: var(--body-text-color-subdued); }
.board .track { display: grid; grid-template-columns: minmax(0, 1fr); position: relative; }
.board .bar { position: relative; height: 22px; border-radius: 4px; overflow: hidden;
  background: var(--background-fill-secondary); border: 1px solid var(--border-color-primary); }
.board .bar .ticks { position: absolute; inset: 0; opacity: 0.35; background: repeating-linear-gradient(
  to right, var(--body-text-color-subdued) 0 1px, transparent 1px calc(100% / var(--steps))); }
.board .bar .on { position: absolute; top: 0; bottom: 0; background: var(--color-accent); opacity: 0.55;
  left: calc(var(--start) * 100%); right: calc(100% - var(--end) * 100%); }
.board .ends { display: flex; gap: 10px; } .board .ends input { flex: 1; min-width: 0; }
.board .ends label { display: flex; flex: 1; gap: 6px; align-items: center; font-size: 12px; min-width: 0; }
.board .hint { margin: 0; color: var(--body-text-color-subdued); font-size: 12px; }
"""
SCRIPT = """
const tell = change => {
  const focus = document.activeElement?.dataset?.key;
  props.value = {...props.value, ...change};
  build();
  if (focus) element.querySelector(`[data-key="${CSS.escape(focus)}"]`)?.focus();
  trigger('input');
};
const WHERE = {original: 'the picture', edited: 'its edit'};
const word = (row, place) => {
  const text = props.value[row][place];
  const chosen = props.value.blend[row].includes(text);
  const press = make('button', {type: 'button', 'aria-pressed': chosen, 'data-key': row + place,
    title: 'Change the picture only where this word of ' + WHERE[row] + ' is'}, text);
  press.onclick = () => tell({blend: {...props.value.blend,
    [row]: chosen ? props.value.blend[row].filter(one => one !== text) : [...props.value.blend[row], text]}});
  return press;
};
const weight = place => {
  const text = props.value.edited[place], factor = props.value.weights[text] ?? 1;
  if (!/[\\p{L}\\p{N}]/u.test(text)) return [];
  const said = make('output', {}, '×' + factor);
  const slide = make('input', {type: 'range', min: props.value.span[0], max: props.value.span[1], step: 0.1,
    value: factor, 'data-key': 'weight' + place, 'aria-label': 'Weight of ' + text});
  slide.value = factor;
  slide.oninput = () => { said.textContent = '×' + slide.value; };
  slide.onchange = () => {
    const {[text]: gone, ...others} = props.value.weights;
    tell({weights: slide.value == 1 ? others : {...others, [text]: Number(slide.value)}});
  };
  return [slide, said];
};
const column = (kind, above, below) => make('div', {class: kind}, above, make('i', {}), ...below);
const nothing = () => make('button', {type: 'button', class: 'none', disabled: true}, '·');
// Links never cross, so words that go together share a column, and prompts of any length can be wrapped.
const columns = () => {
  const {original, edited, links} = props.value, all = [];
  const ours = place => word('original', place), theirs = place => [word('edited', place), ...weight(place)];
  let here = 0, there = 0;
  for (const [our, their] of [...links, [original.length, edited.length]]) {
    while (here < our) all.push(column('alone', ours(here++), [nothing()]));
    while (there < their) all.push(column('alone', nothing(), theirs(there++)));
    if (our === original.length) break;
    all.push(column(original[our] === edited[their] ? 'same' : 'swap', ours(here++), theirs(there++)));
  }
  return all;
};
const timeline = (name, words) => {
  const [start, end] = props.value[name];
  const bar = make('div', {class: 'bar', style: `--start:${start};--end:${end};--steps:${props.value.steps}`},
    make('div', {class: 'on'}), make('div', {class: 'ticks'}));
  const ends = [['from', start, 0], ['to', end, 1]].map(([text, value, which]) => {
    const slide = make('input', {type: 'range', min: 0, max: 1, step: 0.05, value, 'data-key': name + which,
      'aria-label': words + ': ' + text});
    slide.value = value;
    slide.oninput = () => bar.style.setProperty(which ? '--end' : '--start', slide.value);
    slide.onchange = () => {
      const now = Number(slide.value), [a, b] = props.value[name];
      tell({[name]: which ? [Math.min(a, now), now] : [now, Math.max(b, now)]});
    };
    return make('label', {}, text, slide);
  });
  return make('div', {class: 'track'}, make('span', {}, words), bar, make('div', {class: 'ends'}, ...ends));
};
const build = () => {
  const board = element.querySelector('.board');
  board.replaceChildren();
  if (!props.value) return;
  if (props.value.original.length) {
    const named = {class: 'words', role: 'group', 'aria-label': 'Words of the picture, and of its edit'};
    board.append(make('div', named, ...columns()),
      make('p', {class: 'hint'}, 'Press words to change the picture only where they are. '
        + 'The slider below a word says how much it counts.'));
  }
  board.append(timeline('cross', 'Steps in which words keep their places'),
    timeline('self', 'Steps in which the layout is kept'));
};
watch('value', build);
build();
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class BoardState:
    """The state of the board.

    Attributes:
        original: Words of the original prompt.
        edited: Words of the edited prompt.
        links: Places of words that go together, see `word_links`.
        weights: Word -> factor, those that are not 1.
        blend_original: Words of the original prompt that the edit keeps to.
        blend_edited: Words of the edited prompt that it keeps to.
        cross_replace_steps: (start, end) of the steps in which the original's cross-attention is used, as
            fractions.
        self_replace_steps: The same of its self-attention.
        steps: How many steps the timeline shows.
        advised: Whether the timeline began as the model recommends, and not before that was known.
    """

    original: tuple[str, ...] = ()
    edited: tuple[str, ...] = ()
    links: tuple[tuple[int, int], ...] = ()
    weights: Mapping[str, float] = field(default_factory=dict)
    blend_original: tuple[str, ...] = ()
    blend_edited: tuple[str, ...] = ()
    cross_replace_steps: tuple[float, float]
    self_replace_steps: tuple[float, float]
    steps: int
    advised: bool = False

    @classmethod
    def read(cls, told: Mapping[str, Any]) -> "BoardState":
        """Return what a browser tells.

        Raises:
            gr.Error: It is not what `told` has told it, with some of its values changed.
        """
        try:
            return cls._read(told)
        except (KeyError, TypeError, ValueError):
            raise gr.Error("The words were not understood: reload the page.", print_exception=False) from None

    @classmethod
    def _read(cls, told: Mapping[str, Any]) -> "BoardState":
        blend = told["blend"]
        return cls(
            original=tuple(told["original"]),
            edited=tuple(told["edited"]),
            links=tuple((a, b) for a, b in told["links"]),
            weights=dict(told["weights"]),
            blend_original=tuple(blend["original"]),
            blend_edited=tuple(blend["edited"]),
            cross_replace_steps=_window(told["cross"]),
            self_replace_steps=_window(told["self"]),
            steps=int(told["steps"]),
            advised=bool(told["advised"]),
        )

    def told(self) -> dict[str, Any]:
        """Return it as `SCRIPT` takes it."""
        return {
            "original": list(self.original),
            "edited": list(self.edited),
            "links": [list(link) for link in self.links],
            "weights": dict(self.weights),
            "blend": {"original": list(self.blend_original), "edited": list(self.blend_edited)},
            "cross": list(self.cross_replace_steps),
            "self": list(self.self_replace_steps),
            "steps": self.steps,
            "advised": self.advised,
            "span": list(WEIGHTS),
        }

    def with_prompts(self, original: "TokenizedPrompt", edited: "TokenizedPrompt") -> "BoardState":
        """Return it for other prompts; what was said of words that are still there stays."""
        from editors.prompt_to_prompt.alignment import word_links

        ours, theirs = ([word.text for word in one.words] for one in (original, edited))
        return replace(
            self,
            original=tuple(ours),
            edited=tuple(theirs),
            links=word_links(original, edited),
            weights={word: weight for word, weight in self.weights.items() if word in theirs},
            blend_original=_still(self.blend_original, ours),
            blend_edited=_still(self.blend_edited, theirs),
        )

    @property
    def fields(self) -> dict[str, Any]:
        """The fields of `PromptEdit` that it stands for."""
        blends = self.blend_original or self.blend_edited
        blend = LocalBlend(original=self.blend_original, edited=self.blend_edited) if blends else None
        return {
            "word_weights": dict(self.weights),
            "local_blend": blend,
            "cross_replace_steps": self.cross_replace_steps,
            "self_replace_steps": self.self_replace_steps,
        }


def _still(chosen: Sequence[str], words: Sequence[str]) -> tuple[str, ...]:
    return tuple(word for word in chosen if word in words)


def _window(told: Sequence[float]) -> tuple[float, float]:
    start, end = map(float, told)
    return start, end


def board(state: BoardState) -> Any:
    """Lay out the board; its `input` event comes when a person has changed something."""
    return gr.HTML(
        value=state.told(),
        html_template=TEMPLATE,
        css_template=STYLE,
        js_on_load=MAKE + SCRIPT,
    )
