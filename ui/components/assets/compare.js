let at = 50;
const find = name => element.querySelector(name);
const divide = () => find('.compare').style.setProperty('--at', at + '%');
const show = () => {
  const pair = props.value;
  const figure = find('.compare');
  figure.hidden = !pair;
  find('.empty').hidden = Boolean(pair);
  if (!pair) {
    element.querySelectorAll('img').forEach(one => one.removeAttribute('src'));
    return;
  }
  const before = find('.before');
  const after = find('.after');
  before.onload = () => figure.style.setProperty('--ratio', before.naturalWidth / before.naturalHeight);
  before.src = pair.before;
  after.src = pair.after;
  after.alt = pair.words ? 'After: ' + pair.words : 'After';
  find('input').value = at;
  divide();
};
element.addEventListener('input', event => {
  at = event.target.value;
  divide();
});
element.addEventListener('click', event => {
  if (!event.target.closest('button')) return;
  document.fullscreenElement ? document.exitFullscreen() : find('.compare').requestFullscreen();
});
watch('value', show);
show();
