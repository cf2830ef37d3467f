/* The page of a feature: where it fires, what it does, what is like it, and the value on each token. */
(() => {
  'use strict';

  const { elements, index, chart: { chart } } = saekit.parts;
  const {
    given, root, byId, h, button, notice, load, chip, token, tint, grouped, counted, number, score, percent,
  } = elements;
  const { list, hashOf, has, rankOf, latentAfter, tokensOf } = index;

  async function loadFeature(latent) {
    const path = `data/features/${latent}.js`;
    given.feature = null;
    await load(path);
    const { feature } = given;
    if (feature?.latent !== latent) throw new Error(`${path} is damaged`);
    return feature;
  }

  // ---- Feature page ---------------------------------------------------------------------------

  async function show(latent) {
    const asked = location.hash;
    let content;
    try {
      content = featurePage(await loadFeature(latent));
    } catch (error) {
      content = notice(`Feature ${latent} cannot be shown: ${error.message}.`,
        has(latent) ? WHOLE : 'This analysis has no such latent.');
    }
    if (location.hash !== asked) return; // another was asked for meanwhile
    list.current = rankOf(latent); // where the index will be entered again
    byId('page').replaceChildren(walkBar(latent), content);
    document.title = `${latent} · ${given.index.title}`;
    scrollTo(0, 0);
    byId('title').focus({ preventScroll: true });
  }

  const WHOLE = 'Copy the whole folder of the analysis, or run `saekit analyze` again.';

  /** A key of one character, where such keys are on. */
  const shortcut = (key) => root.dataset.keys === 'off' ? null : key;

  function walkBar(latent) {
    const to = (by, label, key) => {
      const other = latentAfter(latent, by);
      return other === undefined ? h('span.end', label)
        : h('a', { href: `#/${other}`, rel: by > 0 ? 'next' : 'prev', 'aria-keyshortcuts': shortcut(key) }, label);
    };
    const rank = rankOf(latent);
    return h('nav.walk', { 'aria-label': 'Features' },
      h('a', { href: hashOf(list.query), 'aria-keyshortcuts': shortcut('u') }, 'Index'),
      to(-1, '← Previous', 'p'), to(1, 'Next →', 'n'),
      h('span.where', rank < 0 ? '' : `${grouped(rank + 1)} of ${grouped(list.places.length)}`),
      button('Copy link', copyLink));
  }

  /** Makes the bar of a feature's page anew: its links say which keys they have. */
  function showWalk(latent) {
    document.querySelector('.walk')?.replaceWith(walkBar(latent));
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
      ['Legibility', score(feature.legibility), 'orders the index'],
    ];
    return h('header',
      h('h1', { id: 'title', tabindex: -1 }, `Feature ${feature.latent}`,
        feature.flags.map((name) => [' ', h('span.flag', name)])),
      h('p.of', given.index.title),
      h('dl.figures', facts.map(([name, value, note]) =>
        h('div', h('dt', name), h('dd', h('b', value), note && h('small', note))))));
  }

  const section = (name, title, ...content) =>
    h(`section.${name}`, { 'aria-labelledby': `${name}-title` }, h('h2', { id: `${name}-title` }, title), content);

  const nothing = (text) => h('p.absent', text);

  /** Why a section was not made. */
  const reason = (name) => given.index.missing.find(([missing]) => missing === name)?.[1] ?? 'not made';

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

  function tokens({ tokens, density }) {
    if (!tokens) return section('tokens', 'Top tokens', nothing(reason('tokens')));
    const scale = Math.min(largest(tokens.top.map(({ mean }) => mean)), density.scale_end);
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
    return [h('a', { href: `#/${latent}` }, String(latent)), tokensOf(latent).slice(0, 4).map(chip)];
  }

  /** A line of a list: what, a note, its value; a bar as long as `share` lies under it. */
  function bar(what, note, value, share) {
    const length = Math.min(1, Math.abs(share)) || 0;
    const tag = share < 0 ? 'li.negative' : 'li';
    return h(Math.abs(share) > 1 ? `${tag}.beyond` : tag, { '--share': length.toFixed(3) },
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
    const size = density.scale_end;
    const isBeyond = Math.abs(density.max) > size;
    const beyond = [h('span.swatches', h('i', tint(2, 1))), h('span', `beyond, to ${number(density.max)}`)];
    const steps = [0.2, 0.4, 0.6, 0.8, 1];
    const swatches = (shares) => h('span.swatches', shares.map((share) => h('i', tint(share, 1))));
    const below = [h('span', number(-size)), swatches(steps.map((share) => -share).reverse())];
    return h('p.legend', h('span', 'activation'), histogram.start < 0 ? below : null,
      h('span', '0'), swatches(steps), h('span', number(size)), isBeyond ? beyond : null);
  }

  function exampleList(examples, { density }) {
    return h(examples[0].texts.length ? 'ol.examples' : 'ol.examples.textless',
      examples.map((example) => exampleItem(example, density.scale_end)));
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

  function listen() {
    const onToken = (type, act) => byId('page').addEventListener(type, ({ target }) => {
      const token = tokenOf(target);
      if (token) act(token);
    });
    onToken('pointerover', showTip);
    onToken('pointerout', pointerLeft);
    onToken('focusin', showTip);
    onToken('focusout', hideTip);
  }

  saekit.parts.feature = { WHOLE, show, showWalk, listen, tokenOf, hideTip, moveToken };
})();
