/* The chart of a feature: how often it fired how strongly; and saving it as a file. */
(() => {
  'use strict';

  const { root, h, svg, fill, button, grouped, counted, signed, number } = saekit.parts.elements;

  const CHART = { width: 360, height: 150, left: 1, right: 359, top: 18, bottom: 118, apart: 44 };

  /** Round numbers between `low` and `high`, about five. */
  function ticksBetween(low, high) {
    const rough = (high - low) / 6;
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((unit) => unit * power).find((size) => size >= rough);
    const ticks = [];
    for (let i = Math.ceil(low / step); i * step <= high; i += 1) ticks.push(Number((i * step).toPrecision(6)));
    return ticks;
  }

  /** A histogram of activations as a figure that can be saved. What is beyond its bins stands in a column of
   * its own, apart from them. */
  function chart({ start, width, counts, below, above }, title, name) {
    const { top, bottom } = CHART;
    const left = CHART.left + (below ? CHART.apart : 0);
    const right = CHART.right - (above ? CHART.apart : 0);
    const highest = Math.max(...counts, below, above);
    const end = start + width * counts.length;
    const x = (value) => left + (right - left) * (value - start) / (end - start);
    const heightOf = (count) => count && Math.max(1, (bottom - top) * count / highest);
    const column = (count, i) => {
      const [low, high] = [start + i * width, start + (i + 1) * width];
      const height = heightOf(count);
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
    const beyond = (count, at, range, anchor) => count ? [
      svg(at < left ? 'rect.column.beyond.negative' : 'rect.column.beyond',
        { x: at, y: bottom - heightOf(count), width: CHART.apart / 2, height: heightOf(count) },
        svg('title', `${range}: ${grouped(count)}`)),
      label(anchor === 'start' ? CHART.left : CHART.right, bottom + 14, range, anchor),
    ] : [];
    const most = counted(highest, 'firing');
    const outside = below + above ? `; ${counted(below + above, 'firing')} beyond` : '';
    const picture = svg('svg', {
      viewBox: `0 0 ${CHART.width} ${CHART.height}`, role: 'img',
      'aria-label': `${title}: at most ${most} per bin, from ${number(start)} to ${number(end)}${outside}`,
    },
    svg('line.grid', { x1: CHART.left, x2: CHART.right, y1: top, y2: top }),
    label(CHART.left, top - 5, most, 'start'),
    counts.map(column),
    beyond(below, CHART.left + 2, `< ${number(start)}`, 'start'),
    beyond(above, CHART.right - CHART.apart / 2 - 2, `> ${number(end)}`, 'end'),
    svg('line.axis', { x1: left, x2: right, y1: bottom, y2: bottom }),
    ticksBetween(start, end).map(tick),
    label(CHART.right, bottom + 29, 'activation', 'end'));
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

  saekit.parts.chart = { chart };
})();
