kept => {
  try { sessionStorage.setItem('wordbrush-token', kept.token); } catch {}
  window.wordbrushIsBack = true;
  addEventListener('pagehide', () => {
    const isUnderWay = document.querySelector('#stop')?.disabled === false;
    const newest = document.querySelector('#edit-tree [data-newest]')?.dataset.newest ?? 0;
    try { sessionStorage.setItem('wordbrush-under-way', isUnderWay ? newest : 'null'); } catch {}
  });
}
