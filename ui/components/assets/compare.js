let at = 50;
let beside = false;
const find = name => element.querySelector(name);
const figure = () => find('.compare');
const divide = () => figure().style.setProperty('--at', at + '%');
const shape = image => image.naturalWidth / image.naturalHeight;
// Pictures of two shapes cannot lie one over the other.
const arrange = () => {
  const [before, after] = [find('.before'), find('.after')];
  if (!before.naturalWidth || !after.naturalWidth) return;
  const alike = Math.abs(shape(before) / shape(after) - 1) < 0.02;
  const side = find('.side');
  figure().style.setProperty('--ratio', shape(before));
  figure().classList.toggle('beside', beside || !alike);
  side.hidden = !alike;
  side.setAttribute('aria-pressed', beside);
  find('input').hidden = beside || !alike;
};
const show = () => {
  const pair = props.value;
  figure().hidden = !pair;
  find('.empty').hidden = Boolean(pair);
  if (!pair) {
    element.querySelectorAll('img').forEach(one => one.removeAttribute('src'));
    return;
  }
  const names = pair.names;
  for (const [place, one] of [find('.before'), find('.after')].entries()) {
    one.onload = arrange;
    one.alt = place && pair.words ? names[place] + ': ' + pair.words : names[place];
    one.src = place ? pair.after : pair.before;
    element.querySelectorAll('figcaption span')[place].textContent = names[place];
  }
  find('input').value = at;
  divide();
};
element.addEventListener('input', event => {
  at = event.target.value;
  divide();
});
element.addEventListener('click', event => {
  const button = event.target.closest('button');
  if (!button) return;
  if (button.matches('.side')) {
    beside = !beside;
    arrange();
  } else {
    document.fullscreenElement ? document.exitFullscreen() : figure().requestFullscreen();
  }
});
watch('value', show);
show();
