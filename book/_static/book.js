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
// A formula, table or listing too wide for the page scrolls: with the arrow keys too.
addEventListener("load", async () => {
  await window.MathJax?.startup?.promise;
  const observer = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      const scrolls = target.scrollWidth > target.clientWidth || target.scrollHeight > target.clientHeight;
      scrolls ? target.setAttribute("tabindex", "0") : target.removeAttribute("tabindex");
    }
  });
  const wide = 'mjx-container[display="true"], .pst-scrollable-table-container, article pre';
  for (const element of document.querySelectorAll(wide)) observer.observe(element);
});
// A recorded run is as high as it needs to be. (Opened from a folder, a page can't look into it: then the style's height.)
addEventListener("DOMContentLoaded", () => {
  for (const frame of document.querySelectorAll("iframe.replay")) {
    frame.addEventListener("load", () => {
      const inside = frame.contentDocument?.body;
      if (!inside) return;
      const fit = () => { frame.style.height = `${Math.ceil(inside.getBoundingClientRect().height) + 4}px`; };
      new ResizeObserver(fit).observe(inside);
    });
  }
});
