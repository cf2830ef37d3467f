/* The index: what it lists, in which order, and its page.
 *
 * The list is also what the pages of features walk along. The page is made once and keeps only the rows in
 * sight, so that twenty thousand are searched and scrolled at once. Its state is its address:
 * `#/?sort=density&hide=dead`. */
(() => {
  'use strict';

  const { elements } = saekit.parts;
  const {
    given, root, byId, h, button, shown, chip, token, grouped, counted, number, score, percent,
  } = elements;

  // ---- Data -----------------------------------------------------------------------------------

  let index = null;
  let placeOf = new Map();

  async function load() {
    await elements.load('data/index.js');
    index = given.index;
    if (!index) throw new Error('data/index.js is damaged');
    if (index.format !== 'saekit-analysis' || index.version !== 1) {
      throw new Error('data/index.js is of another version of saekit than this page');
    }
    placeOf = new Map(index.latents.map((latent, place) => [latent, place]));
    updateList(PLAIN);
  }

  // ---- What the index lists -------------------------------------------------------------------

  const FLAGS = [['dead', 1], ['dense', 2], ['duplicate', 4]];
  const CONTEXTUAL_FROM = 0.5;
  const SORTS = ['legibility', 'density', 'max', 'contextual', 'latent'];
  const PLAIN = { q: '', sort: 'legibility', dir: 'desc', kind: '', hide: '', min: '', max: '' };

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
    if (sort === 'legibility') return turn > 0 ? places.reverse() : places; // the rule's order falls
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

  /** Whether the address names a feature. */
  const onFeature = () => /^#\/\d+$/.test(location.hash);

  /** Where a latent stands in the list, or -1. */
  const rankOf = (latent) => list.places.indexOf(placeOf.get(latent));

  /** The latent `by` steps on in the index as it was last seen, or in the rule's order. */
  function latentAfter(latent, by) {
    const place = placeOf.get(latent);
    const rank = rankOf(latent);
    return index.latents[rank < 0 ? place + by : list.places[rank + by]];
  }

  /** The tokens that say what a latent is. */
  const tokensOf = (latent) => index.tokens[placeOf.get(latent)] ?? [];

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
    ['contextual', 'Contextual', 'contextual'], ['legibility', 'Legibility', 'legibility'],
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
    const fields = page.form.elements;
    for (const key of ['q', 'sort', 'kind', 'min', 'max']) {
      if (fields[key].value !== query[key]) fields[key].value = query[key];
    }
    const hidden = query.hide.split(',');
    for (const box of fields.hide) box.checked = hidden.includes(box.value);
    fields.dir.textContent = query.dir === 'asc' ? '↑ rising' : '↓ falling';
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
      score(index.legibility[place]),
    ];
    return h('div.row', { role: 'row', 'aria-rowindex': rank + 2, '--at': rank },
      cells.map((cell, column) => h(`span.${COLUMNS[column][0]}`, { role: 'cell' }, cell)));
  }

  /** The strongest example, cut short: what comes before the firing ends where the firing begins. */
  function snippet(place) {
    const [texts, values, at] = index.snippets[place] ?? [[]];
    if (!texts.length) return h('span.absent', index.density[place] > 0 ? 'no text' : 'never fired');
    const tokens = texts.map((text, i) => token(text, values[i], index.scale_end[place]));
    return [h('span.before', tokens.slice(0, at)), h('span.after', tokens.slice(at))];
  }

  function show(query) {
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

  function focusSearch() {
    page.form.elements.q.select();
  }

  /** Keeps the rows in sight drawn. */
  function listen() {
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
  }

  saekit.parts.index = {
    list, load, show, listen, onFeature, readQuery, hashOf,
    has: (latent) => placeOf.has(latent), rankOf, latentAfter, tokensOf,
    focusSearch, focusRow, moveRow, openFirst,
  };
})();
