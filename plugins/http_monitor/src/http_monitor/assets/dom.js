// Create and update elements. Text is always set as text, so no value from a plant becomes markup.

const SVG = "http://www.w3.org/2000/svg";

/** An element: h("td", {class: "num", onclick: f}, "text", child). */
export function h(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** The same for SVG. */
export function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child != null));
  return element;
}

/** Set text only when it differs: untouched nodes keep a selection and cost nothing. */
export function text(element, value) {
  const wanted = String(value ?? "");
  if (element.textContent !== wanted) element.textContent = wanted;
  return element;
}

/** Set or remove an attribute only when it differs. */
export function attribute(element, name, value) {
  if (value == null || value === false) element.removeAttribute(name);
  else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value);
}

/** Give the element exactly one of the state classes. */
export function mark(element, state) {
  for (const name of ["is-ok", "is-warn", "is-bad"]) element.classList.toggle(name, name === state);
}

/** Make the children of `parent` those of `items`, reusing what is there, so that focus and hover survive. */
export function sync(parent, items, key, create, update) {
  const known = new Map();
  for (const child of parent.children) known.set(child.dataset.key, child);
  const taken = new Set();
  let place = parent.firstElementChild;
  for (const item of items) {
    let id = String(key(item));
    while (taken.has(id)) id += "+"; // two pieces of advice from one sink share a key, and each has its element
    taken.add(id);
    let child = known.get(id);
    if (child) known.delete(id);
    else {
      child = create(item);
      child.dataset.key = id;
    }
    if (child === place) place = place.nextElementSibling;
    else parent.insertBefore(child, place);
    update(child, item);
  }
  for (const child of known.values()) child.remove();
}

/** The element with this id. */
export const byId = (id) => document.getElementById(id);
