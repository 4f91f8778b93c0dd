"""The looks of the page, and what it says to those who hear it instead."""

import gradio as gr

STYLE = """
.status { min-height: 1.6em; }
/* In one line of gradio's size examples are cut, and all results of an instruction look the same. */
:is(.strip, #examples, #grid) .caption-label { inset: auto 0 0 0 !important; max-width: none !important;
  margin: 0; border-radius: 0; padding: 2px 4px; font-size: 11px !important; line-height: 1.25;
  text-align: left;
  white-space: normal !important; }
/* Three words and a seed: two lines on a thumbnail. */
.strip .caption-label { padding: 2px 4px 0 !important; font-size: 10px !important; overflow-wrap: anywhere;
  display: -webkit-box; -webkit-line-clamp: 2; -webkit-box-orient: vertical; overflow: hidden; }
/* WCAG 2.2, 2.5.8: what is clicked is 24 pixels wide and high. */
.icon-button, a.download-link { min-width: 24px; min-height: 24px; }
a.download-link { display: inline-flex; }
/* What is written above its columns is as wide. */
#train-grid :is(.image-container, .image-container > button, .image-frame, img) { width: 100%; }
#train-heads .html-container { padding: 0; }
@media (max-width: 640px) {
  /* On a phone the form fills the screen: what happens is said where it can be seen. */
  .status { position: fixed; inset: auto 0 0 0; z-index: 50; padding: 8px 16px;
    background: var(--background-fill-primary); border-top: 1px solid var(--border-color-primary); }
  .gradio-container { padding-bottom: 64px !important; }
}
"""
SPOKEN = """() => {
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
  window.namer.observe(document.body, {childList: true, subtree: true});
}"""
"""Run when the page is there: status lines are read out when they change, pictures have a name, and a link to
download is one target, not a button within a link."""


AT_TOP = """() => {
  scrollTo(0, 0);
  if (innerWidth > 640 && document.activeElement === document.body)
    document.querySelector('#instruction :is(textarea, input)')?.focus({preventScroll: true});
}"""
"""Run when the page is there: it is seen from its top, and whoever has keys can type at once."""


def theme() -> gr.themes.Base:
    """Return the page's looks: fonts of the machine, and in the dark errors that can be read."""
    soft = gr.themes.Soft(font=["system-ui", "sans-serif"], font_mono=["monospace"])
    # An error stands on the title of its field, in the colour of the icon: Soft's red is lost on its blue.
    # What Soft writes in its lighter shades is under the 4.5 to 1 that WCAG 2.2 asks for.
    return soft.set(
        block_title_text_color="*primary_800",
        block_title_background_fill_dark="transparent",
        block_title_text_color_dark="*neutral_100",
        block_label_text_color="*primary_800",
        block_label_text_color_dark="*neutral_100",
        block_info_text_color="*neutral_600",
        block_info_text_color_dark="*neutral_300",
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_300",
        button_primary_background_fill="*primary_600",
        button_primary_background_fill_hover="*primary_700",
        input_placeholder_color="*neutral_500",
        input_placeholder_color_dark="*neutral_300",
        error_icon_color="#b91c1c",
        error_icon_color_dark="#fca5a5",
    )
