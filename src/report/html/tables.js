// What every page has: tables that can be sorted and filtered, and the choice of colours.
'use strict';
(() => {
  const $ = (id) => document.getElementById(id);
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];

  for (const table of all('table[data-sortable]')) {
    const heads = all('thead th', table);
    const body = table.tBodies[0];
    heads.forEach((head, column) => {
      const button = Object.assign(document.createElement('button'), { type: 'button', textContent: head.textContent });
      head.replaceChildren(button);
      head.setAttribute('aria-sort', 'none');
      button.addEventListener('click', () => {
        const value = (row) => row.cells[column].dataset.v ?? row.cells[column].textContent.trim();
        const numbers = [...body.rows].every(
          (row) => row.cells[column].dataset.v !== undefined || row.cells[column].textContent === '',
        );
        // Numbers start with the largest, names in alphabetical order.
        const order = head.getAttribute('aria-sort');
        const down = order === 'none' ? numbers : order === 'ascending';
        const compare = numbers
          ? (a, b) => Number(a) - Number(b)
          : (a, b) => a.localeCompare(b, 'en', { numeric: true });
        const rows = [...body.rows].map((row) => [value(row), row]);
        rows.sort((a, b) => (down ? -1 : 1) * compare(a[0], b[0]));
        body.append(...rows.map(([, row]) => row));
        for (const other of heads) other.setAttribute('aria-sort', 'none');
        head.setAttribute('aria-sort', down ? 'descending' : 'ascending');
      });
    });
  }

  for (const input of all('input[data-filter]')) {
    const rows = [...$(input.dataset.filter).tBodies[0].rows];
    const texts = rows.map((row) => row.textContent.toLowerCase());
    const output = input.parentElement.querySelector('output');
    input.addEventListener('input', () => {
      const wanted = input.value.trim().toLowerCase();
      let count = 0;
      rows.forEach((row, i) => {
        row.hidden = !texts[i].includes(wanted);
        count += row.hidden ? 0 : 1;
      });
      output.textContent = wanted ? `${count} of ${rows.length}` : '';
    });
  }

  const THEMES = ['system', 'light', 'dark'];
  $('theme').addEventListener('click', () => {
    const { dataset } = document.documentElement;
    const theme = THEMES[(THEMES.indexOf(dataset.theme ?? 'system') + 1) % THEMES.length];
    if (theme === 'system') delete dataset.theme;
    else dataset.theme = theme;
    $('theme').textContent = `Theme: ${theme}`;
    document.dispatchEvent(new Event('themechange'));
  });
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
    document.dispatchEvent(new Event('themechange'));
  });

  for (const target of all('.js')) target.hidden = false;
})();
