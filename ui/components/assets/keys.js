// Keys press buttons, except while somebody types.
const pressed = { k: 'keep', r: 'reject', u: 'take-back', ArrowRight: 'next', ArrowLeft: 'previous' };
document.addEventListener('keydown', event => {
  if (['INPUT', 'TEXTAREA'].includes(event.target.tagName) || event.ctrlKey || event.metaKey) return;
  document.getElementById(pressed[event.key])?.click();
});
