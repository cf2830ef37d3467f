/* What pages are made of: elements, the texts and numbers in them, and scripts of data.
 *
 * The first of the site's scripts, which share one global: `saekit`. Its functions `index` and `feature`
 * take what the scripts in `data/` hand over (docs/analysis-format.md has the format); `saekit.parts` is
 * what the scripts of the site hand to each other, an object each. Texts of tokens can be anything, markup
 * and control characters included: they reach the page as text nodes only. */
(() => {
  'use strict';

  /** What the scripts of data handed over last. */
  const given = { index: null, feature: null };

  const functions = {
    index: (data) => { given.index = data; },
    feature: (data) => { given.feature = data; },
  };
  window.saekit = Object.freeze(Object.defineProperty(functions, 'parts', { value: {} }));

  const root = document.documentElement;
  const byId = (id) => document.getElementById(id);

  // ---- Elements -------------------------------------------------------------------------------

  /** Fills `node`: functions become listeners, `--name` a style, `null` and `false` nothing. */
  function fill(node, attributes, children) {
    for (const [name, value] of Object.entries(attributes)) {
      if (typeof value === 'function') node.addEventListener(name, value);
      else if (name.startsWith('--')) node.style.setProperty(name, value);
      else if (value !== null && value !== false) node.setAttribute(name, value === true ? '' : value);
    }
    node.append(...children.flat(Infinity).filter((child) => child !== null));
    return node;
  }

  /** An element of a tag with classes, `li.row.wide`; attributes, if any, come before the children. */
  function element(namespace, what, [first, ...rest]) {
    const [tag, ...classes] = what.split('.');
    const node = document.createElementNS(namespace, tag);
    if (classes.length) node.setAttribute('class', classes.join(' '));
    const given = first !== null && first?.constructor === Object;
    return given ? fill(node, first, rest) : fill(node, {}, first === undefined ? rest : [first, ...rest]);
  }

  const h = (what, ...content) => element('http://www.w3.org/1999/xhtml', what, content);
  const svg = (what, ...content) => element('http://www.w3.org/2000/svg', what, content);
  const button = (label, click, attributes = {}) => h('button', { type: 'button', click, ...attributes }, label);

  /** What stands in place of a page that cannot be shown. */
  const notice = (what, remedy) =>
    h('section.notice', { role: 'alert' }, h('h1', { id: 'title', tabindex: -1 }, what), h('p', remedy));

  // ---- Texts and numbers ----------------------------------------------------------------------

  /** Characters nobody would see, or that would turn the text around them. Joiners are part of emoji. */
  const UNSEEN = /(?![\u200c\u200d])[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\u00a0]/gu;

  function sign(character) {
    if (character === '\n') return '↵';
    if (character === '\t') return '→';
    return `U+${character.codePointAt(0).toString(16).toUpperCase().padStart(4, '0')}`;
  }

  /** The text as a reader sees it, which is what is searched. */
  const shown = (text) => text.replace(UNSEEN, sign);

  /** The text as nodes, with signs set apart from what is really there. */
  function textNodes(text) {
    if (text === '') return [h('i.sign.code', 'empty')];
    const nodes = [];
    let from = 0;
    for (const found of text.matchAll(UNSEEN)) {
      const what = sign(found[0]);
      nodes.push(text.slice(from, found.index), h(what.length > 1 ? 'i.sign.code' : 'i.sign', what));
      from = found.index + found[0].length;
    }
    return [...nodes, text.slice(from)];
  }

  /** A token that stands alone: spaces at its ends are marked. */
  function chip(text) {
    const [, before, inner, after] = /^( *)([^]*?)( *)$/.exec(text);
    const spaces = (run) => [...run].map((space) => h('span.space', space));
    return h('span.chip', spaces(before), before && !inner ? null : textNodes(inner), spaces(after));
  }

  const grouped = (count) => count.toLocaleString('en');
  const counted = (count, noun) => `${grouped(count)} ${noun}${count === 1 ? '' : 's'}`;
  const signed = (digits) => digits.replace('-', '−');

  /** A value: two digits after the point, fewer of a large one, more of a tiny one. */
  function number(value) {
    if (value === null) return '–';
    const size = Math.abs(value);
    return signed(size === 0 || size >= 0.1 ? value.toFixed(size >= 1000 ? 0 : 2) : value.toPrecision(2));
  }

  const score = (value) => value === null ? '–' : signed(value.toFixed(2));

  /** A share, with two digits that count. */
  function percent(share) {
    if (share === 0) return '0 %';
    const places = 1 - Math.floor(Math.log10(share * 100));
    return `${(share * 100).toFixed(Math.max(0, Math.min(6, places)))} %`;
  }

  /** Attributes of something coloured by a value; the weakest firing can still be seen. Colour is full where
   * the scale ends, and a value beyond its end is marked. */
  function tint(value, scale) {
    if (value === 0) return {};
    const share = Math.abs(value / scale);
    const strength = 0.12 + 0.88 * Math.min(1, share);
    const side = value < 0 ? 'negative' : 'positive';
    return { class: share > 1 ? `tint ${side} beyond` : `tint ${side}`, '--strength': strength.toFixed(3) };
  }

  /** A token whose character stands with the one before it: seen where the latent fires on it. */
  const part = (value) => (value ? [h('i.sign', '◦')] : []);

  /** A token in running text, coloured by its value. The space before a word stays a gap. */
  function token(text, value, scale, attributes = {}) {
    const gap = /^ (?=.)/.test(text) ? ' ' : '';
    const inner = text === '' ? part(value) : textNodes(text.slice(gap.length));
    return h('span.token', attributes, gap, h('span', tint(value, scale), inner));
  }

  // ---- Data -----------------------------------------------------------------------------------

  /** Runs a script of data; rejects where the file is missing. */
  function load(path) {
    return new Promise((resolve, reject) => {
      const script = h('script', {
        src: path,
        load: () => { script.remove(); resolve(); },
        error: () => { script.remove(); reject(new Error(`${path} is missing`)); },
      });
      document.head.append(script);
    });
  }

  saekit.parts.elements = {
    given, root, byId, h, svg, fill, button, notice, load,
    shown, chip, token, tint, grouped, counted, signed, number, score, percent,
  };
})();
