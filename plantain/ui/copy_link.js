async (run, counting, other, runSeed, runSeeds, steps, a, b, seed, seeds) => {
  // The link names what matters in the tab that is open. On a Space the address a reader knows is the hub's, whose
  // query reaches the page on its first load. links.py fills in the name in capitals.
  const selected = document.querySelector('[role="tab"][aria-selected="true"]');
  const tab = (selected && selected.dataset.tabId) || "results";
  const query = new URLSearchParams({tab});
  if (tab === "results") { query.set("run", run || ""); query.set("counting", counting || "card");
    if (other) query.set("other", other); }
  if (tab === "run") { query.set("seed", runSeed ?? 0); query.set("seeds", runSeeds); query.set("steps", steps); }
  if (tab === "pair") { query.set("a", a || ""); query.set("b", b || ""); query.set("seed", seed ?? 0);
    query.set("seeds", seeds); }
  const space = __SPACE__;
  const base = space ? "https://huggingface.co/spaces/" + space : location.origin + location.pathname;
  const link = base + "?" + query.toString();
  let said = "Copied:";
  try { await navigator.clipboard.writeText(link); } catch (error) { said = "Copy this link:"; }
  try { history.replaceState(null, "", location.pathname + "?" + query.toString()); } catch (error) { /* framed */ }
  if (space) window.parent.postMessage({queryString: query.toString()}, "https://huggingface.co");
  const text = link.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
  return `<p role="status">${said} <a id="plantain-link" href="${text}">${text}</a></p>`;
}
