() => {
  document.querySelectorAll('.status, .spoken').forEach(status => {
    status.setAttribute('role', 'status');
    status.setAttribute('aria-live', 'polite');
  });
  const mend = () => {
    document.querySelectorAll('.image-container > button:not([aria-label])').forEach(
      one => one.setAttribute('aria-label', 'The picture'));
    document.querySelectorAll('a.download-link > button:not([tabindex="-1"])').forEach(
      one => one.tabIndex = -1);
  };
  mend();
  window.namer ??= new MutationObserver(mend);
  window.namer.observe(document.body, { childList: true, subtree: true });
}
