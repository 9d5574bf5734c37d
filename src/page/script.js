// The filter, which is all that needs a script: without one, everything is there.
(() => {
  'use strict';
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const form = document.getElementById('filter');
  const matches = document.getElementById('matches');
  // So many rows are unfolded by themselves when they match.
  const UNFOLD = 300;
  // How tall a lane is.
  const LANE = 20;
  const text = (element) => element.textContent.toLowerCase();
  let index;

  // Read once, when it is needed first.
  const read = () => ({
    grades: all('.grade').map((grade) => ({
      element: grade,
      rules: all('.rule', grade).map((rule) => ({
        element: rule,
        open: rule.open,
        text: text(rule.querySelector('summary')),
        messages: all('.note', rule).map((message) => ({
          element: message,
          text: text(message.firstElementChild),
          names: all('.names li', message).map((name) => ({ element: name, text: text(name) })),
        })),
      })),
    })),
    groups: all('.group').map((group) => ({
      element: group,
      chunks: all('.chunk', group).map((chunk) => {
        const lanes = all('.day g', chunk);
        const label = (element, index) => ({ element, lane: lanes[index], text: text(element) });
        return {
          element: chunk,
          open: chunk.open,
          picture: chunk.querySelector('.day'),
          lanes: all('ol li', chunk).map(label),
        };
      }),
    })),
    chunks: all('.chunk').filter((chunk) => chunk.querySelector('tbody')).map((chunk) => ({
      element: chunk,
      open: chunk.open,
      rows: all('tbody tr', chunk).map((row) => ({ element: row, text: text(row) })),
    })),
  });

  // Shows what holds the words, and all of it where what stands above does; says how many are shown.
  const show = (list, words, above) => {
    let shown = 0;
    for (const { element, text } of list) {
      element.hidden = !above && !text.includes(words);
      shown += !element.hidden;
    }
    return shown;
  };

  // The same for lanes: those that stay move up.
  const move = (chunk, words) => {
    let shown = 0;
    chunk.lanes.forEach(({ element, lane, text }, index) => {
      element.hidden = !text.includes(words);
      lane.setAttribute('visibility', element.hidden ? 'hidden' : 'visible');
      lane.setAttribute('transform', `translate(0 ${(shown - index) * LANE})`);
      shown += !element.hidden;
    });
    chunk.picture.setAttribute('viewBox', `0 0 86400 ${Math.max(shown, 1) * LANE}`);
    chunk.picture.setAttribute('height', shown * LANE);
    return shown;
  };

  const filter = () => {
    index ??= read();
    const words = form.words.value.trim().toLowerCase();
    const severity = form.severity.value;
    let notes = 0;
    let lanes = 0;
    let rows = 0;
    let unfolded = 0;
    const fold = (part, shown) => {
      part.element.hidden = words !== '' && shown === 0;
      part.element.open = words === '' ? part.open : shown > 0 && unfolded < UNFOLD;
      if (part.element.open) unfolded += shown;
    };
    for (const grade of index.grades) {
      const wanted = severity === '' || severity === grade.element.dataset.severity;
      let inGrade = 0;
      for (const rule of grade.rules) {
        const whole = rule.text.includes(words);
        let inRule = 0;
        for (const message of rule.messages) {
          const above = whole || message.text.includes(words);
          const named = show(message.names, words, above);
          message.element.hidden = !above && named === 0;
          inRule += message.element.hidden ? 0 : Math.max(named, 1);
        }
        fold(rule, inRule);
        inGrade += inRule;
      }
      grade.element.hidden = !wanted || inGrade === 0;
      notes += wanted ? inGrade : 0;
    }
    unfolded = 0;
    for (const group of index.groups) {
      let inGroup = 0;
      for (const chunk of group.chunks) {
        const shown = move(chunk, words);
        fold(chunk, shown);
        inGroup += shown;
      }
      group.element.hidden = inGroup === 0;
      lanes += inGroup;
    }
    unfolded = 0;
    for (const chunk of index.chunks) {
      const shown = show(chunk.rows, words, false);
      fold(chunk, shown);
      rows += shown;
    }
    const said = (number, what) => `${number.toLocaleString('en')} ${what}${number === 1 ? '' : 's'}`;
    matches.textContent = words === '' && severity === '' ? '' : [said(notes, 'note'), said(lanes, 'lane'), said(rows, 'row')].join(', ');
  };

  let timer;
  const soon = () => {
    clearTimeout(timer);
    timer = setTimeout(filter, 120);
  };
  form.addEventListener('input', soon);
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    filter();
  });
  form.hidden = false;
})();
