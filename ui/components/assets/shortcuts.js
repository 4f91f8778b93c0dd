// Keys press what can be seen and pressed, except while somebody types; "?" shows the list of them.
const shortcuts = keys => {
  if (document.querySelector('dialog.shortcuts')) return;
  const SWITCH = 'wordbrush-shortcuts';
  const seen = one => one.offsetParent !== null && !one.disabled;
  const found = selector => [...document.querySelectorAll(selector)].find(seen);
  const rows = keys.map(([key, does]) => make('tr', {}, make('td', {}, make('kbd', {}, key)), make('td', {}, does)));
  const only = make('input', { type: 'checkbox', id: 'shortcuts-on' });
  const list = make('dialog', { class: 'shortcuts', 'aria-label': 'Keyboard shortcuts' },
    make('h2', {}, 'Keyboard shortcuts'),
    make('table', {}, make('tbody', {}, ...rows)),
    make('label', { for: 'shortcuts-on' }, only, 'Single keys act'),
    make('form', { method: 'dialog' }, make('button', { autofocus: '' }, 'Close')));
  const title = 'Keyboard shortcuts (?)';
  const opener = make('button', { type: 'button', class: 'shortcuts-opener', 'aria-label': title, title }, '?');
  only.checked = localStorage.getItem(SWITCH) !== 'off';
  only.addEventListener('change', () => localStorage.setItem(SWITCH, only.checked ? 'on' : 'off'));
  opener.addEventListener('click', () => list.showModal());
  document.body.append(list, opener);
  document.addEventListener('keydown', event => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || list.open) return;
    const field = event.target.closest('input, textarea, select, [contenteditable]');
    const slides = field?.type === 'range';
    const moves = event.key.startsWith('Arrow');
    if (event.key !== 'Escape' && ((field && !(slides && !moves)) || !only.checked)) return;
    if (event.key === '?') {
      list.showModal();
      event.preventDefault();
      return;
    }
    const [, , selector] = keys.find(([, , , pressed]) => pressed === event.key.toLowerCase()) ?? [];
    const target = selector && found(selector);
    if (!target) return;
    target.matches('input, textarea') ? target.focus() : target.click();
    event.preventDefault();
  });
};
