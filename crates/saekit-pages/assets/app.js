/* The feature site: an index of latents and a page for each, from disk, with nothing else.
 *
 * Data come by script tags, because a page opened from disk may not fetch: `data/index.js` calls
 * `saekit.index`, `data/features/<latent>.js` calls `saekit.feature`. docs/analysis-format.md has the
 * format. Texts of tokens can be anything, markup and control characters included: they reach the page
 * as text nodes only. The address after `#` says what is shown: `#/?sort=density` or `#/42`. */
(() => {
  'use strict';

  const root = document.documentElement;
  const byId = (id) => document.getElementById(id);

  // ---- Theme ----------------------------------------------------------------------------------

  const THEME = 'saekit-theme';

  function isDark() {
    return root.dataset.theme
      ? root.dataset.theme === 'dark'
      : matchMedia('(prefers-color-scheme: dark)').matches;
  }

  /** Takes the theme chosen earlier. Storage may be forbidden; the system then decides. */
  function restoreTheme() {
    try {
      const theme = localStorage.getItem(THEME);
      if (theme === 'dark' || theme === 'light') root.dataset.theme = theme;
    } catch { /* nothing was kept */ }
  }

  function toggleTheme() {
    root.dataset.theme = isDark() ? 'light' : 'dark';
    nameThemeButton();
    try {
      localStorage.setItem(THEME, root.dataset.theme);
    } catch { /* kept until the page is closed */ }
  }

  function nameThemeButton() {
    byId('theme-button').textContent = isDark() ? 'Light' : 'Dark';
  }

  // ---- Elements -------------------------------------------------------------------------------

  /** Fills `node`: functions become listeners, `--name` a style, `null` and `false` nothing. */
  function fill(node, attributes, children) {
    for (const [name, value] of Object.entries(attributes)) {
      if (typeof value === 'function') node.addEventListener(name, value);
      else if (name.startsWith('--')) node.style.setProperty(name, value);
      else if (value !== null && value !== false) node.setAttribute(name, value === true ? '' : value);
    }
    node.append(...children.flat(2).filter((child) => child !== null));
    return node;
  }

  const h = (tag, attributes = {}, ...children) =>
    fill(document.createElement(tag), attributes, children);

  const svg = (tag, attributes = {}, ...children) =>
    fill(document.createElementNS('http://www.w3.org/2000/svg', tag), attributes, children);

  const button = (label, click, attributes = {}) =>
    h('button', { type: 'button', click, ...attributes }, label);

  // ---- Texts and numbers ----------------------------------------------------------------------

  /** Characters nobody would see, or that would turn the text around them. Joiners are part of emoji. */
  const UNSEEN = /(?![\u200c\u200d])[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\u00a0]/gu;

  function sign(character) {
    if (character === '\n') return '↵';
    if (character === '\t') return '→';
    return `U+${character.codePointAt(0).toString(16).toUpperCase().padStart(4, '0')}`;
  }

  /** The text as a reader sees it: searched, and spoken. */
  const shown = (text) => text.replace(UNSEEN, sign);

  /** The text as nodes, with signs set apart from what is really there. */
  function textNodes(text) {
    if (text === '') return [h('i', { class: 'sign code' }, 'empty')];
    const nodes = [];
    let from = 0;
    for (const found of text.matchAll(UNSEEN)) {
      const what = sign(found[0]);
      nodes.push(text.slice(from, found.index), h('i', { class: what.length > 1 ? 'sign code' : 'sign' }, what));
      from = found.index + found[0].length;
    }
    nodes.push(text.slice(from));
    return nodes.filter((node) => node !== '');
  }

  /** A token that stands alone: spaces at its ends are marked. */
  function chip(text) {
    const [, before, inner, after] = /^( *)([^]*?)( *)$/.exec(text);
    const spaces = (run) => [...run].map((space) => h('span', { class: 'space' }, space));
    return h('span', { class: 'chip' }, spaces(before), before && !inner ? null : textNodes(inner), spaces(after));
  }

  const grouped = (count) => count.toLocaleString('en');
  const counted = (count, noun) => `${grouped(count)} ${noun}${count === 1 ? '' : 's'}`;

  /** A value: three digits or so, with a minus that is one. */
  function number(value) {
    if (value === null) return '–';
    const size = Math.abs(value);
    const digits = size === 0 || size >= 0.1 ? value.toFixed(size >= 1000 ? 0 : 2) : value.toPrecision(2);
    return digits.replace('-', '−');
  }

  const score = (value) => value === null ? '–' : value.toFixed(2);

  function percent(share) {
    const value = share * 100;
    if (value === 0) return '0 %';
    const places = Math.max(0, Math.min(6, 1 - Math.floor(Math.log10(value))));
    return `${value.toFixed(places)} %`;
  }

  /** How strongly a value is coloured, 0 to 1; the weakest firing can still be seen. */
  const strength = (value, scale) =>
    value === 0 || !scale ? 0 : 0.12 + 0.88 * Math.min(1, Math.abs(value) / Math.abs(scale));

  /** Class and style of something coloured by a value. */
  const tint = (value, scale) => value === 0 ? {} : {
    class: value < 0 ? 'tint negative' : 'tint positive',
    '--strength': strength(value, scale).toFixed(3),
  };

  /** A token in running text, coloured by its value. The space before a word stays a gap. */
  function token(text, value, scale, attributes = {}) {
    const gap = /^ (?=.)/.test(text) ? ' ' : '';
    return h('span', { class: 'token', ...attributes }, gap,
      h('span', tint(value, scale), textNodes(text.slice(gap.length))));
  }

  // ---- Data -----------------------------------------------------------------------------------

  let index = null;
  let placeOf = new Map();
  let delivered = null;

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

  async function loadIndex() {
    await load('data/index.js');
    if (!index) throw new Error('data/index.js is damaged');
    if (index.format !== 'saekit-analysis' || index.version !== 1) {
      throw new Error('data/index.js is of another version of saekit than this page');
    }
    placeOf = new Map(index.latents.map((latent, place) => [latent, place]));
  }

  async function loadFeature(latent) {
    const path = `data/features/${latent}.js`;
    delivered = null;
    await load(path);
    const feature = delivered;
    if (!feature || feature.latent !== latent) throw new Error(`${path} is damaged`);
    return feature;
  }

  window.saekit = Object.freeze({
    index: (data) => { index = data; },
    feature: (data) => { delivered = data; },
  });

  // ---- What the index shows -------------------------------------------------------------------

  const FLAGS = [['dead', 1], ['dense', 2], ['duplicate', 4]];
  const CONTEXTUAL_FROM = 0.5;
  const COLUMNS = {
    telling: 'Telling',
    density: 'Density',
    max: 'Max',
    contextual: 'Contextual',
    latent: 'Latent',
  };
  const PLAIN = { q: '', sort: 'telling', dir: 'desc', kind: '', hide: '', min: '', max: '' };

  /** What the address asks for. */
  function readQuery(hash) {
    const given = new URLSearchParams(hash.includes('?') ? hash.slice(hash.indexOf('?') + 1) : '');
    const query = { ...PLAIN };
    for (const key of Object.keys(PLAIN)) query[key] = given.get(key) ?? PLAIN[key];
    if (!(query.sort in COLUMNS)) query.sort = PLAIN.sort;
    return query;
  }

  /** The address of what is asked for. */
  function hashOf(query) {
    const entries = Object.entries(query).filter(([key, value]) => value !== PLAIN[key]);
    return entries.length ? `#/?${new URLSearchParams(entries)}` : '#/';
  }

  const haystacks = [];

  /** What is searched of the feature at `place`: its tokens, and its snippet across tokens. */
  function haystack(place) {
    if (haystacks[place] === undefined) {
      const snippet = index.snippets[place];
      const texts = [...index.tokens[place], snippet ? snippet[0].join('') : ''];
      haystacks[place] = shown(texts.join('\uffff')).toLowerCase();
    }
    return haystacks[place];
  }

  /** The latent that is searched for by its number. */
  const latentIn = (words) => Number(/^\s*#?(\d+)\s*$/.exec(words)?.[1] ?? NaN);

  /** Whether the feature at a place passes, ready for a loop over all of them. */
  function filterOf(query) {
    const hidden = FLAGS.reduce((sum, [name, bit]) => query.hide.split(',').includes(name) ? sum | bit : sum, 0);
    const bound = (text, none) => text.trim() === '' || Number.isNaN(Number(text)) ? none : Number(text) / 100;
    const [low, high] = [bound(query.min, 0), bound(query.max, Infinity)];
    const kinds = {
      contextual: (score) => score !== null && score >= CONTEXTUAL_FROM,
      token: (score) => score !== null && score < CONTEXTUAL_FROM,
    };
    const ofKind = kinds[query.kind] ?? (() => true);
    const words = query.q.toLowerCase();
    const latent = latentIn(words);
    return (place) =>
      (index.flags[place] & hidden) === 0 &&
      index.density[place] >= low && index.density[place] <= high &&
      ofKind(index.contextual[place]) &&
      (words === '' || index.latents[place] === latent || haystack(place).includes(words));
  }

  /** Places in the order asked for. Nothing to sort by comes last either way; ties keep the rule's order. */
  function sortPlaces(places, { sort, dir, q }) {
    const turn = dir === 'asc' ? 1 : -1;
    if (sort === 'telling') {
      if (turn > 0) places.reverse(); // the rule's own order is the falling one
    } else {
      const column = sort === 'latent' ? index.latents : index[sort];
      const keys = column.map((value) => value === null ? NaN : Math.abs(value));
      places.sort((a, b) =>
        Number.isNaN(keys[a]) || Number.isNaN(keys[b])
          ? Number.isNaN(keys[a]) - Number.isNaN(keys[b])
          : turn * (keys[a] - keys[b]));
    }
    const at = places.indexOf(placeOf.get(latentIn(q)));
    if (at > 0) places.unshift(...places.splice(at, 1)); // a number means that latent first
    return places;
  }

  /** The list on the index page, and what the feature pages walk through. */
  const list = { query: PLAIN, places: [], current: -1, scroll: 0 };

  function updateList(query) {
    list.query = query;
    list.places = sortPlaces(index.latents.map((_, place) => place).filter(filterOf(query)), query);
  }

  // ---- Index page -----------------------------------------------------------------------------

  /** Where the filters are folded away; style.css has the same width. */
  const NARROW = matchMedia('(max-width: 760px)');

  /** The index page: made once, so that its list is there at once when one comes back. */
  let indexPage = null;

  function makeIndexPage() {
    const page = { rows: h('div', { class: 'rows', role: 'rowgroup' }), drawn: new Map(), first: 0, end: 0 };
    page.form = makeForm();
    page.count = h('p', { class: 'count', role: 'status' });
    page.none = h('p', { class: 'notice', hidden: true }, 'No feature matches.');
    page.head = h('div', { class: 'row head', role: 'row', 'aria-rowindex': 1 }, headCells());
    page.table = h('div', { role: 'table', class: 'table', 'aria-label': 'Features' },
      h('div', { role: 'rowgroup', class: 'heads' }, page.head), page.rows);
    page.printed = h('p', { class: 'printed' }, `The first ${PRINTED} are printed.`);
    page.bar = h('div', { class: 'bar' }, page.form, page.count, page.printed);
    page.nodes = [aboutSite(), page.bar, page.table, page.none];
    const floor = Math.floor(Math.log10(index.density.reduce((least, d) => d > 0 && d < least ? d : least, 0.1)));
    page.share = (density) => density > 0 ? Math.max(0.02, 1 - Math.log10(density) / floor) : 0;
    return page;
  }

  function aboutSite() {
    const facts = index.facts.map(([name, value]) => h('div', {}, h('dt', {}, name), h('dd', {}, value)));
    const missing = index.missing.map(([section, why]) =>
      h('p', { class: 'missing' }, h('b', {}, `No ${section}: `), why));
    return h('section', { class: 'about', 'aria-labelledby': 'title' },
      h('h1', { id: 'title', tabindex: -1 }, index.title),
      h('dl', { class: 'facts' }, facts),
      h('p', { class: 'rule' }, index.rule),
      missing);
  }

  function makeForm() {
    const option = (value, label) => h('option', { value }, label);
    const field = (label, control, extra = '') => h('label', { class: `field ${extra}` }, h('span', {}, label), control);
    const bound = (name, label) => h('input', {
      name, class: 'bound', inputmode: 'decimal', 'aria-label': label, placeholder: name, autocomplete: 'off',
    });
    const boxes = FLAGS.map(([name]) =>
      h('label', { class: 'box' }, h('input', { type: 'checkbox', name: 'hide', value: name }), name));
    return h('form', { role: 'search', input: formChanged },
      h('input', {
        type: 'search', name: 'q', class: 'search', placeholder: 'Search tokens, contexts, number',
        'aria-label': 'Search tokens, contexts or the number of a latent', autocomplete: 'off', spellcheck: 'false',
      }),
      h('div', { class: 'order' },
        field('Sort', h('select', { name: 'sort' }, Object.entries(COLUMNS).map(([key, label]) => option(key, label)))),
        button('', turnOrder, { name: 'dir' })),
      h('details', { open: !NARROW.matches },
        h('summary', {}, 'Filters'),
        h('div', { class: 'filters' },
          field('Kind', h('select', { name: 'kind' }, option('', 'all'),
            option('contextual', `contextual, from ${CONTEXTUAL_FROM}`), option('token', `token-like, below ${CONTEXTUAL_FROM}`))),
          h('fieldset', {}, h('legend', {}, 'Density %'), bound('min', 'Density from, in per cent'), '–', bound('max', 'Density to, in per cent')),
          h('fieldset', {}, h('legend', {}, 'Hide'), boxes))));
  }

  /** Headings of the columns; those one can sort by are buttons. */
  function headCells() {
    const heads = [['latent', 'Latent'], ['', 'Strongest example'], ['', 'Top tokens'],
      ['density', 'Density, log'], ['max', 'Max'], ['contextual', 'Contextual'], ['telling', 'Telling']];
    return heads.map(([key, label], column) => h('span', { role: 'columnheader', class: CELLS[column], 'data-sort': key || null },
      key ? button(label, () => sortBy(key)) : label));
  }

  const CELLS = ['latent', 'snippet', 'tokens', 'density', 'max', 'contextual', 'telling'];

  function sortBy(sort) {
    const turned = list.query.sort === sort && list.query.dir === 'desc';
    ask({ ...list.query, sort, dir: turned ? 'asc' : 'desc' });
  }

  function turnOrder() {
    ask({ ...list.query, dir: list.query.dir === 'asc' ? 'desc' : 'asc' });
  }

  function formChanged() {
    const data = new FormData(indexPage.form);
    const text = (key) => data.get(key) ?? '';
    ask({ ...list.query, q: text('q'), sort: text('sort'), kind: text('kind'),
      min: text('min'), max: text('max'), hide: data.getAll('hide').join() });
  }

  function openFirst() {
    if (list.places.length) location.hash = `#/${index.latents[list.places[0]]}`;
  }

  /** Shows what is asked for, and puts it into the address. */
  function ask(query) {
    try {
      history.replaceState(null, '', hashOf(query));
    } catch { /* browsers limit how often; the next change has it */ }
    list.current = -1;
    applyQuery(query);
    const top = indexPage.table.offsetTop - indexPage.bar.offsetHeight;
    if (scrollY > top) scrollTo(0, top);
  }

  function applyQuery(query) {
    updateList(query);
    syncForm(query);
    const [some, all] = [list.places.length, index.latents.length];
    indexPage.count.textContent = some === all ? counted(all, 'feature') : `${grouped(some)} of ${counted(all, 'feature')}`;
    indexPage.printed.hidden = some <= PRINTED;
    indexPage.none.hidden = some > 0;
    indexPage.table.setAttribute('aria-rowcount', some + 1);
    indexPage.drawn.clear();
    indexPage.rows.replaceChildren();
    indexPage.first = indexPage.end = 0;
    drawRows();
  }

  function syncForm(query) {
    const { elements } = indexPage.form;
    for (const key of ['q', 'sort', 'kind', 'min', 'max']) {
      if (elements[key].value !== query[key]) elements[key].value = query[key];
    }
    const hidden = query.hide.split(',');
    for (const box of elements.hide) box.checked = hidden.includes(box.value);
    elements.dir.textContent = query.dir === 'asc' ? '↑ rising' : '↓ falling';
    for (const cell of indexPage.head.querySelectorAll('[data-sort]')) {
      if (cell.dataset.sort !== query.sort) cell.removeAttribute('aria-sort');
      else cell.setAttribute('aria-sort', query.dir === 'asc' ? 'ascending' : 'descending');
    }
  }

  /** Rows beyond the window's edges, so that scrolling and the tab key find them there. */
  const SPARE = 8;
  /** Rows of the index on paper. */
  const PRINTED = 200;
  let printing = false;

  const rowHeight = () => parseFloat(getComputedStyle(indexPage.rows).getPropertyValue('--row'));

  /** Puts the rows in sight into the page, and takes the others out. */
  function drawRows() {
    const { rows, drawn } = indexPage;
    const height = rowHeight();
    rows.style.height = `${list.places.length * height}px`;
    const above = -rows.getBoundingClientRect().top;
    const within = (rank) => Math.min(list.places.length, Math.max(0, rank));
    const first = printing ? 0 : within(Math.floor(above / height) - SPARE);
    const end = within(printing ? PRINTED : Math.ceil((above + innerHeight) / height) + SPARE);
    for (const [rank, row] of drawn) {
      if (rank < first || rank >= end) { row.remove(); drawn.delete(rank); }
    }
    let next = rows.firstChild;
    for (let rank = first; rank < end; rank += 1) {
      const there = drawn.get(rank);
      if (there) { next = there.nextSibling; continue; }
      const row = makeRow(rank);
      drawn.set(rank, row);
      rows.insertBefore(row, next);
    }
  }

  function makeRow(rank) {
    const place = list.places[rank];
    const density = index.density[place];
    const flags = FLAGS.filter(([, bit]) => index.flags[place] & bit);
    const cells = [
      [h('a', { href: `#/${index.latents[place]}` }, String(index.latents[place])), flags.map(flagTag)],
      snippet(place),
      index.tokens[place].map(chip),
      [h('span', { class: 'level', '--share': indexPage.share(density).toFixed(3) }), percent(density)],
      [number(index.max[place])],
      [score(index.contextual[place])],
      [score(index.telling[place])],
    ];
    return h('div', { class: 'row', role: 'row', 'aria-rowindex': rank + 2, '--at': rank },
      cells.map((cell, column) => h('span', { role: 'cell', class: CELLS[column] }, cell)));
  }

  const flagTag = ([name]) => h('span', { class: 'flag' }, name);

  /** The strongest example, cut short: what comes before the firing ends where the firing begins. */
  function snippet(place) {
    const [texts, values, at] = index.snippets[place] ?? [[]];
    if (!texts.length) return [h('span', { class: 'absent' }, index.flags[place] & 1 ? 'never fired' : 'no text')];
    const tokens = texts.map((text, i) => token(text, values[i], index.max[place]));
    return [h('span', { class: 'before' }, tokens.slice(0, at)), h('span', { class: 'after' }, tokens.slice(at))];
  }

  function showIndex(query) {
    indexPage ??= makeIndexPage();
    byId('page').replaceChildren(...indexPage.nodes);
    document.title = index.title;
    watchBar.observe(indexPage.bar);
    if (hashOf(query) !== hashOf(list.query) || !indexPage.shown) {
      list.scroll = 0;
      applyQuery(query);
    }
    drawRows();
    scrollTo(0, list.scroll);
    drawRows();
    if (list.current >= 0 && indexPage.shown) focusRow(list.current);
    indexPage.shown = true;
  }

  /** The headings of the columns stick below the bar, whose height depends on the window. */
  const watchBar = new ResizeObserver(([{ target }]) => {
    root.style.setProperty('--bar', `${target.offsetHeight}px`);
  });

  function focusRow(rank) {
    list.current = Math.min(list.places.length - 1, Math.max(0, rank));
    if (list.current < 0) return;
    const height = rowHeight();
    const covered = indexPage.bar.offsetHeight + indexPage.head.offsetHeight;
    const top = indexPage.rows.getBoundingClientRect().top + scrollY + list.current * height;
    if (top < scrollY + covered) scrollTo(0, top - covered);
    else if (top + height > scrollY + innerHeight) scrollTo(0, top + height - innerHeight);
    drawRows();
    indexPage.drawn.get(list.current).querySelector('a').focus({ preventScroll: true });
  }

  /** The row after or before the one that has, or last had, the focus. */
  function moveRow(by) {
    const row = document.activeElement.closest('.row[aria-rowindex]:not(.head)');
    const from = row ? Number(row.getAttribute('aria-rowindex')) - 2 : list.current;
    focusRow(from + by);
  }

  // ---- Feature page ---------------------------------------------------------------------------

  async function showFeature(latent) {
    const asked = location.hash;
    let content;
    try {
      content = featurePage(await loadFeature(latent));
    } catch (error) {
      content = notice(`Feature ${latent} cannot be shown: ${error.message}.`,
        placeOf.has(latent) ? 'Copy the whole folder of the analysis, or run `saekit analyze` again.'
          : 'This analysis has no such latent.');
    }
    if (location.hash !== asked) return; // another was asked for meanwhile
    list.current = list.places.indexOf(placeOf.get(latent)); // where the index will be entered again
    byId('page').replaceChildren(walkBar(latent), content);
    document.title = `${latent} · ${index.title}`;
    scrollTo(0, 0);
    byId('title').focus({ preventScroll: true });
  }

  const notice = (what, remedy) => h('section', { class: 'notice', role: 'alert' },
    h('h1', { id: 'title', tabindex: -1 }, what), h('p', {}, remedy));

  /** The latent `by` steps on in the index as it was last seen, or in the rule's order. */
  function neighbourInList(latent, by) {
    const place = placeOf.get(latent);
    const rank = list.places.indexOf(place);
    const next = rank < 0 ? place + by : list.places[rank + by];
    return index.latents[next];
  }

  function walkBar(latent) {
    const to = (by, label, key) => {
      const other = neighbourInList(latent, by);
      return other === undefined ? h('span', { class: 'end' }, label)
        : h('a', { href: `#/${other}`, rel: by > 0 ? 'next' : 'prev', 'aria-keyshortcuts': key }, label);
    };
    const rank = list.places.indexOf(placeOf.get(latent));
    const where = rank < 0 ? '' : `${grouped(rank + 1)} of ${grouped(list.places.length)}`;
    return h('nav', { class: 'walk', 'aria-label': 'Features' },
      h('a', { href: hashOf(list.query), 'aria-keyshortcuts': 'u' }, 'Index'),
      to(-1, '← Previous', 'p'), to(1, 'Next →', 'n'), h('span', { class: 'where' }, where),
      button('Copy link', copyLink));
  }

  async function copyLink({ target }) {
    try {
      await navigator.clipboard.writeText(location.href);
      target.textContent = 'Copied';
      setTimeout(() => { target.textContent = 'Copy link'; }, 1500);
    } catch {
      prompt('The link to this feature', location.href);
    }
  }

  function featurePage(feature) {
    return h('article', { class: 'feature', 'aria-labelledby': 'title' },
      featureHead(feature),
      h('div', { class: 'columns' },
        topExamples(feature),
        h('div', { class: 'side' },
          histogramSection(feature), logitsSection(feature), tokensSection(feature),
          neighboursSection(feature), cofiringSection(feature)),
        quantileExamples(feature)));
  }

  function featureHead({ latent, flags, density, tokens, telling }) {
    const facts = [
      ['Density', percent(density.density), `${grouped(density.fires)} of ${grouped(density.rows)} rows`],
      ['Max', number(density.max)],
      ['Mean', number(density.mean), 'over its firings'],
      ['Contextual', score(tokens?.contextual ?? null), '0 token, 1 context'],
      ['Telling', score(telling), 'orders the index'],
    ];
    const fact = ([name, value, note]) =>
      h('div', {}, h('dt', {}, name), h('dd', {}, h('b', {}, value), note ? h('small', {}, note) : null));
    return h('header', {},
      h('h1', { id: 'title', tabindex: -1 }, `Feature ${latent}`, flags.map((name) => [' ', flagTag([name])])),
      h('p', { class: 'of' }, index.title),
      h('dl', { class: 'figures' }, facts.map(fact)));
  }

  function section(name, title, ...content) {
    return h('section', { class: name, 'aria-labelledby': `${name}-title` },
      h('h2', { id: `${name}-title` }, title), content);
  }

  const nothing = (text) => h('p', { class: 'absent' }, text);

  /** Why a section was not made. */
  const reason = (name) => index.missing.find(([missing]) => missing === name)?.[1] ?? 'not made';
  const absent = (name, title) => section(name, title, nothing(reason(name)));

  function histogramSection({ latent, histogram }) {
    if (!histogram.counts.length) return section('histogram', 'Activations', nothing('It never fired.'));
    const title = `Activations of feature ${latent}`;
    return section('histogram', 'Activations',
      chart({ ...histogram, title, unit: 'firing', axis: 'activation', tick: number }, `feature-${latent}-activations`));
  }

  function logitsSection({ logits }) {
    if (!logits) return absent('logits', 'Logits');
    const scale = Math.max(...[...logits.promoted, ...logits.suppressed].map(({ logit }) => Math.abs(logit)));
    const column = (title, tokens) => h('div', {}, h('h3', {}, title),
      h('ol', { class: 'bars' }, tokens.map(({ text, logit }) => bar([chip(text)], number(logit), logit / scale))));
    return section('logits', 'Logits', h('div', { class: 'pair' },
      column('Promoted', logits.promoted), column('Suppressed', logits.suppressed)));
  }

  function tokensSection({ tokens }) {
    if (!tokens) return absent('tokens', 'Top tokens');
    if (!tokens.top.length) return section('tokens', 'Top tokens', nothing('It fired on none.'));
    const scale = Math.max(...tokens.top.map(({ mean }) => Math.abs(mean)));
    return section('tokens', 'Top tokens', h('p', { class: 'key' }, 'firings of occurrences, mean activation'),
      h('ol', { class: 'bars' }, tokens.top.map(({ text, mean, fires, occurrences }) =>
        bar([chip(text)], number(mean), mean / scale, `${grouped(fires)} of ${grouped(occurrences)}`))));
  }

  function neighboursSection({ neighbours }) {
    if (!neighbours) return absent('neighbours', 'Nearest decoder rows');
    if (!neighbours.length) return section('neighbours', 'Nearest decoder rows', nothing('There are no others.'));
    return section('neighbours', 'Nearest decoder rows', h('p', { class: 'key' }, 'cosine'),
      h('ol', { class: 'bars' }, neighbours.map(({ latent, cosine }) => bar(latentLink(latent), score(cosine), cosine))));
  }

  function cofiringSection({ cofiring }) {
    if (!cofiring.length) return section('cofiring', 'Fires with', nothing('It shares no row with another.'));
    return section('cofiring', 'Fires with', h('p', { class: 'key' }, 'rows shared, Jaccard index'),
      h('ol', { class: 'bars' }, cofiring.map(({ latent, jaccard, rows }) =>
        bar(latentLink(latent), score(jaccard), jaccard, grouped(rows)))));
  }

  /** A link to a latent, with the tokens that say what it is. */
  function latentLink(latent) {
    const tokens = index.tokens[placeOf.get(latent)] ?? [];
    return [h('a', { href: `#/${latent}` }, String(latent)), tokens.slice(0, 4).map(chip)];
  }

  /** A line of a list: what, a note, its value; a bar as long as `share` lies under it. */
  function bar(what, value, share, note = null) {
    const length = Math.min(1, Math.abs(share)) || 0;
    return h('li', { class: share < 0 ? 'bar-row negative' : 'bar-row', '--share': length.toFixed(3) },
      h('span', { class: 'what' }, what), note === null ? null : h('small', {}, note), h('b', {}, value));
  }

  function topExamples(feature) {
    const { top } = feature.examples;
    if (!top.length) return section('examples', 'Top examples', nothing('It never fired in the rows analysed.'));
    const said = top[0].texts.length ? scaleLegend(feature) : nothing(reason('tokens'));
    return section('examples', 'Top examples', said, exampleList(top, feature));
  }

  function quantileExamples(feature) {
    const { quantiles } = feature.examples;
    if (!quantiles.length) return null;
    const groups = quantiles.map(({ from, to, fires, examples }, group) => h('div', { class: 'group' },
      h('h3', {}, `${number(from)} to ${number(to)}`, h('small', {}, `${counted(fires, 'firing')}, group ${group + 1}`)),
      examples.length ? exampleList(examples, feature) : nothing('None was drawn.')));
    return section('quantiles', 'Examples of every strength', groups);
  }

  function exampleList(examples, { density }) {
    return h('ol', { class: examples[0].texts.length ? 'examples' : 'examples textless' },
      examples.map((example) => exampleItem(example, density.max)));
  }

  /** What the colours of tokens mean. */
  function scaleLegend({ density, histogram }) {
    const size = Math.abs(density.max);
    const steps = [0.2, 0.4, 0.6, 0.8, 1];
    const label = (text) => h('span', {}, text);
    const swatches = (shares) => h('span', { class: 'swatches' }, shares.map((share) => h('i', tint(share, 1))));
    const below = histogram.start < 0 ? [label(number(-size)), swatches(steps.map((share) => -share).reverse())] : [];
    return h('p', { class: 'legend' }, label('activation'), below, label('0'), swatches(steps), label(number(size)));
  }

  /** What the tooltip says of a token. */
  const details = new WeakMap();

  function exampleItem(example, scale) {
    const tokens = example.texts.map((text, i) => {
      const firing = i === example.at;
      const node = token(text, example.values[i], scale,
        { class: firing ? 'token firing' : 'token', tabindex: firing ? 0 : -1 });
      details.set(node, { value: example.values[i], token: example.tokens[i], text, position: example.start + i });
      return node;
    });
    const where = tokens.length ? `${example.sequence} : ${example.position}` : `row ${example.sequence}`;
    return h('li', {},
      h('b', { class: 'value' }, number(example.value)),
      h('p', { class: example.texts[0]?.startsWith(' ') ? 'text hanging' : 'text', dir: 'ltr' }, tokens),
      h('p', { class: 'where' },
        h('span', { class: 'spoken' }, tokens.length ? 'sequence and position ' : ''), where,
        example.collapsed ? h('span', { class: 'similar' }, `+${grouped(example.collapsed)} similar`) : null));
  }

  // ---- Charts ---------------------------------------------------------------------------------

  const CHART = { width: 360, height: 150, left: 1, right: 359, top: 18, bottom: 118 };

  /** Round numbers between `low` and `high`, about five. */
  function ticksBetween(low, high) {
    const rough = (high - low) / 6;
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((unit) => unit * power).find((size) => size >= rough);
    const ticks = [];
    for (let at = Math.ceil(low / step - 1e-6); at * step <= high + step * 1e-6; at += 1) ticks.push(Number((at * step).toPrecision(6)));
    return ticks;
  }

  /** A histogram as a figure that can be saved. */
  function chart({ start, width, counts, title, unit, axis, tick }, name) {
    const { left, right, top, bottom } = CHART;
    const highest = Math.max(...counts);
    const end = start + width * counts.length;
    const x = (value) => left + (right - left) * (value - start) / (end - start || 1);
    const y = (count) => bottom - (bottom - top) * count / highest;
    const label = (attributes, text) => svg('text', { class: 'label', ...attributes }, text);
    const column = (count, i) => svg('rect', {
      class: start + (i + 0.5) * width < 0 ? 'column negative' : 'column',
      x: x(start + i * width) + 0.5, width: Math.max(0.5, x(start + width) - x(start) - 1),
      y: count ? Math.min(y(count), bottom - 1) : bottom, height: count ? Math.max(1, bottom - y(count)) : 0,
    }, svg('title', {}, `${tick(start + i * width)} to ${tick(start + (i + 1) * width)}: ${grouped(count)}`));
    const anchor = (at) => at < left + 12 ? 'start' : at > right - 12 ? 'end' : 'middle';
    const picture = svg('svg', { viewBox: `0 0 ${CHART.width} ${CHART.height}`, role: 'img', 'aria-label': `${title}: at most ${counted(highest, unit)} a bin, from ${tick(start)} to ${tick(end)}` },
      svg('line', { class: 'grid', x1: left, x2: right, y1: top, y2: top }),
      label({ x: left, y: top - 5 }, counted(highest, unit)),
      counts.map(column),
      svg('line', { class: 'axis', x1: left, x2: right, y1: bottom, y2: bottom }),
      ticksBetween(start, end).map((value) => label({ x: x(value), y: bottom + 14, 'text-anchor': anchor(x(value)) }, String(value).replace('-', '−'))),
      label({ x: right, y: bottom + 29, 'text-anchor': 'end' }, axis));
    return h('figure', {}, picture, button('Save SVG', () => saveSvg(picture, name), { class: 'save' }));
  }

  /** Saves a picture with its colours of the light theme written into it: papers are white. */
  function saveSvg(picture, name) {
    const theme = root.dataset.theme;
    root.dataset.theme = 'light';
    const copy = picture.cloneNode(true);
    const originals = [picture, ...picture.querySelectorAll('*')];
    [copy, ...copy.querySelectorAll('*')].forEach((node, i) => {
      const style = getComputedStyle(originals[i]);
      for (const property of ['fill', 'stroke', 'font-size', 'font-family']) node.setAttribute(property, style.getPropertyValue(property));
    });
    if (theme) root.dataset.theme = theme;
    else delete root.dataset.theme;
    copy.setAttribute('width', CHART.width);
    copy.setAttribute('height', CHART.height);
    const file = new Blob([new XMLSerializer().serializeToString(copy)], { type: 'image/svg+xml' });
    const link = h('a', { href: URL.createObjectURL(file), download: `${name}.svg` });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }

  // ---- Values of tokens -----------------------------------------------------------------------

  const tokenOf = (target) => target.closest?.('.examples .token') ?? null;

  function showTip(token) {
    const tip = byId('tip');
    const { value, token: id, text, position } = details.get(token);
    tip.replaceChildren(h('b', {}, value === 0 ? 'does not fire' : number(value)), chip(text),
      h('small', {}, `token ${id}, position ${position}`));
    tip.hidden = false;
    const [box] = token.getClientRects();
    const middle = box.left + box.width / 2 - tip.offsetWidth / 2;
    const above = box.top - tip.offsetHeight - 6;
    tip.style.left = `${scrollX + Math.max(4, Math.min(middle, root.clientWidth - tip.offsetWidth - 4))}px`;
    tip.style.top = `${scrollY + (above < 4 ? box.bottom + 6 : above)}px`;
    if (token === document.activeElement) token.setAttribute('aria-describedby', 'tip');
  }

  /** Takes the tooltip away; where the pointer left, a token that has the focus gets it back. */
  function hideTip() {
    byId('tip').hidden = true;
  }

  function pointerLeft() {
    const focused = tokenOf(document.activeElement);
    if (focused) showTip(focused);
    else hideTip();
  }

  /** The arrow keys walk along the tokens of an example; only one of them is a stop of the tab key. */
  function moveToken(token, by) {
    const other = by > 0 ? token.nextElementSibling : token.previousElementSibling;
    if (!other) return;
    token.tabIndex = -1;
    other.tabIndex = 0;
    other.focus();
  }

  // ---- Keys -----------------------------------------------------------------------------------

  const onFeature = () => /^#\/\d+$/.test(location.hash);
  const latentShown = () => Number(location.hash.slice(2));

  function follow(by) {
    const latent = neighbourInList(latentShown(), by);
    if (latent !== undefined) location.hash = `#/${latent}`;
  }

  function backToIndex() {
    location.hash = hashOf(list.query);
  }

  function focusSearch() {
    if (onFeature()) {
      backToIndex();
      addEventListener('hashchange', focusSearch, { once: true });
      return;
    }
    scrollTo(0, 0);
    indexPage.form.elements.q.select();
  }

  const ANYWHERE = { '/': focusSearch, '?': () => byId('keys').showModal() };
  const ON_INDEX = { j: () => moveRow(1), k: () => moveRow(-1), ArrowDown: () => moveRow(1), ArrowUp: () => moveRow(-1) };
  const ON_FEATURE = {
    n: () => follow(1), p: () => follow(-1), ArrowRight: () => follow(1), ArrowLeft: () => follow(-1),
    u: backToIndex, Escape: leaveOrHide,
  };
  const IN_FIELD = { Escape: () => document.activeElement.blur() };
  const IN_SEARCH = { ...IN_FIELD, Enter: openFirst, ArrowDown: () => focusRow(0) };
  const IN_EXAMPLE = { ArrowRight: 1, ArrowLeft: -1 };

  function leaveOrHide() {
    if (byId('tip').hidden) backToIndex();
    else hideTip();
  }

  function keysAt(target) {
    if (target.matches?.('[type=search]')) return IN_SEARCH;
    if (target.matches?.('input:not([type=checkbox]), select')) return IN_FIELD;
    return { ...ANYWHERE, ...(onFeature() ? ON_FEATURE : ON_INDEX) };
  }

  function keyPressed(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || byId('keys').open || !index) return;
    const token = tokenOf(event.target);
    if (token && event.key in IN_EXAMPLE) {
      event.preventDefault();
      moveToken(token, IN_EXAMPLE[event.key]);
      return;
    }
    const keys = keysAt(event.target);
    if (!Object.hasOwn(keys, event.key)) return;
    event.preventDefault();
    keys[event.key]();
  }

  // ---- Start ----------------------------------------------------------------------------------

  function route() {
    hideTip();
    if (onFeature()) showFeature(latentShown());
    else showIndex(readQuery(location.hash));
  }

  function listen() {
    const page = byId('page');
    page.addEventListener('pointerover', ({ target }) => { if (tokenOf(target)) showTip(tokenOf(target)); });
    page.addEventListener('pointerout', ({ target }) => { if (tokenOf(target)) pointerLeft(); });
    page.addEventListener('focusin', ({ target }) => { if (tokenOf(target)) showTip(tokenOf(target)); });
    page.addEventListener('focusout', ({ target }) => { if (tokenOf(target)) hideTip(); });
    byId('theme-button').addEventListener('click', toggleTheme);
    byId('keys-button').addEventListener('click', ANYWHERE['?']);
    byId('skip').addEventListener('click', (event) => { event.preventDefault(); page.focus(); });
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', nameThemeButton);
    addEventListener('keydown', keyPressed);
  }

  function listenToList() {
    let waiting = false;
    const redraw = () => { waiting = false; if (!onFeature()) drawRows(); };
    const soon = () => {
      if (!onFeature()) list.scroll = scrollY;
      if (!waiting) { waiting = true; requestAnimationFrame(redraw); }
    };
    addEventListener('scroll', soon, { passive: true });
    addEventListener('resize', soon);
    const print = (on) => () => { printing = on; if (!onFeature()) drawRows(); };
    addEventListener('beforeprint', print(true));
    addEventListener('afterprint', print(false));
    NARROW.addEventListener('change', () => {
      if (indexPage) indexPage.form.querySelector('details').open = !NARROW.matches;
    });
    addEventListener('hashchange', route);
  }

  async function start() {
    nameThemeButton();
    listen();
    try {
      await loadIndex();
    } catch (error) {
      byId('page').replaceChildren(notice(`The index cannot be shown: ${error.message}.`,
        'Copy the whole folder of the analysis, or run `saekit analyze` again.'));
      return;
    }
    if (index.report) fill(byId('report'), { href: index.report }, []).hidden = false;
    history.scrollRestoration = 'manual';
    updateList(PLAIN);
    listenToList();
    route();
  }

  restoreTheme();
  addEventListener('DOMContentLoaded', start);
})();
