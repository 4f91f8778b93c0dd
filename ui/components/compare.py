"""The comparison of the page: two pictures, one over the other, and a divider that mouse and keys move.

gradio's own slider has no alternative texts and no keys, and copies each picture that it shows into a folder,
where it stays for a day. Here what is in memory travels in the message itself, and files are shown from where
they are (`gr.set_static_paths`). The class has a module of its own, as `photo.Photo`.
"""

import base64
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import quote

import gradio as gr
from PIL import Image

TEMPLATE = """
<figure class="compare" hidden>
  <img class="before" alt="Before" draggable="false"><img class="after" alt="After" draggable="false">
  <input type="range" min="0" max="100" step="1" value="50"
    aria-label="Divider between before (left) and after (right)">
  <span class="divider" aria-hidden="true"></span>
  <figcaption aria-hidden="true"><span>Before</span><span>After</span></figcaption>
  <button type="button" aria-label="Full screen" title="Full screen"><svg viewBox="0 0 16 16"
    aria-hidden="true"><path d="M2 6V2h4M10 2h4v4M14 10v4h-4M6 14H2v-4"/></svg></button>
</figure>
<p class="empty">The picture before and after appears here.</p>
"""
STYLE = """
.compare { --at: 50%; position: relative; margin: 0 auto; aspect-ratio: var(--ratio, 1);
  width: min(100%, calc(70vh * var(--ratio, 1))); }
.compare:fullscreen { width: min(100vw, calc(100vh * var(--ratio, 1))); margin: auto; }
.compare img { position: absolute; inset: 0; width: 100%; height: 100%; margin: 0; object-fit: contain; }
.compare .after { clip-path: inset(0 0 0 var(--at)); }
.compare input { position: absolute; inset: 0; width: 100%; height: 100%; margin: 0; opacity: 0;
  cursor: ew-resize; touch-action: pan-y; }
.compare .divider { position: absolute; top: 0; bottom: 0; left: var(--at); width: 2px; margin-left: -1px;
  background: white; box-shadow: 0 0 3px black; pointer-events: none; }
.compare .divider::after { content: '↔'; position: absolute; top: 50%; left: 50%;
  transform: translate(-50%, -50%); width: 28px; height: 28px; border-radius: 50%; background: white;
  color: black; box-shadow: 0 0 3px black; font: 18px/28px sans-serif; text-align: center; }
.compare input:focus-visible ~ .divider::after { outline: 3px solid var(--color-accent);
  outline-offset: 2px; }
.compare figcaption { position: absolute; inset: auto 0 0 0; display: flex; justify-content: space-between;
  padding: 6px; pointer-events: none; }
.compare figcaption span { padding: 1px 7px; border-radius: 4px; background: rgb(0 0 0 / 60%);
  color: white; font-size: 12px; }
.compare button { position: absolute; top: 6px; right: 6px; display: grid; place-items: center; width: 30px;
  height: 30px; padding: 0; border-radius: 4px; background: rgb(0 0 0 / 60%); cursor: pointer; }
.compare svg { width: 16px; fill: none; stroke: white; stroke-width: 2; }
.compare[hidden], .empty[hidden] { display: none; }
.empty { padding: 12vh 1em; text-align: center; color: var(--body-text-color-subdued);
  border: 1px dashed var(--border-color-primary); border-radius: var(--radius-lg); }
"""
SCRIPT = """
let at = 50;
const find = name => element.querySelector(name);
const divide = () => find('.compare').style.setProperty('--at', at + '%');
const show = () => {
  const pair = props.value, figure = find('.compare');
  figure.hidden = !pair;
  find('.empty').hidden = Boolean(pair);
  if (!pair) { element.querySelectorAll('img').forEach(one => one.removeAttribute('src')); return; }
  const before = find('.before'), after = find('.after');
  before.onload = () => figure.style.setProperty('--ratio', before.naturalWidth / before.naturalHeight);
  before.src = pair.before;
  after.src = pair.after;
  after.alt = pair.words ? 'After: ' + pair.words : 'After';
  find('input').value = at;
  divide();
};
element.addEventListener('input', event => { at = event.target.value; divide(); });
element.addEventListener('click', event => {
  if (!event.target.closest('button')) return;
  document.fullscreenElement ? document.exitFullscreen() : find('.compare').requestFullscreen();
});
watch('value', show);
show();
"""


class Compare(gr.HTML):
    """Shows two pictures of one size, told as (before, after) or (before, after, words for who cannot see).

    Pictures are files below a static path, or in memory.
    """

    is_template = True  # shown by gradio's own front end

    def __init__(self, **more: Any) -> None:
        from ui.components.compare import SCRIPT, STYLE, TEMPLATE

        more = {"html_template": TEMPLATE, "css_template": STYLE, "js_on_load": SCRIPT, **more}
        super().__init__(**more)

    def postprocess(self, value: Any) -> Any:
        """Return what the browser is told: two addresses, and words."""
        from ui.components.compare import told

        return None if value is None else told(*value)


def told(before: Path | Image.Image, after: Path | Image.Image, words: str = "") -> Mapping[str, str]:
    """Return a pair as `SCRIPT` takes it."""
    return {"before": _address(before), "after": _address(after), "words": words}


def _address(picture: Path | Image.Image) -> str:
    """Return where a browser finds a picture, seen from the page."""
    return data_url(picture) if isinstance(picture, Image.Image) else f"gradio_api/file={quote(str(picture))}"


def data_url(picture: Image.Image) -> str:
    """Return a picture as an address that holds it, small rather than exact."""
    buffer = BytesIO()
    picture.save(buffer, "WEBP", quality=80)
    return f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}"
