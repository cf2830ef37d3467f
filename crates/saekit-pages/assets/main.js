/* The site as a whole: what its reader chose, its keys, and which page is shown. Loaded last, it starts the rest.
 *
 * The address after `#` says what is shown: `#/?sort=density` or `#/42`. */
(() => {
  'use strict';

  const { elements: { given, root, byId, fill, notice }, index, feature } = saekit.parts;
  const { list, onFeature, hashOf, moveRow } = index;
  const { tokenOf, hideTip, moveToken } = feature;

  // ---- Choices --------------------------------------------------------------------------------

  /** What was chosen earlier, or null. Storage may be forbidden. */
  function recall(name) {
    try {
      return localStorage.getItem(`saekit-${name}`);
    } catch {
      return null;
    }
  }

  function choose(name, value) {
    root.dataset[name] = value;
    try {
      localStorage.setItem(`saekit-${name}`, value);
    } catch { /* kept until the page is closed */ }
  }

  /** Takes the choices made earlier; the system decides on a theme that was not chosen. */
  function restoreChoices() {
    const [theme, keys] = [recall('theme'), recall('keys')];
    if (theme === 'dark' || theme === 'light') root.dataset.theme = theme;
    if (keys === 'off') root.dataset.keys = keys;
  }

  function isDark() {
    return root.dataset.theme
      ? root.dataset.theme === 'dark'
      : matchMedia('(prefers-color-scheme: dark)').matches;
  }

  function toggleTheme() {
    choose('theme', isDark() ? 'light' : 'dark');
    nameThemeButton();
  }

  function nameThemeButton() {
    byId('theme-button').textContent = isDark() ? 'Light' : 'Dark';
  }

  /** Turns keys of one character on or off: who speaks to a computer presses them unawares (WCAG 2.1.4). */
  function switchKeys({ target }) {
    choose('keys', target.checked ? 'on' : 'off');
    if (onFeature()) feature.showWalk(latentAsked());
  }

  // ---- Keys -----------------------------------------------------------------------------------

  const latentAsked = () => Number(location.hash.slice(2));

  function walk(by) {
    const latent = index.latentAfter(latentAsked(), by);
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
    index.focusSearch();
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
  const IN_SEARCH = { ...IN_FIELD, Enter: index.openFirst, ArrowDown: () => index.focusRow(0) };

  function keysAt(target) {
    const token = tokenOf(target);
    if (token) return { ...ON_FEATURE, ArrowRight: () => moveToken(token, 1), ArrowLeft: () => moveToken(token, -1) };
    if (target.matches('[type=search]')) return IN_SEARCH;
    if (target.matches('input:not([type=checkbox]), select')) return IN_FIELD;
    return onFeature() ? ON_FEATURE : ON_INDEX;
  }

  function keyPressed(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || byId('keys').open) return;
    if (event.key.length === 1 && root.dataset.keys === 'off') return;
    const keys = keysAt(event.target);
    if (!Object.hasOwn(keys, event.key)) return;
    event.preventDefault();
    keys[event.key]();
  }

  // ---- Start ----------------------------------------------------------------------------------

  function route() {
    hideTip();
    if (onFeature()) feature.show(latentAsked());
    else index.show(index.readQuery(location.hash));
  }

  /** What works without data. */
  function listenToFrame() {
    nameThemeButton();
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', nameThemeButton);
    byId('theme-button').addEventListener('click', toggleTheme);
    byId('keys-button').addEventListener('click', showKeys);
    byId('single-keys').checked = root.dataset.keys !== 'off';
    byId('single-keys').addEventListener('change', switchKeys);
    byId('skip').addEventListener('click', (event) => {
      event.preventDefault(); // its address would be taken for a route
      byId('page').focus();
    });
  }

  async function start() {
    listenToFrame();
    try {
      await index.load();
    } catch (error) {
      byId('page').replaceChildren(notice(`The index cannot be shown: ${error.message}.`, feature.WHOLE));
      return;
    }
    const { report } = given.index;
    if (report) fill(byId('report'), { href: report }, []).hidden = false;
    history.scrollRestoration = 'manual';
    feature.listen();
    index.listen();
    addEventListener('hashchange', route);
    addEventListener('keydown', keyPressed);
    route();
  }

  restoreChoices();
  addEventListener('DOMContentLoaded', start);
})();
