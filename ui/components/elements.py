"""Helpers of the scripts of our own components."""

MAKE = """
const make = (tag, attributes, ...children) => {
  const one = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) one.setAttribute(name, value);
  one.append(...children);
  return one;
};
"""
"""JavaScript: `make(tag, attributes, ...children)` makes an element; its children are text, never HTML."""
