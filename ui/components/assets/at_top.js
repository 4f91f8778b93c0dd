() => {
  scrollTo(0, 0);
  if (innerWidth > 640 && document.activeElement === document.body)
    document.querySelector('#instruction :is(textarea, input)')?.focus({ preventScroll: true });
}
