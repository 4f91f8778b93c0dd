const build = () => {
  const cards = (props.value ?? []).map((card, index) => {
    const sides = [
      ['Before', card.before],
      ['After', card.after]
    ];
    const pictures = sides.map(([alt, src]) => make('img', { src, alt }));
    const button = make('button', { class: card.faint ? 'left-out' : '', 'aria-pressed': false },
      make('span', { class: 'two' }, ...pictures),
      make('span', { class: 'words' }, card.words), make('span', { class: 'note' }, card.note));
    button.onclick = () => {
      element.querySelectorAll('button').forEach(one => one.setAttribute('aria-pressed', one === button));
      trigger('select', { index });
    };
    return button;
  });
  element.querySelector('.sheet').replaceChildren(...cards);
};
watch('value', build);
build();
