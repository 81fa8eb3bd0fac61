// Keeps a page up to date: the server says that something changed, the page is fetched again, and what is marked with
// data-live is put in the place of what stands there. Without this script every page works the same, by reloading.
"use strict";

(() => {
  const light = document.getElementById("live");
  const parts = () => document.querySelectorAll("[data-live][id]");
  let fetching = false;
  let again = false;
  let quiet = 0;

  function show(isOn) {
    if (!light) return;
    light.hidden = false;
    light.classList.toggle("on", isOn);
    light.textContent = isOn ? light.dataset.on : light.dataset.off;
  }

  // Whoever is typing, or has something selected, is not disturbed.
  function isInUse(part) {
    const active = document.activeElement;
    if (active && part.contains(active) && active.matches("input, select, textarea")) return true;
    const selection = document.getSelection();
    return Boolean(selection && !selection.isCollapsed && part.contains(selection.anchorNode));
  }

  function place(part, fresh) {
    if (isInUse(part)) return;
    const path = focusPath(part);
    part.replaceChildren(...fresh.childNodes);
    if (path !== null) part.querySelectorAll("a, button, [tabindex]")[path]?.focus({ preventScroll: true });
  }

  function focusPath(part) {
    const active = document.activeElement;
    if (!active || active === part || !part.contains(active)) return null;
    const place = [...part.querySelectorAll("a, button, [tabindex]")].indexOf(active);
    return place < 0 ? null : place;
  }

  async function refresh() {
    if (fetching) {
      again = true;
      return;
    }
    fetching = true;
    try {
      const answer = await fetch(location.href, { redirect: "manual" });
      if (answer.type === "opaqueredirect") {
        location.reload();
        return;
      }
      if (!answer.ok) return;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      for (const part of parts()) {
        const fresh = page.getElementById(part.id);
        if (fresh && fresh.innerHTML !== part.innerHTML) place(part, fresh);
      }
    } catch {
      show(false);
    } finally {
      fetching = false;
      if (again) {
        again = false;
        setTimeout(refresh, 1000);
      }
    }
  }

  function listen() {
    const stream = new EventSource("/live");
    stream.onopen = () => show(true);
    stream.onmessage = () => {
      if (document.hidden) return;
      refresh();
      // What was counted a moment ago may be told once more: when it is quiet the last word is true.
      clearTimeout(quiet);
      quiet = setTimeout(refresh, 4000);
    };
    stream.onerror = () => {
      show(false);
      // A browser gives up for good where it was refused; half a minute later there may be room.
      if (stream.readyState === EventSource.CLOSED) setTimeout(listen, 30000);
    };
  }

  // On a phone the menu is longer than the screen: where one is stands in its middle.
  const menu = document.querySelector(".menu ul");
  const here = menu?.querySelector("[aria-current]");
  if (here) menu.scrollLeft = here.offsetLeft - (menu.clientWidth - here.offsetWidth) / 2;

  // What needs a script is hidden until there is one.
  for (const button of document.querySelectorAll("[data-copy]")) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      const field = document.getElementById(button.dataset.copy);
      try {
        await navigator.clipboard.writeText(field.value);
      } catch {
        field.select();
        document.execCommand("copy");
      }
      button.textContent = button.dataset.done;
    });
  }
  for (const button of document.querySelectorAll("[data-print]")) {
    button.hidden = false;
    button.addEventListener("click", () => window.print());
  }

  if (document.querySelector("[data-live]")) {
    listen();
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden) refresh();
    });
  }
})();
