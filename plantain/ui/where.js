// One chooser of *Where*: radio buttons whose chosen one is the component's value, and where there is one a slider of
// blocks. Nothing is drawn anew here, so that the keyboard's focus stays where it is.
const radios = () => [...element.querySelectorAll("input[type=radio]")];
const rows = () => Number(element.querySelector("[data-rows]")?.dataset.rows || 1);
const mark = () => {
  const chosen = radios()[props.value];
  if (!chosen) return;
  chosen.checked = true;
  const slider = element.querySelector("input[type=range]");
  if (!slider) return;
  const block = Math.floor(props.value / rows());
  const name = slider.dataset.blocks.split(" ")[block];
  slider.value = block;
  slider.setAttribute("aria-valuetext", name);
  element.querySelector("output").textContent = `${name} head ${props.value % rows()}`;
};
const choose = (index) => { props.value = index; mark(); };
element.addEventListener("change", (event) => {
  if (event.target.type === "radio") choose(Number(event.target.value));
});
element.addEventListener("input", (event) => {
  if (event.target.type === "range") choose(Number(event.target.value) * rows() + (props.value % rows()));
});
element.addEventListener("click", (event) => {
  const button = event.target.closest("[data-head]");
  if (button) choose(button.dataset.head === "random" ? Math.floor(Math.random() * radios().length)
    : Number(button.dataset.head));
});
// Cells lie in columns: up and down are the browser's own steps, left and right are another block.
element.addEventListener("keydown", (event) => {
  const step = {ArrowLeft: -rows(), ArrowRight: rows()}[event.key];
  if (!step || rows() === 1 || event.target.type !== "radio") return;
  event.preventDefault();
  const next = radios()[Number(event.target.value) + step];
  if (next) { choose(Number(next.value)); next.focus(); }
});
watch(["value", "choices"], mark);
mark();
