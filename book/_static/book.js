// Small mends of the theme's pages for those who listen to them.
document.addEventListener("DOMContentLoaded", () => {
  for (const fold of document.querySelectorAll("li.has-children > details > summary")) {
    fold.setAttribute("aria-label", fold.closest("li").querySelector("a").textContent.trim());
  }
  for (const list of document.querySelectorAll(".citation-list")) list.removeAttribute("role");
  for (const inner of document.querySelectorAll("article ul > ul")) {
    const item = document.createElement("li");
    inner.replaceWith(item);
    item.append(inner);
  }
});
// A formula too wide for the page scrolls: with the arrow keys too.
addEventListener("load", async () => {
  await window.MathJax?.startup?.promise;
  for (const formula of document.querySelectorAll('mjx-container[display="true"]')) {
    if (formula.scrollWidth > formula.clientWidth || formula.scrollHeight > formula.clientHeight) formula.tabIndex = 0;
  }
});
