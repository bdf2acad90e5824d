// The address names what is on screen: it follows tab, run, pair and head, a copied link opens the same, and *Back* works.
// links.py reads it. On a Space the address that a reader sees is the hub's, whose query reaches the page when it opens.
window.plantain = (() => {
  const space = __SPACE__;
  const asked = new URLSearchParams(location.search);  // by the link; the address follows the visitor from now on
  let touched = false, popping = false;  // an address is the visitor's until they have done something
  for (const kind of ["pointerdown", "keydown"]) addEventListener(kind, () => { touched = true; }, true);
  const embedded = () => document.documentElement.classList.contains("plantain-embed");

  // Of the fields in the order of links.py, those that matter in the open tab.
  const query = (
    run, counting, other, pair, head, weights, runSeed, runSeeds, steps, a, b, seed, seeds, cause, by, k, alpha, at, into
  ) => {
    const selected = document.querySelector('[role="tab"][aria-selected="true"]');
    const tab = (selected && selected.dataset.tabId) || "results";
    const asked = new URLSearchParams({tab});
    const set = (values) => Object.entries(values).forEach(([name, value]) => asked.set(name, value ?? ""));
    if (tab === "results") {
      set({run, counting: counting || "card"});
      if (other) set({other});
      const named = document.querySelector(".plantain-heads output");  // the head by its name, as the page says it
      if (named && named.checkVisibility()) set({pair: (pair || 0) + 1, head: named.textContent, weights});
    }
    if (tab === "run") set({seed: runSeed ?? 0, seeds: runSeeds, steps});
    if (tab === "pair") set({a, b, seed: seed ?? 0, seeds});
    const drawn = document.querySelector(".plantain-cause") && !document.querySelector(".plantain-cause .plantain-empty");
    if (tab === "controls" && drawn) set({cause: (cause || 0) + 1, by, k, alpha, at, into: into.slice(-1)});
    return asked.toString();
  };
  const write = (next, push) => {
    const url = location.pathname + "?" + next;
    try { push ? history.pushState(null, "", url) : history.replaceState(null, "", url); } catch (error) { /* framed */ }
    if (space) parent.postMessage({queryString: next}, "https://huggingface.co");
  };

  const follow = (...fields) => setTimeout(() => {  // the tab is marked as selected after its event
    if (!touched || embedded()) return;
    const next = query(...fields), before = new URLSearchParams(location.search), after = new URLSearchParams(next);
    const moved = ["tab", "run"].some((name) => (before.get(name) || "") !== (after.get(name) || ""));
    if (next !== location.search.slice(1)) write(next, moved && !popping);
    popping = false;
  }, 60);
  const copy = async (...fields) => {
    const next = query(...fields);
    const link = (space ? "https://huggingface.co/spaces/" + space : location.origin + location.pathname) + "?" + next;
    let said = "Copied:";
    try { await navigator.clipboard.writeText(link); } catch (error) { said = "Copy this link:"; }
    write(next, false);
    const text = link.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
    return `<p role="status">${said} <a id="plantain-link" href="${text}">${text}</a></p>`;
  };
  // Back: to another tab by its button, to another run by opening its address.
  let run = asked.get("run");
  addEventListener("popstate", () => {
    const back = new URLSearchParams(location.search), tab = back.get("tab") || "results";
    const button = document.querySelector(`[role="tab"][data-tab-id="${CSS.escape(tab)}"]`);
    if (!button || (back.has("run") && run && back.get("run") !== run)) { location.reload(); return; }
    popping = true;
    button.click();
  });
  // A word for this browser tab that outlives a reload: by it the server finds the tab's run again.
  const visit = () => {
    const bytes = [...crypto.getRandomValues(new Uint8Array(16))];
    const hex = bytes.map((byte) => byte.toString(16).padStart(2, "0")).join("");
    const fresh = hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
    try { return (sessionStorage.plantainVisit ||= fresh); } catch (error) { return fresh; /* framed, without storage */ }
  };
  return {asked, copy, visit, follow: (...fields) => { run = fields[0]; return follow(...fields); }};
})();
