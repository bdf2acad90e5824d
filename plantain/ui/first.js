// What gradio will show first is drawn before gradio itself has come, out of the page's own configuration: gradio takes a
// second to mount, and the bodies, the claim and the ladder are in the document already.
(() => {
  const asked = new URLSearchParams(location.search), theme = asked.get("__theme");
  const dark = theme === "dark" || (theme !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
  document.body.classList.toggle("dark", dark);  // as gradio does when it has come
  // A link restores something else than what the page opens with.
  const first = document.querySelector("#plantain-first"), app = document.querySelector("gradio-app");
  if ([...asked.keys()].some((key) => key !== "embed" && !key.startsWith("__"))) return first.remove();
  const places = [...first.querySelectorAll("[data-part]")];
  for (const place of places) {
    const of = ({props}) => props.elem_classes?.includes(place.dataset.part);
    const value = gradio_config.components.find(of)?.props.value;
    if (!value) return first.remove();
    place.innerHTML = value;
  }
  first.hidden = false;
  let pressed = null;
  first.addEventListener("click", (event) => { pressed = event.target.closest("[data-pair]")?.dataset.pair ?? pressed; });
  const leave = () => {
    // What was opened or pressed meanwhile is so in the page proper.
    for (const {dataset} of first.querySelectorAll(".plantain-rung[open]"))
      for (const rung of app.querySelectorAll(`.plantain-rung[data-rung=${dataset.rung}]`)) rung.open = true;
    first.remove();
    if (pressed !== null) app.querySelector(`.plantain-bodies [data-pair="${pressed}"]`)?.click();
  };
  const there = () => places.every(({dataset}) => app.querySelector(`.${dataset.part} .${dataset.part} > *`));
  const watch = new MutationObserver(() => {
    if (!there()) return;
    watch.disconnect();
    requestAnimationFrame(leave);
  });
  watch.observe(app, {childList: true, subtree: true});
  setTimeout(() => { watch.disconnect(); first.remove(); }, 20_000);  // what gradio has to say then is to be seen
})();
