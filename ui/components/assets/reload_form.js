(...values) => {
  if (!window.wordbrushIsBack) return; // the page fills its form before it has read what was kept
  try { sessionStorage.setItem('wordbrush-form', JSON.stringify(values)); } catch {}
}
