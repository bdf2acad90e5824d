// The compact view is the same page with most of it hidden: one link, one cache, one thing to test. The class is set
// before the first paint, so that the full page never flashes up in a small frame.
if (new URLSearchParams(location.search).get("embed") === "1") document.documentElement.classList.add("plantain-embed");
// Of two rules of equal weight the later one holds: ours stay the last, whatever gradio fetches when a tab is opened.
const style = document.querySelector("#plantain-style");
let moving = 0;
new MutationObserver((changes) => {
  const sheets = changes.flatMap(({addedNodes}) => [...addedNodes]).filter((node) => node.matches?.("link, style") && node !== style);
  if (sheets.length && !moving) moving = requestAnimationFrame(() => { moving = 0; document.head.append(style); });
}).observe(document.head, {childList: true});
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const before = button.textContent;
  try { await navigator.clipboard.writeText(button.dataset.copy); button.textContent = "Copied"; }
  catch (error) {  // no permission in this frame: select it, so that one key copies it
    getSelection().selectAllChildren(button.parentElement.querySelector("code"));
    button.textContent = "Selected: press Ctrl+C";
  }
  setTimeout(() => { button.textContent = before; }, 2000);
});
// A body at the top of *Results* opens its pair in *Where*.
document.addEventListener("click", (event) => {
  const body = event.target.closest(".plantain-bodies [data-pair]");
  if (!body) return;
  document.querySelectorAll("input[name=plantain-pair]")[Number(body.dataset.pair)]?.click();
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  document.querySelector(".plantain-where")?.scrollIntoView({block: "center", behavior: calm ? "auto" : "smooth"});
});
// What *Your pair* shows is of other prompts from the first letter on, typed or pasted (gradio tells of keys alone), until
// a run begins; a refused one leaves it so. The mark is on the root: a class of gradio's elements goes when they are drawn anew.
let watched = null;
const stale = (on) => document.documentElement.classList.toggle("plantain-stale", on);
const markStale = () => {
  stale(true);
  const said = document.querySelector("#plantain-pair-status");
  if (!said || said === watched) return;
  watched = said;
  new MutationObserver(() => {
    if (said.querySelector("[data-begun]")) stale(false);
    else if (said.querySelector(".plantain-error")) stale(true);
  }).observe(said, {childList: true, subtree: true});
};
document.addEventListener("input", (event) => {
  if (event.target.closest(".plantain-asked")) markStale();
});
