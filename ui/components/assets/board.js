const tell = change => {
  const focus = document.activeElement?.dataset?.key;
  props.value = { ...props.value, ...change };
  build();
  if (focus) element.querySelector(`[data-key="${CSS.escape(focus)}"]`)?.focus();
  trigger('input');
};
const WHERE = { original: 'the picture', edited: 'its edit' };
const word = (row, place) => {
  const text = props.value[row][place];
  const chosen = props.value.blend[row].includes(text);
  const press = make('button', {
    type: 'button',
    'aria-pressed': chosen,
    'data-key': row + place,
    title: 'Change the picture only where this word of ' + WHERE[row] + ' is'
  }, text);
  press.onclick = () => tell({
    blend: {
      ...props.value.blend,
      [row]: chosen ? props.value.blend[row].filter(one => one !== text) : [...props.value.blend[row], text]
    }
  });
  return press;
};
const weight = place => {
  const text = props.value.edited[place];
  const factor = props.value.weights[text] ?? 1;
  if (!/[\p{L}\p{N}]/u.test(text)) return [];
  const said = make('output', {}, '×' + factor);
  const slide = make('input', {
    type: 'range',
    min: props.value.span[0],
    max: props.value.span[1],
    step: 0.1,
    value: factor,
    'data-key': 'weight' + place,
    'aria-label': 'Weight of ' + text
  });
  slide.value = factor;
  slide.oninput = () => { said.textContent = '×' + slide.value; };
  slide.onchange = () => {
    const weights = { ...props.value.weights };
    delete weights[text];
    if (slide.value != 1) weights[text] = Number(slide.value);
    tell({ weights });
  };
  return [slide, said];
};
const column = (kind, above, below) => make('div', { class: kind }, above, make('i', {}), ...below);
const nothing = () => make('button', { type: 'button', class: 'none', disabled: true }, '·');
// Links never cross, so words that go together share a column, and prompts of any length can be wrapped.
const columns = () => {
  const { original, edited, links } = props.value;
  const all = [];
  const ours = place => word('original', place);
  const theirs = place => [word('edited', place), ...weight(place)];
  let here = 0;
  let there = 0;
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
  const bar = make('div', { class: 'bar', style: `--start:${start};--end:${end};--steps:${props.value.steps}` },
    make('div', { class: 'on' }), make('div', { class: 'ticks' }));
  const ends = [
    ['from', start, 0],
    ['to', end, 1]
  ].map(([text, value, which]) => {
    const slide = make('input', {
      type: 'range',
      min: 0,
      max: 1,
      step: 0.05,
      value,
      'data-key': name + which,
      'aria-label': words + ': ' + text
    });
    slide.value = value;
    slide.oninput = () => bar.style.setProperty(which ? '--end' : '--start', slide.value);
    slide.onchange = () => {
      const now = Number(slide.value);
      const [a, b] = props.value[name];
      const change = {};
      change[name] = which ? [Math.min(a, now), now] : [now, Math.max(b, now)];
      tell(change);
    };
    return make('label', {}, text, slide);
  });
  return make('div', { class: 'track' }, make('span', {}, words), bar, make('div', { class: 'ends' }, ...ends));
};
const build = () => {
  const board = element.querySelector('.board');
  board.replaceChildren();
  if (!props.value) return;
  if (props.value.original.length) {
    const named = { class: 'words', role: 'group', 'aria-label': 'Words of the picture, and of its edit' };
    board.append(make('div', named, ...columns()),
      make('p', { class: 'hint' }, 'Press words to change the picture only where they are. ' +
        'The slider below a word says how much it counts.'));
  }
  board.append(timeline('cross', 'Steps in which words keep their places'),
    timeline('self', 'Steps in which the layout is kept'));
};
watch('value', build);
build();
