// Elements. Text goes in as text, never as markup: names on the page come from a heap that anyone may have filled.

const SVG = 'http://www.w3.org/2000/svg';

/** An element with attributes, properties that begin with `on`, and children: texts, elements, or nothing. */
export function h(tag, attributes, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** The same for SVG. */
export function svg(tag, attributes, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name === 'style') {
      // The policy forbids the attribute, not the properties.
      for (const [property, text] of Object.entries(value)) element.style.setProperty(property, text);
    } else if (name.startsWith('on')) {
      element.addEventListener(name.slice(2), value);
    } else {
      element.setAttribute(name, value === true ? '' : value);
    }
  }
  add(element, children);
  return element;
}

function add(element, children) {
  for (const child of children) {
    if (Array.isArray(child)) add(element, child);
    else if (child !== null && child !== undefined && child !== false) element.append(child);
  }
}

/** A section with a heading, and a name in the contents. */
export function section(id, title, lead, ...children) {
  return h('section', {id, 'aria-labelledby': `${id}-title`},
    h('h2', {id: `${id}-title`}, title), lead && h('p', {class: 'lead'}, lead), children);
}

/** What a section says that could not be made. */
export function failed(answer) {
  return h('p', {class: 'notice warning', role: 'note'}, `This part is missing: ${answer.error}`);
}

export function notice(text) {
  return h('p', {class: 'notice'}, text);
}

/** A command line, to be selected as a whole. */
export function command(text) {
  return h('code', {class: 'command'}, text);
}

/** A text with what would be invisible, or turn its surroundings around, as escapes. */
export function visible(text) {
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** The name of a class or function: of many characters the page shows some. */
export function name(text, limit = 90) {
  const whole = text === '' ? '(anonymous)' : visible(text);
  const characters = [...whole];
  const shown = characters.length > limit ? `${characters.slice(0, limit).join('')}…` : whole;
  // Whatever direction a name is written in, it does not turn around what stands beside it.
  return h('bdi', {class: 'name', title: whole.length > limit ? whole : null}, shown);
}
