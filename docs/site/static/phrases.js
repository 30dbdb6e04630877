/* Titles that hold the whole query come first, those of the other language and what people call things among them, and the lines shown below a result are those that hold it; marks do not matter. */
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  if (typeof Search === "undefined") return;
  let asked = "";

  if (location.protocol === "file:") DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false; // a page may not read others there
  if (document.documentElement.lang === "vi") {
    // Sphinx has not all of its words in Vietnamese
    Documentation.ngettext = () => "Tìm thấy ${resultCount} kết quả.";
    const say = Documentation.gettext;
    Documentation.gettext = (words) =>
      words.startsWith("Your search did not match") ? "Không tìm thấy trang nào có đủ các từ này." : say(words);
  }

  const find = Search._performSearch;
  Search._performSearch = (query, ...terms) => {
    asked = fold(query.trim());
    const best = titlesWith(asked).sort((one, other) => one[4] - other[4]);
    const named = new Set(best.map((result) => result[0] + result[2]));
    return [...find(query, ...terms).filter((result) => !named.has(result[0] + result[2])), ...best]; // the last is shown first
  };

  const stem = (words) => splitQuery(words).map((word) => new Stemmer().stemWord(word.toLowerCase()));

  const titlesWith = (words) => {
    const { alltitles, docnames, filenames, titles } = Search._index;
    const further = FURTHER_TITLES.flatMap(([title, name, own]) => {
      const file = docnames.indexOf(name);
      const id = (alltitles[own] || []).find((place) => place[0] === file)?.[1];
      return file < 0 ? [] : [{ title, file, id: id ?? null, own }];
    });
    const known = Object.entries(alltitles)
      .flatMap(([title, places]) => places.map(([file, id]) => ({ title, file, id, own: title })));
    const sought = stem(words);
    const holds = (title) => fold(title).includes(words) || sought.every((word) => stem(title).includes(word));
    const found = new Map();
    for (const { title, file, id, own } of sought.length ? [...known, ...further].filter((one) => holds(one.title)) : []) {
      const whole = titles[file] === own;
      const phrase = fold(title).includes(words);
      const score = Math.round((50 * words.length) / title.length) + (whole ? 50 : 0) + (phrase ? 100 : 0);
      const place = `${docnames[file]}#${whole ? "" : id ?? ""}`;
      if ((found.get(place)?.[4] ?? -1) >= score) continue;
      found.set(place, [docnames[file], whole ? own : `${titles[file]} > ${own}`, whole || id === null ? "" : `#${id}`, null,
        score, filenames[file], SearchResultKind.title]);
    }
    return [...found.values()];
  };

  const summarize = Search.makeSearchSummary;
  Search.makeSearchSummary = (page, words, anchor) => {
    const text = Search.htmlToText(page, anchor).normalize("NFC");
    const plain = fold(text);
    const written = [...words, asked].filter((word) => plain.includes(word))
      .map((word) => text.substr(plain.indexOf(word), word.length));
    return summarize(page.normalize("NFC"), written, anchor);
  };
});
