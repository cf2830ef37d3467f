/* The feature site: an index of latents and a page for each, from disk, with nothing else.
 *
 * Data come by script tags, because a page opened from disk may not fetch: `data/index.js` calls
 * `saekit.index`, `data/features/<latent>.js` calls `saekit.feature`; docs/analysis-format.md has the
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

  /** Attributes of something coloured by a value; the weakest firing can still be seen. */
  function tint(value, scale) {
    if (value === 0) return {};
    const strength = 0.12 + 0.88 * Math.min(1, Math.abs(value / scale));
    return { class: value < 0 ? 'tint negative' : 'tint positive', '--strength': strength.toFixed(3) };
  }

  /** A token in running text, coloured by its value. The space before a word stays a gap. */
  function token(text, value, scale, attributes = {}) {
    const gap = /^ (?=.)/.test(text) ? ' ' : '';
    return h('span.token', attributes, gap, h('span', tint(value, scale), textNodes(text.slice(gap.length))));
  }

  // ---- Data -----------------------------------------------------------------------------------

  let index = null;
  let placeOf = new Map();
  let delivered = null;

  window.saekit = Object.freeze({
    index: (data) => { index = data; },
    feature: (data) => { delivered = data; },
  });

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
    if (feature?.latent !== latent) throw new Error(`${path} is damaged`);
    return feature;
  }

  // ---- What the index lists -------------------------------------------------------------------

  const FLAGS = [['dead', 1], ['dense', 2], ['duplicate', 4]];
  const CONTEXTUAL_FROM = 0.5;
  const SORTS = ['telling', 'density', 'max', 'contextual', 'latent'];
  const PLAIN = { q: '', sort: 'telling', dir: 'desc', kind: '', hide: '', min: '', max: '' };

  /** What the feature pages walk through, too: `places` in the index, by `query`, `current` the last seen. */
  const list = { query: PLAIN, places: [], current: -1, scroll: 0 };

  /** What the address asks for. */
  function readQuery(hash) {
    const given = new URLSearchParams(hash.split('?')[1]);
    const query = { ...PLAIN };
    for (const key of Object.keys(PLAIN)) query[key] = given.get(key) ?? PLAIN[key];
    if (!SORTS.includes(query.sort)) query.sort = PLAIN.sort;
    return query;
  }

  /** The address of what is asked for. */
  function hashOf(query) {
    const entries = Object.entries(query).filter(([key, value]) => value !== PLAIN[key]);
    return entries.length ? `#/?${new URLSearchParams(entries)}` : '#/';
  }

  const haystacks = [];

  /** What is searched of the feature at a place: each of its tokens, and its snippet across tokens. */
  function haystack(place) {
    if (haystacks[place] === undefined) {
      const [texts] = index.snippets[place] ?? [[]];
      haystacks[place] = shown([...index.tokens[place], texts.join('')].join('\uffff')).toLowerCase();
    }
    return haystacks[place];
  }

  /** The latent that is searched for by its number, or NaN. */
  const latentIn = (words) => Number(/^\s*#?(\d+)\s*$/.exec(words)?.[1] ?? NaN);

  const KINDS = {
    '': () => true,
    contextual: (score) => score !== null && score >= CONTEXTUAL_FROM,
    token: (score) => score !== null && score < CONTEXTUAL_FROM,
  };

  /** Whether the feature at a place passes, ready for a loop over all of them. */
  function filterOf({ q, hide, kind, min, max }) {
    const names = hide.split(',');
    const hidden = FLAGS.reduce((sum, [name, bit]) => names.includes(name) ? sum | bit : sum, 0);
    const bound = (text, none) => text.trim() === '' || Number.isNaN(+text) ? none : +text / 100;
    const [low, high] = [bound(min, 0), bound(max, Infinity)];
    const ofKind = KINDS[kind] ?? KINDS[''];
    const words = q.toLowerCase();
    const latent = latentIn(words);
    return (place) => (index.flags[place] & hidden) === 0
      && index.density[place] >= low && index.density[place] <= high
      && ofKind(index.contextual[place])
      && (words === '' || index.latents[place] === latent || haystack(place).includes(words));
  }

  /** Sorts places; those without a value come last either way, and ties keep the rule's order. */
  function sortPlaces(places, { sort, dir }) {
    const turn = dir === 'asc' ? 1 : -1;
    if (sort === 'telling') return turn > 0 ? places.reverse() : places; // the rule's order falls
    const keys = (sort === 'latent' ? index.latents : index[sort]).map((key) => key === null ? NaN : Math.abs(key));
    return places.sort((a, b) => {
      const [known, other] = [!Number.isNaN(keys[a]), !Number.isNaN(keys[b])];
      return known && other ? turn * (keys[a] - keys[b]) : other - known;
    });
  }

  function updateList(query) {
    const places = sortPlaces(index.latents.map((_, place) => place).filter(filterOf(query)), query);
    const named = places.indexOf(placeOf.get(latentIn(query.q)));
    if (named > 0) places.unshift(...places.splice(named, 1)); // a number means that latent first
    list.query = query;
    list.places = places;
  }

  // ---- Index page -----------------------------------------------------------------------------

  /** Where the filters are folded away; style.css has the same width. */
  const NARROW = matchMedia('(max-width: 760px)');
  /** Rows beyond the window's edges, so that scrolling and the tab key find them there. */
  const SPARE = 8;
  /** Rows of the index on paper. */
  const PRINTED = 200;
  /** The columns: class, heading, what one sorts by. */
  const COLUMNS = [
    ['latent', 'Latent', 'latent'], ['snippet', 'Strongest example'], ['tokens', 'Top tokens'],
    ['density', 'Density, log', 'density'], ['max', 'Max', 'max'],
    ['contextual', 'Contextual', 'contextual'], ['telling', 'Telling', 'telling'],
  ];

  /** The parts of the index page: made once, so that its list is there at once when one comes back. */
  let page = null;
  let printing = false;

  function makeIndexPage() {
    const rows = h('div.rows', { role: 'rowgroup' });
    const head = h('div.row.head', { role: 'row', 'aria-rowindex': 1 }, COLUMNS.map(heading));
    const table = h('div.table', { role: 'table', 'aria-label': 'Features' },
      h('div.heads', { role: 'rowgroup' }, head), rows);
    const form = searchForm();
    const count = h('p.count', { role: 'status' });
    const printed = h('p.printed', `The first ${PRINTED} are printed.`);
    const bar = h('div.bar', form, count, printed);
    const none = h('p.notice', { hidden: true }, 'No feature matches.');
    const rarest = index.density.reduce((least, density) => density > 0 ? Math.min(least, density) : least, 0.1);
    return {
      rows, head, table, form, count, printed, bar, none,
      nodes: [aboutSite(), bar, table, none],
      drawn: new Map(),
      decades: -Math.floor(Math.log10(rarest)),
    };
  }

  function aboutSite() {
    return h('section.about', { 'aria-labelledby': 'title' },
      h('h1', { id: 'title', tabindex: -1 }, index.title),
      h('dl.facts', index.facts.map(([name, value]) => h('div', h('dt', name), h('dd', value)))),
      h('p.rule', index.rule),
      index.missing.map(([section, why]) => h('p.missing', h('b', `No ${section}: `), why)));
  }

  function heading([name, label, sort = null]) {
    return h(`span.${name}`, { role: 'columnheader', 'data-sort': sort },
      sort ? button(label, () => sortBy(sort)) : label);
  }

  function select(name, options) {
    return h('select', { name }, options.map(([value, label]) => h('option', { value }, label)));
  }

  function searchForm() {
    const bound = (name, label) => h('input.bound', {
      name, inputmode: 'decimal', placeholder: name, autocomplete: 'off', 'aria-label': label,
    });
    const box = ([value]) => h('label.box', h('input', { type: 'checkbox', name: 'hide', value }), value);
    const label = CONTEXTUAL_FROM;
    const kinds = [['', 'all'], ['contextual', `contextual, from ${label}`], ['token', `token-like, below ${label}`]];
    const sorts = COLUMNS.filter(([, , sort]) => sort).map(([, name, sort]) => [sort, name]);
    return h('form', { role: 'search', input: formChanged },
      h('input.search', {
        type: 'search', name: 'q', placeholder: 'Search tokens, contexts, number', autocomplete: 'off',
        spellcheck: 'false', 'aria-label': 'Search tokens, contexts or the number of a latent',
      }),
      h('div.order',
        h('label.field', h('span', 'Sort'), select('sort', sorts)),
        button('', turnOrder, { name: 'dir' })),
      h('details', { open: !NARROW.matches },
        h('summary', 'Filters'),
        h('div.filters',
          h('label.field', h('span', 'Kind'), select('kind', kinds)),
          h('fieldset', h('legend', 'Density %'),
            bound('min', 'Density from, in per cent'), '–', bound('max', 'Density to, in per cent')),
          h('fieldset', h('legend', 'Hide'), FLAGS.map(box)))));
  }

  const turned = (dir) => dir === 'asc' ? 'desc' : 'asc';

  function sortBy(sort) {
    ask({ ...list.query, sort, dir: list.query.sort === sort ? turned(list.query.dir) : 'desc' });
  }

  function turnOrder() {
    ask({ ...list.query, dir: turned(list.query.dir) });
  }

  function formChanged() {
    const data = new FormData(page.form);
    const fields = Object.fromEntries(['q', 'sort', 'kind', 'min', 'max'].map((key) => [key, data.get(key)]));
    ask({ ...list.query, ...fields, hide: data.getAll('hide').join() });
  }

  function openFirst() {
    if (list.places.length) location.hash = `#/${index.latents[list.places[0]]}`;
  }

  /** Shows what is asked for from its first row on, and puts it into the address. */
  function ask(query) {
    try {
      history.replaceState(null, '', hashOf(query));
    } catch { /* browsers limit how often; the next change has it */ }
    list.current = -1;
    applyQuery(query);
    const top = page.table.offsetTop - page.bar.offsetHeight;
    if (scrollY > top) scrollTo(0, top);
  }

  function applyQuery(query) {
    updateList(query);
    syncForm(query);
    const [some, all] = [list.places.length, index.latents.length];
    page.count.textContent = some < all ? `${grouped(some)} of ${counted(all, 'feature')}` : counted(all, 'feature');
    page.none.hidden = some > 0;
    page.printed.hidden = some <= PRINTED;
    page.table.setAttribute('aria-rowcount', some + 1);
    page.drawn.clear();
    page.rows.replaceChildren();
    drawRows();
  }

  function syncForm(query) {
    const { elements } = page.form;
    for (const key of ['q', 'sort', 'kind', 'min', 'max']) {
      if (elements[key].value !== query[key]) elements[key].value = query[key];
    }
    const hidden = query.hide.split(',');
    for (const box of elements.hide) box.checked = hidden.includes(box.value);
    elements.dir.textContent = query.dir === 'asc' ? '↑ rising' : '↓ falling';
    for (const cell of page.head.querySelectorAll('[data-sort]')) {
      if (cell.dataset.sort !== query.sort) cell.removeAttribute('aria-sort');
      else cell.setAttribute('aria-sort', query.dir === 'asc' ? 'ascending' : 'descending');
    }
  }

  const rowHeight = () => parseFloat(getComputedStyle(page.rows).getPropertyValue('--row'));

  /** Puts the rows in sight into the page, and takes the others out. */
  function drawRows() {
    const { rows, drawn } = page;
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
    const [latent, density] = [index.latents[place], index.density[place]];
    const flags = FLAGS.filter(([, bit]) => index.flags[place] & bit);
    const share = density > 0 ? Math.max(0.02, 1 + Math.log10(density) / page.decades) : 0;
    const cells = [
      [h('a', { href: `#/${latent}` }, String(latent)), flags.map(([name]) => h('span.flag', name))],
      snippet(place),
      index.tokens[place].map(chip),
      [h('span.level', { '--share': share.toFixed(3) }), percent(density)],
      number(index.max[place]),
      score(index.contextual[place]),
      score(index.telling[place]),
    ];
    return h('div.row', { role: 'row', 'aria-rowindex': rank + 2, '--at': rank },
      cells.map((cell, column) => h(`span.${COLUMNS[column][0]}`, { role: 'cell' }, cell)));
  }

  /** The strongest example, cut short: what comes before the firing ends where the firing begins. */
  function snippet(place) {
    const [texts, values, at] = index.snippets[place] ?? [[]];
    if (!texts.length) return h('span.absent', index.density[place] > 0 ? 'no text' : 'never fired');
    const tokens = texts.map((text, i) => token(text, values[i], index.max[place]));
    return [h('span.before', tokens.slice(0, at)), h('span.after', tokens.slice(at))];
  }

  function showIndex(query) {
    const fresh = !page;
    page ??= makeIndexPage();
    byId('page').replaceChildren(...page.nodes);
    document.title = index.title;
    watchBar.observe(page.bar);
    if (fresh || hashOf(query) !== hashOf(list.query)) {
      list.scroll = 0;
      applyQuery(query);
    }
    drawRows(); // gives the page its height, without which it cannot be scrolled
    scrollTo(0, list.scroll);
    drawRows();
    if (list.current >= 0) focusRow(list.current);
  }

  /** The headings of the columns stick below the bar, whose height depends on the window. */
  const watchBar = new ResizeObserver(([{ target }]) => {
    root.style.setProperty('--bar', `${target.offsetHeight}px`);
  });

  function focusRow(rank) {
    list.current = Math.min(list.places.length - 1, Math.max(0, rank));
    if (list.current < 0) return;
    const height = rowHeight();
    const covered = page.bar.offsetHeight + page.head.offsetHeight;
    const top = page.rows.getBoundingClientRect().top + scrollY + list.current * height;
    if (top < scrollY + covered) scrollTo(0, top - covered);
    else if (top + height > scrollY + innerHeight) scrollTo(0, top + height - innerHeight);
    drawRows();
    page.drawn.get(list.current).querySelector('a').focus({ preventScroll: true });
  }

  /** Goes to the row `by` steps from the one that has, or last had, the focus. */
  function moveRow(by) {
    const row = document.activeElement.closest('.rows .row');
    focusRow(by + (row ? row.getAttribute('aria-rowindex') - 2 : list.current));
  }

  // ---- Feature page ---------------------------------------------------------------------------

  async function showFeature(latent) {
    const asked = location.hash;
    let content;
    try {
      content = featurePage(await loadFeature(latent));
    } catch (error) {
      content = notice(`Feature ${latent} cannot be shown: ${error.message}.`,
        placeOf.has(latent) ? WHOLE : 'This analysis has no such latent.');
    }
    if (location.hash !== asked) return; // another was asked for meanwhile
    list.current = list.places.indexOf(placeOf.get(latent)); // where the index will be entered again
    byId('page').replaceChildren(walkBar(latent), content);
    document.title = `${latent} · ${index.title}`;
    scrollTo(0, 0);
    byId('title').focus({ preventScroll: true });
  }

  const WHOLE = 'Copy the whole folder of the analysis, or run `saekit analyze` again.';

  const notice = (what, remedy) =>
    h('section.notice', { role: 'alert' }, h('h1', { id: 'title', tabindex: -1 }, what), h('p', remedy));

  /** The latent `by` steps on in the index as it was last seen, or in the rule's order. */
  function latentAfter(latent, by) {
    const place = placeOf.get(latent);
    const rank = list.places.indexOf(place);
    return index.latents[rank < 0 ? place + by : list.places[rank + by]];
  }

  function walkBar(latent) {
    const to = (by, label, key) => {
      const other = latentAfter(latent, by);
      return other === undefined ? h('span.end', label)
        : h('a', { href: `#/${other}`, rel: by > 0 ? 'next' : 'prev', 'aria-keyshortcuts': key }, label);
    };
    const rank = list.places.indexOf(placeOf.get(latent));
    return h('nav.walk', { 'aria-label': 'Features' },
      h('a', { href: hashOf(list.query), 'aria-keyshortcuts': 'u' }, 'Index'),
      to(-1, '← Previous', 'p'), to(1, 'Next →', 'n'),
      h('span.where', rank < 0 ? '' : `${grouped(rank + 1)} of ${grouped(list.places.length)}`),
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
    return h('article.feature', { 'aria-labelledby': 'title' },
      featureHead(feature),
      h('div.columns',
        topExamples(feature),
        h('div.side', [histogram, logits, tokens, neighbours, cofiring].map((part) => part(feature))),
        quantileExamples(feature)));
  }

  function featureHead(feature) {
    const { density } = feature;
    const facts = [
      ['Density', percent(density.density), `${grouped(density.fires)} of ${grouped(density.rows)} rows`],
      ['Max', number(density.max), null],
      ['Mean', number(density.mean), 'over its firings'],
      ['Contextual', score(feature.tokens?.contextual ?? null), '0 token, 1 context'],
      ['Telling', score(feature.telling), 'orders the index'],
    ];
    return h('header',
      h('h1', { id: 'title', tabindex: -1 }, `Feature ${feature.latent}`,
        feature.flags.map((name) => [' ', h('span.flag', name)])),
      h('p.of', index.title),
      h('dl.figures', facts.map(([name, value, note]) =>
        h('div', h('dt', name), h('dd', h('b', value), note && h('small', note))))));
  }

  const section = (name, title, ...content) =>
    h(`section.${name}`, { 'aria-labelledby': `${name}-title` }, h('h2', { id: `${name}-title` }, title), content);

  const nothing = (text) => h('p.absent', text);

  /** Why a section was not made. */
  const reason = (name) => index.missing.find(([missing]) => missing === name)?.[1] ?? 'not made';

  function histogram({ latent, histogram }) {
    if (!histogram.counts.length) return section('histogram', 'Activations', nothing('It never fired.'));
    return section('histogram', 'Activations',
      chart(histogram, `Activations of feature ${latent}`, `feature-${latent}-activations`));
  }

  function logits({ logits }) {
    if (!logits) return section('logits', 'Logits', nothing(reason('logits')));
    const scale = largest([...logits.promoted, ...logits.suppressed].map(({ logit }) => logit));
    const column = (title, tokens) => h('div', h('h3', title), h('ol.bars',
      tokens.map(({ text, logit }) => bar(chip(text), null, number(logit), logit / scale))));
    return section('logits', 'Logits', h('div.pair',
      column('Promoted', logits.promoted), column('Suppressed', logits.suppressed)));
  }

  /** A list of bars under a line that says what is on the right; `empty` where there is nothing. */
  function barList(name, title, key, bars, empty) {
    return section(name, title, bars.length ? [h('p.key', key), h('ol.bars', bars)] : nothing(empty));
  }

  function tokens({ tokens }) {
    if (!tokens) return section('tokens', 'Top tokens', nothing(reason('tokens')));
    const scale = largest(tokens.top.map(({ mean }) => mean));
    const bars = tokens.top.map(({ text, mean, fires, occurrences }) =>
      bar(chip(text), `${grouped(fires)} of ${grouped(occurrences)}`, number(mean), mean / scale));
    return barList('tokens', 'Top tokens', 'firings of occurrences, mean activation', bars, 'It fired on none.');
  }

  function neighbours({ neighbours }) {
    const title = 'Nearest decoder rows';
    if (!neighbours) return section('neighbours', title, nothing(reason('neighbours')));
    const bars = neighbours.map(({ latent, cosine }) => bar(latentLink(latent), null, score(cosine), cosine));
    return barList('neighbours', title, 'cosine', bars, 'There are no others.');
  }

  function cofiring({ cofiring }) {
    const bars = cofiring.map(({ latent, rows, jaccard }) =>
      bar(latentLink(latent), grouped(rows), score(jaccard), jaccard));
    return barList('cofiring', 'Fires with', 'rows shared, Jaccard index', bars, 'It shares no row with another.');
  }

  const largest = (values) => Math.max(...values.map(Math.abs));

  /** A link to a latent, with the tokens that say what it is. */
  function latentLink(latent) {
    const tokens = index.tokens[placeOf.get(latent)] ?? [];
    return [h('a', { href: `#/${latent}` }, String(latent)), tokens.slice(0, 4).map(chip)];
  }

  /** A line of a list: what, a note, its value; a bar as long as `share` lies under it. */
  function bar(what, note, value, share) {
    const length = Math.min(1, Math.abs(share)) || 0;
    return h(share < 0 ? 'li.negative' : 'li', { '--share': length.toFixed(3) },
      h('span.what', what), note === null ? null : h('small', note), h('b', value));
  }

  function topExamples(feature) {
    const { top } = feature.examples;
    if (!top.length) return section('examples', 'Top examples', nothing('It never fired in the rows analysed.'));
    const key = top[0].texts.length ? scaleLegend(feature) : nothing(reason('tokens'));
    return section('examples', 'Top examples', key, exampleList(top, feature));
  }

  function quantileExamples(feature) {
    const { quantiles } = feature.examples;
    if (!quantiles.length) return null;
    const groups = quantiles.map(({ from, to, fires, examples }, i) => h('div.group',
      h('h3', `${number(from)} to ${number(to)}`, h('small', `${counted(fires, 'firing')}, group ${i + 1}`)),
      examples.length ? exampleList(examples, feature) : nothing('None was drawn.')));
    return section('quantiles', 'Examples of every strength', groups);
  }

  /** What the colours of tokens mean. */
  function scaleLegend({ density, histogram }) {
    const size = Math.abs(density.max);
    const steps = [0.2, 0.4, 0.6, 0.8, 1];
    const swatches = (shares) => h('span.swatches', shares.map((share) => h('i', tint(share, 1))));
    const below = [h('span', number(-size)), swatches(steps.map((share) => -share).reverse())];
    return h('p.legend', h('span', 'activation'), histogram.start < 0 ? below : null,
      h('span', '0'), swatches(steps), h('span', number(size)));
  }

  function exampleList(examples, { density }) {
    return h(examples[0].texts.length ? 'ol.examples' : 'ol.examples.textless',
      examples.map((example) => exampleItem(example, density.max)));
  }

  /** What the tooltip says of a token. */
  const details = new WeakMap();

  function exampleItem(example, scale) {
    const tokens = example.texts.map((text, i) => {
      const [value, firing] = [example.values[i], i === example.at];
      const node = token(text, value, scale, { tabindex: firing ? 0 : -1 });
      node.classList.toggle('firing', firing);
      details.set(node, { value, text, token: example.tokens[i], position: example.start + i });
      return node;
    });
    const place = tokens.length ? `${example.sequence} : ${example.position}` : `row ${example.sequence}`;
    return h('li',
      h('b.value', number(example.value)),
      h(example.texts[0]?.startsWith(' ') ? 'p.text.hanging' : 'p.text', { dir: 'ltr' }, tokens),
      h('p.where', tokens.length ? h('span.spoken', 'sequence and position ') : null, place,
        example.collapsed ? h('span.similar', `+${grouped(example.collapsed)} similar`) : null));
  }

  // ---- Charts ---------------------------------------------------------------------------------

  const CHART = { width: 360, height: 150, left: 1, right: 359, top: 18, bottom: 118 };

  /** Round numbers between `low` and `high`, about five. */
  function ticksBetween(low, high) {
    const rough = (high - low) / 6;
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((unit) => unit * power).find((size) => size >= rough);
    const ticks = [];
    for (let i = Math.ceil(low / step); i * step <= high; i += 1) ticks.push(Number((i * step).toPrecision(6)));
    return ticks;
  }

  /** A histogram of activations as a figure that can be saved. */
  function chart({ start, width, counts }, title, name) {
    const { left, right, top, bottom } = CHART;
    const highest = Math.max(...counts);
    const end = start + width * counts.length;
    const x = (value) => left + (right - left) * (value - start) / (end - start);
    const column = (count, i) => {
      const [low, high] = [start + i * width, start + (i + 1) * width];
      const height = count && Math.max(1, (bottom - top) * count / highest);
      return svg((low + high) / 2 < 0 ? 'rect.column.negative' : 'rect.column',
        { x: x(low) + 0.5, y: bottom - height, width: Math.max(0.5, x(high) - x(low) - 1), height },
        svg('title', `${number(low)} to ${number(high)}: ${grouped(count)}`));
    };
    const label = (at, y, text, anchor) => svg('text.label', { x: at, y, 'text-anchor': anchor }, text);
    const tick = (value) => {
      const at = x(value);
      const anchor = at < left + 12 ? 'start' : at > right - 12 ? 'end' : 'middle';
      return label(at, bottom + 14, signed(String(value)), anchor);
    };
    const most = counted(highest, 'firing');
    const picture = svg('svg', {
      viewBox: `0 0 ${CHART.width} ${CHART.height}`, role: 'img',
      'aria-label': `${title}: at most ${most} a bin, from ${number(start)} to ${number(end)}`,
    },
    svg('line.grid', { x1: left, x2: right, y1: top, y2: top }),
    label(left, top - 5, most, 'start'),
    counts.map(column),
    svg('line.axis', { x1: left, x2: right, y1: bottom, y2: bottom }),
    ticksBetween(start, end).map(tick),
    label(right, bottom + 29, 'activation', 'end'));
    return h('figure', picture, button('Save SVG', () => saveSvg(picture, name), { class: 'save' }));
  }

  /** Calls `act` while the light theme holds. */
  function inLight(act) {
    const { theme } = root.dataset;
    root.dataset.theme = 'light';
    act();
    if (theme) root.dataset.theme = theme;
    else delete root.dataset.theme;
  }

  /** Saves a picture with its colours of the light theme written into it: papers are white. */
  function saveSvg(picture, name) {
    const copy = picture.cloneNode(true);
    const nodes = [copy, ...copy.querySelectorAll('*')];
    inLight(() => [picture, ...picture.querySelectorAll('*')].forEach((original, i) => {
      const style = getComputedStyle(original);
      for (const property of ['fill', 'stroke', 'font-size', 'font-family']) {
        nodes[i].setAttribute(property, style.getPropertyValue(property));
      }
    }));
    fill(copy, { width: CHART.width, height: CHART.height }, []);
    const file = new Blob([new XMLSerializer().serializeToString(copy)], { type: 'image/svg+xml' });
    const link = h('a', { href: URL.createObjectURL(file), download: `${name}.svg` });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }

  // ---- Values of tokens -----------------------------------------------------------------------

  const tokenOf = (target) => target.closest?.('.examples .token') ?? null;

  function showTip(token) {
    const tip = byId('tip');
    const { value, text, token: id, position } = details.get(token);
    tip.replaceChildren(h('b', value === 0 ? 'does not fire' : number(value)), chip(text),
      h('small', `token ${id}, position ${position}`));
    tip.hidden = false;
    const [box] = token.getClientRects();
    const middle = box.left + box.width / 2 - tip.offsetWidth / 2;
    const above = box.top - tip.offsetHeight - 6;
    tip.style.left = `${scrollX + Math.max(4, Math.min(middle, root.clientWidth - tip.offsetWidth - 4))}px`;
    tip.style.top = `${scrollY + (above < 4 ? box.bottom + 6 : above)}px`;
    if (token === document.activeElement) token.setAttribute('aria-describedby', 'tip');
  }

  function hideTip() {
    byId('tip').hidden = true;
  }

  /** Where the pointer leaves, a token that has the focus gets the tooltip back. */
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

  function listenToTokens() {
    const listen = (type, act) => byId('page').addEventListener(type, ({ target }) => {
      const token = tokenOf(target);
      if (token) act(token);
    });
    listen('pointerover', showTip);
    listen('pointerout', pointerLeft);
    listen('focusin', showTip);
    listen('focusout', hideTip);
  }

  // ---- Keys -----------------------------------------------------------------------------------

  const onFeature = () => /^#\/\d+$/.test(location.hash);
  const latentAsked = () => Number(location.hash.slice(2));

  function walk(by) {
    const latent = latentAfter(latentAsked(), by);
    if (latent !== undefined) location.hash = `#/${latent}`;
  }

  function backToIndex() {
    location.hash = hashOf(list.query);
  }

  function hideTipOrGoBack() {
    if (byId('tip').hidden) backToIndex();
    else hideTip();
  }

  function focusSearch() {
    if (onFeature()) {
      backToIndex();
      addEventListener('hashchange', focusSearch, { once: true });
      return;
    }
    scrollTo(0, 0);
    page.form.elements.q.select();
  }

  const showKeys = () => byId('keys').showModal();
  const [up, down] = [() => moveRow(-1), () => moveRow(1)];
  const [previous, next] = [() => walk(-1), () => walk(1)];
  const ANYWHERE = { '/': focusSearch, '?': showKeys };
  const ON_INDEX = { ...ANYWHERE, j: down, k: up, ArrowDown: down, ArrowUp: up };
  const ON_FEATURE = {
    ...ANYWHERE, n: next, p: previous, ArrowRight: next, ArrowLeft: previous,
    u: backToIndex, Escape: hideTipOrGoBack,
  };
  const IN_FIELD = { Escape: () => document.activeElement.blur() };
  const IN_SEARCH = { ...IN_FIELD, Enter: openFirst, ArrowDown: () => focusRow(0) };

  function keysAt(target) {
    const token = tokenOf(target);
    if (token) return { ...ON_FEATURE, ArrowRight: () => moveToken(token, 1), ArrowLeft: () => moveToken(token, -1) };
    if (target.matches('[type=search]')) return IN_SEARCH;
    if (target.matches('input:not([type=checkbox]), select')) return IN_FIELD;
    return onFeature() ? ON_FEATURE : ON_INDEX;
  }

  function keyPressed(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || byId('keys').open) return;
    const keys = keysAt(event.target);
    if (!Object.hasOwn(keys, event.key)) return;
    event.preventDefault();
    keys[event.key]();
  }

  // ---- Start ----------------------------------------------------------------------------------

  function route() {
    hideTip();
    if (onFeature()) showFeature(latentAsked());
    else showIndex(readQuery(location.hash));
  }

  function listenToWindow() {
    let waiting = false;
    const onIndex = (act) => () => { if (page && !onFeature()) act(); };
    const redraw = onIndex(drawRows);
    const moved = onIndex(() => {
      list.scroll = scrollY;
      if (!waiting) requestAnimationFrame(() => { waiting = false; redraw(); });
      waiting = true;
    });
    addEventListener('scroll', moved, { passive: true });
    addEventListener('resize', moved);
    addEventListener('beforeprint', () => { printing = true; redraw(); });
    addEventListener('afterprint', () => { printing = false; redraw(); });
    NARROW.addEventListener('change', onIndex(() => {
      page.form.querySelector('details').open = !NARROW.matches;
    }));
    addEventListener('hashchange', route);
    addEventListener('keydown', keyPressed);
  }

  /** What works without data. */
  function listenToFrame() {
    nameThemeButton();
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', nameThemeButton);
    byId('theme-button').addEventListener('click', toggleTheme);
    byId('keys-button').addEventListener('click', showKeys);
    byId('skip').addEventListener('click', (event) => {
      event.preventDefault(); // its address would be taken for a route
      byId('page').focus();
    });
  }

  async function start() {
    listenToFrame();
    try {
      await loadIndex();
    } catch (error) {
      byId('page').replaceChildren(notice(`The index cannot be shown: ${error.message}.`, WHOLE));
      return;
    }
    if (index.report) fill(byId('report'), { href: index.report }, []).hidden = false;
    history.scrollRestoration = 'manual';
    updateList(PLAIN);
    listenToTokens();
    listenToWindow();
    route();
  }

  restoreTheme();
  addEventListener('DOMContentLoaded', start);
})();
