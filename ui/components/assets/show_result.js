() => {
  const one = [...document.querySelectorAll('.compare')].find(one => one.offsetParent);
  if (innerWidth <= 640) one?.scrollIntoView({ behavior: 'smooth', block: 'center' });
}
